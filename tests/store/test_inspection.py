"""What a server says of itself, and what it may keep to itself."""

import contextlib
import time
from collections.abc import Callable, Iterator

import pytest

from pauseflow.checks import Installation, examine
from pauseflow.client import Client
from pauseflow.errors import ServerRefused, StoreError
from pauseflow.store.inspection import Inspection, ReplicaFacts
from pauseflow.store.keys import Keys
from pauseflow.store.rights import PROBES, right_of
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


def test_a_server_without_copies_says_so(real: Server) -> None:
    with Client(real) as client:
        assert client.inspection.server().replicas == ()


def test_the_clocks_of_one_machine_agree(server: Server) -> None:
    with Client(server) as client:
        assert abs(client.inspection.clock_ahead()) < 1


def test_a_clock_that_is_elsewhere_is_measured(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_time = time.time
    with Client(server) as client:
        for off in (-100.0, 100.0):
            monkeypatch.setattr(
                "pauseflow.store.inspection.time.time", lambda o=off: real_time() + o
            )
            if server.address != "fakeredis":
                assert client.inspection.clock_ahead() == pytest.approx(-off, abs=5)


def test_a_command_that_took_long_is_told(real: Server) -> None:
    wire = real.wire()
    with Client(real) as client:
        wire.exchange([("CONFIG", "SET", "slowlog-log-slower-than", 1000), ("SLOWLOG", "RESET")])
        assert client.inspection.slowest() is None
        spin = """
            local t = redis.call('TIME')
            repeat local n = redis.call('TIME')
            until (n[1] - t[1]) * 1000000 + n[2] - t[2] > 80000
        """
        wire.call(("EVAL", spin, 0))
        name, seconds = client.inspection.slowest() or ("", 0.0)
        assert name == "EVAL"
        assert seconds >= 0.08
        wire.exchange([("CONFIG", "SET", "slowlog-log-slower-than", 10_000), ("SLOWLOG", "RESET")])
    wire.close()


@pytest.fixture
def limited(real: Server) -> Iterator[Callable[..., Client]]:
    """Makes a client of a user who has every right of the documentation but some."""
    wire = real.wire()
    made = []

    def user(*words: str) -> Client:
        rights = [f"+{right_of(probe)}" for probe in PROBES]
        wire.call(
            ("ACL", "SETUSER", "limited", "reset", "on", ">secret", "~pauseflow:*", "-@all",
             *rights, "+set", *words)
        )  # fmt: skip
        url = f"unix://limited@{real.address.removeprefix('unix://')}?password=secret"
        made.append(Client(Server.at(url)))
        return made[-1]

    yield user
    for client in made:
        client.close()
    wire.call(("ACL", "DELUSER", "limited"))
    wire.close()


def test_the_default_user_is_denied_nothing(server: Server) -> None:
    with Client(server) as client:
        assert client.inspection.denied() == []


@pytest.mark.parametrize("asks", [(), ("+acl|whoami",), ("+acl|whoami", "+acl|getuser"), ("+acl",)])
def test_rights_that_a_user_lacks_are_named(limited, real: Server, asks: tuple[str, ...]) -> None:
    assert limited(*asks).inspection.denied() == []
    lacking = ("-zadd", "-xgroup|create", "-ping", "-script|load")
    assert set(limited(*asks, *lacking).inspection.denied()) == {
        "zadd", "xgroup|create", "ping", "script|load",
    }  # fmt: skip
    assert "set" in limited(*asks, "-set").inspection.denied()
    wire = real.wire()
    assert wire.call(("KEYS", "*")) == []
    wire.close()


def test_a_user_for_other_keys_lacks_all_that_need_one(limited) -> None:
    denied = limited("resetkeys", "~other:*").inspection.denied()
    assert denied == ["set"]


@pytest.mark.parametrize("right", ["lindex", "xrange", "hscan", "evalsha", "xinfo|consumers"])
def test_a_doctor_without_a_right_says_which(limited, right: str) -> None:
    client = limited(f"-{right}")
    found = []
    with contextlib.suppress(StoreError):
        found += examine(Installation(client))
    said = [each.advice for each in found if each.subject == "rights"]
    assert said[0].startswith(f"ACL SETUSER <user> +{right},")


INFO = (
    "role:master\r\nconnected_slaves:3\r\nmaster_repl_offset:5000\r\n"
    "slave0:ip=10.0.0.2,port=6379,state=online,offset=5000,lag=1\r\n"
    "slave1:ip=10.0.0.3,port=6379,state=wait_bgsave,offset=0,lag=0,type=replica\r\n"
)


def test_copies_are_read_from_what_a_server_tells(fake: Server) -> None:
    with Client(fake) as client:
        call = client._wire.call
        client._wire.call = lambda command: INFO.encode() if command == ("INFO",) else call(command)
        facts = client.inspection.server()
    assert facts.replicas == (
        ReplicaFacts("10.0.0.2:6379", "online", 1, 0),
        ReplicaFacts("10.0.0.3:6379", "wait_bgsave", 0, 5000),
    )


def test_a_full_server_says_so_and_one_with_room_is_left_as_it_is(real: Server) -> None:
    wire = real.wire()
    with Client(real) as client:
        assert client.inspection.full() == ""
        assert wire.call(("KEYS", "*")) == []
        wire.call(("SET", Keys().prefix + "doctor", "x", "PX", 50_000))
        assert client.inspection.full() == ""
        assert 0 < wire.call(("PTTL", Keys().prefix + "doctor")) <= 50_000
        wire.call(("CONFIG", "SET", "maxmemory", "1"))
        try:
            assert "has reached its maxmemory" in client.inspection.full()
        finally:
            wire.call(("CONFIG", "SET", "maxmemory", "0"))
    wire.close()


def test_who_may_not_write_is_not_told_that_the_server_is_full(fake: Server) -> None:
    wire = fake.wire()
    wire.exchange = lambda _: [ServerRefused("denied")]  # type: ignore[method-assign]
    assert Inspection(Keys(), wire).full() == ""
