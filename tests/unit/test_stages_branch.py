"""Runners of branch, driven by hand: slices, pauses, failures, and what is left of them."""

import asyncio
import threading
from contextlib import closing

import pytest

from pauseflow import Flow, PauseFlow, current
from pauseflow.codec import Marker
from pauseflow.errors import CaptureError, ForeignFrame, MalformedData
from pauseflow.stages import Budget, Done, Failed, Outcome, Paused, Sliced, Work, runner_for
from pauseflow.stages.frame import Frame

LOG = []


@pytest.fixture(autouse=True)
def _empty_log():
    LOG.clear()


def runner(fn, **options):
    flow = Flow("f")
    flow.branch(fn, **{"name": "stage", **options})
    return runner_for(flow.graph.root, "f")


def run(fn, items, budget=None, *, frames=None, marked=False, ordinal=0, **options):
    work = Work("r1", ordinal, list(items), frames or {}, marked)
    with closing(runner(fn, **options)) as made:
        return made.run(work, budget or Budget(600))


def one_by_one():
    """A budget for one value."""
    return Budget(600, max_outputs=1)


def counted(n):
    for i in range(n):
        LOG.append(i)
        yield i


def listed(n):
    return list(range(n))


class Counted:
    def __init__(self, n):
        self.n = n
        self.i = -1

    def __iter__(self):
        return self

    def __next__(self):
        self.i += 1
        if self.i >= self.n:
            raise StopIteration
        return self.i


async def streamed(n):
    for i in range(n):
        yield i


async def awaited(n):
    return list(range(n))


EVERY = pytest.mark.parametrize("fn", [counted, listed, Counted, streamed, awaited, range])


@EVERY
def test_a_series_follows_the_other(fn):
    assert run(fn, [3, 0, 2]) == Outcome([0, 1, 2, 0, 1], marked=False, consumed=3)


@EVERY
def test_a_slice_ends_after_any_value_and_the_next_goes_on_there(fn):
    outputs, frames, slices = [], {}, 0
    while True:
        outcome = run(fn, [5], one_by_one(), frames=frames)
        outputs += outcome.outputs
        slices += 1
        if outcome.end == Done():
            break
        assert (outcome.end, outcome.consumed) == (Sliced(), 0)
        frames = outcome.frames
    assert outputs == [0, 1, 2, 3, 4]
    assert 5 <= slices <= 6


def test_values_that_were_made_are_not_made_again():
    frames = {}
    for _ in range(4):
        frames = run(counted, [5], one_by_one(), frames=frames).frames
    assert LOG == [0, 1, 2, 3]


def batches(count):
    batch = []
    for number in range(count):
        batch.append({"number": number})
        if len(batch) == 2:
            yield batch
            batch.clear()


class Counter:
    def __init__(self, count):
        self.row = {"left": count}

    def __iter__(self):
        return self

    def __next__(self):
        if not self.row["left"]:
            raise StopIteration
        self.row["left"] -= 1
        return self.row


async def async_batches(count):
    for batch in batches(count):
        yield batch


@pytest.mark.parametrize(
    ("fn", "values"),
    [
        (batches, [[{"number": 0}, {"number": 1}], [{"number": 2}, {"number": 3}]]),
        (async_batches, [[{"number": 0}, {"number": 1}], [{"number": 2}, {"number": 3}]]),
        (Counter, [{"left": 3}, {"left": 2}, {"left": 1}, {"left": 0}]),
    ],
)
def test_a_value_is_what_it_was_when_it_was_yielded(fn, values):
    flow = Flow("f")
    flow.branch(fn)
    runner = runner_for(flow.graph.root, "f")
    outcome = runner.run(Work("r", 0, [4]), Budget())
    runner.close()
    assert outcome.outputs == values


def test_the_rest_keeps_the_frames_of_records_behind():
    behind = Frame(held=[7], done=True).to_bytes()
    outcome = run(counted, [1, 3, 4], Budget(600, max_outputs=2), frames={2: behind})
    assert (outcome.outputs, outcome.consumed) == ([0, 0], 1)
    assert set(outcome.frames) == {0, 1}
    assert outcome.frames[1] == behind
    rest = run(counted, [3, 4], frames=outcome.frames)
    assert rest.outputs == [1, 2, 7]


def test_an_endless_series_gives_as_many_as_the_budget_allows():
    def endless(n):
        while True:
            yield n
            n += 1

    outcome = run(endless, [5], Budget(600, max_outputs=100, stride=64))
    assert (outcome.outputs, outcome.end) == (list(range(5, 105)), Sliced())


def test_a_stop_takes_effect_at_the_next_value():
    budget = Budget(600, stride=1024)

    def source(n):
        for i in range(n):
            if i == 3:
                budget.stop()
            yield i

    outcome = run(source, [1000], budget)
    assert (outcome.outputs, outcome.end) == ([0, 1, 2, 3], Sliced())
    assert run(source, [1000], frames=outcome.frames).outputs == list(range(4, 1000))


def test_a_pause_that_is_yielded_ends_the_slice_there():
    def source(n):
        yield n
        LOG.append("before")
        yield PauseFlow(after=60)
        LOG.append("after")
        yield n + 1

    outcome = run(source, [1, 2])
    assert (outcome.outputs, outcome.consumed, outcome.end.pause.after) == ([1], 0, 60)
    assert LOG == ["before"]
    rest = run(source, [1, 2], frames=outcome.frames)
    assert (rest.outputs, rest.consumed) == ([2, 2], 1)
    assert LOG == ["before", "after", "before"]


def test_a_pause_that_is_raised_by_what_is_called_runs_the_statement_again():
    def fetch(n):
        LOG.append(n)
        if LOG.count(n) < 3:
            raise PauseFlow
        return n

    def source(n):
        for i in range(n):
            yield fetch(i)

    outputs, frames, pauses = [], {}, 0
    while True:
        outcome = run(source, [2], frames=frames)
        outputs += outcome.outputs
        if not isinstance(outcome.end, Paused):
            break
        pauses += 1
        frames = outcome.frames
    assert (outputs, pauses, LOG) == ([0, 1], 4, [0, 0, 0, 1, 1, 1])


@pytest.mark.parametrize("how", ["function", "class", "async"])
def test_a_pause_before_there_is_a_series_has_it_opened_again(how):
    def opened(n):
        LOG.append(n)
        if len(LOG) == 1:
            raise PauseFlow
        return [n]

    class Opened(Counted):
        def __init__(self, n):
            super().__init__(opened(n)[0])

    async def later(n):
        return opened(n)

    fn = {"function": opened, "class": Opened, "async": later}[how]
    outcome = run(fn, [1])
    assert (outcome.outputs, outcome.consumed, type(outcome.end)) == ([], 0, Paused)
    assert run(fn, [1], frames=outcome.frames).end == Done()
    assert LOG == [1, 1]


def test_an_unordered_branch_parks_the_record_where_it_stands():
    def source(n):
        yield n
        if n % 2:
            yield PauseFlow(after=n)
        yield -n

    outcome = run(source, [1, 2, 3, 4], ordered=False, finished=lambda: None)
    marks = [Marker("stage", 1, None), Marker("stage", 3, None)]
    assert outcome.outputs == [1, 2, -2, marks[0], 3, 4, -4, marks[1]]
    assert (outcome.consumed, outcome.end, outcome.frames) == (4, Done(), {})
    assert [(parked.index, parked.pause.after) for parked in outcome.parked] == [(0, 1), (2, 3)]
    frames = {0: outcome.parked[1].frame}
    alone = run(source, [3], frames=frames, ordinal=2, ordered=False, finished=lambda: None)
    assert alone.outputs == [-3, Marker("stage", 2, None)]


@pytest.mark.parametrize("fn", [counted, listed, Counted, streamed])
def test_a_marker_follows_each_series_and_carries_what_finished_takes(fn):
    plain = run(fn, [1, 0], ordinal=5, finished=lambda: None)
    assert plain.outputs == [0, Marker("stage", 5, None), Marker("stage", 6, None)]
    assert plain.marked
    record = run(fn, [1, 0], ordinal=5, finished=lambda record: None)
    assert record.outputs == [0, Marker("stage", 5, 1), Marker("stage", 6, 0)]


def test_markers_of_other_branches_pass():
    other = Marker("outer", 0, None)
    outcome = run(counted, [1, other, 2, other], marked=True)
    assert outcome == Outcome([0, other, 0, 1, other], marked=True, consumed=4)


def broken(n):
    LOG.append(n)
    yield n
    if n == 2:
        raise LookupError("gone")
    yield -n


@pytest.mark.parametrize("threads", [1, 3])
def test_a_failed_record_takes_its_values_back_so_that_none_comes_twice(threads):
    outcome = run(broken, [1, 2, 3], threads=threads)
    assert (outcome.outputs, outcome.consumed) == ([1, -1], 1)
    assert isinstance(outcome.end, Failed)
    assert str(outcome.end.error) == "gone"
    assert 0 not in outcome.frames


def test_a_failure_leaves_the_frame_that_the_record_had():
    first = run(broken, [2], one_by_one())
    assert (first.outputs, first.end) == ([2], Sliced())
    second = run(broken, [2], frames=first.frames)
    assert (second.outputs, second.frames) == ([], first.frames)
    assert isinstance(second.end, Failed)


def unwritable(n):
    gate = threading.Lock()
    yield 1
    yield 2
    gate.acquire()
    if n:
        yield PauseFlow()
    gate.release()
    del gate
    yield 3
    yield 4


def test_a_local_without_an_encoding_only_puts_off_the_end_of_a_slice():
    outcome = run(unwritable, [0], one_by_one())
    assert (outcome.outputs, outcome.end) == ([1, 2, 3], Sliced())
    assert run(unwritable, [0], frames=outcome.frames).outputs == [4]


def test_a_local_without_an_encoding_at_a_pause_is_a_failure_that_names_it():
    outcome = run(unwritable, [1])
    assert (outcome.outputs, outcome.consumed) == ([], 0)
    assert isinstance(outcome.end.error, CaptureError)
    assert "'gate'" in str(outcome.end.error)


def test_what_is_captured_is_not_cleaned_up_and_what_failed_is():
    def source(n):
        try:
            yield 1
            yield 2
            if n:
                raise LookupError
        finally:
            LOG.append("finally")

    outcome = run(source, [0], one_by_one())
    assert LOG == []
    run(source, [0], frames=outcome.frames)
    assert LOG == ["finally"]
    run(source, [1])
    assert LOG == ["finally"] * 2


def test_a_generator_goes_on_with_what_it_had_and_is_never_the_worse_for_a_handover():
    def source(text):
        total, words = 0, text.split()
        for number, word in enumerate(words):
            total += len(word)
            yield number, word, total

    text = "the quick brown fox jumps"
    outputs, frames = [], {}
    for _ in range(6):
        outcome = run(source, [text], one_by_one(), frames=frames)
        outputs += outcome.outputs
        frames = outcome.frames
    assert outputs == list(source(text))


def made(version):
    def source(n):
        yield 1
        yield 2

    def other(n):
        yield 1
        yield 3

    source.__qualname__ = other.__qualname__ = "source"
    return source if version == 1 else other


def test_a_frame_of_other_code_is_left_as_it_is():
    frames = run(made(1), [0], one_by_one()).frames
    outcome = run(made(2), [0], frames=frames)
    assert (outcome.outputs, outcome.consumed, outcome.frames) == ([], 0, frames)
    assert isinstance(outcome.end.error, ForeignFrame)


def test_a_migration_takes_a_frame_of_other_code():
    frames = run(made(1), [7], one_by_one()).frames
    old = runner(made(1)).stage.series.fingerprint
    outcome = run(made(2), [7], frames=frames, migrate={old: lambda scope: (7,)})
    assert (outcome.outputs, outcome.end) == ([1, 3], Done())


@pytest.mark.parametrize("data", [b"", b"f1", b"junk", Frame(series=b"junk").to_bytes()])
def test_a_damaged_frame_fails_its_record(data):
    outcome = run(counted, [1, 2], frames={1: data})
    assert (outcome.outputs, outcome.consumed, outcome.frames) == ([0], 1, {0: data})
    assert isinstance(outcome.end.error, MalformedData)


@pytest.mark.parametrize("fn", [counted, streamed])
def test_current_tells_the_branched_record(fn):
    def source(n):
        yield current().key

    async def async_source(n):
        yield current().key

    keys = ["r1:stage:9", "r1:stage:10"]
    assert run(source if fn is counted else async_source, [1, 2], ordinal=9).outputs == keys


def gathered(fn, items, **options):
    """The outputs, whatever number of slices it takes, and how many pauses there were."""
    outputs, frames, pauses, done = [], {}, 0, 0
    while done < len(items):
        outcome = run(fn, items[done:], frames=frames, ordinal=done, **options)
        outputs += outcome.outputs
        frames = outcome.frames
        done += outcome.consumed
        pauses += isinstance(outcome.end, Paused)
        if isinstance(outcome.end, Failed):
            raise outcome.end.error
    return outputs, pauses


def test_a_series_that_is_ahead_of_a_paused_one_is_not_run_again():
    def source(n):
        LOG.append(n)
        yield n
        if n < 2:
            yield PauseFlow()
        yield -n

    outputs, _ = gathered(source, [0, 1, 2, 3], threads=4)
    assert outputs == [0, 0, 1, -1, 2, -2, 3, -3]
    assert sorted(LOG) == [0, 1, 2, 3]


def test_async_series_that_pause_come_in_order():
    async def source(n):
        yield n
        yield PauseFlow()
        yield -n

    assert gathered(source, [1, 2, 3], concurrency=3)[0] == [1, -1, 2, -2, 3, -3]


def test_a_pause_out_of_a_task_group_is_a_pause_of_the_series():
    async def fetch(n):
        LOG.append(n)
        if len(LOG) == 1:
            raise PauseFlow
        return n

    async def together(n):
        async with asyncio.TaskGroup() as group:
            one = group.create_task(fetch(n))
        return one.result()

    async def source(n):
        yield 0
        answer = await together(n)
        yield answer

    assert gathered(source, [7]) == ([0, 7], 1)
    assert LOG == [7, 7]
