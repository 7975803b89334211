"""Course: lets runs go on, and time pass, until they are done or wait for somebody."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeAlias

from pauseflow.answer import Answer
from pauseflow.client import RunInfo, RunState
from pauseflow.errors import JobFailed, RunCancelled, SignalTimeout, UnknownRun
from pauseflow.pause import JOB
from pauseflow.testing.cluster import Cluster
from pauseflow.testing.parked import Parked
from pauseflow.testing.standstill import Standstill
from pauseflow.testing.watch import Watch

Signals: TypeAlias = Mapping[str, object] | Callable[[str], object]

PAUSES = 10_000
"""After so many pauses one after the other a run is taken to pause for ever."""

RUNS = 10_000
"""Looked at, at most."""


class Course:
    """The runs of a cluster, with all that came of them.

    Args:
        cluster: where they run.
        watch: is told what its stages do.
    """

    def __init__(self, cluster: Cluster, watch: Watch) -> None:
        self._cluster = cluster
        self._watch = watch
        self._infos: dict[str, RunInfo] = {}
        self._results: dict[str, list[Any]] = {}

    @property
    def infos(self) -> list[RunInfo]:
        """The runs as they were last seen, oldest first. They are kept when they have expired."""
        return list(self._infos.values())

    def results(self, run_id: str) -> list[Any]:
        """What has come of a run so far."""
        return list(self._results.get(run_id, ()))

    def info(self, run_id: str) -> RunInfo:
        """How a run was last seen.

        Raises:
            UnknownRun: there is none of this id.
        """
        if run_id not in self._infos:
            self._collect()  # somebody has started it by the client
        try:
            return self._infos[run_id]
        except KeyError:
            known = ", ".join(self._infos) or "none"
            raise UnknownRun(f"there is no run {run_id!r} here; there are: {known}") from None

    def parked(self, run_id: str) -> list[Parked]:
        """What waits in a run, what goes on first before the others."""
        found = self._cluster.client.parked(run_id)
        return sorted(found, key=lambda each: (each.wake is None, each.wake or 0, each.key))

    def settle(self) -> None:
        """Everyone works until there is nothing more to do now. No time passes."""
        self._cluster.settle()
        while self._collect():
            self._cluster.settle()

    def advance(self, seconds: float) -> None:
        """Time passes: what is due on the way is done, in order, each at its time."""
        clock = self._cluster.clock
        until = clock.now_ms() + round(seconds * 1000)
        self.settle()
        while (due := self._cluster.next_event()) is not None and due <= until:
            self._go_to(due)
            self.settle()
        self._go_to(until)
        self.settle()

    def finish(self, run_id: str, signals: Signals | None = None) -> list[Any]:
        """The run's results when it is done. Time passes as it needs.

        Args:
            run_id: the run.
            signals: what waits for signals and jobs get, as of `Flow.run`. None: it is an error
                that the run waits for somebody.

        Raises:
            StageFailed: it halts; its cause is what the stage raised.
            RunCancelled: it was cancelled.
            Standstill: it does not go on by itself.
            UnknownRun: there is none of this id.
        """
        for _ in range(PAUSES):
            self.settle()
            info = self.info(run_id)
            if info.state is RunState.DONE:
                return self.results(run_id)
            if info.state is RunState.CANCELLED:
                raise RunCancelled(f"run {run_id!r} was cancelled")
            parked = self.parked(run_id)
            if info.state is RunState.HALTED:
                raise self._watch.failure(run_id) or Standstill(f"run {run_id!r} halts", parked)
            if not (signals and self._answer(run_id, parked, signals)):
                self._wait(info, parked, may_time_out=signals is not None)
        raise Standstill(f"run {run_id!r} has paused {PAUSES:,} times and is not done", parked)

    def _answer(self, run_id: str, parked: list[Parked], signals: Signals) -> bool:
        """Answer one of the waits. Returns whether there was one to be answered."""
        give = signals.__getitem__ if isinstance(signals, Mapping) else signals
        for wait in (each.wait for each in parked if each.wait is not None):
            job = wait.removeprefix(JOB)
            try:
                value = give(wait)
            except KeyError:
                continue
            except SignalTimeout:
                answer = Answer("timeout", wait)
            except JobFailed as error:
                answer = Answer.of_failed(job, error.error_type, error.message, error.traceback)
            else:
                is_job = job != wait
                answer = Answer.of_done(job, value) if is_job else Answer.of_signal(wait, value)
            self._cluster.client.deliver(run_id, answer)
            return True
        return False

    def _wait(self, info: RunInfo, parked: list[Parked], *, may_time_out: bool) -> None:
        """Let time pass until something of the run goes on."""
        name = f"run {info.id!r}"
        if info.state is RunState.PAUSED:
            raise Standstill(f"{name} was paused: flow_engine.client.resume({info.id!r})")
        if info.state is RunState.OPEN and not parked:
            raise Standstill(f"the input of {name} was not closed")
        first = parked[0] if parked else None
        if first is None:
            raise Standstill(f"{name} is not done, and nothing in it waits: {info}")
        if first.wake is None or all(each.why == "code" for each in parked):
            raise Standstill(f"{name} does not go on by itself", parked)
        if first.waits_for is not None and not may_time_out:
            raise Standstill(
                f"{name} waits for somebody. (Let the time-out come: flow_engine.advance(...).)",
                parked,
            )
        self.advance(max(_ms(first.wake) - self._cluster.now_ms(), 1) / 1000)

    def _go_to(self, moment_ms: int) -> None:
        self._cluster.advance((moment_ms - self._cluster.now_ms()) / 1000)

    def _collect(self) -> int:
        """Read all that is new. Returns how many results there were."""
        client = self._cluster.client
        new = 0
        found = client.runs(limit=RUNS)
        for info in sorted(found, key=lambda each: (each.created, len(each.id), each.id)):
            known = self._infos.get(info.id)
            results = self._results.setdefault(info.id, [])
            if known is None or not known.state.over or known.created != info.created:
                before = len(results)
                results += client.results(info.id, start=before)
                new += len(results) - before
            self._infos[info.id] = info
        return new


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
