"""What people hold: each script's every answer, and what it leaves in the server."""

import pytest

from pauseflow import Flow, codec
from pauseflow.client import RunState
from pauseflow.errors import (
    RunCancelled,
    RunFailed,
    RunOver,
    SignalRefused,
    UnknownRun,
)
from pauseflow.graph import ON_CANCEL
from pauseflow.store import commands
from pauseflow.store.chunks import Park
from pauseflow.store.commands import Committed
from pauseflow.store.envelope import ParkedChunk
from pauseflow.store.held import Held
from pauseflow.store.keys import Keys
from pauseflow.store.upkeep import Upkeep
from support.hands import FixedTuning, Hands

LINE = Flow("f")
LINE.map(lambda x: x, name="s0").map(lambda x: x, name="s1")

LOOSE = Flow("f")
LOOSE.map(lambda x: x, name="s0", ordered=False).map(lambda x: x, name="s1")

TELLING = Flow("f", on_cancel=lambda run_id: run_id)
TELLING.map(lambda x: x, name="s0")


def feed(server, client, flow, values, *, close=True, **tuning):
    """A run that is fed these values, and a consumer of its stages."""
    chosen = FixedTuning(**tuning)
    client._tuning = client._runs._tuning = chosen
    hands = Hands(server, flow, tuning=chosen)
    client.open(flow, run_id="r")
    client._runs.append(flow.graph, "r", 0, list(values), close=close)
    return hands


def finish(client, hands):
    """Everything is done as it comes, to the end; the results."""
    while entries := hands.take():
        for entry in entries:
            hands.commit(entry, hands.values(entry))
    return list(client.results("r"))


def stage(client, number=0):
    return client.run("r").stages[number]


def halt(hands, entry):
    result = hands.result(entry, done=0, unfinished=True, error="it broke")
    result.parks.append(hands.park(hands.rest(entry.envelope, 0), why="failed"))
    hands.put(entry, result)


# pausing


def test_nothing_of_a_paused_run_is_dispatched(server, client):
    hands = feed(server, client, LINE, range(6), window=2)
    entries = hands.at("s0")
    assert client.pause("r")
    assert client.run("r").state is RunState.PAUSED
    for entry in entries:
        assert hands.commit(entry, hands.values(entry)) is Committed.YES
    assert hands.take() == []
    assert (stage(client).done, stage(client).backlog) == (2, 4)
    assert (stage(client, 1).arrived, stage(client, 1).backlog) == (2, 2)


def test_a_run_that_goes_on_gives_everything_in_order(server, client):
    hands = feed(server, client, LINE, range(6), window=2)
    for entry in hands.at("s0"):
        client.pause("r")
        hands.commit(entry, hands.values(entry))
    assert client.resume("r")
    assert client.run("r").state is RunState.RUNNING
    assert finish(client, hands) == list(range(6))
    assert client.run("r").state is RunState.DONE


def test_what_is_left_of_a_chunk_is_parked_and_goes_on_where_it_stood(server, client):
    hands = feed(server, client, LINE, range(8), target=4, window=2)
    first, second = hands.at("s0")
    client.pause("r")
    hands.commit(second, [4], done=1, rest=True)
    hands.commit(first, [0, 1], done=2, rest=True)
    assert hands.take() == []
    parked = client.run("r").parked
    assert sorted((each.key, each.why) for each in parked) == [
        ("r:s0:2", "paused"),
        ("r:s0:5", "paused"),
    ]
    assert stage(client).parked == 2
    client.resume("r")
    assert stage(client).parked == 0
    assert finish(client, hands) == list(range(8))
    assert client.run("r").state is RunState.DONE


def test_records_of_an_unordered_stage_go_on_one_by_one(server, client):
    hands = feed(server, client, LOOSE, range(4), target=4)
    (entry,) = hands.at("s0")
    client.pause("r")
    result = hands.result(entry, [0])
    result.at_once = [hands.alone(entry.envelope, at) for at in (1, 2, 3)]
    hands.put(entry, result)
    assert stage(client).parked == 3
    assert hands.at("s0") == []
    client.resume("r")
    assert sorted(finish(client, hands)) == [0, 1, 2, 3]
    assert client.run("r").state is RunState.DONE


def test_more_is_parked_than_is_woken_at_once(server, client):
    hands = feed(server, client, LOOSE, range(700), target=700, limit=1000)
    (entry,) = hands.at("s0")
    client.pause("r")
    result = hands.result(entry)
    result.at_once = [hands.alone(entry.envelope, at) for at in range(700)]
    hands.put(entry, result)
    assert client.resume("r")
    assert sorted(finish(client, hands)) == list(range(700))


def test_what_a_timer_or_a_signal_wakes_meanwhile_is_kept(server, client, wire):
    hands = feed(server, client, LOOSE, range(2), target=2)
    (entry,) = hands.at("s0")
    timed = hands.park(hands.alone(entry.envelope, 0), wake=1)
    alone = hands.alone(entry.envelope, 1)
    waiting = Park(alone.ordinal, ParkedChunk("signal", 1, 0, "go", alone.pack()))
    hands.put(entry, hands.result(entry, parks=[timed, waiting]))
    client.pause("r")
    assert Upkeep(hands.keys, wire).fire_due() == 1
    assert client.signal("r", "go", "now")
    # as a worker does that knows nothing of the pause: a slice that gets nowhere
    woken = hands.at("s0")
    assert len(woken) == 2
    for each in woken:
        result = hands.result(each, done=0, unfinished=True)
        result.rest = each.envelope
        hands.put(each, result)
    assert {each.why for each in client.run("r").parked} == {"paused"}
    client.resume("r")
    assert sorted(finish(client, hands)) == [0, 1]


def test_pausing_twice_is_said(client, server):
    feed(server, client, LINE, [1])
    assert client.pause("r")
    assert not client.pause("r")
    assert client.held().runs == {"r": "paused"}
    assert client.resume("r")
    assert not client.resume("r")
    assert client.held().runs == {}
    client.cancel("r")


def test_a_fed_run_takes_records_until_it_has_no_room_and_goes_on(server, client):
    hands = feed(server, client, LINE, [0], close=False, window=1, limit=4)
    client.pause("r")
    run = client.open(LINE, run_id="r")
    run.extend([1, 2, 3, 4])
    status, _ = client._runs.append(LINE.graph, "r", run.position, [5], close=False)
    assert status == commands.Appended.NO_ROOM
    (entry,) = hands.at("s0")
    hands.commit(entry, [0])
    assert hands.take() == []
    client.resume("r")
    assert client.run("r").state is RunState.OPEN
    while not client._runs.wait_for_room("r", 0.01):
        for entry in hands.take():
            hands.commit(entry, hands.values(entry))
    run.append(5)
    run.close()
    assert finish(client, hands) == list(range(6))


def test_a_run_whose_input_is_closed_while_it_is_paused_is_not_open_afterwards(server, client):
    hands = feed(server, client, LINE, [1], close=False)
    client.pause("r")
    client.open(LINE, run_id="r").close()
    assert client.run("r").state is RunState.PAUSED
    client.resume("r")
    assert client.run("r").state is RunState.RUNNING
    assert finish(client, hands) == [1]


def test_a_stage_whose_room_was_made_meanwhile_goes_on(server, client, monkeypatch):
    """The reader takes results while the run is paused, so no commit tells the stage of it."""
    for module in ("runs", "chunks", "books", "results"):
        monkeypatch.setattr(f"pauseflow.store.{module}.RESULTS_BYTES", 40)
    monkeypatch.setattr("pauseflow.store.results.READ_BYTES", 0)
    flow = Flow("f")
    flow.branch(lambda x: [x], name="s0")
    hands = feed(server, client, flow, ["x"])
    (entry,) = hands.at("s0")
    hands.commit(entry, ["a" * 60], rest=True)
    assert hands.at("s0") == [], "the results are full"
    client.pause("r")
    assert list(client.results("r")) == ["a" * 60]
    assert hands.at("s0") == []
    client.resume("r")
    values = []
    while entries := hands.at("s0"):
        for each in entries:
            hands.commit(each, hands.values(each))
        values += client.results("r", start=1 + len(values))
    assert values == ["x"]
    assert client.run("r").state is RunState.DONE


def test_a_run_that_halts_while_it_is_paused_is_halted_when_it_goes_on(server, client):
    hands = feed(server, client, LINE, [1, 2])
    first, second = hands.at("s0")
    client.pause("r")
    halt(hands, first)
    hands.commit(second, [2])
    run = client.run("r")
    assert (run.state, run.error) == (RunState.PAUSED, "it broke")
    with pytest.raises(RunFailed, match="it broke"):
        client.wait("r", timeout=5)
    assert client.resume("r")
    assert client.run("r").state is RunState.HALTED
    assert client.retry("r") == 1
    assert client.run("r").state is RunState.RUNNING
    assert finish(client, hands) == [1, 2]


def test_a_halted_run_that_is_retried_while_it_is_paused_goes_on_when_it_may(server, client):
    hands = feed(server, client, LINE, [1])
    (entry,) = hands.at("s0")
    halt(hands, entry)
    assert client.pause("r")
    assert client.retry("r") == 1
    assert (client.run("r").state, client.run("r").error) == (RunState.PAUSED, "")
    client.resume("r")
    assert client.run("r").state is RunState.RUNNING
    assert finish(client, hands) == [1]


def test_a_damaged_chunk_of_a_paused_run_halts_it_when_it_goes_on(server, client, wire):
    hands = feed(server, client, LINE, [1])
    (entry,) = hands.at("s0")
    client.pause("r")
    assert wire.call(hands.chunks.quarantine(entry, "damaged")) == 1
    assert client.run("r").state is RunState.PAUSED
    client.resume("r")
    assert client.run("r").state is RunState.HALTED
    client.cancel("r")


def test_a_run_that_was_done_while_it_was_paused_is_done(server, client):
    hands = feed(server, client, Flow("g").map(lambda x: x, name="s0").flow, [1])
    (entry,) = hands.take()
    client.pause("r")
    hands.commit(entry, [1])
    assert client.run("r").state is RunState.DONE
    with pytest.raises(RunOver, match="is done"):
        client.resume("r")
    assert client.held().runs == {}
    with pytest.raises(RunOver, match="is done"):
        client.pause("r")
    with pytest.raises(RunOver, match="is done"):
        client.cancel("r")


@pytest.mark.parametrize("act", ["pause", "resume", "cancel"])
def test_an_unknown_run_is_said_and_nothing_is_left_of_it(client, wire, act):
    with pytest.raises(UnknownRun, match="there is no run 'nobody'"):
        getattr(client, act)("nobody")
    assert wire.call(("KEYS", "*")) == []


def test_a_run_that_goes_between_two_looks_is_unknown(client, wire):
    keys = Keys()
    run = keys.run("r")
    assert wire.call(commands.resume(run.base, keys.held, [], "r", [])) == -1
    cancelled = commands.cancel(
        run.base, run.results, run.parked, run.room, keys.expiring, keys.held, keys.runs,
        run.base, "s", [], "r", 0, 1000, "", "", b"",
    )  # fmt: skip
    assert wire.call(cancelled) == -1
    assert wire.call(("KEYS", "*")) == []


@pytest.mark.parametrize("act", ["resume", "cancel"])
def test_a_run_that_goes_while_it_is_asked_for_is_unknown(client, wire, monkeypatch, act):
    client.submit(LINE, 1, run_id="r")
    holding = client._holding
    call = holding._wire.call

    def too_late(command):
        if command[0] == "EVALSHA":
            wire.call(("FLUSHALL",))
        return call(command)

    monkeypatch.setattr(holding._wire, "call", too_late)
    with pytest.raises(UnknownRun, match="there is no run 'r'"):
        getattr(client, act)("r")
    assert wire.call(("KEYS", "*")) == []


# cancelling


def test_a_cancelled_run_keeps_its_results_and_nothing_else(server, client, wire):
    hands = feed(server, client, LINE, range(20), target=2, window=3, close=False)
    first, second, third = hands.at("s0")
    hands.commit(first, hands.values(first))
    for entry in hands.at("s1"):
        hands.commit(entry, hands.values(entry))
    result = hands.result(third, done=0, unfinished=True)
    result.parks.append(hands.park(hands.rest(third.envelope, 0), wake=12_345))
    hands.put(third, result)
    client.signal("r", "early")
    assert client.cancel("r")
    run = client.run("r")
    assert run.state is RunState.CANCELLED
    assert run.finished is not None
    assert list(client.results("r")) == [0, 1]
    left = {key.decode().rpartition("run:")[2] for key in wire.call(("KEYS", "*run:r*"))}
    assert left == {"r", "r:results", "r:room"}
    assert all(
        wire.call(("PTTL", hands.keys.run("r").base + rest)) > 0 for rest in ("", ":results")
    )
    assert wire.call(("ZCARD", hands.keys.timers)) == 0
    # what is still in someone's hands, or in a stream, is dropped
    assert hands.commit(second, [2, 3]) is Committed.RUN_GONE
    for entry in hands.take():
        assert hands.commit(entry, hands.values(entry)) is Committed.RUN_GONE
    assert hands.pending("s0") == []
    assert list(client.results("r")) == [0, 1]
    assert client.run("r").state is RunState.CANCELLED


def test_whoever_waits_for_a_cancelled_run_is_told(server, client):
    hands = feed(server, client, LINE, [1, 2])
    for _ in range(2):
        entry = hands.take()[0]
        hands.commit(entry, hands.values(entry))
    client.cancel("r")
    with pytest.raises(RunCancelled, match="'r' was cancelled"):
        client.wait("r", timeout=5)
    read = []
    with pytest.raises(RunCancelled):
        read.extend(client.results("r", follow=True))
    assert not client.cancel("r"), "it was cancelled before"


def test_a_feeder_of_a_cancelled_run_is_told(server, client):
    feed(server, client, LINE, [0], close=False)
    run = client.open(LINE, run_id="r")
    client.cancel("r")
    assert client._runs.wait_for_room("r", 1), "who waits is woken"
    with pytest.raises(RunCancelled, match="takes no more"):
        run.append(1)
    with pytest.raises(RunCancelled, match="takes no more"):
        run.close()


def test_nothing_brings_a_cancelled_run_back(server, client, wire):
    hands = feed(server, client, LINE, range(4))
    entries = hands.at("s0")
    halt(hands, entries[0])
    client.cancel("r")
    with pytest.raises(RunOver, match="can't be taken back"):
        client.resume("r")
    with pytest.raises(RunOver, match="nothing to pause"):
        client.pause("r")
    with pytest.raises(SignalRefused):
        client.signal("r", "go")
    assert client.retry("r") == 0
    assert wire.call(hands.chunks.quarantine(entries[1], "damaged")) == 1
    assert client.run("r").state is RunState.CANCELLED
    assert list(client.results("r")) == []
    assert hands.at("s0") == []


def test_a_timer_that_is_still_there_wakes_nothing_of_a_cancelled_run(server, client, wire):
    """The client that cancels was killed before it had taken the names out of the timers."""
    hands = feed(server, client, LINE, [1])
    (entry,) = hands.at("s0")
    result = hands.result(entry, done=0, unfinished=True)
    result.parks.append(hands.park(hands.rest(entry.envelope, 0), wake=1))
    hands.put(entry, result)
    client._holding._forget_timers = lambda *_: None
    client.cancel("r")
    assert Upkeep(hands.keys, wire).fire_due() == 0
    assert hands.take() == []
    assert wire.call(("ZCARD", hands.keys.timers)) == 0


def test_reading_on_dispatches_nothing_of_a_cancelled_run(server, client, monkeypatch):
    monkeypatch.setattr("pauseflow.store.results.READ_BYTES", 0)
    flow = Flow("f")
    flow.branch(lambda x: [x], name="s0")
    hands = feed(server, client, flow, range(9), window=1)
    (entry,) = hands.at("s0")
    hands.commit(entry, ["out"])
    hands.take()
    client.cancel("r")
    assert list(client.results("r")) == ["out"]
    assert hands.take() == []


def test_what_was_cancelled_expires(server, client, wire):
    hands = feed(server, client, LINE, [1])
    client.cancel("r")
    assert client.held().runs == {"r": "cancelled"}
    upkeep = Upkeep(hands.keys, wire)
    upkeep.now_ms = 10**14
    assert upkeep.forget_expired() == 1
    assert client.held() == Held()
    assert client.runs() == []


def test_on_cancel_is_a_run_of_its_own(server, client, wire):
    hands = feed(server, client, TELLING, [1])
    assert client.cancel("r")
    assert not client.cancel("r")
    told = client.run("r.on_cancel")
    assert (told.flow, told.state, told.position) == ("f.on_cancel", RunState.RUNNING, 1)
    graph = TELLING.graph.on_cancel
    telling = Hands(server, type("Telling", (), {"graph": graph})())
    (entry,) = telling.take()
    assert telling.values(entry) == ["r"]
    telling.commit(entry)
    assert client.run("r.on_cancel").state is RunState.DONE
    assert telling.take() == []
    hands.take()


def test_on_cancel_finds_another_name_if_its_own_is_taken(server, client, wire):
    hands = feed(server, client, TELLING, [1])
    client.submit(TELLING, 5, run_id="r.on_cancel")
    assert client.cancel("r")
    names = {info.id for info in client.runs(flow="f.on_cancel")}
    assert len(names) == 1
    assert names.pop().startswith("r.on_cancel.")
    stream = hands.keys.stream("f.on_cancel", ON_CANCEL)
    ((_, fields),) = wire.call(("XRANGE", stream, "-", "+"))
    assert fields[1].endswith(codec.encode_items(["r"]))
    wire.call(("FLUSHALL",))


def test_a_flow_without_on_cancel_has_nobody_told(server, client, wire):
    feed(server, client, LINE, [1])
    client.cancel("r")
    assert [info.id for info in client.runs()] == ["r"]
    assert wire.call(("KEYS", "*on_cancel*")) == []


# flows and stages


def test_a_flow_and_a_stage_are_held_until_they_are_let_go(client):
    assert client.pause_flow("f")
    assert not client.pause_flow("f")
    assert client.pause_flow("f", "s1")
    held = client.held()
    assert held.holds_stage("f", "s0")
    assert not held.holds_stage("g", "s1")
    assert client.resume_flow("f")
    assert not client.resume_flow("f")
    held = client.held()
    assert (held.holds_stage("f", "s0"), held.holds_stage("f", "s1")) == (False, True)
    assert held.stages_of("f") == ("s1",)
    assert client.resume_flow("f", "s1")
    assert client.held() == Held()


def test_each_change_of_what_is_held_is_noticed_and_nothing_else(client, server):
    feed(server, client, LINE, [1])
    seen = [client._holding.changes()]
    for change in (
        lambda: client.pause_flow("f"),
        lambda: client.resume_flow("f"),
        lambda: client.pause("r"),
        lambda: client.resume("r"),
        lambda: client.cancel("r"),
    ):
        change()
        seen.append(client._holding.changes())
    assert len(set(seen)) == 6
    client.resume_flow("f")
    client.cancel("r")
    assert client._holding.changes() == seen[-1]


def test_what_is_foreign_among_what_is_held_is_left_alone(client, wire):
    wire.call(("HSET", Keys().held, "flow:f", "paused", b"\xff", "x", "stage:odd", "y"))
    assert client.held() == Held(flows=frozenset({"f"}))
    wire.call(("FLUSHALL",))
