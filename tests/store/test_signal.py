"""Signals and answers: one for each wait, the longest first, and none lost in between."""

import pytest

from pauseflow import Flow, SignalRefused, UnknownRun
from pauseflow.answer import Answer
from pauseflow.client import RunState
from pauseflow.store.chunks import Park
from pauseflow.store.commands import Delivered
from pauseflow.store.envelope import ParkedChunk
from pauseflow.store.upkeep import Upkeep
from support.hands import FixedTuning, Hands
from support.inventory import contents

FLOW = Flow("f")
FLOW.map(lambda x: x, name="s0", ordered=False)


@pytest.fixture
def hands(server):
    return Hands(server, FLOW, tuning=FixedTuning(target=8))


def run_of(client, *values, run_id="r"):
    client._tuning = client._runs._tuning = FixedTuning(target=8)
    client._runs.open(FLOW.graph, run_id)
    client._runs.append(FLOW.graph, run_id, 0, values, close=True)


def wait(hands, entry, *indexes, name="go", wake=0, since=1, **more):
    """Commits a chunk of which these records wait, and the others are done."""
    parks = []
    for index in indexes:
        alone = hands.alone(entry.envelope, index)
        chunk = ParkedChunk("signal", since + index, wake, name, alone.pack())
        parks.append(Park(alone.ordinal, chunk))
    outputs = [v for i, v in enumerate(hands.values(entry)) if i not in indexes]
    return hands.put(entry, hands.result(entry, outputs, parks=parks, **more))


def answers(hands):
    """What has been woken: its record, and with what."""
    found = []
    for entry in hands.take():
        answer = entry.envelope.answer
        found.append((hands.values(entry), Answer.parse(answer).value() if answer else None))
        hands.commit(entry, hands.values(entry))
    return found


def test_a_signal_wakes_what_waited_longest(client, hands):
    run_of(client, 1, 2, 3)
    (entry,) = hands.take()
    wait(hands, entry, 2, 0, 1)
    assert client.run("r").stages[0].parked == 3
    assert client.signal("r", "go", "first")
    assert client.signal("r", "go", {"n": 2})
    assert answers(hands) == [([1], "first"), ([2], {"n": 2})]
    assert client.signal("r", "go")
    assert answers(hands) == [([3], None)]
    assert client.run("r").state is RunState.DONE


def test_a_signal_before_the_wait_is_kept_for_it(client, hands):
    run_of(client, 1, 2)
    assert not client.signal("r", "go", "early")
    assert not client.signal("r", "go", "second")
    assert not client.signal("r", "other", "elsewhere")
    (entry,) = hands.take()
    wait(hands, entry, 0, 1)
    assert answers(hands) == [([1], "early"), ([2], "second")]
    assert client.run("r").state is RunState.DONE


def test_names_that_begin_alike_are_different_names(client, hands, wire):
    run_of(client, 1)
    (entry,) = hands.take()
    wait(hands, entry, 0, name="go")
    for name in ("g", "go:1", "gone", "GO"):
        assert not client.signal("r", name)
    assert hands.take() == []
    assert client.signal("r", "go")
    assert answers(hands) == [([1], None)]


def test_a_broadcast_wakes_all_that_wait_now(client, hands):
    run_of(client, 1, 2, 3)
    (entry,) = hands.take()
    wait(hands, entry, 0, 1, 2)
    assert client.signal("r", "go", "all", broadcast=True)
    assert sorted(answers(hands)) == [([1], "all"), ([2], "all"), ([3], "all")]


def test_a_broadcast_that_nobody_waits_for_is_kept_for_the_first(client, hands):
    run_of(client, 1, 2)
    assert not client.signal("r", "go", "all", broadcast=True)
    (entry,) = hands.take()
    wait(hands, entry, 0, 1)
    assert answers(hands) == [([1], "all")]
    client.signal("r", "go")
    assert len(answers(hands)) == 1


def test_a_broadcast_is_not_lost_on_what_waits_by_a_clock_that_is_ahead(client, hands):
    run_of(client, 1, 2)
    (entry,) = hands.take()
    wait(hands, entry, 0, 1, since=10**15)
    assert client.signal("r", "go", "come", broadcast=True)
    assert answers(hands) == [([1], "come")]
    assert client.signal("r", "go", "come")
    assert answers(hands) == [([2], "come")]


def test_what_nobody_signals_in_time_is_told(client, hands, wire):
    upkeep = Upkeep(hands.keys, wire)
    run_of(client, 1)
    (entry,) = hands.take()
    wait(hands, entry, 0, wake=1000)
    upkeep.now_ms = 999
    assert upkeep.fire_due() == 0
    upkeep.now_ms = 1000
    assert upkeep.fire_due() == 1
    (entry,) = hands.take()
    assert Answer.parse(entry.envelope.answer) == Answer("timeout", "go")
    assert not client.signal("r", "go", "too late")
    wait(hands, entry, 0)
    assert answers(hands) == [([1], "too late")]
    assert upkeep.next_timer() is None


def test_a_signal_in_time_leaves_no_timer(client, hands, wire):
    run_of(client, 1)
    (entry,) = hands.take()
    wait(hands, entry, 0, wake=1000)
    client.signal("r", "go")
    assert Upkeep(hands.keys, wire).next_timer() is None
    assert len(answers(hands)) == 1


def test_the_answer_survives_being_given_back_and_a_dead_worker(client, hands, wire):
    run_of(client, 1)
    (entry,) = hands.take()
    wait(hands, entry, 0)
    client.signal("r", "go", "data")
    (entry,) = hands.take()
    for command in hands.chunks.give_back([entry]):
        wire.call(command)
    assert answers(hands) == [([1], "data")]


def test_signals_to_no_run_and_to_one_that_is_over(client, hands, wire):
    with pytest.raises(UnknownRun):
        client.signal("nobody", "go")
    run_of(client, 1)
    (entry,) = hands.take()
    hands.commit(entry, [1])
    before = contents(wire)
    with pytest.raises(SignalRefused, match="is over"):
        client.signal("r", "go")
    assert contents(wire) == before


def test_a_run_keeps_a_bounded_number_of_signals(client, hands, monkeypatch):
    monkeypatch.setattr("pauseflow.store.runs.SIGNALS_KEPT", 2)
    run_of(client, 1)
    client.signal("r", "go")
    client.signal("r", "go")
    with pytest.raises(SignalRefused, match="nothing waits for"):
        client.signal("r", "go")
    (entry,) = hands.take()
    wait(hands, entry, 0)
    assert len(answers(hands)) == 1


def test_kept_signals_go_with_the_run(client, hands, wire):
    run_of(client, 1)
    client.signal("r", "never")
    (entry,) = hands.take()
    hands.commit(entry, [1])
    assert wire.call(("EXISTS", hands.keys.run("r").signals)) == 0


def test_a_wait_that_is_gone_does_not_take_the_signal(client, hands, wire):
    run_of(client, 1, 2)
    (entry,) = hands.take()
    wait(hands, entry, 0, 1)
    wire.call(("HDEL", hands.keys.run("r").parked, "s0:0"))
    assert client.signal("r", "go", "x")
    assert [values for values, _ in answers(hands)] == [[2]]
    wire.call(("FLUSHALL",))


def test_a_job_that_is_waited_for_is_looked_at(client, hands, wire):
    run_of(client, 1)
    (entry,) = hands.take()
    wait(hands, entry, 0, name="job:j1")
    assert wire.call(("ZRANGE", hands.keys.jobs, 0, -1)) == [b"r job:j1"]
    assert client._runs.deliver("r", Answer.of_done("j1", 5)) is Delivered.WOKEN
    assert answers(hands) == [([1], 5)]
    wire.call(("DEL", hands.keys.jobs))


def test_another_client_was_first(client, hands, wire, monkeypatch):
    """Between looking and signalling, the first wait was woken: the next one is taken."""
    run_of(client, 1, 2)
    (entry,) = hands.take()
    wait(hands, entry, 0, 1)
    runs = client._runs
    real = runs._wire.exchange
    calls = []

    def meanwhile(sent):
        replies = real(sent)
        if not calls:
            calls.append(1)
            other = type(client)(hands_server)
            other.signal("r", "go", "theirs")
            other.close()
        return replies

    hands_server = hands.server
    monkeypatch.setattr(runs._wire, "exchange", meanwhile)
    assert client.signal("r", "go", "ours")
    assert answers(hands) == [([1], "theirs"), ([2], "ours")]
