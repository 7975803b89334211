"""Records that fail, in a flow that is run in this process."""

import asyncio
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pauseflow import Flow, PauseFlow, RetryAfter, StageFailed, StageTimeout, current
from pauseflow.errors import JobFailed
from pauseflow.stages import Budget, Done, Work, runner_for


class Trouble(Exception):
    pass


class Fails:
    """Raises Trouble on given calls, by their number, and notes all calls."""

    def __init__(self, *on, error=Trouble):
        self.on = on
        self.error = error
        self.calls = []

    def __call__(self, what=None):
        self.calls.append(what)
        if len(self.calls) in self.on:
            raise self.error
        return what


def run(flow, value=1):
    """The results, and how long was waited."""
    waits = []
    return flow.run(value, sleep=waits.append), waits


@pytest.mark.parametrize("kind", ["map", "filter", "each"])
def test_a_function_is_called_again_after_its_backoff(kind):
    fails = Fails(1, 2)
    flow = Flow("f")
    getattr(flow, kind)(fails, retries=2, backoff=3)
    results, waits = run(flow)
    assert results == ([] if kind == "each" else [1])
    assert (fails.calls, waits) == ([1, 1, 1], [3, 6])


def test_an_async_function_is_called_again():
    fails = Fails(1)

    async def fetch(x):
        await asyncio.sleep(0)
        return fails(x)

    flow = Flow("f")
    flow.map(fetch, retries=1)
    assert run(flow) == ([1], [1])


def test_each_record_has_its_retries_and_they_are_used_up():
    fails = Fails(1, 3, 5, 6, 7)
    flow = Flow("f")
    flow.branch(lambda n: [1, 2, 3], name="three").map(fails, retries=2, backoff=0)
    with pytest.raises(StageFailed, match=r"r:Fails:2.*Trouble"):
        flow.run(0, run_id="r")
    assert fails.calls == [1, 1, 2, 2, 3, 3, 3]


def test_a_stage_that_says_when_is_tried_again_then():
    tries = []

    def fetch(x):
        tries.append(current().attempt)
        if len(tries) < 4:
            raise RetryAfter(7 * len(tries))
        return x

    flow = Flow("f")
    flow.map(fetch)
    assert run(flow) == ([1], [7, 14, 21])
    assert tries == [0, 1, 2, 3]


def test_a_pause_uses_up_no_retry():
    calls = []

    def step(x):
        calls.append(x)
        if len(calls) % 2:
            raise PauseFlow(after=100)
        if len(calls) < 5:
            raise Trouble
        return x

    flow = Flow("f")
    flow.map(step, retries=2)
    results, waits = run(flow)
    assert results == [1]
    assert [round(wait) for wait in waits] == [100, 1, 100, 2, 100]


def test_a_series_gives_each_value_once_however_often_it_is_run_again():
    fails = Fails(2, 3, 5, 8)

    def source(n):
        for item in range(n):
            yield item
            fails(item)

    flow = Flow("f")
    flow.branch(source, retries=4, backoff=0).map(lambda x: x * 10, name="tenfold")
    assert flow.run(4) == [0, 10, 20, 30]
    assert fails.calls == [0, 1, 0, 0, 1, 0, 1, 2, 0, 1, 2, 3]


def sliced(stage, record, sizes):
    """What a record's series comes to in slices of so many values, tried again after failures."""
    runner = runner_for(stage, "f")
    outputs, frames = [], {}
    for turn in range(1000):
        budget = Budget(0.0, max_outputs=sizes[turn % len(sizes)], stride=1024)
        outcome = runner.run(Work("r", 0, [record], frames), budget)
        outputs += outcome.outputs
        frames = outcome.frames
        if isinstance(outcome.end, Done):
            return outputs
    raise AssertionError("it does not come to an end")


@pytest.mark.parametrize("interruption", [Trouble, PauseFlow])
@pytest.mark.parametrize("kind", ["map", "branch"])
def test_a_record_comes_again_as_it_was(interruption, kind):
    fails = Fails(1, 2, error=interruption)

    def step(record):
        record["n"] += 1
        fails()
        return record if kind == "map" else [record]

    flow = Flow("f")
    getattr(flow, kind)(step, retries=2, backoff=0)
    assert flow.run({"n": 0}) == [{"n": 1}]


class Plan:
    """What `planned` meets: which of its steps fail, by their number, and after which it pauses."""

    fails = Fails()
    pauses: frozenset[int] = frozenset()


def planned(n):
    for item in range(n):
        yield item
        Plan.fails(item)
        if item in Plan.pauses:
            yield PauseFlow()
    Plan.fails()


PLANNED = Flow("f")
PLANNED.branch(planned, retries=99, backoff=0)


@given(
    length=st.integers(0, 12),
    failing=st.sets(st.integers(1, 40), max_size=12),
    pauses=st.frozensets(st.integers(0, 12)),
    sizes=st.lists(st.integers(1, 6), min_size=1, max_size=4),
)
def test_wherever_a_series_fails_it_is_given_as_in_slices(length, failing, pauses, sizes):
    Plan.pauses = pauses
    Plan.fails = Fails(*failing)
    assert PLANNED.run(length) == list(range(length))
    Plan.fails = Fails(*failing)
    assert sliced(PLANNED.graph.root, length, sizes) == list(range(length))


def test_a_series_goes_on_from_its_last_pause():
    begun = []
    fails = Fails(1, 2)

    def source(n):
        begun.append(n)
        yield 1
        yield PauseFlow()
        yield 2
        fails()
        yield 3

    flow = Flow("f")
    flow.branch(source, retries=2, backoff=0)
    assert flow.run(4) == [1, 2, 3]
    assert begun == [4]
    assert len(fails.calls) == 3


def test_an_async_series_goes_on_too():
    fails = Fails(1)

    async def source(n):
        yield 1
        await asyncio.sleep(0)
        fails()
        yield 2

    flow = Flow("f")
    flow.branch(source, retries=1)
    assert run(flow) == ([1, 2], [1])


def test_progress_starts_the_count_anew():
    fails = Fails(1, 2, 4, 5, 7, 8)

    def source(n):
        for item in range(n):
            fails(item)
            yield item
            yield PauseFlow()

    flow = Flow("f")
    flow.branch(source, retries=2)
    results, waits = run(flow, 3)
    assert results == [0, 1, 2]
    assert waits == [1, 2] * 3


def test_a_pause_that_comes_to_nothing_is_no_progress():
    turns = []

    def fetch(x):
        turns.append(x)
        if len(turns) % 2:
            raise PauseFlow
        raise Trouble

    def source(x):
        yield fetch(x)

    flow = Flow("f")
    flow.branch(source, retries=3, backoff=0)
    with pytest.raises(StageFailed, match="Trouble"):
        flow.run(1)
    assert len(turns) <= 10


def test_a_dead_letter_is_left_out_and_told(caplog):
    def parse(x):
        return 6 // x

    flow = Flow("f")
    flow.branch(lambda n: [1, 0, 2], name="three").map(parse, on_error="dead")
    dead = []
    assert flow.run(0, run_id="r", dead=dead) == [6, 3]
    (error,) = dead
    assert isinstance(error, StageFailed)
    assert (error.stage, error.key) == ("parse", "r:parse:1")
    assert isinstance(error.__cause__, ZeroDivisionError)
    with caplog.at_level(logging.ERROR):
        assert flow.run(0) == [6, 3]
    assert "r:parse:1" not in caplog.text
    assert "local:parse:1" in caplog.text
    assert "dead letter" in caplog.text


@pytest.mark.parametrize("kind", ["filter", "each"])
def test_what_gives_no_output_can_have_dead_letters(kind):
    flow = Flow("f")
    getattr(flow, kind)(lambda x: 1 / x, name="s", on_error="dead")
    dead = []
    assert flow.run(0, dead=dead) == []
    assert len(dead) == 1


def test_a_series_that_died_is_not_over():
    told = []

    def source(n):
        yield 1
        if n == 2:
            raise Trouble
        yield n

    flow = Flow("f")
    inner = flow.branch(lambda n: [2, 3], name="two", finished=lambda: told.append("all"))
    inner.branch(source, on_error="dead", finished=told.append)
    dead = []
    assert flow.run(0, dead=dead) == [1, 1, 3]
    assert told == [3, "all"]
    assert len(dead) == 1


def test_a_fallback_gives_what_takes_the_outputs_place():
    def instead(error, record):
        return [record, type(error).__name__, current().key]

    def source(n):
        yield n
        raise Trouble

    told = []
    mapped, branched = Flow("f"), Flow("g")
    mapped.map(Fails(1, 2), retries=1, backoff=0, fallback=instead)
    branched.branch(source, on_error=instead, finished=lambda: told.append("over"))
    assert mapped.run(5, run_id="r") == [[5, "Trouble", "r:Fails:0"]]
    assert branched.run(5, run_id="r") == [5, [5, "Trouble", "r:source:0"]]
    assert told == ["over"]


@pytest.mark.parametrize("error", [Trouble, PauseFlow, RetryAfter])
def test_a_fallback_that_fails_ends_as_on_error_says(error):
    def instead(failure, record):
        raise error(3) if error is RetryAfter else error()

    halting, dying = Flow("f"), Flow("g")
    halting.map(Fails(1), fallback=instead)
    dying.map(Fails(1), fallback=instead, on_error="dead")
    dead = []
    with pytest.raises(StageFailed, match=error.__name__):
        halting.run(1)
    assert dying.run(1, dead=dead) == []
    assert isinstance(dead[0].__cause__, error)


def test_a_timeout_is_retried():
    calls = []

    def slow(x):
        calls.append(x)
        while len(calls) < 2:
            pass
        return x

    async def slow_too(x):
        calls.append(x)
        if len(calls) < 4:
            await asyncio.Event().wait()
        return x

    flow = Flow("f")
    flow.map(slow, timeout=0.02, retries=1).map(slow_too, timeout=0.02, retries=1)
    assert run(flow) == ([1], [1, 1])
    del calls[:]
    halting = Flow("g")
    halting.map(slow, timeout=0.02)
    with pytest.raises(StageFailed) as caught:
        halting.run(1)
    assert isinstance(caught.value.__cause__, StageTimeout)


def test_finished_is_retried_like_its_branch():
    fails = Fails(1, 2)
    flow = Flow("f")
    flow.branch(range, finished=fails, retries=2)
    assert run(flow, 2) == ([0, 1], [1, 2])


def of_a_job(record):
    raise LookupError(record)


def test_a_job_that_failed_is_known_by_its_ending_only():
    flow = Flow("f")
    flow.job(of_a_job, retries=3, retry_on=LookupError)
    with pytest.raises(StageFailed, match="LookupError") as caught:
        flow.run("gone", sleep=pytest.fail)
    failure = caught.value.__cause__
    assert isinstance(failure, JobFailed)
    assert failure.error_type == "LookupError"
