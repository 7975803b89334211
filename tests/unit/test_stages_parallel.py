"""Runners of several records at once: event loop and threads, driven by hand."""

import asyncio
import contextvars
import threading

import pytest

from pauseflow import Flow, PauseFlow, current
from pauseflow.codec import Marker
from pauseflow.stages import Budget, Done, Failed, Outcome, Paused, Sliced, Work, runner_for
from pauseflow.stages.frame import Frame


def slow_enough():
    """A budget that no test reaches the end of."""
    return Budget(600)


@pytest.fixture(name="make")
def _make():
    """Runners that are closed after the test."""
    runners = []

    def make(kind, fn, **options):
        flow = Flow("f")
        getattr(flow, kind)(fn, **{"name": "stage", **options})
        runners.append(runner_for(flow.graph.root, "f"))
        return runners[-1]

    yield make
    for runner in runners:
        runner.close()


def as_stage(fn, how):
    """`fn` as the stage function and options that run it `how`."""
    if how == "threads":
        return fn, {"threads": 4}

    async def step(x):
        await asyncio.sleep(0)
        return fn(x)

    return step, {"concurrency": 4}


HOW = pytest.mark.parametrize("how", ["threads", "async"])


@HOW
def test_outputs_are_in_order(make, how):
    for kind, expected in (
        ("map", [x * 2 for x in range(100)]),
        ("filter", list(range(1, 100))),
        ("each", []),
    ):
        fn, options = as_stage(lambda x: x * 2, how)
        outcome = make(kind, fn, **options).run(Work("r", 0, list(range(100))), slow_enough())
        assert outcome == Outcome(expected, marked=False, consumed=100)


def test_async_records_are_in_flight_together_and_no_more_than_asked_for(make):
    flying, most = set(), []

    async def step(x):
        flying.add(x)
        most.append(len(flying))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        flying.remove(x)
        return x

    make("map", step, concurrency=3).run(Work("r", 0, list(range(20))), slow_enough())
    assert max(most) == 3


def test_threads_run_records_together(make):
    meeting = threading.Barrier(3, timeout=20)

    def step(x):
        meeting.wait()
        return x

    outcome = make("map", step, threads=3).run(Work("r", 0, [1, 2, 3]), slow_enough())
    assert outcome.outputs == [1, 2, 3]


def test_unordered_outputs_come_as_they_are_ready(make):
    first_may_end = []

    async def step(x):
        if x == 0:
            gate = asyncio.Event()
            first_may_end.append(gate)
            await gate.wait()
        if x == 2:
            first_may_end[0].set()
        return x

    work = Work("r", 0, [0, 1, 2])
    outcome = make("map", step, concurrency=2, ordered=False).run(work, slow_enough())
    assert (outcome.outputs, outcome.end) == ([1, 2, 0], Done())


def pausing_at(index, log):
    """Records go off together; the one at `index` pauses when all others are done."""

    async def step(x):
        log.append(x)
        if x == index:
            while len(log) < 4:
                await asyncio.sleep(0)
            await asyncio.sleep(0)
            raise PauseFlow(after=60)
        return x * 10

    return step


def test_a_record_that_is_done_before_an_earlier_one_pauses_is_not_run_again(make):
    log = []
    runner = make("map", pausing_at(1, log), concurrency=4)
    work = Work("r", 0, [0, 1, 2, 3])
    outcome = runner.run(work, slow_enough())
    assert (outcome.outputs, outcome.consumed) == ([0], 1)
    assert outcome.end.pause.after == 60
    assert sorted(outcome.frames) == [1, 2]

    def step(x):
        log.append(f"again {x}")
        return x * 10

    rest = Work("r", 1, work.items[1:], outcome.frames)
    for fn, options in ((step, {}), as_stage(step, "async"), as_stage(step, "threads")):
        del log[:]
        again = make("map", fn, **options).run(rest, slow_enough())
        assert (again.outputs, again.end, log) == ([10, 20, 30], Done(), ["again 1"])


def test_a_pause_that_a_later_record_asked_for_is_kept(make):
    both = []

    async def step(x):
        both.append(x)
        while len(both) < 2:
            await asyncio.sleep(0)
        raise PauseFlow(after=1000 * (x + 1))

    outcome = make("map", step, concurrency=2).run(Work("r", 0, [0, 1]), slow_enough())
    assert (outcome.consumed, outcome.end.pause.after) == (0, 1000)
    assert sorted(outcome.frames) == [1]
    rest = Work("r", 1, [1], {0: outcome.frames[1]})
    later = make("map", step, concurrency=2).run(rest, slow_enough())
    assert isinstance(later.end, Paused)
    assert later.end.pause.at is not None
    assert later.frames == rest.frames


def test_an_ordered_pause_keeps_later_records_from_being_begun(make):
    begun = []

    async def step(x):
        begun.append(x)
        await asyncio.sleep(0)
        raise PauseFlow

    make("map", step, concurrency=2).run(Work("r", 0, list(range(10))), slow_enough())
    assert begun == [0, 1]


@HOW
def test_an_unordered_pause_parks_the_record_alone(make, how):
    def step(x):
        if x % 3 == 0:
            raise PauseFlow(after=x)
        return x

    fn, options = as_stage(step, how)
    runner = make("map", fn, ordered=False, **options)
    outcome = runner.run(Work("r", 0, list(range(10))), slow_enough())
    assert sorted(outcome.outputs) == [1, 2, 4, 5, 7, 8]
    assert (outcome.consumed, outcome.end, outcome.frames) == (10, Done(), {})
    assert {parked.index: parked.pause.after for parked in outcome.parked} == {
        0: 0,
        3: 3,
        6: 6,
        9: 9,
    }


@HOW
def test_a_failure_is_that_of_the_first_record_that_failed(make, how):
    def step(x):
        if x in {3, 4}:
            raise ValueError(f"no {x}")
        return x

    fn, options = as_stage(step, how)
    outcome = make("map", fn, **options).run(Work("r", 0, list(range(9))), slow_enough())
    assert (outcome.outputs, outcome.consumed) == ([0, 1, 2], 3)
    assert isinstance(outcome.end, Failed)
    assert str(outcome.end.error) == "no 3"
    for data in outcome.frames.values():
        assert Frame.from_bytes(data).done


@HOW
def test_exit_fails_the_record(make, how):
    def step(x):
        raise SystemExit(3)

    fn, options = as_stage(step, how)
    outcome = make("map", fn, **options).run(Work("r", 0, [1]), slow_enough())
    assert isinstance(outcome.end.error, SystemExit)


@HOW
def test_markers_pass_in_order(make, how):
    marks = [Marker("b", n, None) for n in range(3)]
    items = [marks[0], 1, marks[1], 2, marks[2]]
    fn, options = as_stage(lambda x: x * 10, how)
    outcome = make("map", fn, **options).run(Work("r", 0, items, marked=True), slow_enough())
    assert outcome == Outcome([marks[0], 10, marks[1], 20, marks[2]], marked=True, consumed=5)


@HOW
def test_current_tells_each_record(make, how):
    keys = {}
    fn, options = as_stage(lambda x: keys.__setitem__(x, current().key), how)
    make("each", fn, **options).run(Work("r", 7, [0, 1, 2]), slow_enough())
    assert keys == {n: f"r:stage:{7 + n}" for n in range(3)}


def test_threads_see_the_callers_context(make):
    tenant = contextvars.ContextVar("tenant")
    tenant.set("acme")
    runner = make("map", lambda x: tenant.get(), threads=2)
    assert runner.run(Work("r", 0, [1, 2]), slow_enough()).outputs == ["acme", "acme"]


@HOW
def test_one_record_at_least_however_short_the_time(make, how):
    fn, options = as_stage(lambda x: x, how)
    outcome = make("map", fn, **options).run(Work("r", 0, list(range(99))), Budget(0))
    assert isinstance(outcome.end, Sliced)
    assert 1 <= outcome.consumed <= 8
    assert outcome.outputs == list(range(outcome.consumed))


@HOW
def test_a_stop_lets_records_in_flight_end_and_begins_no_more(make, how):
    budget = Budget(600, grace=30)

    def step(x):
        budget.stop()
        return x

    fn, options = as_stage(step, how)
    outcome = make("map", fn, **options).run(Work("r", 0, list(range(99))), budget)
    assert isinstance(outcome.end, Sliced)
    assert 1 <= outcome.consumed <= 4


def test_a_stop_cancels_what_takes_longer_than_the_grace(make):
    budget = Budget(600, grace=0.01)
    cancelled = []

    async def step(x):
        if x == 1:
            budget.stop()
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.append(x)
        return x * 10

    outcome = make("map", step, concurrency=3).run(Work("r", 0, [0, 1, 2]), budget)
    assert (outcome.outputs, outcome.consumed, outcome.end) == ([0], 1, Sliced())
    assert cancelled == [1]
    assert set(outcome.frames) <= {1}


def test_a_stop_gives_up_a_thread_that_takes_longer_than_the_grace(make):
    budget = Budget(600, grace=0.01)
    gate = threading.Event()

    def step(x):
        if x == 1:
            budget.stop()
            gate.wait(30)
        return x

    outcome = make("map", step, threads=2).run(Work("r", 0, [0, 1]), budget)
    gate.set()
    assert isinstance(outcome.end, Sliced)
    assert outcome.consumed in {0, 1}


def test_being_cancelled_by_oneself_is_a_failure_and_not_a_stop(make):
    async def step(x):
        raise asyncio.CancelledError

    outcome = make("map", step, concurrency=2).run(Work("r", 0, [1]), slow_enough())
    assert isinstance(outcome.end, Failed)


def test_an_async_finished_runs_for_its_own_markers(make):
    seen = []

    async def over(value):
        if value == 3 and 3 not in seen:
            seen.append(value)
            raise PauseFlow
        seen.append(value)

    flow = Flow("f")
    flow.branch(range, name="b", finished=over)
    runner = runner_for(flow.graph["b.finished"], "f")
    mine = [Marker("b", n, n) for n in (2, 3, 4)]
    other = Marker("outer", 0, None)
    items = [mine[0], other, mine[1], other, mine[2]]
    outcome = runner.run(Work("r", 0, items, marked=True), slow_enough())
    assert (outcome.outputs, outcome.consumed, outcome.marked) == ([other], 2, True)
    rest = Work("r", 2, items[2:], outcome.frames, marked=True)
    outcome = runner.run(rest, slow_enough())
    assert (outcome.outputs, outcome.end, seen) == ([other], Done(), [2, 3, 3, 4])
    runner.close()


def test_unordered_records_that_are_done_out_of_turn_are_not_run_again(make):
    log = []
    budget = Budget(600, grace=0.01)

    async def step(x):
        log.append(x)
        if x == 0:
            await asyncio.Event().wait()
        if x == 2:
            raise PauseFlow
        if x == 3:
            budget.stop()
        return x * 10

    work = Work("r", 0, [0, 1, 2, 3, 4])
    outcome = make("map", step, concurrency=2, ordered=False).run(work, budget)
    assert (outcome.outputs, outcome.consumed, outcome.end) == ([10, 30], 0, Sliced())
    assert [parked.index for parked in outcome.parked] == [2]
    assert sorted(outcome.frames) == [1, 2, 3]
    log.clear()

    def again(x):
        log.append(x)
        return x * 10

    rest = Work("r", 0, work.items, outcome.frames)
    outcome = make("map", again, ordered=False).run(rest, slow_enough())
    assert (outcome.outputs, outcome.end, log) == ([0, 40], Done(), [0, 4])
