"""However work is cut, paused and handed over, the outcome is that of `flow.run`."""

import asyncio
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pauseflow import Flow, PauseFlow, current
from pauseflow.codec import Marker, decode_items, encode_items
from pauseflow.stages import Budget, Done, Failed, Paused, Sliced, Work, runner_for

TRIES: Counter[object] = Counter()
"""How often something was tried: what pauses once must go on the second time."""


def hesitate(*what):
    """Pause the first time that this record's stage comes here."""
    TRIES[current().key, what] += 1
    if TRIES[current().key, what] == 1:
        raise PauseFlow(after=0)


def plus_one(x):
    return x + 1


def hesitant(x):
    if x % 3 == 0:
        hesitate()
    return x * 2


async def awaited(x):
    await asyncio.sleep(0)
    if x % 4 == 1:
        hesitate()
    return x - 1


def is_odd(x):
    return x % 2


def hesitant_filter(x):
    if x % 2:
        hesitate()
    return x % 3


def listed(x):
    return [x, x + 1][: x % 3]


def counted(x):
    for n in range(x % 4):
        yield x * 10 + n


def pausing(x):
    for n in range(x % 4):
        yield x + n
        if n % 2 == 0:
            yield PauseFlow()
        yield n


def raising(x):
    yield x
    if x % 2:
        raise PauseFlow
    yield x + 1


def calling(x):
    for n in range(x % 3):
        hesitate(n)
        yield x + n


def nested(x):
    total = 0
    for value in calling(x):
        total += value
        yield value
    yield from pausing(x)
    yield total


async def streamed(x):
    for n in range(x % 4):
        await asyncio.sleep(0)
        yield x + n
        if n == 1:
            yield PauseFlow()


class Countdown:
    def __init__(self, x):
        self.left = x % 6

    def __iter__(self):
        return self

    def __next__(self):
        if not self.left:
            raise StopIteration
        self.left -= 1
        if self.left % 2:
            raise PauseFlow
        return self.left


UNORDERED = {"ordered": False}
FUNCTIONS = [
    ("map", plus_one, {}),
    ("map", hesitant, {}),
    ("map", hesitant, {"threads": 3}),
    ("map", awaited, {"concurrency": 3}),
    ("filter", is_odd, {}),
    ("filter", hesitant_filter, {}),
    ("filter", hesitant_filter, {"threads": 2}),
]
BRANCHES = [
    ("branch", listed, {}),
    ("branch", counted, {}),
    ("branch", pausing, {}),
    ("branch", pausing, {"threads": 3}),
    ("branch", raising, {}),
    ("branch", calling, {}),
    ("branch", nested, {}),
    ("branch", nested, {"threads": 2}),
    ("branch", streamed, {"concurrency": 3}),
    ("branch", Countdown, {}),
]


class Cuts(Budget):
    """A budget that is spent when the test says so."""

    def __init__(self, cuts, stride, most):
        super().__init__(3600, stride=stride, max_outputs=most)
        self.cuts = cuts

    def spent(self, outputs):
        return outputs >= self.max_outputs or bool(self.cuts and self.cuts.pop())


def build(specs, finals):
    flow = Flow("f")
    handle = flow
    for number, (kind, fn, options) in enumerate(specs):
        given_options = dict(options, name=f"s{number}")
        if kind == "branch" and number in finals:
            handle = handle.branch(fn, finished=finals[number], **given_options)
        else:
            handle = getattr(handle, kind)(fn, **given_options)
    return flow


def passed_on(items):
    return decode_items(len(items), encode_items(items))


class Engine:
    """Runs a stage as workers do: in chunks and slices, another worker each time."""

    def __init__(self, make, size, budget):
        self.make = make
        self.size = size
        self.budget = budget

    def run(self, value):
        inputs = {stage.name: [] for stage in self.make().graph.stages}
        graph = self.make().graph
        inputs[graph.root.name] = [value]
        results = []
        for stage in graph.stages:
            for output in self.stage(stage.name, inputs[stage.name]):
                for outlet in graph.outlets(stage.name):
                    if outlet.markers if isinstance(output, Marker) else outlet.records:
                        place = results if outlet.target is None else inputs[outlet.target]
                        place.append(output)
        return results

    def stage(self, name, items):
        outputs, at = [], 0
        while at < len(items):
            size = self.size()
            outputs += self.chunk(name, at, items[at : at + size])
            at += size
        return outputs

    def chunk(self, name, ordinal, items, frames=None):
        outputs = []
        while items:
            work = Work(
                "local", ordinal, passed_on(items), frames or {},
                any(isinstance(item, Marker) for item in items),
            )  # fmt: skip
            graph = self.make().graph
            runner = runner_for(graph[name], "f")
            outcome = runner.run(work, self.budget())
            runner.close()
            assert outcome.marked == any(isinstance(out, Marker) for out in outcome.outputs)
            outputs += passed_on(outcome.outputs)
            for parked in outcome.parked:
                outputs += self.chunk(
                    name,
                    ordinal + parked.index,
                    [items[parked.index]],
                    {} if parked.frame is None else {0: parked.frame},
                )
            ordinal += outcome.consumed
            items = items[outcome.consumed :]
            frames = outcome.frames
            match outcome.end:
                case Done():
                    assert not items
                case Failed(error):
                    raise error
                case Sliced() | Paused():
                    assert items
        return outputs


def drawn(data):
    """Random chunk sizes and budgets."""
    cuts, few = st.lists(st.booleans(), max_size=8), st.integers(1, 6)
    return lambda: data.draw(few), lambda: Cuts(data.draw(cuts), data.draw(few), data.draw(few))


SETTINGS = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@SETTINGS
@given(st.data())
def test_ordered_lines_give_the_same_results_in_order(data):
    specs = data.draw(
        st.lists(st.sampled_from(FUNCTIONS + BRANCHES), min_size=1, max_size=4), label="stages"
    )
    branches = [number for number, spec in enumerate(specs) if spec[0] == "branch"]
    with_finished = data.draw(st.sets(st.sampled_from(branches))) if branches else set()
    told = []

    def over(number):
        return lambda value: told.append((number, value, current().key))

    finals = {number: over(number) for number in with_finished}
    value = data.draw(st.integers(0, 7))
    TRIES.clear()
    expected, expected_told = build(specs, finals).run(value), told[:]
    TRIES.clear()
    told.clear()
    assert Engine(lambda: build(specs, finals), *drawn(data)).run(value) == expected
    # Stages run one after the other here, so only the order within each is the same.
    assert sorted(told) == sorted(expected_told)
    for number in with_finished:
        mine = [entry for entry in told if entry[0] == number]
        assert mine == [entry for entry in expected_told if entry[0] == number]


@SETTINGS
@given(st.data())
def test_unordered_lines_give_the_same_results_in_some_order(data):
    specs = [
        (kind, fn, options | UNORDERED if data.draw(st.booleans()) else options)
        for kind, fn, options in data.draw(
            st.lists(st.sampled_from(FUNCTIONS + BRANCHES), min_size=1, max_size=3)
        )
    ]
    value = data.draw(st.integers(0, 7))
    last = len(specs) - 1
    finals, told = {}, []
    if specs[last][0] == "branch":
        finals = {last: told.append}
    # Whether something was tried is kept by record key, and out of order the keys are others: so
    # here everything that hesitates does so once and for all.
    TRIES.clear()
    expected, expected_told = build(specs, finals).run(value), sorted(told)
    TRIES.clear()
    told.clear()
    assert sorted(Engine(lambda: build(specs, finals), *drawn(data)).run(value)) == sorted(expected)
    assert sorted(told) == expected_told


@pytest.mark.parametrize("spec", BRANCHES, ids=lambda spec: f"{spec[1].__name__}-{spec[2]}")
def test_a_marker_comes_after_the_last_output_of_its_series_and_once(spec):
    TRIES.clear()
    expected = build([spec], {}).run(7)
    TRIES.clear()
    engine = Engine(
        lambda: build([spec], {0: lambda: None}), lambda: 2, lambda: Cuts([True] * 9, 1, 1)
    )
    outputs = engine.stage("s0", [7, 7])
    assert outputs == [*expected, Marker("s0", 0, None), *expected, Marker("s0", 1, None)]
