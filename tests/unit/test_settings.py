from pathlib import Path

import pytest

from pauseflow.errors import SettingsError
from pauseflow.settings import Settings, redacted


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text(
        '[tool.pauseflow]\napp = "shop.flows"\nnamespace = "shop"\nurl = "redis://from-file:1/0"\n'
    )
    (tmp_path / "deep" / "er").mkdir(parents=True)
    return tmp_path


def load(folder: Path, environ: dict[str, str] | None = None, **options: str) -> Settings:
    return Settings.load(folder=folder, environ=environ or {}, **options)  # type: ignore[arg-type]


def test_with_nothing_said_the_embedded_server_in_the_current_folder_is_used(tmp_path):
    settings = load(tmp_path)
    assert settings == Settings(url=None, namespace="default", app=None, project=tmp_path)


def test_the_nearest_pyproject_upwards_is_read(project):
    settings = load(project / "deep" / "er")
    assert settings.app == "shop.flows"
    assert settings.namespace == "shop"
    assert settings.url == "redis://from-file:1/0"
    assert settings.project == project


def test_an_option_beats_the_environment_and_that_beats_the_file(project):
    environ = {
        "REDIS_URL": "redis://from-env:1",
        "FLOWCTL_APP": "env_app",
        "PAUSEFLOW_NAMESPACE": "env",
    }
    from_env = load(project, environ)
    assert (from_env.url, from_env.app, from_env.namespace) == (
        "redis://from-env:1",
        "env_app",
        "env",
    )
    given = load(project, environ, url="redis://option:1", app="option_app", namespace="option")
    assert (given.url, given.app, given.namespace) == ("redis://option:1", "option_app", "option")


def test_an_empty_variable_counts_as_unset(tmp_path):
    assert load(tmp_path, {"REDIS_URL": "", "FLOWCTL_APP": ""}).url is None


@pytest.mark.parametrize(
    "url",
    [
        "redis://h:6379/3",
        "redis://:secret@h:6379",
        "redis://user:secret@[::1]:6379/0",
        "rediss://h",
        "unix:///run/redis.sock",
        "unix://user:secret@/run/redis.sock?db=2",
    ],
)
def test_good_addresses_are_taken_as_they_are(tmp_path, url):
    assert load(tmp_path, url=url).url == url


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("localhost:6379", "not the address of a Redis server"),
        ("localhost", "not the address of a Redis server"),
        ("http://localhost:6379", "not the address of a Redis server"),
        ("redis:localhost", "not the address of a Redis server"),
        ("redis://h:port", "not a URL"),
        ("redis://h:99999", "not a URL"),
        ("redis://:6379", "names no host"),
        ("redis://h/database", "'database' is not a number"),
        ("unix://", "names no socket"),
    ],
)
def test_any_other_address_is_refused_with_what_to_write(tmp_path, url, said):
    with pytest.raises(SettingsError, match=said) as caught:
        load(tmp_path, url=url)
    assert "redis://host:6379/0" in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://user:hunter2@host",
        "redis://:hunter2@host:port",
        "redis://u:hunter2@:1",
        "redis://u:hunter2@h/x",
    ],
)
def test_an_error_never_shows_the_password(tmp_path, url):
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, url=url)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://host:6379/0", "redis://host:6379/0"),
        ("redis://:hunter2@host:6379/0", "redis://:***@host:6379/0"),
        ("rediss://user:hunter2@host", "rediss://user:***@host"),
        ("redis://user:hun@ter2@host", "redis://user:***@host"),
        ("unix://user:hunter2@/run/s", "unix://user:***@/run/s"),
        ("unix:///run/s?password=hunter2&db=1", "unix:///run/s?password=***&db=1"),
        ("redis://h?ssl_password=hunter2", "redis://h?ssl_password=***"),
    ],
)
def test_a_shown_address_has_no_password(url, shown):
    assert redacted(url) == shown


def test_certificates_are_verified_unless_it_is_said_out_loud(tmp_path):
    url = "rediss://:pw@heroku:7000"
    assert load(tmp_path, url=url).url == url
    waived = load(tmp_path, {"PAUSEFLOW_TLS_VERIFY": "none"}, url=url).url
    assert waived == "rediss://:pw@heroku:7000?ssl_cert_reqs=none"
    with pytest.raises(SettingsError, match="PAUSEFLOW_TLS_VERIFY='no'"):
        load(tmp_path, {"PAUSEFLOW_TLS_VERIFY": "no"}, url=url)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[tool.pauseflow\n", "not valid TOML"),
        ("[tool.pauseflow]\nnamespce = 'x'\n", "no setting 'namespce'"),
        ("[tool.pauseflow]\napp = 3\n", "Write it as a string"),
        ("[tool]\npauseflow = 3\n", "is not a table"),
        ("[tool.pauseflow]\nnamespace = 'a b{}'\n", "'a b{}' can't be part of a key"),
        (b"\xff\xfe", "not valid TOML"),
    ],
)
def test_a_pyproject_that_cannot_be_meant_is_named(tmp_path, text, said):
    file = tmp_path / "pyproject.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SettingsError, match=said):
        load(tmp_path)
