"""However a run is cut, shared, paused, lost and put back, its results are those of `flow.run`."""

import asyncio
import os
from collections import Counter
from contextlib import ExitStack, suppress
from unittest.mock import patch

from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from pauseflow import Flow, PauseFlow, current
from pauseflow.errors import RunOver
from pauseflow.stages import Budget
from support.cluster import Cluster
from support.faults import Faults, ShakyServer
from support.hands import FixedTuning
from support.inventory import assert_no_leaks
from support.servers import fake_server

TRIES = Counter()
"""How often something was tried: what pauses once goes on the second time."""


def hesitate(*what):
    TRIES[current().key, what] += 1
    if TRIES[current().key, what] == 1:
        raise PauseFlow(after=(0, 5)[len(what) % 2])


def plus_one(x):
    return x + 1


def hesitant(x):
    if x % 3 == 0:
        hesitate()
    return x * 2


async def awaited(x):
    await asyncio.sleep(0)
    if x % 4 == 1:
        hesitate("async")
    return x - 1


def is_odd(x):
    return x % 2


def nothing(_):
    return False


def hesitant_filter(x):
    if x % 2:
        hesitate("filter")
    return x % 3


def listed(x):
    return [x, x + 1][: x % 3]


def counted(x):
    for n in range(x % 7):
        yield x * 10 + n


def pausing(x):
    for n in range(x % 4):
        yield x + n
        if n % 2 == 0:
            yield PauseFlow()
        elif n == 1:
            yield PauseFlow(after=30)
        yield n


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


STAGES = [
    ("map", plus_one, {}),
    ("map", plus_one, {"sequential": True}),
    ("map", hesitant, {}),
    ("map", hesitant, {"window": 2}),
    ("map", hesitant, {"threads": 3}),
    ("map", awaited, {"concurrency": 3}),
    ("filter", is_odd, {}),
    ("filter", nothing, {}),
    ("filter", hesitant_filter, {}),
    ("branch", listed, {}),
    ("branch", counted, {}),
    ("branch", counted, {"sequential": True}),
    ("branch", pausing, {}),
    ("branch", calling, {}),
    ("branch", nested, {}),
    ("branch", streamed, {"concurrency": 2}),
    ("branch", Countdown, {}),
]


class Cuts(Budget):
    """A slice that is over when the test says so."""

    cuts = ()
    sizes = (1, 1, 64)

    def __init__(self, *_, **__):
        sizes = iter(type(self).sizes)
        super().__init__(3600, stride=next(sizes), max_outputs=next(sizes))
        self._cuts = list(type(self).cuts)

    def spent(self, outputs):
        return outputs >= self.max_outputs or bool(self._cuts and self._cuts.pop())


def build(specs, finals):
    flow = Flow("f")
    handle = flow
    for number, (kind, fn, options) in enumerate(specs):
        given_options = dict(options, name=f"s{number}")
        if number in finals:
            handle = handle.branch(fn, finished=finals[number], **given_options)
        else:
            handle = getattr(handle, kind)(fn, **given_options)
    return flow


class Scene:
    """A random cluster, and a random course of events in it."""

    def __init__(self, data, flow):
        self.draw = data.draw
        self.flow = flow
        self.server = fake_server()
        self.results = []
        self.lost = 0
        self.held = 0

    def run(self, values):
        """The results of a run of these records."""
        draw = self.draw
        tuning = {
            "target": draw(st.sampled_from([1, 2, 5, 64])),
            "piece": draw(st.sampled_from([1, 2, 5])),
            "window": draw(st.integers(1, 5)),
            "limit": draw(st.sampled_from([1, 3, 10, 64])),
        }
        room = draw(st.sampled_from([1, 40, 10**6]))
        sizes = (draw(st.integers(1, 6)), draw(st.integers(1, 9)))
        with ExitStack() as stack:
            for name, value in {
                "pauseflow_workers.worker.Tuning": lambda: FixedTuning(**tuning),
                "pauseflow.client.Tuning": lambda: FixedTuning(**tuning),
                "pauseflow_workers.station.Budget": Cuts,
                "pauseflow.store.runs.RESULTS_BYTES": room,
                "pauseflow.store.chunks.RESULTS_BYTES": room,
                "pauseflow.store.books.RESULTS_BYTES": room,
                "pauseflow.store.results.READ_BYTES": room // 2,
                "pauseflow.store.results.RESULTS_BYTES": room,
            }.items():
                stack.enter_context(patch(name, value))
            stack.enter_context(patch.object(Cuts, "sizes", sizes))
            stack.enter_context(
                patch.object(Cuts, "cuts", draw(st.lists(st.booleans(), max_size=5)))
            )
            self.cluster = stack.enter_context(
                Cluster(self.server, self.flow, workers=draw(st.integers(1, 3)))
            )
            self.submit(values)
            for _ in range(draw(st.integers(0, 12))):
                self.event()
            self.finish()
        return self.results

    def submit(self, values):
        client = self.cluster.client
        if len(values) == 1:
            client.submit(self.flow, values[0], run_id="local")
            return
        client._wait_for_room = lambda _: self.make_room()
        with client.open(self.flow, run_id="local") as feed:
            feed.extend(values)

    def make_room(self):
        """What the others do while a feeder waits."""
        for worker in list(self.cluster.workers):
            self.cluster.step(worker)
        self.cluster.advance(31)
        self.cluster.tick()
        self.read()

    def event(self):
        cluster, draw = self.cluster, self.draw
        events = ["step"] * 5 + ["tick", "later", "lose", "read", "hold", "hold", "let go"]
        match draw(st.sampled_from(events)):
            case "step" if cluster.workers:
                cluster.step(draw(st.sampled_from(cluster.workers)))
            case "tick":
                cluster.tick()
            case "later":
                cluster.advance(draw(st.sampled_from([0.5, 3, 31])))
                cluster.tick()
            case "lose":
                self.lose_one()
            case "read":
                self.read()
            case "hold":
                self.hold()
            case "let go":
                self.let_go(all_hear=draw(st.booleans()))

    def hold(self):
        """A person pauses the run, its flow or one of its stages; some workers hear of it."""
        names = [stage.name for stage in self.flow.graph.stages]
        what = self.draw(st.sampled_from(["the run", "the flow", *names]))
        client = self.cluster.client
        if what == "the run":
            with suppress(RunOver):
                client.pause("local")
        else:
            client.pause_flow("f", None if what == "the flow" else what)
        self.held += 1
        if self.cluster.workers and self.draw(st.booleans()):
            self.draw(st.sampled_from(self.cluster.workers)).renew()

    def let_go(self, *, all_hear):
        """All goes on that was held."""
        client = self.cluster.client
        with suppress(RunOver):
            client.resume("local")
        for stage in [None, *(stage.name for stage in self.flow.graph.stages)]:
            client.resume_flow("f", stage)
        for worker in self.cluster.workers if all_hear else ():
            worker.renew()

    def lose_one(self):
        """A worker dies before or after what it sends arrives, and another takes its place."""
        cluster = self.cluster
        fault = self.draw(st.sampled_from(["lost", "reply"]))
        # a worker's first batches make it known; then come reads and commits
        faults = Faults([""] * self.draw(st.integers(5, 8)) + [fault])
        if cluster.workers:
            cluster.lose(cluster.workers[0])
        doomed = cluster.hire(ShakyServer(self.server, faults))
        for _ in range(4):
            if doomed in cluster.workers:
                cluster.step(doomed)
        if doomed in cluster.workers:
            cluster.lose(doomed)
        self.lost += 1
        if self.draw(st.booleans()):
            cluster.bury()
        cluster.hire()

    def read(self):
        self.results += self.cluster.client.results("local", start=len(self.results))

    def finish(self):
        """No more accidents: now it has to come to an end."""
        self.let_go(all_hear=True)
        self.cluster.bury()
        while self.cluster.client.run("local").state != "done":
            before = len(self.results)
            self.cluster.settle()
            self.read()
            run = self.cluster.client.run("local")
            if len(self.results) == before and run.state != "done":
                assert run.parked, f"it stands still: {run}"
                self.cluster.advance(31)
        self.read()


SETTINGS = settings(
    max_examples=int(os.environ.get("EXAMPLES", "120")),
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def draw_finished(data, specs):
    """Some of the branches tell when their series are over, and what they tell."""
    branches = [number for number, spec in enumerate(specs) if spec[0] == "branch"]
    chosen = data.draw(st.sets(st.sampled_from(branches)), label="finished") if branches else set()
    told = []

    def over(number):
        return lambda value: told.append((number, value, current().key))

    return {number: over(number) for number in chosen}, told


@SETTINGS
@given(st.data())
def test_ordered_flows_give_the_same_results_in_the_same_order(data):
    specs = data.draw(st.lists(st.sampled_from(STAGES), min_size=1, max_size=4), label="stages")
    values = data.draw(st.lists(st.integers(0, 7), min_size=1, max_size=6), label="values")
    finals, told = draw_finished(data, specs)
    TRIES.clear()
    expected = [
        result
        for value in values
        for result in build(specs, finals).run(value, sleep=lambda _: None)
    ]
    expected_told = told[:]
    TRIES.clear()
    told.clear()
    scene = Scene(data, build(specs, finals))
    assert scene.run(values) == expected
    for number in finals:
        theirs = [value for told_by, value, _ in expected_told if told_by == number]
        mine = [entry for entry in told if entry[0] == number]
        if scene.lost:  # what a lost worker had done is done again
            mine = list(dict.fromkeys(mine))
        assert [value for _, value, _ in mine] == theirs
    event(f"workers lost: {min(scene.lost, 3)}, held: {min(scene.held, 3)}")
    assert_no_leaks(scene.server)


@SETTINGS
@given(st.data())
def test_unordered_flows_give_the_same_results_in_some_order(data):
    specs = []
    for kind, fn, options in data.draw(
        st.lists(st.sampled_from(STAGES), min_size=1, max_size=4), label="stages"
    ):
        free = "sequential" not in options and data.draw(st.booleans())
        specs.append((kind, fn, options | {"ordered": False} if free else options))
    values = data.draw(st.lists(st.integers(0, 7), min_size=1, max_size=6), label="values")
    last = len(specs) - 1
    told = []
    finals = {last: told.append} if specs[last][0] == "branch" else {}
    TRIES.clear()
    expected = [
        result
        for value in values
        for result in build(specs, finals).run(value, sleep=lambda _: None)
    ]
    expected_told = Counter(told)
    TRIES.clear()
    told.clear()
    scene = Scene(data, build(specs, finals))
    assert Counter(scene.run(values)) == Counter(expected)
    if scene.lost:
        assert set(told) == set(expected_told)
    else:
        assert Counter(told) == expected_told
    assert_no_leaks(scene.server)
