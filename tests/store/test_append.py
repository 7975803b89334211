"""Feeding open runs: on fakeredis, Valkey and Redis."""

import threading

import pytest

from pauseflow import Flow
from pauseflow.client import Client, RunState
from pauseflow.errors import FeedGap, NotSerializable, RunNotOpen, UnknownRun
from pauseflow.store.commands import Appended
from support.hands import FixedTuning, Hands
from support.inventory import contents
from support.waiting import wait_until

FLOW = Flow("f")
FLOW.map(lambda x: x, name="s0")


def drain(hands):
    """Everything that waits, passed through."""
    values = []
    while entries := hands.take():
        for entry in entries:
            values += hands.values(entry)
            hands.commit(entry, hands.values(entry))
    return values


def append(client, position, values, *, close=False):
    return client._runs.append(FLOW.graph, "r", position, values, close=close)


@pytest.fixture
def hands(server, client):
    client._tuning = client._runs._tuning = FixedTuning()
    return Hands(server, FLOW)


def test_records_are_added_behind_those_before(client, hands):
    feed = client.open(FLOW, run_id="r")
    assert feed.append("a") == 1
    assert feed.extend(["b", "c"]) == 3
    feed.close()
    assert drain(hands) == ["a", "b", "c"]
    assert client.run("r").state is RunState.DONE


def test_a_repeated_append_adds_nothing(client, hands, wire):
    client.open(FLOW, run_id="r")
    assert append(client, 0, ["a", "b"]) == (Appended.TAKEN, 2)
    before = contents(wire)
    assert append(client, 0, ["a", "b"]) == (Appended.BEHIND, 2)
    assert append(client, 1, ["b", "c"]) == (Appended.BEHIND, 2)
    assert contents(wire) == before


def test_an_append_that_leaves_records_out_is_refused(client, hands, wire):
    client.open(FLOW, run_id="r")
    before = contents(wire)
    assert append(client, 1, ["b"]) == (Appended.GAP, 0)
    assert contents(wire) == before
    feed = client.open(FLOW, run_id="r")
    feed.position = 5
    with pytest.raises(FeedGap, match="has taken 0 records, but these begin at 5"):
        feed.append("x")


def test_a_feed_that_others_were_ahead_of_adds_only_what_is_new(client, hands):
    slow = client.open(FLOW, run_id="r")
    client.open(FLOW, run_id="r").extend(["a", "b"])
    assert slow.extend(["a", "b", "c"]) == 3
    late = client.open(FLOW, run_id="r")
    late.position = 0
    assert late.extend(["a"]) == 1
    assert late.extend(["b", "c", "d"]) == 4
    late.close()
    assert drain(hands) == ["a", "b", "c", "d"]


def test_a_closed_run_takes_nothing_more(client, hands, wire):
    feed = client.open(FLOW, run_id="r")
    feed.append("a")
    feed.close()
    assert client.run("r").state is RunState.RUNNING
    before = contents(wire)
    with pytest.raises(RunNotOpen, match="closed"):
        feed.append("b")
    feed.close()
    assert append(client, 1, [], close=True) == (Appended.CLOSED, 1)
    assert append(client, 0, ["a"]) == (Appended.BEHIND, 1)
    assert contents(wire) == before


def test_a_submitted_run_takes_nothing_more(client, hands):
    client.submit(FLOW, "a", run_id="r")
    assert append(client, 1, ["b"]) == (Appended.CLOSED, 1)


def test_a_run_that_is_gone_takes_nothing(client, hands, wire):
    feed = client.open(FLOW, run_id="r")
    wire.call(("FLUSHALL",))
    assert append(client, 0, ["a"]) == (Appended.NO_RUN, 0)
    with pytest.raises(UnknownRun, match="any more"):
        feed.append("a")
    assert wire.call(("KEYS", "*")) == []


def test_the_last_records_and_the_end_can_come_together(client, hands):
    client.open(FLOW, run_id="r")
    assert append(client, 0, ["a"], close=True) == (Appended.TAKEN, 1)
    assert drain(hands) == ["a"]
    assert client.run("r").state is RunState.DONE


def test_a_full_backlog_takes_nothing_until_half_of_it_is_free(client, hands, wire):
    client._runs._tuning = hands.chunks._tuning = FixedTuning(window=1, limit=4)
    hands = Hands(hands_server(client), FLOW, "h", tuning=FixedTuning(window=1, limit=4))
    feed = client.open(FLOW, run_id="r")
    feed.extend(range(5))
    before = client.run("r").position
    assert append(client, 5, ["x"]) == (Appended.NO_ROOM, 5)
    assert client.run("r").position == before
    assert not client._runs.wait_for_room("r", 0.01)
    (entry,) = hands.take()
    hands.commit(entry)
    assert not client._runs.wait_for_room("r", 0.01), "more than half is taken still"
    for _ in range(2):
        (entry,) = hands.take()
        hands.commit(entry)
    assert client._runs.wait_for_room("r", 0.01)
    assert append(client, 5, ["x"]) == (Appended.TAKEN, 6)
    feed = client.open(FLOW, run_id="r")
    feed.close()
    drain(hands)
    assert client.run("r").state is RunState.DONE


def hands_server(client):
    class Same:
        wire = staticmethod(lambda: client._wire)

    return Same


def test_closing_needs_no_room(client, server):
    client._runs._tuning = FixedTuning(window=1, limit=2)
    hands = Hands(server, FLOW, tuning=FixedTuning(window=1, limit=2))
    feed = client.open(FLOW, run_id="r")
    feed.extend(range(8)[:3])
    feed.close()
    assert drain(hands) == [0, 1, 2]
    assert client.run("r").state is RunState.DONE


def test_a_record_without_an_encoding_keeps_those_before_it(client, hands):
    feed = client.open(FLOW, run_id="r")

    def source():
        yield from ["a", "b"]
        raise ValueError("line 3 is no JSON")

    with pytest.raises(ValueError, match="line 3"):
        feed.extend(source())
    assert client.run("r").position == feed.position == 2
    with pytest.raises(NotSerializable):
        feed.append(object())
    assert client.run("r").position == 2
    again = client.open(FLOW, run_id="r")
    again.append("c")
    again.__exit__(RuntimeError, RuntimeError(), None)
    assert client.run("r").state is RunState.OPEN
    with client.open(FLOW, run_id="r"):
        pass
    assert drain(hands) == ["a", "b", "c"]


def test_records_before_one_without_an_encoding_are_taken(client, hands):
    feed = client.open(FLOW, run_id="r")
    with pytest.raises(NotSerializable):
        feed.extend(["a", "b", object(), "d"])
    assert feed.position == 2
    feed.extend(["c"])
    feed.close()
    assert drain(hands) == ["a", "b", "c"]


def test_costs_that_can_t_be_read_are_done_without(client, hands, wire):
    wire.call(("SET", client._keys.costs, "x"))
    with client.open(FLOW, run_id="r") as feed:
        feed.extend(range(20))
    wire.call(("DEL", client._keys.costs))
    assert drain(hands) == list(range(20))


def test_progress_is_told(client, hands):
    told = []
    feed = client.open(FLOW, run_id="r")
    feed.extend(range(10), on_progress=told.append)
    assert told == [10]


def test_a_feeder_that_waits_for_room_is_woken(real):
    tuning = FixedTuning(target=1, window=1, limit=4)
    hands = Hands(real, FLOW, tuning=tuning)
    taken = []
    with Client(real) as client:
        client._tuning = client._runs._tuning = tuning

        def feed():
            with client.open(FLOW, run_id="r") as run:
                for value in range(20):
                    run.append(value)
                    taken.append(value)

        feeder = threading.Thread(target=feed, daemon=True)
        feeder.start()
        wait_until(lambda: blocked(hands.wire), "the feeder waits")
        assert len(taken) < 8
        values = []
        while feeder.is_alive() or len(values) < 20:
            for entry in hands.take():
                values += hands.values(entry)
                hands.commit(entry, hands.values(entry))
        feeder.join()
    assert values == list(range(20))


def blocked(wire):
    return b"blocked_clients:1" in wire.call(("INFO", "clients"))
