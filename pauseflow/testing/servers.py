"""The servers that flows are tested on: fakeredis in this process, or the embedded Valkey."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pauseflow.embedded import EmbeddedServer
from pauseflow.errors import SettingsError
from pauseflow.store.server import NO_LIMIT, Server


def fake_server() -> Server:
    """A fakeredis with nothing in it.

    Raises:
        SettingsError: it is not installed.
    """
    try:
        import fakeredis  # noqa: PLC0415 # of the extra "test"
    except ImportError:
        raise SettingsError(
            "there is no fakeredis, which flows are tested on: pip install 'pauseflow[test]', "
            'or use server="embedded"'
        ) from None
    server = fakeredis.FakeServer()
    client = fakeredis.FakeRedis(server=server, protocol=2, max_connections=NO_LIMIT)
    return Server(client.connection_pool, "fakeredis")


@contextlib.contextmanager
def server_named(name: str | Server) -> Iterator[Server]:
    """A server, as a test names it.

    Args:
        name: `fake`, `embedded`, or a server that is there already.

    Raises:
        SettingsError: there is none of this name, or it can't be started.
    """
    if isinstance(name, Server):
        yield name
    elif name == "fake":
        yield fake_server()
    elif name == "embedded":
        with (
            tempfile.TemporaryDirectory(prefix="pauseflow-") as folder,
            EmbeddedServer(Path(folder)) as server,
        ):
            yield Server.at(server.url)
    else:
        raise SettingsError(f'server={name!r}: give "fake" or "embedded"')
