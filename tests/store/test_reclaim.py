"""Work of dead workers, leases, and giving back: on fakeredis, Valkey and Redis."""

import time

import pytest

from pauseflow import Flow
from pauseflow.client import Client
from pauseflow.errors import ServerFull, StoreError
from pauseflow.store.commands import Committed
from pauseflow.store.fleet import LEASE_MS, Fleet
from pauseflow_coordinator.reclaimer import Reclaimer
from support.hands import FixedTuning, Hands
from support.inventory import contents

FLOW = Flow("f")
FLOW.map(lambda x: x, name="s0").map(lambda x: x, name="s1")
STAGES = ["f:s0", "f:s1"]
NOW = 1_000_000


@pytest.fixture
def fleet(server):
    fleet = Fleet(Hands(server, FLOW).keys)
    fleet.now_ms = NOW
    return fleet


@pytest.fixture
def dead(server, client, fleet, wire):
    """A worker with a chunk of each of three runs in hand."""
    hands = Hands(server, FLOW, "dead", tuning=FixedTuning())
    fleet.renew(wire, "dead", "the dead", STAGES)
    for number in range(3):
        client.submit(FLOW, number, run_id=f"r{number}")
    hands.entries = hands.take()
    assert len(hands.entries) == 3
    return hands


def test_the_work_of_a_worker_whose_lease_has_ended_goes_to_others(server, dead, fleet, wire):
    assert fleet.dead(wire) == []
    fleet.now_ms += LEASE_MS
    assert fleet.dead(wire) == ["dead"]
    assert fleet.reclaim(wire, "dead") == 3
    assert fleet.dead(wire) == []
    assert dead.pending("s0") == []
    entries = Hands(server, FLOW, "heir").take()
    assert [entry.envelope.crashes for entry in entries] == [1, 1, 1]
    assert sorted(value for entry in entries for value in dead.values(entry)) == [0, 1, 2]


def test_however_many_stages_a_dead_worker_had_few_round_trips_put_its_work_back(
    dead, fleet, wire, monkeypatch
):
    many = [*(f"other:s{number}" for number in range(200)), *STAGES]
    fleet.renew(wire, "dead", "the dead", many)
    fleet.now_ms += LEASE_MS
    send, sent = wire.send, []
    monkeypatch.setattr(wire, "send", lambda commands: (sent.append(commands), send(commands)))
    assert fleet.reclaim(wire, "dead") == 3
    assert len(sent) < 6


def test_the_dead_worker_is_fenced_and_changes_nothing(dead, fleet, wire):
    fleet.now_ms += LEASE_MS
    fleet.reclaim(wire, "dead")
    before = contents(wire)
    for entry in dead.entries:
        assert dead.commit(entry, ["late"]) is Committed.FENCED
    wire.exchange(dead.chunks.give_back(dead.entries))
    wire.exchange([dead.chunks.quarantine(entry, "late") for entry in dead.entries])
    assert contents(wire) == before


def test_each_crash_counts(server, dead, fleet, wire):
    for crashes in (1, 2, 3):
        fleet.now_ms += LEASE_MS
        fleet.reclaim(wire, "dead")
        dead.entries = dead.take()
        assert {entry.envelope.crashes for entry in dead.entries} == {crashes}
        fleet.renew(wire, "dead", "", STAGES)


def test_what_a_commit_leaves_over_has_no_crash_against_it(server, dead, fleet, wire):
    fleet.now_ms += LEASE_MS
    fleet.reclaim(wire, "dead")
    heir = Hands(server, FLOW, "heir")
    entry = heir.take()[0]
    heir.commit(entry, rest=True)
    again = next(each for each in heir.take() if each.envelope.run == entry.envelope.run)
    assert again.envelope.crashes == 0


def test_a_worker_that_lives_keeps_its_work(dead, fleet, wire):
    fleet.now_ms += LEASE_MS - 1
    before = contents(wire)
    assert fleet.reclaim(wire, "dead") == 0
    assert contents(wire) == before
    fleet.renew(wire, "dead", "", STAGES)
    fleet.now_ms += LEASE_MS - 1
    assert fleet.dead(wire) == []
    assert fleet.reclaim(wire, "dead") == 0
    assert dead.commit(dead.entries[0], ["x"]) is Committed.YES


def test_much_work_is_put_back_in_rounds(client, dead, fleet, wire, monkeypatch):
    monkeypatch.setattr("pauseflow.store.fleet.RECLAIM_ENTRIES", 2)
    fleet.now_ms += LEASE_MS
    assert fleet.reclaim(wire, "dead") == 3
    assert dead.pending("s0") == []


def test_entries_that_are_not_ours_are_put_back_as_they_are(server, dead, fleet, wire):
    stream = dead.keys.stream("f", "s0")
    for fields in (("e", "garbage"), ("x", "y"), ("e", ""), ("a", "b", "c", "d")):
        wire.call(("XADD", stream, "*", *fields))
    dead.take()
    fleet.now_ms += LEASE_MS
    assert fleet.reclaim(wire, "dead") == 7
    left = [fields for _, fields in wire.call(("XRANGE", stream, "-", "+"))][3:]
    assert left == [[b"e", b"garbage"], [b"x", b"y"], [b"e", b""], [b"a", b"b", b"c", b"d"]]


def test_pending_entries_that_are_gone_are_forgotten(dead, fleet, wire):
    wire.call(("XDEL", dead.keys.stream("f", "s0"), dead.entries[0].id))
    fleet.now_ms += LEASE_MS
    fleet.reclaim(wire, "dead")
    assert dead.pending("s0") == []
    assert len(dead.take()) == 2


def test_a_stream_or_group_that_is_gone_is_no_error(dead, fleet, wire):
    wire.call(("XGROUP", "DESTROY", dead.keys.stream("f", "s0"), "workers"))
    wire.call(("DEL", dead.keys.stream("f", "s1")))
    fleet.now_ms += LEASE_MS
    assert fleet.reclaim(wire, "dead") == 0
    assert fleet.dead(wire) == []


def test_something_else_in_the_place_of_a_stream_is_told(dead, fleet, wire):
    stream = dead.keys.stream("f", "s0")
    wire.exchange([("RENAME", stream, "aside"), ("SET", stream, "x")])
    fleet.now_ms += LEASE_MS
    with pytest.raises(StoreError, match="WRONGTYPE"):
        fleet.reclaim(wire, "dead")
    assert fleet.dead(wire) == ["dead"]
    wire.call(("RENAME", "aside", stream))
    assert fleet.reclaim(wire, "dead") == 3


def test_a_coordinator_finds_the_dead(server, dead, fleet, wire, caplog):
    reclaimer = Reclaimer(fleet, wire)
    assert reclaimer.run_once() == 0
    fleet.now_ms += LEASE_MS
    assert reclaimer.run_once() == 3
    assert "worker dead is gone" in caplog.text
    assert reclaimer.run_once() == 0


def test_consumers_without_a_lease_are_found(server, dead, fleet, wire, monkeypatch):
    reclaimer = Reclaimer(fleet, wire)
    assert reclaimer.run_once() == 0
    fleet.renew(wire, "alive", "", STAGES)
    wire.call(("ZREM", dead.keys.leases, "dead"))
    assert fleet.dead(wire) == []
    wire.call(("DEL", dead.keys.stream("f", "s1")))
    assert fleet.orphans(wire) == [("f:s0", "dead")]
    assert reclaimer.run_once() == 0, "it looks for them only now and then"
    monkeypatch.setattr(reclaimer, "_orphans_at", time.monotonic())
    assert reclaimer.run_once() == 3
    assert fleet.orphans(wire) == []


def test_what_a_worker_says_of_itself_may_be_nonsense(dead, fleet, wire):
    for nonsense in ("", "[1]", "{", "3", b"\xff", '{"stages": 7}', '{"stages": [[]]}'):
        wire.call(("HSET", dead.keys.workers, "dead", nonsense))
        assert fleet.workers(wire)[0].stages == ()
        assert fleet.orphans(wire) == []
    fleet.now_ms += LEASE_MS
    assert fleet.reclaim(wire, "dead") == 0


def test_names_that_no_worker_can_have_stop_nobody(dead, fleet, wire):
    wire.call(("ZADD", dead.keys.leases, NOW * 9, b"\xff", NOW, b"\xfe"))
    wire.call(("XGROUP", "CREATECONSUMER", dead.keys.stream("f", "s0"), "workers", b"\xff"))
    assert len(fleet.workers(wire)) == 2
    assert fleet.dead(wire) == []
    assert fleet.orphans(wire) == []


# strays: what a living worker does not know that it has


def test_what_a_worker_does_not_know_of_is_put_back(server, dead, fleet, wire):
    in_hand = fleet.in_hand(wire, "dead", STAGES)
    assert in_hand == {("f:s0", entry.id) for entry in dead.entries}
    fleet.return_strays(wire, "dead", in_hand - {("f:s0", dead.entries[1].id)})
    entries = Hands(server, FLOW, "heir").take()
    assert [entry.envelope.crashes for entry in entries] == [0, 0]
    assert dead.commit(dead.entries[1], ["x"]) is Committed.YES
    assert dead.commit(dead.entries[0], ["x"]) is Committed.FENCED


def test_what_a_worker_does_not_have_any_more_is_not_put_back(server, dead, fleet, wire):
    in_hand = fleet.in_hand(wire, "dead", [*STAGES, "f:gone"])
    assert dead.commit(dead.entries[0], ["x"]) is Committed.YES
    wire.exchange(dead.chunks.give_back(dead.entries[1:]))
    heir = Hands(server, FLOW, "heir")
    heir.at("s0")
    before = contents(wire)
    fleet.return_strays(wire, "dead", in_hand)
    fleet.return_strays(wire, "dead", set())
    assert contents(wire) == before


# leases


def test_a_lease_tells_who_lives(fleet, wire, client):
    assert fleet.renew(wire, "a", "host.1", ["f:s0"]) == (NOW, 1)
    fleet.now_ms += 1000
    assert fleet.renew(wire, "b", "host.2", []) == (NOW + 1000, 2)
    assert [(worker.name, worker.label, worker.stages) for worker in fleet.workers(wire)] == [
        ("a", "host.1", ("f:s0",)),
        ("b", "host.2", ()),
    ]
    assert fleet.workers(wire)[0].lease_left == (LEASE_MS - 1000) / 1000
    fleet.now_ms += LEASE_MS - 1000
    assert [worker.name for worker in fleet.workers(wire)] == ["b"]
    fleet.leave(wire, "b", [])
    assert fleet.workers(wire) == []
    assert wire.call(("HKEYS", Hands(client_server(wire), FLOW).keys.workers)) == [b"a"]


def client_server(wire):
    class Same:
        @staticmethod
        def wire():
            return wire

    return Same


def test_a_lease_runs_by_the_servers_clock(server, client, wire):
    fleet = Fleet(Hands(server, FLOW).keys)
    now, _ = fleet.renew(wire, "a", "", [])
    seconds, _ = wire.call(("TIME",))
    assert abs(now - int(seconds) * 1000) < 5000
    (worker,) = client.workers()
    assert 0 < worker.lease_left <= LEASE_MS / 1000
    assert fleet.dead(wire) == []


def test_leaving_puts_back_what_is_left(server, dead, fleet, wire):
    fleet.leave(wire, "dead", STAGES)
    assert len(Hands(server, FLOW, "heir").take()) == 3
    assert fleet.workers(wire) == []


# giving back


def test_what_is_given_back_is_as_it_was(server, dead, wire):
    before = [entry.envelope for entry in dead.entries]
    assert wire.exchange(dead.chunks.give_back(dead.entries)) == [3]
    entries = Hands(server, FLOW, "heir").take()
    assert [entry.envelope for entry in entries] == before
    assert dead.pending("s0") == [("heir", 1)] * 3


def test_only_ones_own_entries_are_given_back(server, dead, wire):
    other = Hands(server, FLOW, "other")
    before = contents(wire)
    assert wire.exchange(other.chunks.give_back(dead.entries)) == [0]
    assert contents(wire) == before


def test_entries_that_are_gone_are_not_given_back(server, dead, wire):
    wire.call(("XDEL", dead.keys.stream("f", "s0"), dead.entries[0].id))
    wire.exchange(dead.chunks.give_back(dead.entries))
    assert len(dead.take()) == 2
    assert len(dead.pending("s0")) == 2


# a server that is full


def test_on_a_full_server_the_living_keep_their_leases_and_the_dead_lose_their_work(real):
    wire = real.wire()
    fleet = Fleet(Hands(real, FLOW).keys)
    dead = Hands(real, FLOW, "dead", tuning=FixedTuning())
    with Client(real) as client:
        client.submit(FLOW, 1, run_id="r")
        fleet.now_ms = NOW
        for name in ("dead", "living", "kept"):
            fleet.renew(wire, name, name, STAGES)
        assert len(dead.take()) == 1
        heir = Hands(real, FLOW, "heir")
        wire.call(("CONFIG", "SET", "maxmemory", "1"))
        try:
            fleet.now_ms += LEASE_MS - 1
            fleet.renew(wire, "living", "living", STAGES)
            fleet.keep(wire, "kept")
            fleet.now_ms += LEASE_MS - 1
            assert fleet.dead(wire) == ["dead"]
            assert fleet.reclaim(wire, "dead") == 1
            assert sorted(each.name for each in fleet.workers(wire)) == ["kept", "living"]
            (entry,) = heir.take()
            assert entry.envelope.crashes == 1
        finally:
            wire.call(("CONFIG", "SET", "maxmemory", "0"))


def test_a_full_server_keeps_what_it_has(real):
    wire = real.wire()
    hands = Hands(real, FLOW, "h", tuning=FixedTuning())
    with Client(real) as client:
        client.submit(FLOW, 1, run_id="r")
        (entry,) = hands.take()
        wire.call(("CONFIG", "SET", "maxmemory", "1"))
        try:
            with pytest.raises(ServerFull, match="maxmemory"):
                client.submit(FLOW, 2, run_id="r2")
            with pytest.raises(ServerFull):
                client.open(FLOW, run_id="r3")
            # work in hand can be put back all the same, and finished
            (given_back,) = wire.exchange(hands.chunks.give_back([entry]))
            assert given_back == 1
            (entry,) = hands.take()
            fleet = Fleet(hands.keys)
            fleet.return_strays(wire, "h", fleet.in_hand(wire, "h", STAGES))
            assert hands.pending("s0") == []
            (entry,) = hands.take()
            assert hands.commit(entry, ["x"]) is Committed.YES
        finally:
            wire.call(("CONFIG", "SET", "maxmemory", "0"))
        assert [run.id for run in client.runs()] == ["r"]
        client.submit(FLOW, 2, run_id="r2")
        assert len(hands.take()) == 2
