"""Whole runs through stepped workers on fakeredis: meaning, order, pauses, failures."""

import asyncio
import itertools
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pauseflow import Flow, PauseFlow, codec, current
from pauseflow.client import RunState
from pauseflow.errors import RunFailed, ServerUnreachable
from pauseflow.store.chunks import Entry
from pauseflow.store.envelope import Envelope
from pauseflow.store.keys import Keys
from pauseflow.store.letters import Letter
from pauseflow.store.tuning import Tuning, read_costs
from pauseflow_workers.station import Station
from pauseflow_workers.suspects import Trail
from pauseflow_workers.worker import Worker
from support.cluster import Cluster
from support.faults import Faults, ShakyServer
from support.hands import FixedTuning

DONE = []


@pytest.fixture(autouse=True)
def nothing_done():
    DONE.clear()


def run(server, flow, value, *, workers=1, far=0.0):
    with Cluster(server, flow, workers=workers) as cluster:
        cluster.client.submit(flow, value, run_id="local")
        return cluster.finish(far=far)


def line(*stages):
    flow = Flow("f")
    handle = flow
    for kind, fn, *options in stages:
        handle = getattr(handle, kind)(fn, **dict(*options))
    return flow


def spread(n):
    yield from range(n)


def inc(x):
    return x + 1


# meaning


def test_two_workers_share_one_run(fake, monkeypatch):
    monkeypatch.setattr("pauseflow_workers.worker.Tuning", lambda: FixedTuning(window=8))
    flow = line(("branch", spread), ("map", lambda x: (x, DONE.append(x))[0], {"name": "who"}))
    with Cluster(fake, flow, workers=2) as cluster:
        cluster.client.submit(flow, 200, run_id="local")
        shares = [0, 0]
        while cluster.client.run("local").state is not RunState.DONE:
            for number, worker in enumerate(cluster.workers):
                shares[number] += cluster.step(worker)
        assert min(shares) > 10
        assert list(cluster.client.results("local")) == list(range(200))
    assert sorted(DONE) == list(range(200))


def test_workers_of_single_stages_work_together(fake):
    flow = line(("branch", spread), ("map", inc))
    with Cluster(fake, flow, workers=0) as cluster:
        first, second = cluster.hire(stages=["spread"]), cluster.hire(stages=["inc"])
        cluster.client.submit(flow, 3, run_id="local")
        assert second.run_once() == 0
        assert first.run_once() == 1
        assert second.run_once() >= 1
        assert cluster.finish() == [1, 2, 3]


def test_a_filter_that_drops_everything_and_a_branch_that_emits_nothing_end(fake):
    assert run(fake, line(("branch", spread), ("filter", lambda _: False, {"name": "no"})), 5) == []
    with Cluster(fake, line(("branch", spread), ("map", inc))) as cluster:
        cluster.client.submit(cluster.flows[0], 0, run_id="empty")
        assert cluster.finish("empty") == []


def test_finished_comes_after_all_that_descends_from_the_record(fake):
    def inner(n):
        yield from "ab"[:n]

    flow = Flow("f")
    flow.branch(spread, finished=lambda n: DONE.append(("spread", n))).branch(
        inner, finished=lambda n: DONE.append(("inner", n))
    ).each(DONE.append, name="see")
    assert run(fake, flow, 3, workers=2) == []
    assert [entry for entry in DONE if isinstance(entry, str)] == ["a", "a", "b"]
    ends = [entry for entry in DONE if not isinstance(entry, str)]
    assert ends == [("inner", 0), ("inner", 1), ("inner", 2), ("spread", 3)]
    assert DONE.index(("inner", 1)) > DONE.index("a")
    assert DONE.index(("inner", 2)) > DONE.index("b")


def test_a_long_branch_keeps_redis_small(fake, monkeypatch):
    tuning = {"target": 10, "window": 2, "limit": 50}
    monkeypatch.setattr("pauseflow_workers.worker.Tuning", lambda: FixedTuning(**tuning))
    flow = line(("branch", spread), ("map", inc), ("filter", lambda _: False, {"name": "sink"}))
    with Cluster(fake, flow) as cluster:
        cluster.client.submit(flow, 5000, run_id="local")
        sizes = set()
        while cluster.client.run("local").state is not RunState.DONE:
            cluster.step(cluster.workers[0])
            waiting = [stage.backlog + stage.held for stage in cluster.client.run("local").stages]
            sizes.add(max(waiting))
            assert len(cluster.wire.call(("KEYS", "*"))) < 20
        assert max(sizes) <= 2 * 50
        assert cluster.client.run("local").stages[1].done == 5000


def test_what_a_stage_is_told_of_itself_is_the_same_wherever_chunks_were_cut(fake, monkeypatch):
    monkeypatch.setattr("pauseflow_workers.worker.Tuning", lambda: FixedTuning(target=3, piece=2))
    flow = line(("branch", spread), ("map", lambda _: current().key, {"name": "key"}))
    assert run(fake, flow, 7) == [f"local:key:{number}" for number in range(7)]


# pauses


def test_a_pause_without_a_time_goes_on_at_once(fake):
    def twice(x):
        DONE.append(x)
        if len(DONE) < 3:
            raise PauseFlow
        return x

    assert run(fake, line(("map", twice)), 7) == [7]
    assert DONE == [7, 7, 7]


@pytest.mark.parametrize(
    "pause",
    [
        lambda: PauseFlow(after=60),
        lambda: PauseFlow(after=timedelta(minutes=1)),
        lambda: PauseFlow(at=datetime.now(UTC) + timedelta(minutes=1)),
    ],
)
def test_a_parked_run_holds_nothing_and_shows_why(fake, pause):
    def wait(x):
        DONE.append(x)
        if len(DONE) == 1:
            raise pause()
        return x

    flow = line(("map", wait))
    with Cluster(fake, flow) as cluster:
        cluster.client.submit(flow, 7, run_id="local")
        cluster.settle()
        stream = cluster.keys.stream("f", "wait")
        assert cluster.wire.call(("XLEN", stream)) == 0
        assert cluster.wire.call(("XPENDING", stream, "workers"))[0] == 0
        (parked,) = cluster.client.run("local").parked
        assert (parked.stage, parked.key, parked.why) == ("wait", "local:wait:0", "pause")
        assert DONE == [7]
        assert cluster.finish(far=61) == [7]


def test_a_pause_whose_time_has_passed_goes_on_at_once(fake):
    def late(x):
        DONE.append(x)
        if len(DONE) == 1:
            raise PauseFlow(at=datetime(2000, 1, 1, tzinfo=UTC))
        return x

    assert run(fake, line(("map", late)), 7) == [7]


def test_in_an_ordered_stage_what_comes_after_waits(fake):
    def nap(x):
        DONE.append(x)
        if x == 1 and DONE.count(1) == 1:
            raise PauseFlow(after=60)
        return x

    flow = line(("branch", spread), ("map", nap))
    with Cluster(fake, flow) as cluster:
        cluster.client.submit(flow, 4, run_id="local")
        cluster.settle()
        assert list(cluster.client.results("local")) == [0]
        assert cluster.finish(far=61) == [0, 1, 2, 3]


def test_in_an_unordered_stage_the_others_go_on(fake):
    def nap(x):
        DONE.append(x)
        if x % 2 and DONE.count(x) == 1:
            raise PauseFlow(after=60 * x)
        return x

    flow = line(("branch", spread), ("map", nap, {"ordered": False}), ("map", inc))
    with Cluster(fake, flow) as cluster:
        cluster.client.submit(flow, 6, run_id="local")
        cluster.settle()
        assert list(cluster.client.results("local")) == [1, 3, 5]
        assert len(cluster.client.run("local").parked) == 3
        assert cluster.finish(far=61) == [1, 3, 5, 2, 4, 6]


def test_unordered_records_that_pause_without_a_time_go_on_at_once(fake):
    def nap(x):
        DONE.append(x)
        if DONE.count(x) == 1:
            raise PauseFlow
        return x

    flow = line(("branch", spread), ("map", nap, {"ordered": False}))
    assert sorted(run(fake, flow, 20)) == list(range(20))


@pytest.mark.parametrize("options", [{"threads": 3}, {"ordered": False, "threads": 3}])
def test_unordered_and_threaded_branches_go_on_where_they_paused(fake, options):
    def steps(x):
        for number in range(3):
            DONE.append((x, number))
            yield x * 10 + number
            yield PauseFlow(after=5)

    flow = line(("branch", spread), ("branch", steps, options))
    results = run(fake, flow, 4, far=6)
    expected = [x * 10 + number for x in range(4) for number in range(3)]
    assert (results if options.get("ordered", True) else sorted(results)) == expected
    assert sorted(DONE) == [(x, number) for x in range(4) for number in range(3)]


def test_async_stages_run_records_at_once(fake):
    seen = []

    async def slow(x):
        seen.append(len(seen))
        await asyncio.sleep(0)
        return x

    flow = line(("branch", spread), ("map", slow, {"concurrency": 4}))
    assert run(fake, flow, 12) == list(range(12))


def test_the_worker_is_replaced_at_every_pause(fake):
    def countdown(n):
        while n:
            DONE.append(n)
            yield n
            yield PauseFlow()
            n -= 1

    flow = line(("branch", countdown))
    with Cluster(fake, flow) as cluster:
        cluster.client.submit(flow, 5, run_id="local")
        for _ in range(20):
            cluster.step(cluster.workers[0])
            cluster.lose(cluster.workers[0])
            cluster.bury()
            cluster.hire()
        assert cluster.finish() == [5, 4, 3, 2, 1]
    assert DONE == [5, 4, 3, 2, 1]


# failures


def test_a_failure_halts_the_run_with_what_to_do(fake, caplog, monkeypatch):
    monkeypatch.setattr("pauseflow.client.BLOCK_MS", 10)

    def bad(x):
        DONE.append(x)
        if x == 2 and len(DONE) < 5:
            raise ValueError("not today")
        return x

    flow = line(("branch", spread), ("map", bad))
    with Cluster(fake, flow) as cluster:
        cluster.client.submit(flow, 4, run_id="local")
        cluster.settle()
        info = cluster.client.run("local")
        assert info.state is RunState.HALTED
        assert info.error == "stage 'bad' failed on record local:bad:2: ValueError: not today"
        (parked,) = info.parked
        assert (parked.key, parked.why, parked.wake) == ("local:bad:2", "failed", None)
        assert "ValueError: not today" in parked.note
        assert "test_worker.py" in parked.note
        with pytest.raises(RunFailed, match="flowctl retry local"):
            cluster.client.wait("local", timeout=1)
        followed = cluster.client.results("local", follow=True)
        assert [next(followed), next(followed)] == [0, 1]
        with pytest.raises(RunFailed, match="not today"):
            next(followed)
        DONE.extend("....")
        assert cluster.client.retry("local") == 1
        assert cluster.finish() == [0, 1, 2, 3]
    assert "run local halts" in caplog.text


def test_a_generator_that_failed_goes_on_where_it_was_last_written_down(fake):
    def steps(n):
        for number in range(n):
            check(number)
            yield number
            yield PauseFlow()

    def check(number):
        DONE.append(number)
        if number == 3 and DONE.count(3) == 1:
            raise ValueError("once")

    flow = line(("branch", steps))
    with Cluster(fake, flow) as cluster:
        cluster.client.submit(flow, 5, run_id="local")
        cluster.settle()
        assert list(cluster.client.results("local")) == [0, 1, 2]
        assert cluster.client.retry("local") == 1
        assert cluster.finish() == [0, 1, 2, 3, 4]
    assert DONE == [0, 1, 2, 3, 3, 4]


@pytest.mark.parametrize("ordered", [True, False])
def test_an_output_without_an_encoding_fails_its_record_and_keeps_those_before(fake, ordered):
    def mixed(x):
        DONE.append(x)
        return object() if x == 2 and DONE.count(2) < 4 else x

    flow = line(("branch", spread), ("map", mixed, {"ordered": ordered}))
    with Cluster(fake, flow) as cluster:
        cluster.client.submit(flow, 4, run_id="local")
        cluster.settle()
        info = cluster.client.run("local")
        assert info.state is RunState.HALTED
        assert "local:mixed:2" in info.error
        assert "object" in info.error
        DONE.extend([2] * 4)
        cluster.client.retry("local")
        assert sorted(cluster.finish()) == [0, 1, 2, 3]


def test_a_series_with_a_value_without_an_encoding_fails(fake):
    flow = line(("branch", lambda _: [1, object()], {"name": "listed"}))
    with Cluster(fake, flow) as cluster:
        cluster.client.submit(flow, 4, run_id="local")
        cluster.settle()
        assert "local:listed:0" in cluster.client.run("local").error
    cluster.wire.call(("FLUSHALL",))


def test_a_record_that_takes_its_workers_down_is_set_aside_and_its_run_goes_on(fake):
    flow = line(("map", inc))
    with Cluster(fake, flow, workers=0) as cluster:
        cluster.client.submit(flow, 1, run_id="local")
        for _ in range(3):
            # what it reads reaches it, and then it is gone
            doomed = cluster.hire(ShakyServer(fake, Faults(["reply"], match="XREADGROUP")))
            cluster.step(doomed)
            assert doomed not in cluster.workers
            assert cluster.bury() == 1
        cluster.hire()
        cluster.settle()
        letter = Letter.parse(cluster.wire.call(("HGET", cluster.keys.letters, "local:inc:0")))
        assert letter.error == "it crashed its worker 3 times"
        assert cluster.client.run("local").state is RunState.DONE
        cluster.client.submit(flow, 5, run_id="fine")
        assert cluster.finish("fine") == [6]


@pytest.mark.parametrize("options", [{}, {"threads": 4}, {"ordered": False}])
@pytest.mark.parametrize("at", [0, 1, 37])
def test_the_record_that_takes_workers_down_is_found_with_three_of_them(fake, at, options):
    died = []

    def crash(x):
        if x == at:
            died.append(x)
            raise SystemError("stands for the end of the process")
        return x

    flow = line(("branch", range, {"name": "many"}), ("map", crash, options))
    with Cluster(fake, flow) as cluster:
        cluster.client.submit(flow, 40, run_id="local")
        for station in cluster.workers[0]._stations.values():
            mortal(station)
        values = []
        for _ in range(100):
            try:
                cluster.settle()
            except Died:
                cluster.lose(cluster.workers[0])
                assert cluster.bury() >= 1
                for station in cluster.hire()._stations.values():
                    mortal(station)
            else:
                break
        values = list(cluster.client.results("local"))
        assert sorted(values) == [x for x in range(40) if x != at]
        if options.get("ordered", True):
            assert values == sorted(values)
        (letter,) = cluster.client.dead()
        assert (letter.key, letter.crashes) == (f"local:crash:{at}", 3)
        assert cluster.client.run("local").state is RunState.DONE
    assert len(died) == 3


class Died(BaseException):
    """A worker's process has ended."""


def mortal(station):
    """A stage that raises SystemError takes the worker down."""
    run = station._runner.run

    def run_or_die(work, budget):
        outcome = run(work, budget)
        if isinstance(getattr(outcome.end, "error", None), SystemError):
            raise Died
        return outcome

    station._runner.run = run_or_die


def suspects(fake, flow, *ordinals, crashes=2, count=5, **budget):
    """What becomes of a chunk with crashes against it, and what was noted meanwhile."""
    wire, keys = fake.wire(), Keys()
    chunk = Envelope("r", 0, 10, crashes, count, 0, True, b"", codec.encode_items([2] * count))
    entry = Entry("f", flow.graph.stages[0].name, b"1-1", chunk)
    key = keys.run("r").suspect(entry.stage)
    for ordinal in ordinals:
        wire.call(("SET", key, ordinal))
    noted = []
    trail = Trail.of(wire, keys, entry, chunk)
    begin = trail.begin
    trail.begin = lambda ordinal: (begin(ordinal), noted.append(int(wire.call(("GET", key)))))
    ticks = itertools.count(step=budget.pop("tick", 0.0001))
    tuning = Tuning()
    tuning.clock = lambda: next(ticks)
    station = Station(flow.graph, flow.graph[entry.stage], tuning)
    made = station.budget(chunk)
    for name, value in budget.items():
        setattr(made, name, value)
    result = station.run(chunk, made, trail)
    station.close()
    wire.call(("DEL", key))
    return result, noted


@pytest.mark.parametrize("options", [{}, {"threads": 3}, {"ordered": False}])
def test_each_record_of_a_suspect_chunk_is_noted_before_it_is_begun(fake, options):
    result, noted = suspects(fake, line(("map", inc, options)))
    assert (result.done, result.emitted, result.rest) == (5, 5, None)
    assert noted == [10, 11, 12, 13, 14]


def test_the_record_that_was_noted_last_is_set_aside_and_those_before_it_are_done(fake):
    flow = line(("map", inc))
    before, _ = suspects(fake, flow, 13, crashes=3)
    assert (before.done, before.rest.ordinal, before.rest.crashes, before.dead) == (3, 13, 3, [])
    culprit, _ = suspects(fake, flow, 10, crashes=3)
    assert [letter.key for letter in culprit.dead] == ["r:inc:10"]
    assert (culprit.rest.ordinal, culprit.rest.crashes) == (11, 0)


@pytest.mark.parametrize("note", [[], [3], [15], ["x"]])
def test_without_a_note_that_fits_the_first_record_bears_the_blame(fake, note):
    result, _ = suspects(fake, line(("map", inc)), *note, crashes=3)
    assert [letter.key for letter in result.dead] == ["r:inc:10"]


def test_the_rest_of_a_suspect_chunk_is_cleared_when_slices_of_it_proved_harmless(fake):
    flow = line(("map", inc))
    result, _ = suspects(fake, flow, tick=0.15)
    assert (result.done, result.rest.crashes) == (2, 0)
    result, _ = suspects(fake, flow, 14, crashes=3, tick=0.15)
    assert (result.done, result.rest.crashes) == (2, 3)
    result, _ = suspects(fake, flow, max_outputs=2)
    assert (result.done, result.rest.crashes) == (2, 2)
    result, _ = suspects(fake, line(("branch", spread)), tick=0.15)
    assert (result.done, result.rest.crashes, len(result.rest.frames) > 0) == (0, 0, True)


def test_a_stage_without_memory_ends_its_worker_like_a_crash(fake, caplog):
    def hungry(x):
        raise MemoryError

    flow = line(("map", hungry))
    with Cluster(fake, flow) as cluster:
        cluster.client.submit(flow, 1, run_id="local")
        for _ in range(3):
            worker = cluster.workers[0]
            with pytest.raises(MemoryError):
                cluster.step(worker)
            cluster.lose(worker)
            assert cluster.bury() == 1
            cluster.hire()
        cluster.settle()
        (letter,) = cluster.client.dead()
        assert letter.crashes == 3
        assert cluster.client.run("local").state is RunState.DONE
    assert (
        "out of memory in stage f:hungry, in the chunk that begins with record local:hungry:0"
        in caplog.text
    )


# connections


def test_a_commit_whose_reply_got_lost_counts_once(fake):
    flow = line(("branch", spread), ("map", inc))
    for after in range(3):
        server = ShakyServer(fake, Faults([""] * after + ["reply"], match="XREADGROUP"))
        with Cluster(fake, flow, workers=0) as cluster:
            worker = cluster.hire(server)
            cluster.client.submit(flow, 5, run_id=f"r{after}")
            for _ in range(20):
                try:
                    worker.run_once()
                except ServerUnreachable as error:
                    worker.stopping.set()  # no waiting
                    worker._wait_after(error, 0)
                    worker.stopping.clear()
            assert list(cluster.client.results(f"r{after}")) == [1, 2, 3, 4, 5]
            assert cluster.client.run(f"r{after}").state is RunState.DONE


def test_costs_are_shared_and_nonsense_among_them_is_passed_over(fake, caplog):
    flow = line(("branch", spread), ("map", inc))
    with Cluster(fake, flow, workers=2) as cluster:
        first, second = cluster.workers
        cluster.client.submit(flow, 50, run_id="local")
        cluster.finish()
        assert cluster.wire.call(("HKEYS", cluster.keys.costs))
        for nonsense in (b"x", b"", b"nan", b"inf", b"-1", b"0", b"\xff", b"1e999"):
            cluster.wire.call(("HSET", cluster.keys.costs, "f:inc", nonsense))
            for worker in (first, second):
                worker.renew()
            cluster.client._runs.learn_costs(flow.graph)
        assert cluster.client._tuning.cost("f", "inc") is None
        cluster.client.submit(flow, 50, run_id="again")
        assert len(cluster.finish("again")) == 50


def test_costs_that_are_none_are_left_out():
    assert read_costs("abcd", [b"1.5", None, b"nan", b"7"]) == {"a": 1.5, "d": 7.0}


def test_a_worker_says_who_it_is(fake, monkeypatch):
    monkeypatch.setenv("DYNO", "worker.1")
    flow = line(("map", inc))
    one, other = (Worker(fake, "default", [(flow.graph, "inc")]) for _ in range(2))
    assert one.label == other.label == "worker.1"
    assert one.name != other.name


def test_stops_before_it_has_begun(fake):
    flow = line(("map", inc))
    with Cluster(fake, flow) as cluster:
        cluster.client.submit(flow, 1, run_id="local")
        (worker,) = cluster.workers
        worker.stop()
        worker.run()
        assert cluster.client.run("local").stages[0].done == 0
        cluster.lose(worker)
        cluster.hire()
        assert cluster.finish() == [2]


def test_a_budget_is_stopped_when_the_worker_is(fake):
    flow = line(("branch", spread), ("map", lambda x: (worker.stop(), x)[1], {"name": "stopper"}))
    with Cluster(fake, flow) as cluster:
        (worker,) = cluster.workers
        cluster.client.submit(flow, 10, run_id="local")
        for _ in range(5):
            worker.run_once()
        assert cluster.client.run("local").stages[1].done <= 1
        worker._leave()
        cluster.lose(worker)
        pending = cluster.wire.call(("XPENDING", cluster.keys.stream("f", "stopper"), "workers"))
        assert pending[0] == 0
        worker = cluster.hire()
        worker.stop = lambda: None
        assert cluster.finish() == list(range(10))


def test_logs_name_the_place(fake, caplog):
    caplog.set_level(logging.INFO)
    flow = line(("map", inc))
    with Cluster(fake, flow) as cluster:
        cluster.wire.call(("XADD", cluster.keys.stream("f", "inc"), "*", "x", "y"))
        cluster.settle()
    assert "of stage f:inc is set aside: an entry without a chunk in it" in caplog.text
    assert Path(__file__).name not in caplog.text


@pytest.mark.parametrize("fault", ["lost", "reply"])
@pytest.mark.parametrize("after", range(4))
def test_help_that_fails_is_given_again(fake, monkeypatch, fault, after):
    flow = line(("map", inc))
    monkeypatch.setattr(Worker, "_how_many", lambda _: 10)
    faults = Faults()
    with Cluster(fake, flow, workers=0) as cluster:
        worker = cluster.hire(ShakyServer(fake, faults))
        for number in range(4):
            cluster.client.submit(flow, number, run_id=f"r{number}")
        worker._connect()
        worker._exchange.fill(block=False)
        worker._attempt_next()
        faults.plan = [""] * after + [fault]
        for _ in range(3):
            try:
                worker.help()
            except ServerUnreachable:
                continue
        assert worker._exchange.ahead == 0
        assert cluster.client.run("r0").state is RunState.DONE
        cluster.workers.remove(worker)
        cluster.hire()
        cluster.settle()
        assert [list(cluster.client.results(f"r{n}")) for n in range(4)] == [[1], [2], [3], [4]]
        worker._exchange.flush()
        cluster.workers.append(worker)


def test_a_frame_of_other_code_waits_for_a_worker_that_has_it(fake):
    def steps(n):
        for number in range(n):
            yield number
            yield PauseFlow(after=5)

    old = line(("branch", steps))

    def steps(n):
        for number in range(n):
            yield -number
            yield PauseFlow(after=5)

    new = line(("branch", steps))
    with Cluster(fake, old) as cluster:
        cluster.client.submit(old, 3, run_id="local")
        cluster.settle()
        cluster.lose(cluster.workers[0])
        cluster.flows = (new,)
        cluster.hire()
        cluster.advance(6)
        cluster.settle()
        (parked,) = cluster.client.run("local").parked
        assert parked.why == "code"
        assert cluster.client.run("local").state is RunState.RUNNING
        cluster.lose(cluster.workers[0])
        cluster.flows = (old,)
        cluster.hire()
        assert cluster.finish(far=11) == [0, 1, 2]


def test_a_sequential_stage_has_its_effects_in_order_whoever_runs_it(fake, monkeypatch):
    monkeypatch.setattr("pauseflow_workers.worker.Tuning", lambda: FixedTuning(target=2))
    flow = Flow("f")
    flow.branch(spread).map(lambda x: (DONE.append(x), x)[1], name="see", sequential=True).each(
        lambda x: DONE.append(-x), name="last"
    )
    with Cluster(fake, flow, workers=3) as cluster:
        cluster.client.submit(flow, 40, run_id="local")
        while cluster.client.run("local").state is not RunState.DONE:
            for worker in cluster.workers:
                cluster.step(worker)
    assert [x for x in DONE if x > 0] == list(range(1, 40))
    assert [-x for x in DONE if x < 0] == list(range(1, 40))


def test_a_thousand_small_pieces_at_once_are_no_trouble(fake):
    flow = line(("branch", spread), ("map", inc))
    with Cluster(fake, flow) as cluster:
        with cluster.client.open(flow, run_id="local") as feed:
            feed.extend([1] * 3000)
        assert cluster.finish() == [1] * 3000


def test_what_has_taken_a_worker_down_is_run_with_nothing_else_in_hand(fake, monkeypatch):
    monkeypatch.setattr("pauseflow_workers.worker.Tuning", lambda: FixedTuning(window=8))
    monkeypatch.setattr("pauseflow_workers.worker.Worker._how_many", lambda _: 8)
    in_hand = []
    flow = Flow("f")
    with Cluster(fake, flow.map(lambda x: in_hand.append(pending()) or x, name="s0") and flow) as c:
        stream = c.keys.stream("f", "s0")

        def pending():
            return c.client._wire.call(("XPENDING", stream, "workers"))[0]

        for number in range(5):
            c.client.submit(flow, number, run_id=f"r{number}")
        victim = c.workers[0]
        victim._connect()
        victim._exchange.fill(block=False)
        assert victim._exchange.ahead == 5
        c.lose(victim)
        assert c.bury() == 5
        c.hire()
        c.settle()
        assert [c.client.run(f"r{number}").state for number in range(5)] == [RunState.DONE] * 5
    assert in_hand == [1] * 5


def test_a_suspect_chunk_of_a_route_goes_down_its_lines_record_by_record(fake):
    flow = Flow("f")
    routes = flow.route(lambda x: x % 2, [0], otherwise=True, name="parity")
    routes[0].map(inc, name="even")
    routes.otherwise.map(inc, name="odd")
    result, noted = suspects(fake, flow)
    assert noted == [10, 11, 12, 13, 14]
    heads = [piece.split(b"\n")[0] for piece in result.pieces]
    assert heads == [*[b"1 0 0 1"] * 4, b"1 0 1 1", b"0 0 1 2"]


def test_a_suspect_chunk_of_a_fold_keeps_what_came_before_its_culprit(fake):
    flow = Flow("f")
    flow.sum()
    result, _ = suspects(fake, flow)
    assert (result.done, result.kept) == (5, {b"v": b""})
    assert result.pieces[-1].endswith(b"\n" + codec.encode(10))
    before, _ = suspects(fake, flow, 13, crashes=3)
    assert (before.done, before.kept) == (3, {b"v": codec.encode(6)})
    assert before.rest.ordinal == 13
