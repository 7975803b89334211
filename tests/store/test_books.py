"""Runs whose books, or whose things, were broken on purpose: what the doctor says, and mends."""

import time

import pytest

from pauseflow import Flow, PauseFlow
from pauseflow.client import Client, RunState
from pauseflow.errors import ServerUnreachable
from pauseflow.store.envelope import Envelope
from pauseflow.store.held import Held
from pauseflow.store.recount import COUNTERS, recount
from support.cluster import Cluster
from support.doctor import complaints, mended, texts
from support.faults import Faults, ShakyServer
from support.hands import FixedTuning, Hands

LINE = Flow("f")
LINE.map(lambda x: x, name="s0").map(lambda x: x, name="s1")

LOOSE = Flow("f")
LOOSE.map(lambda x: x, name="s0", ordered=False).map(lambda x: x, name="s1")


def waiting(x):
    answer = yield PauseFlow(until="tea")
    yield (x, answer)


def sleeping(x):
    yield x
    yield PauseFlow(after=0.01)
    yield x + 1


WAITING = Flow("f")
WAITING.branch(waiting, name="s0").map(lambda x: x, name="s1")

SLEEPING = Flow("f")
SLEEPING.branch(sleeping, name="s0").map(lambda x: x, name="s1")


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr("pauseflow.checks.books.PASSES_SECONDS", 0.0)
    monkeypatch.setattr("pauseflow.checks.strays.PASSES_SECONDS", 0.0)


def feed(server, client, flow, values, *, close=True, **tuning):
    """A run that is fed these values, and a consumer of its stages."""
    chosen = FixedTuning(**tuning)
    client._tuning = client._runs._tuning = chosen
    hands = Hands(server, flow, tuning=chosen)
    hands.wire.call(("ZADD", hands.keys.leases, 1e15, hands.name))
    client.open(flow, run_id="r")
    client._runs.append(flow.graph, "r", 0, list(values), close=close)
    return hands


def finish(client, hands):
    """Everything is done as it comes, to the end; the results."""
    while entries := hands.take():
        for entry in entries:
            hands.commit(entry, hands.values(entry))
    assert client.run("r").state is RunState.DONE
    return list(client.results("r"))


def alter(hands, stage, **by):
    """Adds to counters in the books of a stage."""
    run = hands.keys.run("r").base
    line = hands.wire.call(("HGET", run, f"b:{stage}")) or b" ".join([b"0"] * len(COUNTERS))
    books = dict(zip(COUNTERS, map(int, line.split()), strict=True))
    for name, more in by.items():
        books[name] += more
    hands.wire.call(("HSET", run, f"b:{stage}", " ".join(map(str, books.values()))))


def stage_keys(hands, stage):
    run = hands.keys.run("r")
    return hands.keys.stream("f", stage), run.backlog(stage), run.reorder(stage)


@pytest.mark.parametrize("flow", [LINE, LOOSE])
@pytest.mark.parametrize(
    ("stage", "counter", "word"),
    [
        ("s0", "flying", "chunks in flight"),
        ("s0", "waiting", "pieces in the backlog"),
        ("s0", "waiting_items", "records in the backlog"),
        ("s0", "waiting_bytes", "bytes in the backlog"),
        ("s0", "stalled", "continuations in the backlog"),
        ("s0", "parked", "continuations parked"),
        ("s1", "held", "chunks held for the cursor"),
        ("s1", "held_items", "outputs held for the cursor"),
        ("s1", "held_bytes", "bytes held for the cursor"),
    ],
)
def test_counters_that_are_wrong_are_written_anew(server, client, flow, stage, counter, word):
    hands = feed(server, client, flow, range(9), window=3)
    assert complaints(client, flow) == []
    alter(hands, stage, **{counter: 7})
    (said,) = texts(client, flow)
    assert f"run r of flow f: stage {stage}: by its books there are " in said
    assert word in said
    (done,) = mended(client, flow)
    assert "its books were written anew" in done
    assert f"{counter} " in done
    assert sorted(finish(client, hands)) == list(range(9))


def test_an_end_that_nobody_was_told_of_is_told(server, client):
    hands = feed(server, client, LOOSE, range(2), window=3)
    alter(hands, "s0", flying=1)
    for entry in hands.take():
        hands.commit(entry, hands.values(entry))
    first, second = mended(client, LOOSE)
    assert "flying 1 → 0" in first
    assert "the stages after it were not told: it was given an empty chunk" in second
    assert finish(client, hands) == [0, 1]


@pytest.mark.parametrize("flow", [LINE, LOOSE])
def test_a_stage_that_nobody_gives_its_backlog_to(server, client, flow):
    hands = feed(server, client, flow, [], close=False)
    client.pause("r")
    client._runs.append(flow.graph, "r", 0, [1, 2, 3], close=True)
    assert complaints(client, flow) == []
    hands.wire.call(("HSET", hands.keys.run("r").base, "state", "running"))
    hands.wire.call(("HDEL", hands.keys.held, "run:r"))
    (said,) = texts(client)
    assert "stage s0 stands still: 3 pieces in the backlog, nothing at work" in said
    (done,) = mended(client)
    assert done.endswith("it was given an empty chunk, to go on after")
    assert finish(client, hands) == [1, 2, 3]


@pytest.mark.parametrize("priority", ["high", "low"])
def test_a_push_goes_by_the_lane_of_the_run(server, client, priority):
    hands = feed(server, client, LINE, [], close=False)
    client.pause("r")
    client._runs.append(LINE.graph, "r", 0, [1], close=True)
    run = hands.keys.run("r").base
    hands.wire.call(("HSET", run, "state", "running", "priority", priority))
    hands.wire.call(("HDEL", hands.keys.held, "run:r"))
    mended(client)
    assert hands.wire.call(("XLEN", f"{hands.keys.stream('f', 's0')}:{priority}")) == 1
    hands.chunks.leave_out(Held(lanes=True))  # as if it had heard of such runs
    assert finish(client, hands) == [1]


def unmendable(client, *flows):
    """The one thing that is wrong, and stays so whatever is tried."""
    (found,) = complaints(client, *flows)
    assert found.mend is None
    return found


@pytest.mark.parametrize("flows", [(LINE,), ()])
def test_chunks_that_are_gone_are_lost(server, client, flows):
    hands = feed(server, client, LINE, range(6), window=3)
    (first, *_) = hands.take(1)
    hands.commit(first, hands.values(first))
    for key in (stage_keys(hands, "s0")[0], stage_keys(hands, "s1")[0]):
        hands.wire.call(("DEL", key))
    found = complaints(client, *flows)
    assert {each.mend for each in found} == {None}
    said = [each.text for each in found]
    assert any("stage s0: chunk 1, 2, 3 of 4 is nowhere" in text for text in said)
    assert any("stage s0: 4 records were given to it, 1 are done and 0 are there" in text
               for text in said)  # fmt: skip
    assert "flowctl cancel r" in found[0].advice
    client.cancel("r")
    assert complaints(client, *flows) == []


def test_records_of_an_unordered_stage_that_are_gone_are_lost(server, client):
    hands = feed(server, client, LOOSE, range(6), window=3)
    hands.wire.call(("DEL", stage_keys(hands, "s0")[0]))
    found = complaints(client)
    assert {each.mend for each in found} == {None}
    assert "3 records were given to it, 0 are done and 0 are there: 3 are lost" in found[0].text
    client.cancel("r")


def test_a_backlog_that_is_gone_is_lost(server, client):
    hands = feed(server, client, LINE, range(6), window=3)
    hands.wire.call(("DEL", stage_keys(hands, "s0")[1]))
    found = unmendable(client)
    assert "3 pieces in the backlog and 3 records in the backlog and" in found.text
    assert "there are 0 and 0 and 0" in found.text
    client.cancel("r")


def test_outputs_that_are_gone_from_the_reorder_buffer_are_lost(server, client):
    hands = feed(server, client, LINE, range(6), window=3)
    one, two, three = hands.at("s0")
    hands.commit(two, hands.values(two))
    hands.commit(three, hands.values(three))
    assert complaints(client) == []
    hands.wire.call(("HDEL", stage_keys(hands, "s0")[2], "1:1"))
    found = complaints(client)
    assert "outputs of chunk 1 that it holds for the cursor are lost" in found[0].text
    assert {each.mend for each in found} == {None}
    hands.commit(one, hands.values(one))
    client.cancel("r")


def test_books_that_are_damaged_can_not_be_recounted(server, client):
    hands = feed(server, client, LINE, range(6), window=3)
    before = client.run("r")
    hands.wire.call(("HSET", hands.keys.run("r").base, "b:s1", "nonsense"))
    assert "damaged" in client.run("r").error
    assert complaints(client) == []  # it is told with the runs: nothing of it can be read
    survey = client.inspection.surveyor.survey(before)
    (wrong,) = recount(survey)
    assert wrong.text == "stage s1: its books are damaged: b'nonsense'"
    client.cancel("r")


def test_what_is_damaged_is_told(server, client):
    hands = feed(server, client, LINE, range(6), window=3)
    stream, backlog, reorder = stage_keys(hands, "s0")
    for place in (
        ("RPUSH", backlog, "nonsense"),
        ("RPUSH", backlog, "!nonsense"),
        ("HSET", reorder, "x", "1 1"),
        ("HSET", hands.keys.run("r").parked, "s0:9", "nonsense"),
        ("XADD", stream, "*", "e", "1 r nonsense"),
    ):
        hands.wire.call(place)
    found = complaints(client)
    assert {each.mend for each in found} == {None}
    said = "\n".join(each.text for each in found)
    for words in (
        "a piece in its backlog begins with b'nonsense'",
        "a continuation in its backlog begins with b'!nonsense'",
        "what it holds under 'x' begins with b'1 1'",
        "what is parked as 's0:9' is damaged",
        "an entry of its stream begins with b'1 r nonsense'",
    ):
        assert words in said
    client.cancel("r")


def test_what_is_damaged_in_the_reorder_buffer_is_told(server, client):
    hands = feed(server, client, LINE, range(6), window=3)
    reorder = stage_keys(hands, "s0")[2]
    odd = {"7": "odd", "7:c": "odd!", "7:1": "odd.", "7:x": "1 0 0 1"}
    for name, text in odd.items():
        hands.wire.call(("HSET", reorder, name, text))
    said = "\n".join(texts(client))
    for name, text in odd.items():
        assert f"what it holds under '{name}' begins with b'{text}'" in said
    client.cancel("r")


def test_a_continuation_that_is_held_is_no_damage(server, client):
    hands = feed(server, client, LINE, range(6), window=3)
    _, two, _ = hands.at("s0")
    hands.wire.call(("HSET", stage_keys(hands, "s0")[2], "1:c", two.envelope.pack()))
    hands.wire.call(("LPUSH", stage_keys(hands, "s0")[1], b"!" + two.envelope.pack()))
    assert not any("begins with" in text for text in texts(client))
    client.cancel("r")


@pytest.mark.parametrize("told", ["nonsense", "[1]", '{"s0": "fast"}', '{"s0": %s}' % ("9" * 400)])
def test_rates_that_make_no_sense_are_none(server, client, told):
    hands = feed(server, client, LINE, range(3))
    hands.wire.call(("HSET", hands.keys.run("r").base, "rates", told))
    info = client.run("r")
    assert (info.state, info.stages[0].rate) == (RunState.RUNNING, 0.0)
    client.cancel("r")


@pytest.mark.parametrize("count", ["-1", f"{1 << 70}", "many"])
def test_a_run_with_a_count_that_can_t_be_is_shown_as_damaged(server, client, count):
    hands = feed(server, client, LINE, range(3))
    hands.wire.call(("HSET", hands.keys.run("r").base, "dead", count))
    info = client.run("r")
    assert info.error.startswith("what the server knows of it is damaged: ValueError")
    assert client.cancel("r")


def test_a_chunk_that_is_gone_from_between_others_is_named(server, client):
    hands = feed(server, client, LINE, range(3), window=5)
    stream = stage_keys(hands, "s0")[0]
    hands.wire.call(("XDEL", stream, hands.wire.call(("XRANGE", stream, "-", "+"))[1][0]))
    found = complaints(client, LINE)
    said = [each.text for each in found]
    assert any("chunk 1 of 3 is nowhere, and the cursor is at 0" in text for text in said)
    assert {each.mend for each in found} == {None}
    client.cancel("r")


def test_more_records_than_were_given_are_too_many(server, client):
    hands = feed(server, client, LINE, range(3), window=5)
    alter(hands, "s0", given=-1)
    assert (
        "stage s0: 2 records were given to it and 0 are done, but 3 are there"
        in unmendable(client).text
    )
    client.cancel("r")


def test_a_run_that_goes_before_it_is_looked_at_is_none(server, client):
    hands = feed(server, client, LINE, range(3))
    info = client.run("r")
    client.cancel("r")
    hands.wire.call(("DEL", hands.keys.run("r").base))
    assert client.inspection.surveyor.survey(info) is None
    hands.wire.call(("ZREM", hands.keys.runs, "r"))
    hands.wire.call(("ZREM", hands.keys.expiring, "r"))


def test_something_else_in_the_place_of_a_stream_holds_up_no_other_run(server, client):
    hands = feed(server, client, LINE, range(6), window=3)
    client.submit(SLEEPING, 1, run_id="other")
    stream = stage_keys(hands, "s0")[0]
    hands.wire.call(("DEL", stream))
    hands.wire.call(("SET", stream, "x"))
    assert any("it can't be recounted" in text for text in texts(client))
    hands.wire.call(("DEL", stream))
    client.cancel("r")
    client.cancel("other")


def test_a_server_that_goes_while_streams_are_looked_at_is_told(fake):
    faults = Faults()
    with Client(ShakyServer(fake, faults)) as client:
        client.submit(LINE, 1, run_id="r")
        faults.plan = ["reply"]
        with pytest.raises(ServerUnreachable):
            client.inspection.surveyor.census([("f", "s0")])
        assert len(client.inspection.surveyor.census([("f", "s0")])) == 3
        client.cancel("r")


def test_something_else_in_the_place_of_a_key_is_told(server, client):
    hands = feed(server, client, LINE, range(6), window=3)
    backlog = stage_keys(hands, "s0")[1]
    hands.wire.call(("DEL", backlog))
    hands.wire.call(("SET", backlog, "x"))
    assert "it can't be recounted" in unmendable(client).text
    hands.wire.call(("DEL", backlog))
    client.cancel("r")


@pytest.mark.parametrize("flow", [LINE, LOOSE])
def test_a_chunk_that_is_there_twice_is_left_out_the_second_time(server, client, flow):
    hands = feed(server, client, flow, range(3), window=5)
    stream = stage_keys(hands, "s0")[0]
    _, words = hands.wire.call(("XRANGE", stream, "-", "+", "COUNT", 1))[0]
    hands.wire.call(("XADD", stream, "*", *words))
    (found,) = complaints(client, flow)
    assert "stage s0: chunk 0 is there twice: it will be left out" in found.text
    assert (found.level, found.mend) == ("warning", None)
    entries = hands.at("s0")
    for entry in [*entries[:1], entries[-1], *entries[1:-1]]:
        hands.commit(entry, hands.values(entry))
    if flow is LINE:  # an unordered stage can't tell which of both it has done
        assert finish(client, hands) == [0, 1, 2]
    else:
        client.cancel("r")


def test_chunks_that_no_number_was_given_to(server, client):
    hands = feed(server, client, LINE, [1], window=5)
    envelope = Envelope("r", 9, 9, 0, 0, 0, ended=False, frames=b"", items=b"")
    hands.wire.call(("XADD", stage_keys(hands, "s0")[0], "*", "e", envelope.pack()))
    (found,) = complaints(client, LINE)
    assert "there is a chunk 9, but 1 were numbered, and the cursor is at 0" in found.text
    assert found.level == "warning"
    assert finish(client, hands) == [1]


def test_a_cursor_beyond_the_last_chunk(server, client):
    hands = feed(server, client, LINE, range(3), window=5)
    alter(hands, "s1", cursor=4)
    assert "its cursor is at chunk 4, and only 0 were numbered" in unmendable(client, LINE).text
    client.cancel("r")


def test_a_stage_that_is_over_and_has_something(server, client):
    hands = feed(server, client, LINE, range(3), window=5)
    alter(hands, "s0", ended=2)
    said = unmendable(client, LINE).text
    assert "the stages after it were told that it is over, and 3 chunks in flight are there" in said
    client.cancel("r")


def test_a_run_of_which_nothing_is_left_and_that_is_not_done(server, client):
    hands = feed(server, client, LINE, range(3), window=5)
    hands.wire.call(("HINCRBY", hands.keys.run("r").base, "leaves", 1))
    while entries := hands.take():
        for entry in entries:
            hands.commit(entry, hands.values(entry))
    assert "by its books it waits for 1 stages to end; there are 0" in unmendable(client, LINE).text
    said = unmendable(client).text
    assert "it stands still: nothing of it is anywhere, and it is not done" in said
    client.cancel("r")


def test_ends_and_results_that_are_counted_wrong_are_written_anew(server, client):
    hands = feed(server, client, LINE, range(4), window=5)
    for stage in ("s0", "s1"):
        for entry in hands.at(stage, 2):
            hands.commit(entry, hands.values(entry))
    assert complaints(client, LINE) == []
    run = hands.keys.run("r").base
    for name, by in (("leaves", 2), ("results", 5), ("result_bytes", -3)):
        hands.wire.call(("HINCRBY", run, name, by))
    said = "\n".join(mended(client, LINE))
    assert "by its books it waits for 3 stages to end; there are 1" in said
    assert "results are 7 by its books; with the newest there are 2" in said
    assert "its books were written anew: result_bytes " in said
    assert finish(client, hands) == [0, 1, 2, 3]


# what wakes what is parked


@pytest.fixture
def cluster(server):
    with Cluster(server, SLEEPING) as made:
        yield made


def parked(cluster, flow, values=(1, 2)):
    """A run that has something parked."""
    if flow is not SLEEPING:
        cluster.add(flow)
    for number, value in enumerate(values):
        cluster.client.submit(flow, value, run_id=f"r{number}" if number else "r")
    for worker in cluster.workers:
        while worker.run_once():
            pass
    assert complaints(cluster.client, flow) == []
    return cluster.keys.run("r")


def test_a_timer_that_is_missing_is_put_back(cluster):
    parked(cluster, SLEEPING)
    cluster.wire.call(("DEL", cluster.keys.timers))
    said = texts(cluster.client)
    assert len(said) == 2
    assert said[-1].startswith("run r of flow f: what is parked as s0:0 (pause) has no timer")
    done = mended(cluster.client)
    assert all(each.endswith("its timer was put back") for each in done)
    cluster.advance(1)
    assert cluster.finish("r", far=1) == [1, 2]
    assert cluster.finish("r1", far=1) == [2, 3]


@pytest.fixture
def waiters(server):
    with Cluster(server, WAITING) as made:
        yield made


def answered(cluster, run_id="r"):
    cluster.client.signal(run_id, "tea", "hot")
    return cluster.finish(run_id)


def test_a_wait_that_is_missing_is_put_back(waiters):
    run = parked(waiters, WAITING)
    waiters.wire.call(("DEL", run.waits))
    (said,) = texts(waiters.client)
    assert "what is parked as s0:0 waits for 'tea', and is not listed among what does" in said
    assert mended(waiters.client) == [f"{said}: it was listed again"]
    assert answered(waiters) == [(1, "hot")]
    assert answered(waiters, "r1") == [(2, "hot")]


def test_a_wait_of_nothing_is_struck_out(waiters):
    run = parked(waiters, WAITING)
    waiters.wire.call(("ZADD", run.waits, 0, "tea\n0000000000000001\ns0:7"))
    waiters.wire.call(("ZADD", run.waits, 0, "foreign"))
    found = complaints(waiters.client)
    assert {each.level for each in found} == {"warning"}
    assert "'s0:7' is listed as waiting for 'tea', and is not parked for it" in found[1].text
    assert len(mended(waiters.client)) == 2
    assert answered(waiters) == [(1, "hot")]
    waiters.client.cancel("r1")


def test_an_answer_that_did_not_reach_what_waits_is_told(waiters):
    run = parked(waiters, WAITING)
    waiters.wire.call(("ZADD", run.signals, 0, "tea\n0000000000000001\nnonsense"))
    found = unmendable(waiters.client)
    assert "an answer to 'tea' is kept, although something waits for it" in found.text
    assert found.advice == "Send it again: the first that waits gets it"
    assert answered(waiters) == [(1, "hot")]
    waiters.client.cancel("r1")


def test_a_job_that_nobody_looks_at_is_looked_at_again(server, client):
    hands = feed(server, client, LINE, [1, 2], window=3)
    entry, other = hands.at("s0")
    result = hands.result(entry, done=0, unfinished=True)
    result.parks.append(hands.park(hands.rest(entry.envelope, 0), why="signal", note="job:7"))
    hands.put(entry, result)
    assert complaints(client) == []
    hands.wire.call(("DEL", hands.keys.jobs))
    (said,) = texts(client)
    assert "waits for job:7, which nobody looks at" in said
    assert mended(client)[0].endswith("a coordinator will look at it")
    assert hands.wire.call(("ZRANGE", hands.keys.jobs, 0, -1)) == [b"r job:7"]
    hands.commit(other, hands.values(other))
    client.cancel("r")


def test_what_was_parked_for_a_pause_that_is_over_goes_on(server, client):
    hands = feed(server, client, LINE, [1, 2], window=3)
    client.pause("r")
    for entry in hands.at("s0"):
        hands.commit(entry, rest=True)
    assert complaints(client) == []
    hands.wire.call(("HSET", hands.keys.run("r").base, "state", "running"))
    hands.wire.call(("HDEL", hands.keys.held, "run:r"))
    (said,) = texts(client)
    assert "2 are parked because the run was paused, and it is not any more" in said
    assert mended(client) == [f"{said}: 2 were put back"]
    assert finish(client, hands) == [1, 2]


# how it looks


def test_a_remedy_is_not_for_books_that_are_others_by_now(server, client):
    hands = feed(server, client, LINE, range(9), window=3)
    alter(hands, "s0", flying=7)
    (found,) = complaints(client)
    entry, *_ = hands.at("s0")
    hands.commit(entry, hands.values(entry))
    assert found.mend() == ""
    mended(client)
    hands.chunks.give_back([])
    client.cancel("r")
    assert found.mend() == ""


def test_one_run_may_be_asked_for(server, client):
    hands = feed(server, client, LINE, range(9), window=3)
    client.submit(LINE, 1, run_id="other")
    alter(hands, "s0", flying=7)
    assert texts(client, run="other") == []
    assert len(texts(client, run="r")) == 1
    client.cancel("r")
    client.cancel("other")


def test_more_than_one_look_can_see_is_looked_at_in_parts(server, client, monkeypatch):
    hands = feed(server, client, LINE, range(60), window=50, limit=5)
    entries = hands.at("s0")
    for entry in entries[1:]:
        hands.commit(entry, hands.values(entry))
    monkeypatch.setattr("pauseflow.store.survey.AT_ONCE", 7)
    assert complaints(client) == []
    alter(hands, "s0", flying=7)
    (said,) = texts(client)
    assert "8 chunks in flight; there are 1" in said
    mended(client)
    hands.commit(entries[0], hands.values(entries[0]))
    assert finish(client, hands) == list(range(60))


def test_what_changes_meanwhile_is_not_told(server, client, monkeypatch):
    """A run in parts, of which something is done between two of them."""
    hands = feed(server, client, LINE, range(30), window=20)
    alter(hands, "s0", flying=7)
    entries = hands.at("s0")
    monkeypatch.setattr("pauseflow.store.survey.AT_ONCE", 7)
    before = client._wire.call
    looks = []

    def call(command):
        looks.append(command)
        if len(looks) % 3 == 0:
            entry = entries.pop(0)
            hands.commit(entry, hands.values(entry))
        return before(command)

    monkeypatch.setattr(client._wire, "call", call)
    assert texts(client, run="r") == []
    monkeypatch.undo()
    client.cancel("r")


def test_a_run_of_thousands_is_recounted_in_no_time(server, client):
    hands = feed(server, client, LINE, range(1500), window=1, limit=10_000)
    began = time.perf_counter()
    assert complaints(client) == []
    assert time.perf_counter() - began < 5
    hands.wire.call(("PING",))
    client.cancel("r")
