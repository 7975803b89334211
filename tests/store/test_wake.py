"""Putting parked work back: by time, and by hand."""

import pytest

from pauseflow import Flow
from pauseflow.client import RunState
from pauseflow.store.upkeep import Upkeep
from pauseflow_coordinator.timers import EVERY_SECONDS, Timers
from support.hands import FixedTuning, Hands
from support.inventory import contents

FLOW = Flow("f")
FLOW.map(lambda x: x, name="s0").map(lambda x: x, name="s1")


@pytest.fixture
def hands(server):
    return Hands(server, FLOW, tuning=FixedTuning())


@pytest.fixture
def upkeep(hands, wire):
    return Upkeep(hands.keys, wire)


def park(client, hands, *, wake=0, why="pause", run_id="r", error=""):
    client.submit(FLOW, 7, run_id=run_id)
    (entry,) = hands.take()
    result = hands.result(entry, done=0, unfinished=True, error=error)
    result.parks.append(hands.park(entry.envelope, wake=wake, why=why, note="why\nso"))
    hands.put(entry, result)


def test_woken_work_is_back_in_its_stream_as_it_was(client, hands):
    park(client, hands)
    assert hands.take() == []
    assert client._runs.wake("f", "r", ["s0:0"], why="") == 1
    (entry,) = hands.take()
    assert (hands.values(entry), entry.envelope.seq, entry.envelope.ordinal) == ([7], 0, 0)
    (first, _) = client.run("r").stages
    assert (first.parked, first.in_flight) == (0, 1)
    hands.commit(entry, [7])
    for entry in hands.take():
        hands.commit(entry, [7])
    assert client.run("r").state is RunState.DONE


def test_what_is_not_parked_is_not_woken(client, hands, wire):
    park(client, hands, wake=5)
    assert client._runs.wake("f", "r", ["s0:0"], why="") == 1
    before = contents(wire)
    assert client._runs.wake("f", "r", ["s0:0"], why="") == 0
    assert client._runs.wake("f", "r", ["s1:0"], why="") == 0
    assert client._runs.wake("f", "other", ["s0:0"], why="") == 0
    assert contents(wire) == before


def test_work_that_is_parked_for_another_reason_is_left(client, hands, wire):
    park(client, hands, wake=5)
    before = contents(wire)
    assert client._runs.wake("f", "r", ["s0:0"], why="failed") == 0
    assert client.retry("r") == 0
    assert contents(wire) == before
    assert client._runs.wake("f", "r", ["s0:0"], why="pause") == 1


def test_parked_work_of_a_run_that_is_gone_is_not_woken(client, hands, wire):
    park(client, hands, wake=5)
    wire.call(("DEL", hands.keys.run("r").base))
    assert client._runs.wake("f", "r", ["s0:0"], why="") == 0
    assert wire.call(("ZCARD", hands.keys.timers)) == 0
    assert hands.take() == []
    wire.call(("DEL", hands.keys.run("r").parked))


def test_a_retry_wakes_what_failed_and_the_run_goes_on(client, hands):
    park(client, hands, why="failed", error="it broke")
    assert client.run("r").state is RunState.HALTED
    assert client.retry("r") == 1
    assert (client.run("r").state, client.run("r").error) == (RunState.RUNNING, "")
    assert len(hands.take()) == 1
    assert client.retry("r") == 0


def test_what_is_due_is_put_back_and_the_rest_waits(client, hands, upkeep):
    for number in range(3):
        park(client, hands, wake=1000 + number, run_id=f"r{number}")
    upkeep.now_ms = 1001
    assert upkeep.next_timer() == 1000
    assert upkeep.fire_due() == 2
    assert upkeep.fire_due() == 0
    assert upkeep.next_timer() == 1002
    assert [entry.envelope.run for entry in hands.take()] == ["r0", "r1"]


def test_a_burst_is_put_back_in_rounds(client, hands, upkeep, monkeypatch):
    monkeypatch.setattr("pauseflow.store.upkeep.DUE_AT_ONCE", 2)
    for number in range(3):
        park(client, hands, wake=1000, run_id=f"r{number}")
    assert [upkeep.fire_due() for _ in range(3)] == [2, 1, 0]
    assert len(hands.take()) == 3


def test_two_coordinators_wake_it_once(client, hands, upkeep, wire):
    park(client, hands, wake=1)
    due = wire.call(("ZRANGE", hands.keys.timers, 0, -1))
    assert upkeep.fire_due() == 1
    wire.call(("ZADD", hands.keys.timers, 1, due[0]))  # the other one read it before
    assert upkeep.fire_due() == 0
    assert len(hands.take()) == 1
    assert upkeep.next_timer() is None


def test_a_timer_that_makes_no_sense_is_dropped(hands, upkeep, wire):
    for nonsense in ("x", "a b", "a b c d", b"\xff\xfe"):
        wire.call(("ZADD", hands.keys.timers, 1, nonsense))
    upkeep.fire_due()
    assert upkeep.next_timer() is None


def test_what_waits_for_code_and_is_damaged_tells_of_none(client, hands):
    client.submit(FLOW, 7, run_id="r")
    (entry,) = hands.take()
    result = hands.result(entry, done=0, unfinished=True)
    entry.envelope.frames = b"\xc1"
    result.parks.append(hands.park(entry.envelope, why="code", note="made by other code"))
    hands.put(entry, result)
    (parked,) = client.run("r").parked
    assert (parked.why, parked.note, parked.code) == ("code", "made by other code", None)
    client.cancel("r")


def test_something_else_in_the_place_of_a_run_hides_no_other(client, upkeep, wire):
    client.submit(FLOW, 7, run_id="r")
    keys = client._keys
    wire.call(("ZADD", keys.runs, 9e15, "odd"))
    wire.call(("SET", keys.run("odd").base, "x"))
    assert [info.id for info in upkeep.going_runs()] == ["r"]
    client.cancel("r")
    wire.exchange([("ZREM", keys.runs, "odd"), ("DEL", keys.run("odd").base)])


def test_the_timers_look_again_when_the_next_is_due(client, hands, upkeep):
    timers = Timers(upkeep)
    upkeep.now_ms = 10_000
    assert timers.run_once() == 0
    assert timers.every == EVERY_SECONDS
    park(client, hands, wake=10_020)
    assert timers.run_once() == 0
    assert timers.every == pytest.approx(0.02)
    upkeep.now_ms = 10_020
    assert timers.run_once() == 1
    assert len(hands.take()) == 1


def test_the_server_says_what_time_it_is(client, hands, upkeep):
    park(client, hands, wake=2**41)
    assert upkeep.fire_due() == 0
    park(client, hands, wake=1, run_id="past")
    assert upkeep.fire_due() == 1


def test_parked_work_that_is_damaged_is_told_and_does_not_hide_the_rest(client, hands, wire):
    park(client, hands)
    for number, damaged in enumerate(
        [b"", b"garbage", b"pause 1\n", b"pause x y z\n", b"\xff 1 2 3\n"]
    ):
        wire.call(("HSET", hands.keys.run("r").parked, f"s0:{number + 5}", damaged))
    why = {parked.key: parked.why for parked in client.run("r").parked}
    assert why == {"r:s0:0": "pause"} | {f"r:s0:{number + 5}": "damaged" for number in range(5)}
    assert client.retry("r") == 0
    for number in range(5):
        client._runs.wake("f", "r", [f"s0:{number + 5}"], why="")
    assert [hands.values(entry) for entry in hands.take()] == []
