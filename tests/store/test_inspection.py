"""What a server says of itself, and what it may keep to itself."""

from pauseflow.client import Client
from pauseflow.store.server import Server


def test_a_server_tells_what_it_is(real: Server) -> None:
    with Client(real) as client:
        facts = client.inspection.server()
    assert facts.product in ("Redis", "Valkey")
    assert facts.version is not None
    assert facts.version >= (6, 2)
    assert facts.replica is False
    assert isinstance(facts.appendonly, bool)
    assert facts.appendfsync in ("always", "everysec", "no")
    assert facts.policy == "noeviction"
    assert facts.maxmemory == 0
    assert facts.used is not None
    assert facts.used > 0


def test_one_that_denies_info_and_config_is_no_error(real: Server) -> None:
    wire = real.wire()
    wire.call(("ACL", "SETUSER", "quiet", "on", ">secret", "~*", "-@all", "+ping", "+client"))
    try:
        url = f"unix://quiet@{real.address.removeprefix('unix://')}?password=secret"
        with Client(Server.at(url)) as client:
            facts = client.inspection.server()
        assert (facts.product, facts.appendonly, facts.appendfsync) == (None, None, None)
        assert (facts.maxmemory, facts.policy) == (None, None)
    finally:
        wire.call(("ACL", "DELUSER", "quiet"))
        wire.close()


def test_fakeredis_knows_neither(fake: Server) -> None:
    with Client(fake) as client:
        assert client.inspection.server().milliseconds >= 0
        assert client.inspection.overdue() == 0
