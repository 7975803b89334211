"""Trial: one run of a flow whose workers are thrown away as a plan says."""

from __future__ import annotations

import contextlib
import copy
import logging
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pauseflow import codec
from pauseflow.errors import CodecError, PauseflowError, StageFailed
from pauseflow.flow import Flow
from pauseflow.testing.clock import VirtualClock
from pauseflow.testing.cluster import Cluster
from pauseflow.testing.course import Course, Signals
from pauseflow.testing.cuts import Call, Cut, CuttingServer, Fault, Plan
from pauseflow.testing.dates import Dates
from pauseflow.testing.desk import JobDesk
from pauseflow.testing.outside import Outside
from pauseflow.testing.servers import fake_server
from pauseflow.testing.sizes import Sizes
from pauseflow.testing.trace import Trace, shortened
from pauseflow.testing.worker import SteppedWorker

RUN = "resumed"
MOST_WORKERS = 3_000
"""Thrown away, before a run is taken to use up worker after worker for ever."""

LOUD = ("pauseflow_workers", "pauseflow_coordinator")


class Endless(AssertionError):
    """The run uses up worker after worker."""


@dataclass(slots=True)
class Outcome:
    """What came of a run.

    Attributes:
        ending: empty if it was done, else what stood in its way.
        results: its results.
        dead: what it set aside: stage, record and the error's type.
    """

    ending: str = ""
    results: list[Any] = field(default_factory=list)
    dead: list[tuple[str, str, str]] = field(default_factory=list)

    def differs(self, other: Outcome, *, ordered: bool) -> str:
        """What is different in another outcome, in words; empty if it is the same.

        Args:
            other: the other one.
            ordered: the results' order counts.
        """
        if other.ending != self.ending:
            return other.ending or "it was done, although it is not without that"
        if sorted(other.dead) != sorted(self.dead):
            return f"dead letters: {_some(other.dead)}, rather than {_some(self.dead)}"
        mine, theirs = _comparable(self.results), _comparable(other.results)
        if not ordered:
            mine, theirs = sorted(mine), sorted(theirs)
        if mine == theirs or self.results == other.results:
            return ""
        return f"results: {_some(other.results)}, rather than {_some(self.results)}"


@dataclass(slots=True)
class Trial:
    """One run of a flow, uninterrupted unless it is told otherwise.

    Args:
        flow: the flow.
        value: its input.
        signals: what its waits get.
        start: what the time is.
        plan: where workers are thrown away.
        sizes: of chunks and slices.
        seed: of `random`, and of the workers' turns.
        workers: how many share the work.
        outside: is made as it was at first whenever a worker is thrown away.
        most_workers: thrown away, before it is taken to go on so for ever.

    Attributes:
        trace: what each stage did.
        steps: where workers were thrown away, and what had been done last.
    """

    flow: Flow
    value: object
    signals: Signals | None
    start: datetime
    plan: Plan = field(default_factory=Plan)
    sizes: Sizes = field(default_factory=lambda: Sizes(cut=True))
    seed: int = 0
    workers: int = 1
    outside: Outside | None = None
    most_workers: int = MOST_WORKERS
    trace: Trace = field(default_factory=Trace)
    steps: list[str] = field(default_factory=list)

    def run(self) -> Outcome:
        """Run it.

        Raises:
            Endless: it does not come to an end.
        """
        outcome = Outcome()
        dates = Dates()
        state = random.getstate()
        with quiet(), _Perilous(self) as cluster:
            try:
                dates.follow(self.flow.graph)
                random.seed(self.seed)
                course = Course(cluster, self.trace)
                cluster.client.submit(self.flow, self.value, run_id=RUN)
                try:
                    # A person or dict that remembers what it was asked begins anew.
                    course.finish(RUN, _fresh(self.signals))
                except Endless:
                    raise
                except (StageFailed, AssertionError, PauseflowError) as error:
                    outcome.ending = str(error)
                outcome.results = course.results(RUN)
                outcome.dead = [
                    (each.stage, _record(each.item), each.error_type)
                    for each in cluster.client.dead()
                ]
            finally:
                random.setstate(state)
                dates.stop()
        return outcome

    def local(self) -> Outcome:
        """Run it by `Flow.run`, in this process and without any engine."""
        dead: list[StageFailed] = []
        dates, clock, state = Dates(), VirtualClock(self.start), random.getstate()
        clock.start()
        try:
            dates.follow(self.flow.graph)
            random.seed(self.seed)
            signals = _fresh(self.signals)
            results = self.flow.run(
                self.value, run_id=RUN, sleep=clock.advance, dead=dead, signals=signals
            )
        finally:
            random.setstate(state)
            dates.stop()
            clock.stop()
        return Outcome("", results)


class _Perilous(Cluster):
    """A cluster in which another worker takes the place of each that is thrown away."""

    def __init__(self, trial: Trial) -> None:
        server = fake_server()
        trial.plan.on_commit = trial.trace.forget_slices
        self._trial = trial
        self._cutting = CuttingServer(server, trial.plan)
        super().__init__(
            server,
            trial.flow,
            workers=0,
            clock=VirtualClock(trial.start),
            tuning=lambda: trial.sizes,
            watch=trial.trace,
            desk=JobDesk(),
            seed=trial.seed,
        )
        for _ in range(trial.workers):
            self.hire(self._cutting)

    def step(self, worker: SteppedWorker) -> int:
        try:
            return worker.run_once()
        except Cut:
            self._replace(worker)
            return 1

    def renew(self, worker: SteppedWorker) -> None:
        try:
            worker.renew()
        except Cut:
            self._replace(worker)

    def _replace(self, worker: SteppedWorker) -> None:
        trial = self._trial
        call, fault = trial.plan.cuts[-1]
        trial.steps.append(_step(call, fault, trial.trace.take_slices()))
        self.lose(worker)
        self.put_back(worker)
        if self._hired > trial.most_workers:
            raise Endless
        if trial.outside is not None:
            trial.outside.restore()
        self.hire(self._cutting)


def _step(call: Call, fault: Fault, done: str) -> str:
    what = "committed" if call.commits else "read on" if call.reads else "called the server"
    return (
        f"the worker was thrown away when it {what} (call {call.number}), {fault.value}. "
        f"It had run: {done}"
    )


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Nothing is logged of workers that are thrown away on purpose."""
    loggers = [logging.getLogger(name) for name in LOUD]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _fresh(signals: Signals | None) -> Signals | None:
    try:
        return copy.deepcopy(signals)
    except Exception:  # noqa: BLE001 # then it is the same each time
        return signals


def _record(item: bytes) -> str:
    try:
        return repr(codec.decode(item))
    except CodecError as error:
        return str(error)


def _comparable(values: list[Any]) -> list[bytes]:
    return [codec.encode(value) for value in values]


def _some(values: list[Any]) -> str:

    return shortened(repr(values))
