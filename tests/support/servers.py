"""The servers that tests run on: fakeredis in this process, Valkey and Redis on a socket."""

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import fakeredis

from pauseflow.embedded import EmbeddedServer
from pauseflow.embedded.server import _binary
from pauseflow.errors import StoreError
from pauseflow.store.server import Server
from support.waiting import wait_until

REDIS_BINARY = shutil.which("redis-server")


def fake_server() -> Server:
    """A fakeredis with nothing in it."""
    client = fakeredis.FakeRedis(server=fakeredis.FakeServer(), protocol=2)
    return Server(client.connection_pool, "fakeredis")


@contextlib.contextmanager
def valkey(folder: Path) -> Iterator[str]:
    """The URL of a Valkey that runs inside the block, as the command line would start it."""
    with EmbeddedServer(folder) as server:
        yield server.url


def redis_server(folder: Path) -> contextlib.AbstractContextManager[str]:
    """The URL of a Redis that runs inside the block and writes nothing down."""
    assert REDIS_BINARY is not None
    return process(REDIS_BINARY, folder)


def bare_valkey(folder: Path) -> contextlib.AbstractContextManager[str]:
    """The URL of a Valkey that runs inside the block and writes nothing down."""
    return process(str(_binary()), folder)


@contextlib.contextmanager
def process(binary: str, folder: Path) -> Iterator[str]:
    """The URL of a server that runs inside the block."""
    socket = folder / "redis.sock"
    process = subprocess.Popen(
        [
            binary, "--port", "0", "--unixsocket", str(socket), "--save", "",
            "--dir", str(folder), "--appendonly", "no",
        ],
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    url = f"unix://{socket}"
    try:
        wait_until(lambda: answers(url), "the server answers")
        yield url
    finally:
        process.terminate()
        process.wait()


def answers(url: str) -> bool:
    wire = Server.at(url).wire()
    try:
        return bool(wire.call(("PING",)) == b"PONG")
    except StoreError:
        return False
    finally:
        wire.close()
