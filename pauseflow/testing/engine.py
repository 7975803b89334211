"""FlowEngine: runs flows in a test, on workers and a server of its own, in one thread."""

from __future__ import annotations

import contextlib
import itertools
import random
from collections.abc import Iterable
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Literal, Self

from pauseflow.answer import Answer
from pauseflow.client import Client, Letter, RunInfo, RunState
from pauseflow.duration import seconds_of
from pauseflow.errors import SettingsError, SignalRefused
from pauseflow.flow import Flow
from pauseflow.graph import Graph
from pauseflow.testing.clock import VirtualClock
from pauseflow.testing.cluster import Cluster
from pauseflow.testing.course import Course, Signals
from pauseflow.testing.dates import Dates
from pauseflow.testing.desk import JobDesk
from pauseflow.testing.parked import Parked, told
from pauseflow.testing.servers import server_named
from pauseflow.testing.sizes import Sizes
from pauseflow.testing.standstill import Standstill
from pauseflow.testing.watch import Watch

ROUNDS = 10_000


class FlowEngine:
    """Workers, a coordinator and a server for tests, all in this thread.

    Nothing happens but in its methods, and no time passes but by them: `time.time()` stands still
    in between, and a pause of a day takes no time. Which worker has its turn, and how large chunks
    are, follows the seed; so do the numbers of `random`, until it is closed.

    Use it as a context manager, or `close` it. It opens by itself when it is first used.

    Args:
        *flows: what it runs. Others are added when they are first run.
        workers: how many workers share the work.
        server: `fake` for fakeredis in this process, `embedded` for a real Valkey.
        seed: 0 to 2**63.
        start: what the time is at first; the present if it is left out. A naive one is local.

    Raises:
        SettingsError: there is no such server, or it is not installed; when it opens.
    """

    def __init__(
        self,
        *flows: Flow,
        workers: int = 1,
        server: Literal["fake", "embedded"] = "fake",
        seed: int = 0,
        start: datetime | None = None,
    ) -> None:
        self.seed = seed
        self._flows = list(flows)
        self._workers = workers
        self._server_name = server
        self._start = start
        self._watch = Watch()
        self._dates = Dates()
        self._numbers = itertools.count(1)
        self._leaving = contextlib.ExitStack()
        self._opened: tuple[Cluster, Course] | None = None

    # opening and closing

    def __enter__(self) -> Self:
        self._open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            error.add_note(self.report())
        self.close()

    def close(self) -> None:
        """The end of everything in it. Again, it does nothing."""
        self._opened = None
        self._leaving.close()

    def _open(self) -> tuple[Cluster, Course]:
        if self._opened is None:
            with contextlib.ExitStack() as stack:
                server = stack.enter_context(server_named(self._server_name))
                stack.callback(random.setstate, random.getstate())
                random.seed(self.seed)
                chance = random.Random(self.seed)  # noqa: S311 # no secret
                target = chance.choice([2, 5, 16, 64])
                piece = chance.randint(1, target)
                window = chance.randint(1, 6)
                cluster = Cluster(
                    server,
                    *self._flows,
                    workers=self._workers,
                    clock=VirtualClock(self._start),
                    tuning=lambda: Sizes(target, piece, window),
                    watch=self._watch,
                    desk=JobDesk(),
                    seed=self.seed,
                )
                cluster.schedules()
                stack.enter_context(cluster)
                stack.callback(self._dates.stop)
                for flow in self._flows:
                    self._dates.follow(flow.graph)
                self._leaving = stack.pop_all()
            self._opened = (cluster, Course(cluster, self._watch))
        return self._opened

    @property
    def _cluster(self) -> Cluster:
        return self._open()[0]

    @property
    def _course(self) -> Course:
        return self._open()[1]

    def _add(self, flow: Flow) -> Graph:
        for known in self._flows:
            if known is flow:
                return flow.graph
            if known.name == flow.name:
                raise SettingsError(f"two flows are called {flow.name!r}: rename one of them")
        graph = flow.graph
        self._cluster.add(flow)
        self._dates.follow(graph)
        self._flows.append(flow)
        return graph

    # runs

    def run(
        self,
        flow: Flow,
        value: object,
        *,
        run_id: str | None = None,
        signals: Signals | None = None,
    ) -> list[Any]:
        """Run a flow on one record, and give its results. Time passes as the run needs.

        Args:
            flow: the flow.
            value: the record.
            run_id: of the run; `<flow>-1`, `-2`, … if it is left out.
            signals: what pauses that wait for a signal or a job get, as of `Flow.run`: data by the
                signal's name, or by `job:` and the job's id; or a function of that name. A name
                that is missing comes to the pause's timeout.

        Raises:
            StageFailed: the run halts; its cause is what the stage raised.
            Standstill: it waits for a signal or a job, and there are no `signals`.
        """
        return self.finish(self.submit(flow, value, run_id=run_id), signals=signals)

    def submit(self, flow: Flow, value: object, *, run_id: str | None = None) -> str:
        """Start a run of one record and work on it as far as it goes without any time passing.

        Returns:
            The run's id.
        """
        self._add(flow)
        run_id = self._new_id(flow) if run_id is None else run_id
        self._cluster.client.submit(flow, value, run_id=run_id)
        self._course.settle()
        return run_id

    def feed(self, flow: Flow, values: Iterable[object], *, run_id: str | None = None) -> str:
        """Start a run of many records, close its input, and work on it as `submit` does.

        Time passes as long as the run has no room for more of them.

        Returns:
            The run's id.
        """
        self._add(flow)
        run_id = self._new_id(flow) if run_id is None else run_id
        records, position = list(values), 0
        for _ in range(ROUNDS):
            before = position
            position, closed = self._cluster.client.feed(flow, records, run_id, position)
            self._course.settle()
            if closed:
                return run_id
            if position == before:
                self._pass_time(run_id, position)
        raise Standstill(f"run {run_id!r} takes no more after {position} records")

    def finish(self, run: str | None = None, *, signals: Signals | None = None) -> list[Any]:
        """Let time pass until a run is done, and give its results.

        Args:
            run: its id; not needed if there is one run only that is not over.
            signals: as of `run`.

        Raises:
            StageFailed: the run halts; its cause is what the stage raised.
            RunCancelled: it was cancelled.
            Standstill: it waits for a signal or a job, and there are no `signals`.
        """
        return self._course.finish(self._chosen(run), signals)

    def signal(
        self, name: str, data: object = None, *, run: str | None = None, broadcast: bool = False
    ) -> bool:
        """Send a signal to a run, and work on it as far as it goes without any time passing.

        Args:
            name: of the signal.
            data: what the pause evaluates to.
            run: the run's id; not needed if there is one only that is not over, or one only in
                which something waits for this signal.
            broadcast: wake all that wait for it, rather than the one that has waited longest.

        Returns:
            Whether something waited for it. If nothing did, it is kept for the first that will.

        Raises:
            Standstill: which run is meant can't be told.
            SignalRefused: the run is over.
        """
        run_id = self._chosen(run, waits_for=name)
        times = 1
        if broadcast:
            times = max(sum(each.waits_for == name for each in self._course.parked(run_id)), 1)
        client = self._cluster.client
        woken = [client.signal(run_id, name, data) for _ in range(times)]
        self._course.settle()
        return any(woken)

    def end_job(self, job: str, value: object = None, *, error: Exception | None = None) -> None:
        """Tell all runs that a job that they wait for, by `PauseFlow(job=...)`, is over.

        Args:
            job: its id.
            value: what it returned.
            error: what it raised, if it failed.

        Raises:
            Standstill: nothing waits for it.
        """
        waiting = [each for each in self.parked if each.why == "job" and each.waits_for == job]
        if not waiting:
            raise Standstill(f"nothing waits for job {job!r}", self.parked)
        answer = Answer.of_done(job, value)
        if error is not None:
            answer = Answer.of_failed(job, type(error).__name__, str(error))
        for each in waiting:
            self._cluster.client.deliver(each.run, answer)
        self._course.settle()

    def retry(self, run: str | None = None) -> None:
        """Let a halted run go on at the records that failed, as `flowctl retry` does."""
        self._cluster.client.retry(self._chosen(run))
        self._course.settle()

    def advance(self, span: float | timedelta | str | None = None, **parts: float) -> None:
        """Let time pass. All that is due meanwhile happens in its order, at its time.

        Args:
            span: seconds, a timedelta, or a text such as `90m`.
            **parts: instead, as of a timedelta: `hours=3`, `days=1`.
        """
        if (span is None) == (not parts):
            raise TypeError("advance() takes one span of time: advance(hours=3) or advance('3h')")
        given = timedelta(**parts) if span is None else span
        self._course.advance(seconds_of(given, "advance", zero=True))

    # what there is

    @property
    def now(self) -> datetime:
        """What the time is, in UTC."""
        return self._cluster.clock.now()

    @property
    def results(self) -> list[Any]:
        """What has come of all runs so far: of the oldest run first."""
        course = self._course
        return [value for info in course.infos for value in course.results(info.id)]

    def results_of(self, run: str) -> list[Any]:
        """What has come of one run so far."""
        return self._course.results(self._course.info(run).id)

    @property
    def runs(self) -> list[RunInfo]:
        """All runs, the oldest first."""
        return self._course.infos

    @property
    def parked(self) -> list[Parked]:
        """What waits in all runs, the oldest run first; of a run what goes on first."""
        course = self._course
        return [
            each for info in course.infos if not info.state.over for each in course.parked(info.id)
        ]

    @property
    def dead(self) -> list[Letter]:
        """The dead letters, in the order in which they were set aside."""
        return list(self._cluster.client.dead())[::-1]

    @property
    def client(self) -> Client:
        """A client, for everything else. Don't let it wait: nobody works meanwhile."""
        return self._cluster.client

    @property
    def is_open(self) -> bool:
        """Whether it is in use."""
        return self._opened is not None

    def report(self) -> str:
        """How things stand, for whoever looks into a failure."""
        lines = [f"flow engine: seed {self.seed}"]
        if self._opened is not None:
            lines[0] += f", the time is {self.now:%Y-%m-%d %H:%M:%S} UTC"
            lines += [
                f"run {info.id}: {info.state}{info.error and ', '}{info.error}"
                for info in self.runs
            ]
            lines += [told(self.parked)] if self.parked else []
        return "\n".join(lines)

    def _new_id(self, flow: Flow) -> str:
        return f"{flow.name}-{next(self._numbers)}"

    def _chosen(self, run: str | None, *, waits_for: str | None = None) -> str:
        """The run that is meant."""
        if run is not None:
            return self._course.info(run).id
        going = [info.id for info in self.runs if not info.state.over]
        if len(going) > 1 and waits_for is not None:
            waiting = {each.run for each in self.parked if each.waits_for == waits_for}
            going = [each for each in going if each in waiting] or going
        if len(going) == 1:
            return going[0]
        if going:
            raise Standstill(f"which run is meant? Give run=, one of: {', '.join(going)}")
        over = ", ".join(f"{info.id} ({info.state})" for info in self.runs)
        said = f"all runs are over: {over}" if over else "there is no run: flow_engine.submit(...)"
        if waits_for is not None and over:
            raise SignalRefused(f"nothing waits for signal {waits_for!r}, {said}")
        if waits_for is None and len(self.runs) == 1:
            return self.runs[0].id
        raise Standstill(said)

    def _pass_time(self, run_id: str, position: int) -> None:
        info = self._course.info(run_id)
        if info.state is RunState.HALTED:
            raise self._watch.failure(run_id) or Standstill(f"run {run_id!r} halts")
        due = self._cluster.next_event()
        if due is None:
            parked = self._course.parked(run_id)
            raise Standstill(f"run {run_id!r} takes no more after {position} records", parked)
        self._course.advance((due - self._cluster.now_ms()) / 1000)
