"""Servers for tests, each empty at the beginning and checked for leftovers at the end."""

import contextlib
from collections.abc import Iterator

import pytest

from pauseflow.client import Client
from pauseflow.store.server import Server, Wire
from support.inventory import assert_no_leaks
from support.servers import REDIS_BINARY, fake_server, redis_server, valkey


@pytest.fixture(scope="session")
def valkey_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with valkey(tmp_path_factory.mktemp("valkey")) as url:
        yield url


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if REDIS_BINARY is None:
        pytest.skip("there is no redis-server on PATH")
    with redis_server(tmp_path_factory.mktemp("redis")) as url:
        yield url


@contextlib.contextmanager
def emptied(server: Server) -> Iterator[Server]:
    """The server without a key, for one test that must not leave any behind."""
    wire = server.wire()
    wire.call(("FLUSHALL",))
    yield server
    try:
        assert_no_leaks(server)
    finally:
        wire.close()


@pytest.fixture
def fake() -> Iterator[Server]:
    """fakeredis: as quick as it gets, but nothing blocks in it."""
    with emptied(fake_server()) as server:
        yield server


@pytest.fixture(params=["valkey", "redis"])
def real(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A real server, in a process of its own."""
    with emptied(Server.at(request.getfixturevalue(f"{request.param}_url"))) as server:
        yield server


@pytest.fixture(params=["fakeredis", "valkey", "redis"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """Each kind of server in turn."""
    if request.param == "fakeredis":
        chosen = fake_server()
    else:
        chosen = Server.at(request.getfixturevalue(f"{request.param}_url"))
    with emptied(chosen) as empty:
        yield empty


@pytest.fixture
def wire(server: Server) -> Iterator[Wire]:
    """A connection to `server`, for looking and for breaking things."""
    wire = server.wire()
    yield wire
    wire.close()


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with Client(server) as connected:
        yield connected
