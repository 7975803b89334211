"""Whole runs whose records fail: set aside, tried again, edited, skipped."""

import pytest

from pauseflow import Flow, PauseFlow, current
from pauseflow.client import RunState
from pauseflow.errors import SkipRefused
from support.cluster import Cluster
from support.faults import Faults, ShakyServer
from support.hands import FixedTuning

DONE = []
BROKEN = set()


@pytest.fixture(autouse=True)
def nothing_done(monkeypatch):
    DONE.clear()
    BROKEN.clear()
    monkeypatch.setattr("pauseflow_workers.worker.Tuning", lambda: FixedTuning(target=3))


def spread(n):
    yield from range(n)


def sift(x):
    DONE.append((x, current().key, current().attempt))
    if x in BROKEN:
        raise ValueError(f"not {x}")
    return x


def ten(x):
    return (x * 10, current().key)


def sifting(**options):
    flow = Flow("f")
    flow.branch(spread).map(sift, **options).map(ten)
    return flow


def finish(cluster, run_id):
    return [value for value, _ in cluster.finish(run_id)]


def test_the_run_completes_without_the_record_and_in_order(fake):
    BROKEN.update({2, 5, 8})
    flow = sifting(on_error="dead")
    with Cluster(fake, flow, workers=2) as cluster:
        cluster.client.submit(flow, 9, run_id="local")
        assert finish(cluster, "local") == [0, 10, 30, 40, 60, 70]
        letters = list(cluster.client.dead())
        assert sorted(letter.key for letter in letters) == [f"local:sift:{n}" for n in (2, 5, 8)]
        assert cluster.client.run("local").dead == 3
        newest = letters[0]
        assert (newest.record, newest.error, newest.attempts) == (8, "not 8", 1)
        assert "test_dead_records.py" in newest.traceback


@pytest.mark.parametrize("options", [{}, {"ordered": False}, {"threads": 3}])
def test_a_retry_after_the_fix_gives_its_result_once_under_the_same_key(fake, options):
    BROKEN.add(2)
    flow = sifting(on_error="dead", retries=1, backoff=5, **options)
    with Cluster(fake, flow) as cluster:
        cluster.client.submit(flow, 4, run_id="local")
        assert sorted(value for value, _ in cluster.finish("local", far=6)) == [0, 10, 30]
        (letter,) = cluster.client.dead()
        assert letter.attempts == 2
        BROKEN.clear()
        DONE.clear()
        assert cluster.client.retry_dead(flow, [letter.key]) == {letter.key: "local.again-1"}
        assert cluster.finish("local.again-1") == [(20, "local.again-1:ten:0")]
        assert DONE == [(2, "local:sift:2", 0)]
        assert list(cluster.client.dead()) == []
        assert len(list(cluster.client.results("local"))) == 3


def test_what_dies_again_takes_the_same_name_again(fake):
    BROKEN.add(2)
    flow = sifting(on_error="dead")
    with Cluster(fake, flow) as cluster:
        cluster.client.submit(flow, 4, run_id="local")
        cluster.finish("local")
        for number in (1, 2):
            made = cluster.client.retry_dead(flow, ["local:sift:2"])
            assert made == {"local:sift:2": f"local.again-{number}"}
            assert cluster.finish(f"local.again-{number}") == []
        (letter,) = cluster.client.dead()
        assert letter.key == "local:sift:2"
        assert {key for x, key, _ in DONE if x == 2} == {"local:sift:2"}


def test_it_works_when_the_run_is_long_gone(fake):
    BROKEN.add(0)
    flow = sifting(on_error="dead")
    with Cluster(fake, flow) as cluster:
        cluster.client.submit(flow, 1, run_id="local")
        cluster.finish("local")
        cluster.advance(2 * 3600)
        cluster.settle()
        assert cluster.client.runs() == []
        BROKEN.clear()
        (run_id,) = cluster.client.retry_dead(flow, ["local:sift:0"]).values()
        assert finish(cluster, run_id) == [0]


def test_a_branch_goes_on_from_its_frame_and_is_finished_then(fake):
    def steps(n):
        for number in range(n):
            check(number)
            yield number
            yield PauseFlow()

    def check(number):
        DONE.append((number, current().key))
        if number in BROKEN:
            raise ValueError("no")

    def ended(n):
        DONE.append(("ended", n))

    BROKEN.add(3)
    flow = Flow("f")
    flow.branch(steps, finished=ended, on_error="dead").map(lambda x: x, name="after")
    with Cluster(fake, flow) as cluster:
        cluster.client.submit(flow, 5, run_id="local")
        assert cluster.finish() == [0, 1, 2]
        assert ("ended", 5) not in DONE
        DONE.clear()
        BROKEN.clear()
        (run_id,) = cluster.client.retry_dead(flow, ["local:steps:0"]).values()
        assert cluster.finish(run_id) == [3, 4]
        key = "local:steps:0"
        assert list(DONE) == [(3, key), (4, key), ("ended", 5)]


@pytest.mark.parametrize("ordered", [True, False])
def test_a_record_keeps_its_key_over_pauses_and_failures_of_its_second_life(fake, ordered):
    places = []

    def patient(x):
        places.append((current().key, current().run_id))
        match len(places):
            case 1 | 2 | 4:
                raise ValueError("no")
            case 3:
                raise PauseFlow(after=5)
        return x

    flow = Flow("f")
    flow.map(patient, on_error="dead", retries=1, backoff=1, ordered=ordered)
    with Cluster(fake, flow) as cluster:
        cluster.client.submit(flow, 7, run_id="local")
        assert cluster.finish(far=2) == []
        (run_id,) = cluster.client.retry_dead(flow, ["local:patient:0"]).values()
        assert cluster.finish(run_id, far=6) == [7]
        assert places == [("local:patient:0", "local")] * 2 + [("local:patient:0", run_id)] * 3


def test_an_edited_record_starts_from_the_top(fake):
    def steps(words):
        for word in words:
            if word == "bad":
                raise ValueError(word)
            yield word
            yield PauseFlow()

    flow = Flow("f")
    flow.branch(steps, on_error="dead")
    with Cluster(fake, flow) as cluster:
        cluster.client.submit(flow, ["a", "bad"], run_id="local")
        assert cluster.finish() == ["a"]
        cluster.client.edit_dead("local:steps:0", ["a", "good"])
        (run_id,) = cluster.client.retry_dead(flow, ["local:steps:0"]).values()
        assert cluster.finish(run_id) == ["a", "good"]


def test_a_record_that_takes_workers_down_can_be_tried_again(fake):
    flow = sifting()
    with Cluster(fake, flow, workers=0) as cluster:
        cluster.client.submit(flow, 1, run_id="local")
        cluster.step(cluster.hire())
        cluster.lose(cluster.workers[0])
        for _ in range(3):
            doomed = cluster.hire(ShakyServer(fake, Faults(["reply"], match="XREADGROUP")))
            cluster.step(doomed)
            assert cluster.bury() == 1
        cluster.hire()
        assert cluster.finish("local") == []
        (letter,) = cluster.client.dead()
        assert (letter.key, letter.crashes) == ("local:sift:0", 3)
        (run_id,) = cluster.client.retry_dead(flow, [letter.key]).values()
        assert finish(cluster, run_id) == [0]


# skipping


@pytest.mark.parametrize("options", [{}, {"ordered": False}, {"sequential": True}])
@pytest.mark.parametrize("broken", [{0}, {2}, {4}, {6}, {0, 1, 2, 3, 4, 5, 6}])
def test_a_halted_run_goes_on_behind_the_record(fake, options, broken):
    BROKEN.update(broken)
    flow = sifting(**options)
    with Cluster(fake, flow) as cluster:
        cluster.client.submit(flow, 7, run_id="local")
        skipped = []
        while cluster.settle() or cluster.client.run("local").state is RunState.HALTED:
            skipped += cluster.client.skip("local")
        values = [value for value, _ in cluster.finish("local")]
        if options.get("ordered", True):
            assert values == [10 * n for n in range(7) if n not in broken]
        else:
            assert sorted(values) == [10 * n for n in range(7) if n not in broken]
        assert sorted(skipped) == sorted(f"local:sift:{n}" for n in broken)
        assert cluster.client.run("local").dead == len(broken)
        letters = {letter.key: letter for letter in cluster.client.dead()}
        assert sorted(letters) == sorted(skipped)
        assert {(each.error_type, each.attempts) for each in letters.values()} == {
            ("ValueError", 1)
        }
        BROKEN.clear()
        made = cluster.client.retry_dead(flow, skipped)
        again = [finish(cluster, made[key]) for key in skipped]
        assert again == [[10 * letters[key].ordinal] for key in skipped]


def test_a_branch_that_is_skipped_goes_on_from_its_frame_when_it_is_tried_again(fake):
    def steps(n):
        for number in range(n):
            check(number)
            yield number
            yield PauseFlow()

    def check(number):
        if number in BROKEN:
            raise ValueError("no")

    BROKEN.add(2)
    flow = Flow("f")
    flow.branch(steps)
    with Cluster(fake, flow) as cluster:
        with cluster.client.open(flow, run_id="local") as feed:
            feed.extend([4, 1])
        cluster.settle()
        assert cluster.client.skip("local") == ["local:steps:0"]
        assert cluster.finish() == [0, 1, 0]
        BROKEN.clear()
        (run_id,) = cluster.client.retry_dead(flow, ["local:steps:0"]).values()
        assert cluster.finish(run_id) == [2, 3]


@pytest.mark.parametrize("how", ["skip", "dead"])
def test_a_finished_that_fails_is_set_aside_and_called_again(fake, how):
    def ended(n):
        if BROKEN:
            raise ValueError("no")
        DONE.append((n, current().key))

    BROKEN.add(1)
    flow = Flow("f")
    flow.branch(spread, finished=ended, on_error=how if how == "dead" else "halt")
    with Cluster(fake, flow) as cluster:
        cluster.client.submit(flow, 3, run_id="local")
        cluster.settle()
        halted = cluster.client.run("local").state is RunState.HALTED
        assert halted == (how == "skip")
        if halted:
            assert len(cluster.client.skip("local")) == 1
        assert cluster.finish() == [0, 1, 2]
        (letter,) = cluster.client.dead()
        assert letter.is_marker
        assert letter.record == 3
        BROKEN.clear()
        (run_id,) = cluster.client.retry_dead(flow, [letter.key]).values()
        assert cluster.finish(run_id) == []
        assert list(DONE) == [(3, letter.key)]


def test_a_damaged_chunk_cannot_be_skipped(fake):
    flow = sifting()
    with Cluster(fake, flow, workers=0) as cluster:
        cluster.client.submit(flow, 3, run_id="local")
        stream = cluster.keys.stream("f", "spread")
        ((entry, fields),) = cluster.wire.call(("XRANGE", stream, "-", "+"))
        cluster.wire.call(("XDEL", stream, entry))
        damaged = fields[3].replace(b"\x03", b"\xc1")
        cluster.wire.call(("XADD", stream, "*", "e", fields[1], "p", damaged))
        cluster.hire()
        cluster.settle()
        assert cluster.client.run("local").state is RunState.HALTED
        with pytest.raises(SkipRefused, match="cancel the run"):
            cluster.client.skip("local")
        assert cluster.client.run("local").state is RunState.HALTED
    cluster.server.wire().call(("FLUSHALL",))
