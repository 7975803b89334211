"""Runners of map, filter, each and finished, driven by hand."""

import sys
import traceback

import pytest

from pauseflow import Flow, MalformedData, PauseFlow, current
from pauseflow.codec import Marker
from pauseflow.errors import ForeignFrame
from pauseflow.stages import (
    Budget,
    Done,
    Failed,
    Outcome,
    Parked,
    Paused,
    Sliced,
    Work,
    runner_for,
)
from pauseflow.stages.frame import Frame


class Clock:
    """Seconds that pass only when they are told to."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def runner(kind, fn, **options):
    flow = Flow("f")
    getattr(flow, kind)(fn, **{"name": "stage", **options})
    return runner_for(flow.graph.root, "f")


def run(kind, fn, items, budget=None, *, ordinal=0, frames=None, marked=False, **options):
    work = Work("r1", ordinal, list(items), frames or {}, marked)
    return runner(kind, fn, **options).run(work, budget or Budget(60))


def test_a_map_gives_each_result():
    outcome = run("map", lambda x: x + 1, range(3000))
    assert outcome == Outcome(list(range(1, 3001)), marked=False, consumed=3000)
    assert outcome.end == Done()


def test_a_map_to_none_gives_none():
    assert run("map", lambda x: None, [1, 2]).outputs == [None, None]


def test_a_filter_gives_the_records_that_it_is_true_for():
    assert run("filter", lambda x: x % 3, range(3000)).outputs == [x for x in range(3000) if x % 3]


def test_an_each_gives_nothing():
    seen = []
    outcome = run("each", seen.append, range(3000))
    assert (outcome.outputs, outcome.consumed, seen) == ([], 3000, list(range(3000)))


def test_an_empty_chunk_is_done():
    assert run("map", len, []) == Outcome([], marked=False, consumed=0)


KINDS = {"map": [0, 1, 2, 3, 4], "filter": [1, 3], "each": []}


@pytest.mark.parametrize("kind", KINDS)
def test_a_pause_keeps_what_came_before_it(kind):
    def step(x):
        if x == 5:
            raise PauseFlow(after=60)
        return x if kind == "map" else x % 2

    outcome = run(kind, step, range(10))
    assert (outcome.outputs, outcome.consumed) == (KINDS[kind], 5)
    assert isinstance(outcome.end, Paused)
    assert outcome.end.pause.after == 60
    assert outcome.frames == {}


@pytest.mark.parametrize("kind", KINDS)
def test_a_failure_keeps_what_came_before_it_and_its_traceback_begins_in_the_function(kind):
    def inner(x):
        raise ValueError(f"no {x}")

    def step(x):
        if x == 5:
            inner(x)
        return x if kind == "map" else x % 2

    outcome = run(kind, step, range(10))
    assert (outcome.outputs, outcome.consumed) == (KINDS[kind], 5)
    assert isinstance(outcome.end, Failed)
    assert str(outcome.end.error) == "no 5"
    names = [entry.name for entry in traceback.extract_tb(outcome.end.error.__traceback__)]
    assert names == ["step", "inner"]


@pytest.mark.parametrize("kind", KINDS)
def test_an_unordered_stage_parks_the_record_alone(kind):
    def step(x):
        if x in {5, 9}:
            raise PauseFlow
        return x if kind == "map" else x % 2

    outcome = run(kind, step, range(10), ordered=False)
    kept = [x for x in range(10) if x not in {5, 9}]
    expected = {"map": kept, "filter": [x for x in kept if x % 2], "each": []}
    assert (outcome.outputs, outcome.consumed, outcome.end) == (expected[kind], 10, Done())
    assert [(parked.index, parked.frame) for parked in outcome.parked] == [(5, None), (9, None)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("at", [0, 4, 9])
def test_stop_iteration_is_a_failure_and_never_an_end(kind, at):
    outcome = run(kind, lambda x: next(iter(())) if x == at else x, range(10))
    assert outcome.consumed == at
    assert isinstance(outcome.end, Failed)
    assert "raised StopIteration" in str(outcome.end.error)
    assert "next(iterator, default)" in str(outcome.end.error)


def test_exit_fails_the_record_and_keyboard_interrupt_is_meant_for_the_process():
    outcome = run("map", lambda x: sys.exit(3), [1])
    assert isinstance(outcome.end, Failed)
    assert isinstance(outcome.end.error, SystemExit)

    def interrupted(x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run("map", interrupted, [1])


def test_an_answer_that_is_neither_true_nor_false_fails_its_own_record():
    class Neither:
        def __bool__(self):
            raise TypeError("ambiguous")

    outcome = run("filter", lambda x: Neither() if x == 3 else True, range(5))
    assert (outcome.outputs, outcome.consumed) == ([0, 1, 2], 3)
    assert str(outcome.end.error) == "ambiguous"


def test_the_slice_ends_when_its_time_is_up_and_the_rest_keeps_its_frames():
    clock = Clock()

    def slow(x):
        clock.now += 0.01
        return x

    held = Frame(held=[77], done=True).to_bytes()
    outcome = run("map", slow, range(10), Budget(0.035, clock=clock), frames={8: held})
    assert outcome.end == Sliced()
    assert outcome.outputs == list(range(outcome.consumed))
    assert 3 <= outcome.consumed <= 5
    assert outcome.frames == {8 - outcome.consumed: held}


def test_one_record_is_done_however_short_the_time():
    clock = Clock()
    clock_budget = Budget(0, clock=clock)
    clock.now += 1
    assert run("map", lambda x: x, range(10), clock_budget).consumed == 1


def test_the_last_record_of_a_chunk_is_done_even_if_the_time_is_up():
    outcome = run("map", lambda x: x, [1], Budget(0))
    assert (outcome.end, outcome.consumed) == (Done(), 1)


def test_the_slice_ends_when_there_are_enough_outputs():
    outcome = run("map", lambda x: x, range(1000), Budget(60, max_outputs=10, stride=8))
    assert outcome.end == Sliced()
    assert 10 <= len(outcome.outputs) < 40


def test_a_stop_takes_effect_at_the_next_record_however_long_the_stride():
    budget = Budget(60, stride=1024)

    def step(x):
        if x == 7:
            budget.stop()
        return x

    for kind, outputs in (("map", 8), ("filter", 7), ("each", 0)):
        budget = Budget(60, stride=1024)
        outcome = run(kind, step, range(1000), budget)
        assert (outcome.end, outcome.consumed, len(outcome.outputs)) == (Sliced(), 8, outputs)


def test_a_stop_before_the_first_record_leaves_all_of_it():
    budget = Budget(60)
    budget.stop()
    assert run("map", lambda x: x, range(5), budget) == Outcome(
        [], marked=False, consumed=0, end=Sliced()
    )


def test_markers_pass_in_order_and_are_never_seen():
    marks = [Marker("b", 0, None), Marker("b", 1, None), Marker("b", 2, None)]
    items = [marks[0], 1, 2, marks[1], 3, marks[2]]
    expected = {
        "map": [marks[0], 10, 20, marks[1], 30, marks[2]],
        "filter": [marks[0], 1, 2, marks[1], 3, marks[2]],
        "each": marks,
    }
    for kind, outputs in expected.items():
        outcome = run(kind, lambda x: x * 10, items, marked=True)
        assert outcome == Outcome(outputs, marked=True, consumed=6)


def test_only_markers_that_passed_mark_the_outputs():
    def step(x):
        raise PauseFlow

    outcome = run("map", step, [1, Marker("b", 0, None)], marked=True)
    assert (outcome.outputs, outcome.marked, outcome.consumed) == ([], False, 0)


def test_a_record_that_was_done_ahead_is_not_run_again():
    held = Frame(held=["done before"], done=True).to_bytes()
    outcome = run("map", lambda x: x * 10, [1, 2, 3], frames={1: held})
    assert outcome.outputs == [10, "done before", 30]


def test_a_pause_that_was_asked_for_ahead_is_waited_for():
    asleep = Frame(wake=4e9).to_bytes()
    outcome = run("map", lambda x: x * 10, [1, 2, 3], frames={1: asleep})
    assert (outcome.outputs, outcome.consumed, outcome.frames) == ([10], 1, {0: asleep})
    assert outcome.end.pause.wake_at(0) == 4e9
    parted = run("map", lambda x: x * 10, [1, 2, 3], frames={1: asleep}, ordered=False)
    assert (parted.outputs, parted.end) == ([10, 30], Done())
    assert [(parked.index, parked.frame) for parked in parted.parked] == [(1, asleep)]
    awake = Frame(wake=1.0).to_bytes()
    assert run("map", lambda x: x * 10, [1, 2, 3], frames={1: awake}).outputs == [10, 20, 30]


@pytest.mark.parametrize("data", [b"", b"f1", b"f1\xc0", b"hello", b"f1" + b"\xff" * 20])
def test_a_damaged_frame_fails_its_record_alone(data):
    outcome = run("map", lambda x: x, [1, 2, 3], frames={1: data})
    assert (outcome.outputs, outcome.consumed, outcome.frames) == ([1], 1, {0: data})
    assert isinstance(outcome.end.error, MalformedData)


def test_a_frame_of_a_branch_is_not_run_as_a_function():
    outcome = run("map", lambda x: x, [1], frames={0: Frame(series=b"x").to_bytes()})
    assert isinstance(outcome.end.error, ForeignFrame)


def test_current_tells_the_record_that_is_worked_on():
    keys = []

    def step(x):
        here = current()
        assert (here.run_id, here.flow, here.stage, here.attempt) == ("r1", "f", "stage", 0)
        keys.append(here.key)
        if x == 3:
            raise PauseFlow
        return x != 1

    items = [0, Marker("b", 0, None), 1, 2, 3, 4]
    for kind in KINDS:
        run(kind, step, items, Budget(60, stride=3), ordinal=40, marked=True, ordered=False)
        assert keys == [f"r1:stage:{n}" for n in (40, 42, 43, 44, 45)]
        keys.clear()


def finished_runner(fn):
    flow = Flow("f")
    outer = flow.branch(lambda x: [x], name="outer", finished=lambda: None)
    outer.branch(lambda x: [x], name="b", finished=fn)
    return runner_for(flow.graph["b.finished"], "f")


def test_finished_runs_for_its_own_markers_and_passes_on_those_of_another_one():
    ordinals = []
    mine, other, folded = (Marker(branch, 0, None) for branch in ("b", "outer", "folded"))
    outcome = finished_runner(lambda: ordinals.append(current().ordinal)).run(
        Work("r1", 5, [mine, other, mine, folded], marked=True), Budget(60)
    )
    assert outcome == Outcome([other], marked=True, consumed=4)
    assert ordinals == [5, 7]


def test_finished_may_pause_and_fail_like_any_function():
    values = []

    def finished(value):
        if value == 2 and not values.count("paused"):
            values.append("paused")
            raise PauseFlow
        values.append(1 / value)

    runner = finished_runner(finished)
    items = [Marker("b", n, value) for n, value in enumerate([1, 2, 0])]
    first = runner.run(Work("r1", 0, items, marked=True), Budget(60))
    assert (first.consumed, type(first.end), first.marked) == (1, Paused, False)
    second = runner.run(Work("r1", 1, items[1:], marked=True), Budget(60))
    assert (second.consumed, type(second.end)) == (1, Failed)
    assert values == [1.0, "paused", 0.5]


def test_a_parked_record_tells_its_pause():
    def step(x):
        raise PauseFlow(after=x)

    outcome = run("map", step, [5], ordered=False)
    assert isinstance(outcome.parked[0], Parked)
    assert outcome.parked[0].pause.after == 5


def test_the_stride_follows_what_records_cost():
    clock = Clock()
    budget = Budget(60, clock=clock)
    for _ in range(12):
        budget.spent(0)
    assert budget.stride == 1024
    for _ in range(20):
        clock.now += 0.01
        budget.spent(0)
    assert budget.stride == 1


def test_a_budget_tells_what_is_left_and_calls_back_once_it_is_stopped():
    clock = Clock()
    budget = Budget(2, clock=clock)
    clock.now += 0.5
    assert budget.left() == 1.5
    called = []
    with budget.on_stop(lambda: called.append("early")):
        pass
    with budget.on_stop(lambda: called.append("in time")):
        budget.stop()
    with budget.on_stop(lambda: called.append("late")):
        pass
    assert called == ["in time", "late"]
    assert budget.spent(0)
    clock.now += 5
    assert budget.left() == 0


def test_a_group_of_pauses_is_the_longest_of_them_and_a_mixed_group_a_failure():
    def step(x):
        raise BaseExceptionGroup("several", x)

    pauses = [PauseFlow(after=5), BaseExceptionGroup("inner", [PauseFlow(after=9), PauseFlow()])]
    assert run("map", step, [pauses]).end.pause.after == 9
    assert isinstance(run("map", step, [[*pauses, ValueError()]]).end, Failed)
