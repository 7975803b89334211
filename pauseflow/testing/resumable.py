"""assert_resumable: a flow gives the same wherever its workers are thrown away."""

from __future__ import annotations

import contextlib
import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter

from pauseflow.flow import Flow
from pauseflow.testing.clock import REAL_TIME
from pauseflow.testing.course import Signals
from pauseflow.testing.cuts import AtRandom, EveryCommit, Fault, Once, Plan
from pauseflow.testing.outside import Outside
from pauseflow.testing.sizes import Sizes
from pauseflow.testing.trial import RUN, Endless, Outcome, Trial

SECONDS = 1.0
NARROWING_SECONDS = 3.0

WITHOUT = "without interruption"


class NotResumed(AssertionError):
    """A flow gave something else when its workers were thrown away, or is not always the same."""


def assert_resumable(
    flow: Flow,
    value: object,
    *,
    signals: Signals | None = None,
    seed: int = 0,
    seconds: float = SECONDS,
    exhaustive: bool = False,
    afresh: bool = True,
    start: datetime | None = None,
) -> None:
    """Assert that a run's outcome is the same wherever its workers are thrown away.

    The flow is run without interruption, and then again and again, on fakeredis. Each time slices
    end and workers are thrown away elsewhere, and others go on from what the server has: after
    each record and yield, at each commit and pause, between two calls to the server, at random;
    what was not committed is done again. Results and dead letters have to be the same, also in
    their order if all stages are ordered. What stages do to the outside may happen again.

    Args:
        flow: the flow. It should come to an end within a second or so of work.
        value: the input record.
        signals: what pauses that wait for signals and jobs get, as of `Flow.run`. It is copied
            for each run, so that a person that remembers what it was asked begins anew.
        seed: of what is left to chance; a failure says which one repeats it.
        seconds: after which no further run begins. A handful is made however long that takes.
        exhaustive: make one run for each call of a worker and each side of it, however long that
            takes, rather than some at random.
        afresh: in one of the runs, each new worker also finds the globals, closures and attributes
            that the stages' own code names as they were at first, as a new process does. False if
            they stand for the world outside. If the run then does not come to an end, it does not
            count.
        start: what the time is; the present if it is left out.

    Raises:
        NotResumed: it was not the same. The message names the stage, the record and the step.
        StageFailed: the flow halts without any interruption.
    """
    began = datetime.fromtimestamp(int(REAL_TIME())).astimezone() if start is None else start
    judge = _Judge(flow, value, signals, began, seed)
    judge.learn()
    variants = itertools.chain(
        judge.always(afresh=afresh), judge.each_call() if exhaustive else judge.by_chance()
    )
    until = perf_counter() + seconds
    for variant in variants:
        if variant.optional and perf_counter() > until:
            return
        judge.judge(variant)


@dataclass(frozen=True, slots=True)
class _Variant:
    """A way to run the flow.

    Attributes:
        told: what it does, for people.
        plan: makes what says where workers are thrown away.
        sizes: makes what says how large chunks and slices are.
        workers: how many share the work.
        afresh: see `assert_resumable`.
        seed: that repeats it.
        optional: there may be no time for it.
        exhaustive: it is only made if all are.
    """

    told: str
    plan: Callable[[], Plan] = Plan
    sizes: Callable[[], Sizes] = lambda: Sizes(cut=True)
    workers: int = 1
    afresh: bool = False
    seed: int = 0
    optional: bool = False
    exhaustive: bool = False


class _Judge:
    """Knows what a flow gives, and says whether it gave that."""

    def __init__(
        self, flow: Flow, value: object, signals: Signals | None, start: datetime, seed: int
    ) -> None:
        self._flow = flow
        self._graph = flow.graph
        self._value = value
        self._signals = signals
        self._start = start
        self._seed = seed
        self._ordered = all(stage.ordered for stage in self._graph.stages)
        self._outside = Outside(self._graph)
        self._expected = Outcome()
        self._calls = 100
        self._reference = self._trial(_Variant(""))

    def learn(self) -> None:
        """Find out what the flow gives, and that it is always the same."""
        first = self._reference
        self._expected = first.run()
        self._calls = first.plan.calls
        again = self._trial(_Variant("", seed=self._seed + 1))
        difference = self._expected.differs(again.run(), ordered=self._ordered)
        parting = first.trace.parting(again.trace, self._graph, RUN)
        if difference or parting:
            told = parting.told("the first time", "the second time") if parting else difference
            raise NotResumed(
                f"flow {self._flow.name!r} did not do the same when it was run twice, without any "
                f"interruption:\n  {told}\n"
                f"So there is nothing to compare it with. Does it depend on random numbers, uuids, "
                f"the order of a set, or on something outside of its records?{self._hint()}"
            )
        local = self._trial(_Variant("")).local()
        local.dead = self._expected.dead  # they have other forms there
        difference = local.differs(self._expected, ordered=self._ordered)
        if difference:
            raise NotResumed(
                f"flow {self._flow.name!r} gives other than flow.run when it is stopped after each "
                f"record and value, and goes on from what was written down:\n  {difference}"
                f"{self._hint()}"
            )

    def always(self, *, afresh: bool) -> Iterator[_Variant]:
        """What is tried in any case."""
        yield _Variant("never stopped", sizes=lambda: Sizes(8, 4))
        yield _Variant("thrown away at each commit, after each record and value", EveryCommit)
        yield _Variant("thrown away at each commit", EveryCommit, lambda: Sizes(1))
        if afresh:
            yield _Variant(
                "thrown away at each commit, and others began with what stages keep outside of "
                "their records as it was at first",
                EveryCommit,
                afresh=True,
            )

    def by_chance(self) -> Iterator[_Variant]:
        """More of it, without end."""
        for seed in itertools.count(self._seed):
            chance = random.Random(seed)  # noqa: S311 # no secret
            target, cut = chance.choice([1, 1, 3, 16]), chance.random() < 0.7
            window = chance.randint(1, 5)
            yield _Variant(
                "thrown away at random",
                lambda seed=seed: AtRandom(seed),  # type: ignore[misc]
                lambda sizes=(target, 1, window), cut=cut: Sizes(*sizes, cut=cut),  # type: ignore[misc]
                workers=chance.choice([1, 1, 2, 3]),
                seed=seed,
                optional=seed > self._seed,
            )

    def each_call(self) -> Iterator[_Variant]:
        """Each call of the uninterrupted run, lost on its way there and back."""
        for number in range(1, self._calls + 1):
            for fault in Fault:
                yield self._once(number, fault)

    def judge(self, variant: _Variant) -> None:
        """Run it so.

        Raises:
            NotResumed: it did not give the same.
        """
        found = self._run(variant)
        if found is None:
            return
        trial, difference = found
        spoilt = self._run(_Variant("")) is not None
        narrowed = None if spoilt else self._narrowed(trial, variant)
        if narrowed is not None:
            trial, difference = narrowed
        head = (
            f"flow {self._flow.name!r} does not give the same when its workers are {variant.told}"
        )
        lines = [f"{head}:\n  {difference}"]
        parting = self._reference.trace.parting(trial.trace, self._graph, RUN)
        if parting is not None and trial.sizes.target("", "") == 1:
            lines.append("it parts at " + parting.told(WITHOUT, "with it"))
        if trial.steps:
            count = len(trial.steps)
            which = "the step" if count == 1 else f"the last of {count} steps"
            lines.append(f"{which}: {trial.steps[-1]}")
        if spoilt:
            lines.append("by now it does not give the same without any interruption either")
        repeat = f"seed={variant.seed or self._seed}" + ", exhaustive=True" * variant.exhaustive
        lines.append(f"repeat it with: assert_resumable({self._flow.name}, ..., {repeat})")
        raise NotResumed("\n".join(lines) + self._hint())

    def _run(self, variant: _Variant) -> tuple[Trial, str] | None:
        """Run it so; the trial and what is different, or None if nothing is."""
        trial = self._trial(variant)
        aside = self._outside.afresh() if variant.afresh else contextlib.nullcontext()
        try:
            with aside:
                outcome = trial.run()
        except Endless:
            if variant.afresh:
                return None
            outcome = Outcome("it does not come to an end")
        difference = self._expected.differs(outcome, ordered=self._ordered)
        return (trial, difference) if difference else None

    def _narrowed(self, failed: Trial, variant: _Variant) -> tuple[Trial, str] | None:
        """A trial with one step only that fails as well, if one is found in time."""
        until = perf_counter() + NARROWING_SECONDS
        if len(failed.steps) < 2:
            return None
        for number in range(1, self._calls + 1):
            for fault in Fault:
                if perf_counter() > until:
                    return None
                found = self._run(self._once(number, fault, afresh=variant.afresh))
                if found is not None:
                    return found
        return None

    def _once(self, number: int, fault: Fault, *, afresh: bool = False) -> _Variant:
        return _Variant(
            "thrown away once", lambda: Once(number, fault), afresh=afresh, exhaustive=True
        )

    def _trial(self, variant: _Variant) -> Trial:
        return Trial(
            self._flow,
            self._value,
            self._signals,
            self._start,
            plan=variant.plan(),
            sizes=variant.sizes(),
            seed=variant.seed or self._seed,
            workers=variant.workers,
            outside=self._outside if variant.afresh else None,
            most_workers=100 + (3 if variant.afresh else 30) * self._calls,
        )

    def _hint(self) -> str:
        changed = self._outside.changed()
        if not changed:
            return ""
        listed = "".join(f"\n  {each}" for each in changed)
        return (
            f"\nIts stages have changed, outside of their records and locals, what another worker "
            f"does not have:{listed}"
        )
