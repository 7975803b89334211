"""What one commit does to a run: on fakeredis, Valkey and Redis."""

import time

import pytest

from pauseflow import Flow
from pauseflow.client import RunState
from pauseflow.codec import Marker
from pauseflow.store.commands import Committed
from support.hands import FixedTuning, Hands
from support.inventory import contents


def keep(x):
    return x


def spread(x):
    return [x]


def build(*stages, name="f"):
    """A line of stages that are not run: (kind, options) each."""
    flow = Flow(name)
    handle = flow
    for number, (kind, options) in enumerate(stages):
        function = spread if kind == "branch" else keep
        handle = getattr(handle, kind)(function, name=f"s{number}", **options)
    return flow


LINE = build(("map", {}), ("map", {}))
BRANCH = build(("branch", {}), ("map", {}))


def stage(client, name, run_id="r"):
    return next(each for each in client.run(run_id).stages if each.name == name)


def feed(server, client, flow, values, *, tuning=None):
    """An open run with these records, and hands for it."""
    hands = Hands(server, flow, tuning=tuning)
    client._tuning = client._runs._tuning = tuning or FixedTuning()
    run = client.open(flow, run_id="r")
    run.extend(values)
    return hands


def finish(client, hands):
    """Closes the run, and lets what is on its way pass through every stage unchanged."""
    client.open(hands.flow, run_id="r").close()
    while entries := hands.take():
        for entry in entries:
            hands.commit(entry, hands.values(entry))
    return list(client.results("r"))


# what a commit returns


def test_a_commit_acknowledges_emits_and_counts(server, client):
    hands = Hands(server, LINE)
    client.submit(LINE, 7, run_id="r")
    (entry,) = hands.take()
    assert hands.commit(entry, ["out"]) is Committed.YES
    assert hands.pending("s0") == []
    first, second = client.run("r").stages
    assert (first.arrived, first.done, first.emitted, first.cursor) == (1, 1, 1, 1)
    assert (first.in_flight, first.ended, second.arrived, second.in_flight) == (0, True, 1, 1)
    assert first.busy == pytest.approx(0.001)
    (following,) = hands.take()
    assert (following.stage, hands.values(following)) == ("s1", ["out"])
    assert hands.commit(following, ["result"]) is Committed.YES
    run = client.run("r")
    assert run.state is RunState.DONE
    assert run.finished is not None
    assert list(client.results("r")) == ["result"]


def test_a_commit_of_what_was_put_back_meanwhile_changes_nothing(server, client, wire):
    hands, others = Hands(server, BRANCH), Hands(server, BRANCH, "others")
    client.submit(BRANCH, 7, run_id="r")
    (entry,) = hands.take()
    wire.exchange(hands.chunks.give_back([entry]))
    (taken_by_others,) = others.take()
    before = contents(wire)
    assert hands.commit(entry, [1, 2]) is Committed.FENCED
    assert hands.commit(entry, [1], rest=True) is Committed.FENCED
    result = hands.result(entry, error="it broke", unfinished=True)
    result.parks.append(hands.park(entry.envelope, wake=5))
    assert hands.put(entry, result) is Committed.FENCED
    assert contents(wire) == before
    assert others.commit(taken_by_others, [1]) is Committed.YES


def test_the_same_commit_again_is_fenced(server, client, wire):
    hands = Hands(server, LINE)
    client.submit(LINE, 7, run_id="r")
    (entry,) = hands.take()
    assert hands.commit(entry, ["out"]) is Committed.YES
    before = contents(wire)
    assert hands.commit(entry, ["out"]) is Committed.FENCED
    assert contents(wire) == before


def test_a_chunk_of_a_run_that_is_gone_is_dropped(server, client, wire):
    hands = Hands(server, LINE)
    client.submit(LINE, 7, run_id="r")
    (entry,) = hands.take()
    wire.call(("DEL", hands.keys.run("r").base))
    assert hands.commit(entry, ["out"]) is Committed.RUN_GONE
    assert hands.take() == []
    assert hands.pending("s0") == []
    assert wire.call(("KEYS", "*run:r*")) == []


# order: the cursor and the reorder buffer


def test_chunks_committed_out_of_order_are_released_in_order(server, client):
    hands = feed(server, client, LINE, range(4))
    entries = hands.at("s0")
    assert [hands.values(entry) for entry in entries[:4]] == [[0], [1], [2], [3]]
    for index in (2, 1, 3):
        assert hands.commit(entries[index], [f"out {index}"]) is Committed.YES
    first, second = client.run("r").stages
    assert (first.held, first.cursor, second.arrived) == (3, 0, 0)
    assert hands.at("s1") == []
    hands.commit(entries[0], ["out 0"])
    assert stage(client, "s0").held == 0
    assert stage(client, "s0").cursor == 4
    released = [value for entry in hands.at("s1") for value in hands.values(entry)]
    assert released == ["out 0", "out 1", "out 2", "out 3"]


def test_what_a_chunk_emits_slice_by_slice_ahead_of_the_cursor_stays_in_order(server, client):
    hands = feed(server, client, BRANCH, range(2))
    first, second = hands.at("s0")
    hands.commit(second, ["b1"], rest=True)
    (second,) = hands.at("s0")
    hands.commit(second, ["b2", "b3"], rest=True)
    (second,) = hands.at("s0")
    hands.commit(second, ["b4"], done=1)
    hands.commit(first, ["a1"])
    released = [value for entry in hands.at("s1") for value in hands.values(entry)]
    assert released == ["a1", "b1", "b2", "b3", "b4"]


def test_a_slice_ahead_of_the_cursor_is_released_when_the_cursor_comes_to_it(server, client):
    hands = feed(server, client, BRANCH, range(2))
    first, second = hands.at("s0")
    hands.commit(second, ["b1"], rest=True)
    hands.commit(first, ["a1"])
    (second,) = hands.at("s0")
    assert stage(client, "s0").held == 0
    hands.commit(second, ["b2"])
    released = [value for entry in hands.at("s1") for value in hands.values(entry)]
    assert released == ["a1", "b1", "b2"]


def test_a_chunk_ahead_of_the_cursor_that_has_emitted_its_share_is_held(server, client):
    hands = feed(server, client, BRANCH, range(2), tuning=FixedTuning(limit=8))
    first, second = hands.at("s0")
    hands.commit(second, range(8), rest=True)
    assert hands.at("s0") == [], "it goes on only when the cursor has come to it"
    hands.commit(first, ["a"])
    (second,) = hands.at("s0")
    assert hands.values(second) == [1]
    hands.commit(second, ["b"])
    assert finish(client, hands) == ["a", *range(8), "b"]
    assert client.run("r").state is RunState.DONE


def test_the_chunk_at_the_cursor_goes_on_however_much_is_held_behind_it(server, client):
    hands = feed(server, client, BRANCH, range(3), tuning=FixedTuning(limit=8))
    first, second, third = hands.at("s0")
    hands.commit(second, range(100, 120))
    hands.commit(third, range(200, 220))
    for value in range(3):
        hands.commit(first, [value], rest=True)
        (first,) = hands.at("s0")
        assert hands.values(first) == [0]
    hands.commit(first, [3])
    assert finish(client, hands) == [*range(4), *range(100, 120), *range(200, 220)]
    assert client.run("r").state is RunState.DONE


def test_a_parked_chunk_ahead_of_the_cursor_goes_on_in_its_place(server, client):
    hands = feed(server, client, BRANCH, range(3))
    first, second, third = hands.at("s0")
    parked = hands.result(second, ["b1"], done=0, unfinished=True)
    parked.parks.append(hands.park(hands.rest(second.envelope, 0)))
    hands.put(second, parked)
    hands.commit(third, ["c"])
    hands.commit(first, ["a"])
    assert stage(client, "s0").parked == 1
    assert [hands.values(entry) for entry in hands.at("s1")] == [["a"], ["b1"]]
    assert client._runs.wake("f", "r", ["s0:1"], why="") == 1
    (second,) = hands.at("s0")
    hands.commit(second, ["b2"])
    assert [hands.values(entry) for entry in hands.at("s1")] == [["b2"], ["c"]]


# window, backlog, joining, credit


def test_no_more_chunks_than_the_window_are_in_flight(server, client):
    hands = feed(server, client, LINE, range(10), tuning=FixedTuning(window=3))
    entries = hands.at("s0")
    assert len(entries) == 3
    assert (stage(client, "s0").in_flight, stage(client, "s0").backlog) == (3, 7)
    hands.commit(entries[1], ["x"])
    assert hands.at("s0") == [], "the cursor has not moved, so neither has the window"
    hands.commit(entries[0], ["x"])
    assert len(hands.at("s0")) == 2


def test_a_sequential_stage_has_one_chunk_in_flight(server, client):
    hands = feed(server, client, build(("map", {"sequential": True})), range(3))
    for number in range(3):
        (entry,) = hands.take()
        assert hands.values(entry) == [number]
        hands.commit(entry, hands.values(entry))
    assert finish(client, hands) == [0, 1, 2]
    assert client.run("r").state is RunState.DONE


def test_small_pieces_that_wait_are_joined_to_chunks_of_the_target_size(server, client):
    tuning = FixedTuning(target=4, piece=1, window=1)
    hands = feed(server, client, LINE, range(10), tuning=tuning)
    sizes, values = [], []
    while entries := hands.at("s0"):
        (entry,) = entries
        sizes.append(entry.envelope.count)
        assert entry.envelope.ordinal == len(values)
        values += hands.values(entry)
        hands.commit(entry)
    assert values == list(range(10))
    assert max(sizes) == 4
    assert len(sizes) <= 4


def test_pieces_are_not_joined_beyond_a_quarter_of_a_megabyte(server, client):
    tuning = FixedTuning(target=100, piece=1, window=1)
    hands = feed(server, client, LINE, ["x"], tuning=tuning)
    client.open(LINE, run_id="r").extend(["x" * 100_000] * 5)
    sizes = []
    while entries := hands.at("s0"):
        sizes.append(entries[0].envelope.count)
        hands.commit(entries[0])
    assert sizes == [1, 2, 2, 1]


def test_a_slow_consumer_stops_the_producer(server, client):
    feed(server, client, LINE, range(100), tuning=FixedTuning(2, limit=1000))
    hands = Hands(server, LINE, tuning=FixedTuning(target=2, window=2, limit=6))
    produced = 0
    for _ in range(50):
        for entry in hands.at("s0"):
            produced += entry.envelope.count
            hands.commit(entry, hands.values(entry))
    assert produced < 20, "with nobody to consume, the producer has stopped"
    assert stage(client, "s1").backlog <= 6 + 2 * 2
    # and what the consumer commits lets it go on
    for entry in hands.at("s1"):
        hands.commit(entry)
    assert hands.at("s0") != []


def test_a_long_series_keeps_to_the_room_downstream_and_goes_on_with_it(server, client):
    hands = feed(server, client, BRANCH, [0], tuning=FixedTuning(target=2, window=2, limit=8))
    emitted, most, values = 0, 0, []
    while emitted < 200:
        for entry in hands.at("s0"):
            emitted += 4
            hands.commit(entry, range(emitted - 4, emitted), rest=emitted < 200)
        most = max(most, stage(client, "s1").backlog)
        for entry in hands.at("s1", count=1):
            values += hands.values(entry)
            hands.commit(entry)
    assert values == list(range(len(values)))
    assert len(values) > 150, "the series could not run far ahead"
    assert most <= 8 + 4


def test_the_end_travels_behind_the_last_record_and_ends_the_run(server, client):
    flow = build(("filter", {}), ("map", {}), ("each", {}))
    hands = feed(server, client, flow, range(3))
    assert finish(client, hands) == []
    run = client.run("r")
    assert run.state is RunState.DONE
    assert [each.done for each in run.stages] == [3, 3, 3]


def test_a_run_that_was_closed_without_a_record_is_done(server, client):
    hands = feed(server, client, LINE, [])
    assert client.run("r").state is RunState.OPEN
    assert hands.take() == []
    client.open(LINE, run_id="r").close()
    assert client.run("r").state is RunState.RUNNING
    for _ in range(2):
        (entry,) = hands.take()
        assert entry.envelope.count == 0
        hands.commit(entry)
    assert client.run("r").state is RunState.DONE
    assert list(client.results("r", follow=True)) == []


def test_a_done_run_expires_with_all_that_it_has(server, client, wire):
    hands = feed(server, client, LINE, range(5))
    finish(client, hands)
    left = wire.call(("KEYS", "*run:r*"))
    assert {key.decode().rpartition("run:")[2] for key in left} == {"r", "r:results"}
    assert all(0 < wire.call(("PTTL", key)) <= 3_600_000 for key in left)
    run_id, expires = wire.call(("ZRANGE", hands.keys.expiring, 0, -1, "WITHSCORES"))
    assert run_id == b"r"
    assert float(expires) / 1000 == pytest.approx(time.time() + 3600, abs=60)


# parked and failed


def test_a_parked_rest_is_in_no_stream_and_its_timer_is_set(server, client, wire):
    hands = feed(server, client, LINE, [1, 2], tuning=FixedTuning(target=2))
    (entry,) = hands.at("s0")
    result = hands.result(entry, ["out"], done=1, unfinished=True)
    result.parks.append(hands.park(hands.rest(entry.envelope, 1), wake=12_345))
    assert hands.put(entry, result) is Committed.YES
    assert hands.at("s0") == []
    assert hands.pending("s0") == []
    timers = wire.call(("ZRANGE", hands.keys.timers, 0, -1, "WITHSCORES"))
    assert timers == [b"r f s0:1", b"12345"]
    (parked,) = client.run("r").parked
    assert (parked.stage, parked.key, parked.why) == ("s0", "r:s0:1", "pause")
    assert parked.wake is not None
    assert parked.wake.timestamp() == 12.345


def test_a_failed_record_halts_the_run_and_keeps_everything(server, client):
    hands = feed(server, client, LINE, range(4), tuning=FixedTuning(target=2))
    first, second = hands.at("s0")
    result = hands.result(first, ["out"], done=1, unfinished=True, error="it broke")
    result.parks.append(hands.park(hands.rest(first.envelope, 1), why="failed", note="Traceback"))
    hands.put(first, result)
    run = client.run("r")
    assert (run.state, run.error) == (RunState.HALTED, "it broke")
    (parked,) = run.parked
    assert (parked.why, parked.note, parked.wake) == ("failed", "Traceback", None)
    # chunks that are on their way still come in
    assert hands.commit(second, ["c", "d"]) is Committed.YES
    assert client.retry("r") == 1
    assert (client.run("r").state, client.run("r").error) == (RunState.OPEN, "")
    (rest,) = hands.at("s0")
    assert hands.values(rest) == [1]
    hands.commit(rest, ["b"])
    assert finish(client, hands) == ["out", "b", "c", "d"]


# markers, results, the feeder


def test_markers_go_to_finished_and_records_to_the_results(server, client):
    flow = Flow("f")
    flow.branch(spread, name="s0", finished=lambda: None)
    hands = Hands(server, flow)
    client.submit(flow, 7, run_id="r")
    (entry,) = hands.take()
    hands.commit(entry, ["x", Marker("s0", 0, None)])
    assert list(client.results("r")) == ["x"]
    following = hands.take()
    assert [entry.stage for entry in following] == ["s0.finished"] * len(following)
    assert sum(entry.envelope.marks for entry in following) == 1
    assert client.run("r").state is RunState.RUNNING
    for entry in following:
        hands.commit(entry)
    for entry in hands.take():
        hands.commit(entry)
    assert client.run("r").state is RunState.DONE


# stages without order


UNORDERED = build(("map", {"ordered": False}), ("map", {}))


def test_an_unordered_stage_releases_chunks_as_they_come(server, client):
    hands = feed(server, client, UNORDERED, range(3))
    entries = hands.at("s0")
    hands.commit(entries[2], ["c"])
    hands.commit(entries[0], ["a"])
    assert [hands.values(entry) for entry in hands.at("s1")] == [["c"], ["a"]]
    assert stage(client, "s0").held == 0


def test_a_parked_record_of_an_unordered_stage_gives_its_place_to_others(server, client):
    hands = feed(server, client, UNORDERED, range(6), tuning=FixedTuning(window=2))
    for entry in hands.at("s0"):
        result = hands.result(entry)
        result.parks.append(hands.park(hands.alone(entry.envelope, 0)))
        hands.put(entry, result)
    assert len(hands.at("s0")) == 2
    assert stage(client, "s0").parked == 2


def test_an_unordered_stage_ends_after_its_parked_records_only(server, client):
    hands = feed(server, client, UNORDERED, range(2), tuning=FixedTuning(target=2))
    (entry,) = hands.at("s0")
    result = hands.result(entry, ["b"])
    result.parks.append(hands.park(hands.alone(entry.envelope, 0)))
    hands.put(entry, result)
    assert finish(client, hands) == ["b"]
    assert client.run("r").state is RunState.RUNNING
    assert not stage(client, "s0").ended
    client._runs.wake("f", "r", ["s0:0"], why="")
    (woken,) = hands.at("s0")
    assert hands.values(woken) == [0]
    hands.commit(woken, ["a"])
    assert stage(client, "s0").ended
    assert finish(client, hands) == ["b", "a"]
    assert client.run("r").state is RunState.DONE


def test_a_record_of_an_unordered_stage_goes_on_at_once_by_itself(server, client):
    hands = feed(server, client, UNORDERED, [1, 2, 3], tuning=FixedTuning(target=4))
    (entry,) = hands.at("s0")
    result = hands.result(entry, ["a", "c"])
    result.at_once.append(hands.alone(entry.envelope, 1))
    hands.put(entry, result)
    (alone,) = hands.at("s0")
    assert hands.values(alone) == [2]
    assert alone.envelope.ordinal == 1
    hands.commit(alone, ["b"])
    assert finish(client, hands) == ["a", "c", "b"]
    assert client.run("r").state is RunState.DONE


def test_an_unordered_stage_ends_after_a_chunk_that_goes_on_slice_by_slice(server, client):
    hands = feed(server, client, UNORDERED, range(2))
    slow, other = hands.at("s0")
    hands.commit(other, ["other"])
    finish(client, hands)
    hands.commit(slow, ["early"], rest=True)
    assert not stage(client, "s0").ended
    (slow,) = hands.at("s0")
    hands.commit(slow, ["late"], done=1)
    assert stage(client, "s0").ended
    assert finish(client, hands) == ["other", "early", "late"]
    assert client.run("r").state is RunState.DONE


def test_an_unordered_stage_ends_after_a_chunk_that_waits_for_room(server, client):
    flow = build(("branch", {"ordered": False}), ("map", {"window": 1}))
    hands = feed(server, client, flow, [0], tuning=FixedTuning(limit=4, window=2))
    (slow,) = hands.at("s0")
    hands.commit(slow, ["first"], rest=True)
    (slow,) = hands.at("s0")
    client.open(flow, run_id="r").close()
    for entry in hands.at("s0"):
        hands.commit(entry)
    hands.commit(slow, range(20), rest=True)
    assert hands.at("s0") == [], "there is no room downstream"
    assert not stage(client, "s0").ended
    while entries := hands.at("s1"):
        for entry in entries:
            hands.commit(entry, hands.values(entry))
    (slow,) = hands.at("s0")
    hands.commit(slow, ["late"])
    assert finish(client, hands) == ["first", *range(20), "late"]
    assert client.run("r").state is RunState.DONE


def test_an_unordered_stage_without_records_ends(server, client):
    assert finish(client, feed(server, client, UNORDERED, [])) == []
    assert client.run("r").state is RunState.DONE


def test_an_unordered_stage_at_the_end_ends_the_run(server, client):
    hands = feed(server, client, build(("map", {"ordered": False})), [1])
    assert finish(client, hands) == [1]
    assert client.run("r").state is RunState.DONE


def test_books_that_say_more_than_the_backlog_has_do_no_harm(server, client, wire):
    hands = feed(server, client, LINE, range(6), tuning=FixedTuning(window=1))
    (entry,) = hands.at("s0")
    wire.call(("DEL", hands.keys.run("r").backlog("s0")))
    assert hands.commit(entry, ["x"]) is Committed.YES
    for each in hands.at("s0"):
        assert hands.commit(each) is Committed.YES
    assert stage(client, "s0").backlog == 0
    client.open(LINE, run_id="r").append("new")
    assert finish(client, hands) == ["x", "new"]
    assert client.run("r").state is RunState.DONE


def test_a_backlog_that_lost_its_list_does_not_stop_the_stage(server, client, wire):
    hands = Hands(server, LINE)
    client.submit(LINE, 7, run_id="r")
    (entry,) = hands.take()
    books = "3 2 9 1 0 0 0 0 0 0 0 0 0 0 0 0"
    wire.call(("HSET", hands.keys.run("r").base, "b:s1", books))
    assert hands.commit(entry, ["out"]) is Committed.YES
    assert [hands.values(each) for each in hands.at("s1")] == [["out"]]
    assert client.run("r").stages[1].backlog == 0
    wire.call(("FLUSHALL",))
