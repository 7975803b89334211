"""Running a flow in this process."""

import asyncio
import dataclasses
import datetime as dt
import traceback

import pytest

from pauseflow import (
    Flow,
    JobFailed,
    NotSerializable,
    PauseFlow,
    SignalTimeout,
    StageFailed,
    current,
    register,
)
from pauseflow.codec import Marker


def line(*stages):
    """A flow of `(kind, function)` pairs."""
    flow = Flow("f")
    handle = flow
    for number, (kind, fn, *options) in enumerate(stages):
        name = f"s{number}"
        handle = getattr(handle, kind)(fn, name=name, **(options[0] if options else {}))
    return flow


def test_records_go_through_every_stage():
    flow = line(("branch", range), ("filter", lambda x: x % 2), ("map", lambda x: x * 10))
    assert flow.run(6) == [10, 30, 50]
    assert flow.run(0) == []
    assert flow.run(2) == [10]


def test_an_each_has_no_results():
    assert line(("branch", range), ("each", lambda x: x)).run(3) == []


def test_nothing_runs_before_a_result_is_asked_for_and_no_more_than_it_needs():
    told = []

    def source(n):
        for item in range(n):
            told.append(item)
            yield item

    results = line(("branch", source), ("map", lambda x: -x)).iter(1000)
    assert told == []
    assert next(results) == 0
    assert next(results) == -1
    assert told == [0, 1]
    results.close()
    assert told == [0, 1]


def test_an_endless_series_gives_results_as_long_as_one_asks():
    def source(start):
        while True:
            yield start
            start += 1

    results = line(("branch", source), ("filter", lambda x: x % 2)).iter(10)
    assert [next(results) for _ in range(3)] == [11, 13, 15]


def test_what_is_left_is_cleaned_up_when_nobody_asks_any_more():
    told = []

    def source(n):
        try:
            yield from range(n)
        finally:
            told.append("cleaned up")

    results = line(("branch", source)).iter(10)
    next(results)
    results.close()
    assert told == ["cleaned up"]


def test_a_pause_with_a_time_waits_for_it():
    waits = []
    tries = []

    def step(x):
        tries.append(x)
        if len(tries) == 1:
            raise PauseFlow(after=90)
        if len(tries) == 2:
            raise PauseFlow
        if len(tries) == 3:
            raise PauseFlow(at=dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
        return x

    assert line(("map", step)).run(7, sleep=waits.append) == [7]
    assert tries == [7] * 4
    assert waits == [pytest.approx(90, abs=1)]


def test_a_series_that_pauses_waits_too():
    waits = []

    def source(x):
        yield x
        yield PauseFlow(after=dt.timedelta(minutes=1))
        yield x + 1

    assert line(("branch", source)).run(1, sleep=waits.append) == [1, 2]
    assert waits == [pytest.approx(60, abs=1)]


def test_a_failure_tells_its_place_and_keeps_the_exception():
    def parse(x):
        return 1 / x

    with pytest.raises(StageFailed) as caught:
        line(("branch", lambda n: [1, 2, 0]), ("map", parse)).run(3, run_id="r9")
    assert str(caught.value) == (
        "stage 's1' failed on record 'r9:s1:2': ZeroDivisionError: division by zero"
    )
    cause = caught.value.__cause__
    assert isinstance(cause, ZeroDivisionError)
    assert [entry.name for entry in traceback.extract_tb(cause.__traceback__)] == ["parse"]


@pytest.mark.parametrize("kind", ["map", "filter", "each", "branch"])
def test_a_failure_is_told_in_every_kind_of_stage(kind):
    def step(x):
        raise LookupError("gone")

    with pytest.raises(StageFailed, match="LookupError: gone"):
        line((kind, step)).run(1)


def test_what_came_before_a_failure_was_given():
    def source(n):
        yield 1
        yield 2
        raise LookupError

    results = line(("branch", source)).iter(0)
    assert [next(results), next(results)] == [1, 2]
    with pytest.raises(StageFailed, match=r"LookupError$"):
        next(results)


def test_stop_iteration_is_a_failure():
    with pytest.raises(StageFailed, match="raised StopIteration"):
        line(("map", lambda x: next(iter(())))).run(1)


def test_keyboard_interrupt_comes_through():
    def step(x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        line(("map", step)).run(1)


def test_stages_share_no_objects():
    seen = []

    def remember(record):
        seen.append(record)
        return record

    def change(record):
        record["changed"] = True
        return record

    flow = line(("map", remember), ("map", change))
    given = {"n": 1}
    assert flow.run(given) == [{"n": 1, "changed": True}]
    assert (given, seen) == ({"n": 1}, [{"n": 1}])
    (shared,) = flow.run(given, isolate=False)
    assert shared is given


def test_a_record_keeps_its_type():
    @register(name="test_local.Order")
    @dataclasses.dataclass
    class Order:
        lines: tuple[str, ...]

    assert line(("map", lambda x: x)).run(Order(("a", "b"))) == [Order(("a", "b"))]


def test_what_has_no_encoding_is_told_with_its_place():
    flow = line(("branch", range), ("map", lambda x: {"file": object() if x else 1}))
    with pytest.raises(NotSerializable) as caught:
        flow.run(3, run_id="r9")
    message = str(caught.value)
    for part in ("'s1'", "'r9:s1:1'", "object", "file"):
        assert part in message
    assert flow.run(1, isolate=False) == [{"file": 1}]
    with pytest.raises(NotSerializable):
        flow.run(object())


def test_async_stages_run_as_well():
    async def fetch(x):
        await asyncio.sleep(0)
        return x + 1

    async def is_odd(x):
        return x % 2

    async def source(n):
        for item in range(n):
            await asyncio.sleep(0)
            yield item

    flow = line(("branch", source), ("map", fetch, {"concurrency": 3}), ("filter", is_odd))
    assert flow.run(5) == [1, 3, 5]


def test_async_stages_run_where_a_loop_is_running_already():
    async def fetch(x):
        return x + 1, current().run_id

    async def notebook():
        return line(("map", fetch)).run(1, run_id="r9")

    assert asyncio.run(notebook()) == [(2, "r9")]


def test_an_async_function_pauses_also_inside_a_task_group():
    tries = []

    async def fetch(x):
        tries.append(x)
        if len(tries) < 3:
            raise PauseFlow(after=len(tries))
        return x

    async def both(x):
        async with asyncio.TaskGroup() as group:
            one = group.create_task(fetch(x))
        return one.result()

    waits = []
    assert line(("map", both)).run(4, sleep=waits.append) == [4]
    assert [round(wait) for wait in waits] == [1, 2]


def test_threaded_and_unordered_stages_mean_the_same():
    flow = line(("branch", range), ("map", lambda x: -x, {"threads": 4, "ordered": False}))
    assert flow.run(3) == [0, -1, -2]


def test_finished_gets_the_record_that_was_branched():
    told = []
    flow = Flow("f")
    flow.branch(range, finished=told.append).each(told.append, name="tell")
    flow.run(2)
    assert told == [0, 1, 2]
    assert not any(isinstance(item, Marker) for item in told)


def test_finished_runs_after_a_series_of_nothing():
    told = []
    flow = Flow("f")
    flow.branch(range, finished=lambda: told.append("fin")).filter(bool)
    assert flow.run(0) == []
    assert told == ["fin"]


def test_finished_may_pause():
    told = []

    def over():
        told.append("over")
        if len(told) < 3:
            raise PauseFlow

    flow = Flow("f")
    flow.branch(range, finished=over)
    assert flow.run(2) == [0, 1]
    assert told == ["over"] * 3


@pytest.mark.parametrize("value", ["text", b"bytes", {"a": 1}, None, 5])
def test_a_branch_that_gives_no_series_is_told_what_to_return(value):
    async def later(x):
        return value

    for fn in (lambda x: value, later):
        with pytest.raises(StageFailed) as caught:
            line(("branch", fn)).run(1)
        assert isinstance(caught.value.__cause__, TypeError)
        assert "'s0' is a branch, which gives a series" in str(caught.value)
        assert type(value).__name__ in str(caught.value)
        assert "return a list such as [value]" in str(caught.value)


def test_a_branch_may_return_any_other_iterable():
    async def later(x):
        return [x, x]

    for fn in (lambda x: (x, x), lambda x: iter([x, x]), lambda x: {1: x, 2: x}.values(), later):
        assert line(("branch", fn)).run(4) == [4, 4]


def ask(document):
    try:
        answer = yield PauseFlow(until="approval", timeout=60)
    except SignalTimeout:
        answer = "nobody"
    yield (document, answer)


def approved(document):
    if current().signalled is None:
        raise PauseFlow(until=f"approval:{document}")
    return (document, current().signal)


def test_signals_are_given_by_name_or_by_a_function():
    branch, function = Flow("f"), Flow("g")
    branch.branch(ask)
    function.branch(range).map(approved)
    assert branch.run("doc", signals={"approval": "yes"}) == [("doc", "yes")]
    assert branch.run("doc", signals=lambda name: name.upper()) == [("doc", "APPROVAL")]
    answers = {"approval:0": "no", "approval:1": None}
    assert function.run(2, signals=answers) == [(0, "no"), (1, None)]


def test_a_signal_that_nobody_sends_is_a_timeout_or_an_error():
    flow, patient = Flow("f"), Flow("g")
    flow.branch(ask)
    patient.map(approved)
    slept = []
    assert flow.run("doc", sleep=slept.append) == [("doc", "nobody")]
    assert slept == [pytest.approx(60, abs=1)]
    with pytest.raises(StageFailed, match=r"waits for 'approval:7'.*signals="):
        patient.run(7)

    def late(name):
        raise SignalTimeout(name)

    assert flow.run("doc", signals=late) == [("doc", "nobody")]


def test_a_job_that_is_waited_for_is_given_too():
    def waits(number):
        yield (yield PauseFlow(job=f"j{number}"))

    flow = Flow("f")
    flow.branch(waits)
    assert flow.run(1, signals={"job:j1": 5}) == [5]

    def lost(name):
        raise JobFailed(name, "ValueError", "no")

    with pytest.raises(StageFailed, match="ValueError: no"):
        flow.run(1, signals=lost)
