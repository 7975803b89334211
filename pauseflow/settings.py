"""Where the server is, which namespace, which app: from options, environment and pyproject.toml."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit, urlunsplit

from pauseflow.errors import SettingsError

SCHEMES = ("redis", "rediss", "unix")
URL_VARIABLE = "REDIS_URL"
NAMESPACE_VARIABLE = "PAUSEFLOW_NAMESPACE"
APP_VARIABLE = "FLOWCTL_APP"
TLS_VARIABLE = "PAUSEFLOW_TLS_VERIFY"

_EXAMPLE = "Write redis://host:6379/0, rediss://host:6379/0 (TLS) or unix:///path/to/socket"
_NAMESPACE = re.compile(r"[A-Za-z0-9._-]{1,64}")
_TABLE_KEYS = ("app", "namespace", "url")


@dataclass(frozen=True, slots=True)
class Settings:
    """What a process of pauseflow needs to know before it can do anything.

    Each value comes from the first place that has it: what `load` is given (a command's option),
    the environment, the `[tool.pauseflow]` table of the nearest pyproject.toml, the default.

    Args:
        url: of the server, checked, with the TLS choice in it; None for the embedded server.
        namespace: the first part of every key. Two namespaces on one server never see each other.
        app: where the flows are, as `pauseflow.app.load` takes it; None if nobody has said.
        project: the folder of the nearest pyproject.toml, or the current directory. The embedded
            server keeps its data here.
    """

    url: str | None
    namespace: str
    app: str | None
    project: Path

    @classmethod
    def load(
        cls,
        *,
        url: str | None = None,
        namespace: str | None = None,
        app: str | None = None,
        folder: Path | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> Settings:
        """Read the settings. Nothing is connected to and nothing imported.

        Args:
            url: of the server, if an option gives one.
            namespace: if an option gives one.
            app: if an option gives one.
            folder: where the search for pyproject.toml starts and goes upwards; the current
                directory if None.
            environ: in place of `os.environ`. An empty variable counts as unset.

        Raises:
            SettingsError: a value makes no sense, or the pyproject.toml cannot be read.
        """
        env = os.environ if environ is None else environ
        start = (folder or Path.cwd()).resolve()
        project, table = _project_table(start)
        chosen_url = url or env.get(URL_VARIABLE) or table.get("url")
        return cls(
            url=_checked_url(chosen_url, env.get(TLS_VARIABLE, "")) if chosen_url else None,
            namespace=_checked_namespace(
                namespace or env.get(NAMESPACE_VARIABLE) or table.get("namespace") or "default"
            ),
            app=app or env.get(APP_VARIABLE) or table.get("app"),
            project=project,
        )


def redacted(url: str) -> str:
    """The URL as it may be shown: without its password, in whichever part that stands."""
    try:
        parts = urlsplit(url)
        password = parts.password
    except ValueError:
        return re.sub(r"//[^/@]*@", "//***@", url)
    netloc = parts.netloc
    if password is not None:
        user, host = netloc.rsplit("@", 1)
        netloc = f"{user.split(':', 1)[0]}:***@{host}"
    query = [(k, "***" if "password" in k else v) for k, v in parse_qsl(parts.query)]
    return _joined(parts._replace(netloc=netloc, query=urlencode(query, safe="*/")))


def _project_table(start: Path) -> tuple[Path, Mapping[str, str]]:
    for folder in (start, *start.parents):
        file = folder / "pyproject.toml"
        if file.is_file():
            return folder, _table(file)
    return start, {}


def _table(file: Path) -> Mapping[str, str]:
    try:
        tool = tomllib.loads(file.read_text("utf-8")).get("tool", {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} is not valid TOML: {error}") from None
    except OSError as error:
        raise SettingsError(f"{file} cannot be read: {error.strerror}") from None
    table = tool.get("pauseflow", {}) if isinstance(tool, dict) else {}
    if not isinstance(table, dict):
        raise SettingsError(f"{file}: tool.pauseflow is not a table. Write [tool.pauseflow]")
    for key, value in table.items():
        if key not in _TABLE_KEYS:
            raise SettingsError(
                f"{file}: [tool.pauseflow] has no setting {key!r}. It has {', '.join(_TABLE_KEYS)}"
            )
        if not isinstance(value, str):
            raise SettingsError(
                f"{file}: {key} in [tool.pauseflow] is {value!r}. Write it as a string in quotes"
            )
    return table


def _checked_namespace(namespace: str) -> str:
    if _NAMESPACE.fullmatch(namespace):
        return namespace
    raise SettingsError(
        f"the namespace {namespace!r} can't be part of a key. "
        f"Use letters, digits, '.', '_' and '-', at most 64 of them"
    )


def _checked_url(url: str, tls_verify: str) -> str:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise SettingsError(
            f"the server's address {redacted(url)!r} is not a URL: {error}. {_EXAMPLE}"
        ) from None
    shown = redacted(url)
    if parts.scheme not in SCHEMES or "://" not in url:
        raise SettingsError(f"{shown!r} is not the address of a Redis server. {_EXAMPLE}")
    if parts.scheme == "unix":
        if not parts.path.strip("/"):
            raise SettingsError(f"{shown!r} names no socket. {_EXAMPLE}")
        return url
    if not parts.hostname or port == 0:
        raise SettingsError(f"{shown!r} names no host and port to connect to. {_EXAMPLE}")
    database = parts.path.strip("/")
    if database and not database.isdecimal():
        raise SettingsError(f"{shown!r}: the database {database!r} is not a number. {_EXAMPLE}")
    return _with_tls_choice(parts, tls_verify) if parts.scheme == "rediss" else url


def _with_tls_choice(parts: SplitResult, tls_verify: str) -> str:
    """The choice travels in the URL, the one thing that every connection is made from."""
    if tls_verify.lower() in ("", "required"):
        return _joined(parts)
    if tls_verify.lower() != "none":
        raise SettingsError(
            f"{TLS_VARIABLE}={tls_verify!r} means nothing. Leave it out to verify the server's "
            f"certificate, or write none to accept any (Heroku's are self-signed)"
        )
    query = [(k, v) for k, v in parse_qsl(parts.query) if k != "ssl_cert_reqs"]
    query.append(("ssl_cert_reqs", "none"))
    return _joined(parts._replace(query=urlencode(query)))


def _joined(parts: SplitResult) -> str:
    """As urlunsplit, but an empty host stays: unix:///path, not unix:/path."""
    joined = urlunsplit(parts)
    if parts.scheme == "unix" and not joined.startswith("unix://"):
        joined = "unix://" + joined.removeprefix("unix:")
    return joined
