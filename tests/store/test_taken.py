"""Reading results: bounded, kept for a while, dropped when the room is needed."""

import pytest

from pauseflow import Flow
from pauseflow.client import Client, RunState
from pauseflow.errors import MalformedData, ResultsDropped, StoreError
from pauseflow.store.commands import Committed
from support.hands import FixedTuning, Hands

LIMIT = 1_000
FLOW = Flow("f")
FLOW.map(lambda x: x, name="s0")


@pytest.fixture(autouse=True)
def small_room(monkeypatch):
    for module in ("runs", "chunks", "books"):
        monkeypatch.setattr(f"pauseflow.store.{module}.RESULTS_BYTES", LIMIT)
    monkeypatch.setattr("pauseflow.store.results.READ_BYTES", LIMIT // 4)


@pytest.fixture
def hands(server, client):
    client._tuning = client._runs._tuning = FixedTuning(limit=1000)
    hands = Hands(server, FLOW, tuning=FixedTuning(window=2))
    with client.open(FLOW, run_id="r") as feed:
        feed.extend(range(40))
    return hands


def work(hands):
    """Every chunk gives a result of about a tenth of the room."""
    done = 0
    while entries := hands.take():
        for entry in entries:
            outputs = [f"{value:0100}" for value in hands.values(entry)]
            assert hands.commit(entry, outputs) is Committed.YES
            done += 1
    return done


def test_results_that_nobody_reads_stop_the_run_and_it_says_so(client, hands):
    work(hands)
    run = client.run("r")
    assert run.state is RunState.RUNNING
    assert run.results.waiting_for_reader
    assert LIMIT <= run.results.bytes <= LIMIT + 3 * 110
    assert run.results.count < 15
    assert hands.take() == []


def test_a_reader_makes_the_run_go_on(client, hands):
    values = []
    for _ in range(40):
        work(hands)
        values += client.results("r", start=len(values))
        run = client.run("r")
        assert run.results.bytes <= LIMIT + 3 * 110
        if run.state is RunState.DONE:
            break
    assert [int(value) for value in values] == list(range(40))
    assert run.results.count == 40
    assert run.results.read == 40
    assert run.results.dropped > 0
    assert not run.results.waiting_for_reader


def test_results_are_there_for_other_readers_while_there_is_room(client, hands):
    work(hands)
    few = client.results("r")
    first = [next(few) for _ in range(3)]
    assert [int(value) for value in first] == [0, 1, 2]
    again = client.results("r")
    assert [next(again) for _ in range(3)] == first


def test_a_reader_that_comes_too_late_is_told(client, hands):
    work(hands)
    read = len(list(client.results("r")))
    dropped = client.run("r").results.dropped
    assert 0 < dropped <= read
    with pytest.raises(ResultsDropped, match=f"results 0 to .* Read from start={dropped}"):
        list(client.results("r"))
    work(hands)
    with pytest.raises(ResultsDropped):
        list(client.results("r"))
    assert list(client.results("r", start=read)) != []


def test_a_slow_reader_is_told_when_a_quick_one_was_ahead_of_it(client, hands):
    work(hands)
    slow = client.results("r")
    next(slow)
    read = 0
    for _ in range(3):
        read += len(list(client.results("r", start=read)))
        work(hands)
    with pytest.raises(ResultsDropped):
        list(slow)
    assert client.run("r").results.read >= read


@pytest.mark.parametrize("words", [("e", "x y z"), ("e", "0 1 7"), ("e", "0 1 7", "p", "none")])
def test_what_is_no_result_among_the_results_is_told(client, hands, wire, words):
    wire.call(("XADD", hands.keys.run("r").results, "*", *words))
    with pytest.raises(MalformedData, match="is no result"):
        list(client.results("r"))


@pytest.mark.parametrize("field", ["results_dropped", "results_from"])
def test_what_is_known_of_a_run_and_is_damaged_is_told_to_its_readers(client, hands, wire, field):
    run = hands.keys.run("r").base
    before = wire.call(("HGET", run, field))
    wire.call(("HSET", run, field, "nonsense"))
    with pytest.raises(MalformedData, match="what the server knows of run 'r' is damaged"):
        list(client.results("r"))
    wire.call(("HSET", run, field, before) if before is not None else ("HDEL", run, field))


@pytest.mark.parametrize("which", ["base", "results"])
def test_something_else_in_the_place_of_what_is_read_is_told(real, which):
    wire = real.wire()
    with Client(real) as client:
        client.submit(FLOW, 7, run_id="r")
        run = client._keys.run("r")
        key = run.base if which == "base" else run.results
        wire.exchange([("DEL", key), ("SET", key, "x")])
        with pytest.raises(StoreError, match="WRONGTYPE"):
            list(client.results("r"))
    wire.call(("FLUSHALL",))
    wire.close()


def test_reading_an_expired_run_is_no_error_to_the_books(client, hands, wire):
    work(hands)
    reader = client._runs.results("r")
    page, _ = reader.first()
    wire.call(("DEL", hands.keys.run("r").base))
    reader.take(page)
    reader.finish()
    assert wire.call(("EXISTS", hands.keys.run("r").base)) == 0
    wire.call(("FLUSHALL",))


@pytest.mark.parametrize(("options", "most"), [({"sequential": True}, 1), ({"window": 2}, 2)])
def test_a_stage_that_waited_for_a_reader_keeps_to_its_window(server, client, options, most):
    flow = Flow("f")
    flow.map(lambda x: x, name="s0", **options)
    client._tuning = client._runs._tuning = FixedTuning(limit=1000)
    hands = Hands(server, flow, tuning=FixedTuning())
    client.open(flow, run_id="wide").extend(["x" * 100_000] * 20)
    while entries := hands.take():
        for entry in entries:
            hands.commit(entry, ["x" * 600])
    assert client.run("wide").results.waiting_for_reader
    assert list(client.results("wide")) != []
    assert len(hands.take()) == most


def test_start_skips_results(client, hands):
    work(hands)
    assert int(next(iter(client.results("r", start=7)))) == 7
    assert list(client.results("r", start=1000)) == []


def test_markers_to_finished_need_no_room_among_the_results(server, client):
    flow = Flow("f")
    flow.branch(lambda x: [x], name="s0", finished=lambda: None)
    hands = Hands(server, flow, tuning=FixedTuning(window=2))
    client.open(flow, run_id="b").extend(range(30))
    while entries := hands.take():
        for entry in entries:
            hands.commit(entry, ["x" * 100] if entry.stage == "s0" else ())
    assert client.run("b").results.waiting_for_reader
    list(client.results("b"))
    assert hands.take() != []
