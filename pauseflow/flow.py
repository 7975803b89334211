"""Flow: how a flow is written."""

from __future__ import annotations

import difflib
import time
import warnings
from collections.abc import (
    AsyncIterable,
    Awaitable,
    Callable,
    Coroutine,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import replace
from datetime import timedelta, tzinfo
from typing import TYPE_CHECKING, Any, Generic, TypeVar, Unpack, overload

from pauseflow.declaration import (
    Options,
    check_name,
    declare,
    declare_finished,
    declare_on_cancel,
)
from pauseflow.errors import FlowDefinitionError, StageFailed
from pauseflow.graph import Graph, Kind, Stage
from pauseflow.pause import PauseFlow
from pauseflow.plan import Plan
from pauseflow.routes import Routed
from pauseflow.scopes import Scoped

if TYPE_CHECKING:
    from pauseflow.local import Signals
    from pauseflow.schedule import Missed, Schedule

T = TypeVar("T")
R = TypeVar("R")

_OF_BRANCHES = ("finished", "strict", "version", "migrate")
"""Options that only `branch` has."""


_METHODS = ("map", "filter", "branch", "each", "job")
_OTHERS = ("route", "fold", "reduce", "count", "sum", "min", "max", "top", "collect")
# What others call them.
_ELSEWHERE = {
    "flatmap": "branch",
    "foreach": "each",
    "apply": "map",
    "select": "map",
    "then": "map",
    "where": "filter",
}


class ReplayWarning(UserWarning):
    """A generator can't be written down where it stops: it will be run again from its beginning.

    Given once, where the flow is written. `strict=True` makes it an error.
    """


class End:
    """The end of a line: what `each` returns. Nothing follows it."""

    __slots__ = ("_stage", "flow")

    def __init__(self, flow: Flow, stage: str) -> None:
        self.flow = flow
        self._stage = stage

    if not TYPE_CHECKING:  # a type checker should go on to find .map on it an error

        def __getattr__(self, attribute: str) -> object:
            if attribute in (*_METHODS, *_OTHERS):
                raise FlowDefinitionError(
                    f"stage {self._stage!r} is an each, which emits nothing, so .{attribute} can't "
                    f"follow it: put .{attribute}(...) before it, or make it a map that returns "
                    f"its record"
                )
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {attribute!r}")

    def __repr__(self) -> str:
        return f"<end of flow {self.flow.name!r} after {self._stage!r}>"


class Stream(Scoped[T], Routed[T], Generic[T]):
    """A handle: the records that come out of a stage, for the next one to take.

    `T` is the type of those records, so a type checker follows them down the flow.
    """

    def __init__(self, flow: Flow, plan: Plan, after: str | None, arm: int | None = None) -> None:
        self._flow = flow
        self._plan = plan
        self._after = after
        self._arm = arm

    @property
    def flow(self) -> Flow:
        """The flow that this handle is a part of."""
        return self._flow

    @property
    def after(self) -> str | None:
        """The name of the stage that its records come from; None for the flow itself."""
        return self._after

    @property
    def place(self) -> tuple[str | None, int | None]:
        """The stage that its records come from, and which of its lines, if that is a route."""
        return self._after, self._arm

    def met(self, stage: Stage, others: Sequence[tuple[str | None, int | None]]) -> Stream[T]:
        """The line that this one and those at other places make together."""
        self._plan.add(stage, after=self._after, arm=self._arm, others=others)
        return Stream(self._flow, self._plan, stage.name)

    @overload
    def map(self, fn: Callable[[T], Awaitable[R]], **options: Unpack[Options]) -> Stream[R]: ...

    @overload
    def map(self, fn: Callable[[T], R], **options: Unpack[Options]) -> Stream[R]: ...

    def map(self, fn: Callable[[T], Any], **options: Unpack[Options]) -> Stream[Any]:
        """Call `fn` with each record; what it returns goes on. None is a record like any other.

        Args:
            fn: a function, `async def` function, class or other callable of one record.
            **options: see `Options`.

        Raises:
            FlowDefinitionError: it can't work; the message says what to write instead.
        """
        return Stream(self._flow, self._plan, self._add(Kind.MAP, fn, options))

    def filter(self, fn: Callable[[T], object], **options: Unpack[Options]) -> Stream[T]:
        """Call `fn` with each record; the record goes on if the answer is true.

        Args:
            fn: a function, `async def` function or other callable of one record.
            **options: see `Options`.

        Raises:
            FlowDefinitionError: it can't work; the message says what to write instead.
        """
        return Stream(self._flow, self._plan, self._add(Kind.FILTER, fn, options))

    def each(self, fn: Callable[[T], object], **options: Unpack[Options]) -> End:
        """Call `fn` with each record, for its effect, at the end of the line.

        Records come one after the other in order (`sequential=True`), unless `ordered=False`,
        `window=`, `concurrency=` or `threads=` say otherwise. What `fn` returns is dropped.

        Args:
            fn: a function, `async def` function or other callable of one record.
            **options: see `Options`.

        Raises:
            FlowDefinitionError: it can't work; the message says what to write instead.
        """
        return End(self._flow, self._add(Kind.EACH, fn, options))

    @overload
    def job(
        self,
        fn: Callable[[T], Coroutine[Any, Any, R]],
        *,
        queue: str = ...,
        result_ttl: float | timedelta | str | None = ...,
        retry: int = ...,
        **options: Unpack[Options],
    ) -> Stream[R]: ...

    @overload
    def job(
        self,
        fn: Callable[[T], R],
        *,
        queue: str = ...,
        result_ttl: float | timedelta | str | None = ...,
        retry: int = ...,
        **options: Unpack[Options],
    ) -> Stream[R]: ...

    def job(
        self,
        fn: Callable[[T], Any],
        *,
        queue: str = "pauseflow",
        result_ttl: float | timedelta | str | None = None,
        retry: int = 0,
        **options: Unpack[Options],
    ) -> Stream[Any]:
        """Call `fn` with each record as a job of RQ, in a process of its own; see docs/jobs.md.

        What it returns goes on, as with `map`. The record is parked meanwhile, and several of one
        run are with RQ at the same time. `flowctl jobs` runs them. A job that fails, is stopped or
        takes too long raises `JobFailed` at this stage, which its `retries=` and `on_error=` are
        about. `fn` can't pause.

        Args:
            fn: a function or `async def` function of one record, at the top level of a module.
            queue: RQ's name for where the job waits for a worker.
            result_ttl: how long RQ keeps a job that is done; an hour if None, two minutes at least.
            retry: how often RQ runs a failed job again, at once, before this stage hears of it.
            **options: see `Options`. `timeout=` is the job's hard time limit, ten minutes if it is
                left out. `concurrency=`, `threads=` and `limit=` are not for jobs.

        Raises:
            FlowDefinitionError: it can't work; the message says what to write instead.
        """
        from pauseflow.jobs.declaring import declare_job  # noqa: PLC0415 # few flows have them

        stage = declare_job(fn, options, queue=queue, result_ttl=result_ttl, retry=retry)
        self._plan.add(stage, after=self._after, arm=self._arm)
        return Stream(self._flow, self._plan, stage.name)

    def branch(
        self,
        fn: Callable[
            [T],
            Iterable[R | PauseFlow]
            | AsyncIterable[R | PauseFlow]
            | Coroutine[Any, Any, Iterable[R]],
        ],
        *,
        finished: Callable[[], object] | Callable[[T], object] | None = None,
        strict: bool = False,
        version: str | None = None,
        migrate: Mapping[str, Callable[..., Any]] | None = None,
        **options: Unpack[Options],
    ) -> Stream[R]:
        """Call `fn` with each record; each value of the series that it gives goes on.

        Args:
            fn: a generator function, an iterator class, a function that returns an iterable, or
                an `async def` of these. Not a str, bytes or dict: that is refused when it runs.
            finished: called when everything that descends from one record has left the line; with
                that record if it has a parameter without a default, else with nothing.
            strict: refuse a generator that can't be written down at its yields, which otherwise is
                resumed by running it again and skipping what it has emitted.
            version: a short label of this code, such as "v2", which its frames carry. Give
                another one whenever the code changes.
            migrate: for frames made by older code: its version label or fingerprint, and a
                function from the old locals, a dict by name, to the new call's arguments.
            **options: see `Options`.

        Raises:
            FlowDefinitionError: it can't work; the message says what to write instead.

        Warns:
            ReplayWarning: it is a generator that can't be written down at its yields.
        """
        # Only branches need ast, and whatever else it takes to resume.
        from pauseflow.resumable.migration import check_versions  # noqa: PLC0415 # as above
        from pauseflow.resumable.series import Series  # noqa: PLC0415 # as above

        stage = declare(Kind.BRANCH, fn, options, extra=_OF_BRANCHES)
        try:
            check_versions(version, migrate)
        except ValueError as error:
            raise FlowDefinitionError(f"stage {stage.name!r}: {error}") from None
        over = None if finished is None else declare_finished(stage, finished)
        series = Series(fn, strict=strict, version=version, migrate=migrate)
        for reason in series.warnings:
            warnings.warn(f"stage {stage.name!r}: {reason}", ReplayWarning, stacklevel=2)
        stage = replace(
            stage,
            series=series,
            marks=over is not None,
            takes_value=over is not None and over.takes_value,
        )
        self._plan.add(stage, after=self._after, arm=self._arm, finished=over)
        return Stream(self._flow, self._plan, stage.name)

    def _add(self, kind: Kind, fn: object, options: Mapping[str, Any]) -> str:
        stage = declare(kind, fn, options)
        self._plan.add(stage, after=self._after, arm=self._arm)
        return stage.name

    if not TYPE_CHECKING:  # a type checker finds such a mistake by itself

        def __getattr__(self, attribute: str) -> object:
            known = _ELSEWHERE.get(attribute.replace("_", "").lower())
            near = [
                *difflib.get_close_matches(attribute, _METHODS, n=1),
                *difflib.get_close_matches(attribute, _OTHERS, n=1),
            ]
            hint = known or (near[0] if near else "")
            raise AttributeError(
                f"{type(self).__name__!r} object has no attribute {attribute!r}"
                + (f": did you mean .{hint}(...)?" if hint else "")
            )

    def __repr__(self) -> str:
        return f"<records of {self._after!r} in flow {self._flow.name!r}>"


class Flow(Stream[Any]):
    """A named graph of stages.

    ```python
    flow = Flow("orders")
    flow.branch(pages).map(parse).filter(is_open).each(ship)
    ```

    Stages are added with `map`, `filter`, `branch`, `job` and `each`; each returns a handle that
    the next one is called on. A flow is complete when it is first run, submitted, or asked for its
    graph: from then on it never changes.

    Args:
        name: how it is called in Redis and on the command line.
        on_cancel: called with a run's id, on some worker of the flow, after the run was cancelled:
            to take back what it has done outside. It is a run of its own, `<id>.on_cancel`, of
            one record: retried a few times, then kept as a dead letter. Like every effect outside
            it happens at least once.

    Raises:
        FlowDefinitionError: that is no name, or `on_cancel` can't be called with an id.
    """

    def __init__(self, name: str, *, on_cancel: Callable[[str], object] | None = None) -> None:
        if callable(name):
            raise FlowDefinitionError("Flow(...) takes a name first: Flow('orders').map(function)")
        self.name = check_name(name, "a flow")
        self.on_cancel = on_cancel
        over = None if on_cancel is None else declare_on_cancel(on_cancel)
        super().__init__(self, Plan(self.name, over), None)

    def every(
        self,
        interval: str | timedelta | float,
        *,
        value: object = ...,
        name: str | None = None,
        missed: Missed = "once",
    ) -> Schedule:
        """Start a run at equal intervals, counted from 1970-01-01 00:00 UTC: 5m is :00, :05, :10.

        A coordinator starts the runs, once a worker of this flow has told it the schedule; one run
        a tick, however many coordinators there are. A run starts even if the last one is not done.

        Args:
            interval: `90s`, `5m`, `1h30m`, `1d`, whole seconds, or a timedelta.
            value: the record of each run; the time of the tick, in UTC, if it is left out.
            name: unique in the flow; runs are called `<flow>.<name>.<tick>`. By default
                `every-<interval>`.
            missed: of ticks that no coordinator was there for, "once" runs the latest, "all" runs
                each (the latest 100), "skip" none that is over a minute late.

        Raises:
            FlowDefinitionError: it can't work; the message says what to write instead.
            NotSerializable: the record has no encoding.
        """
        from pauseflow.schedule import every  # noqa: PLC0415 # few flows have schedules

        schedule = every(self.name, interval, value=value, name=name, missed=missed)
        self._plan.schedule(schedule)
        return schedule

    def cron(
        self,
        expression: str,
        *,
        tz: str | tzinfo = "UTC",
        value: object = ...,
        name: str | None = None,
        missed: Missed = "once",
    ) -> Schedule:
        """Start a run whenever a zone's clocks show a time that a cron expression names.

        Where clocks are changed, a set hour that is skipped ticks at the change, and one that
        comes twice ticks the first time; see `pauseflow.cron.Cron`.

        Args:
            expression: minute, hour, day, month, day of the week: `0 3 * * *`; or `@daily` etc.
            tz: the IANA name of the zone, such as `Europe/Paris`.
            value: as for `every`.
            name: as for `every`; by default `cron`.
            missed: as for `every`.

        Raises:
            FlowDefinitionError: it can't work; the message says what to write instead.
            NotSerializable: the record has no encoding.
        """
        from pauseflow.schedule import cron  # noqa: PLC0415 # as above

        schedule = cron(self.name, expression, str(tz), value=value, name=name, missed=missed)
        self._plan.schedule(schedule)
        return schedule

    @property
    def graph(self) -> Graph:
        """The stages and where their outputs go.

        Raises:
            FlowDefinitionError: the flow has no stages.
        """
        return self._plan.graph()

    def run(
        self,
        value: object,
        *,
        run_id: str = "local",
        isolate: bool = True,
        sleep: Callable[[float], object] = time.sleep,
        dead: list[StageFailed] | None = None,
        signals: Signals | None = None,
    ) -> list[Any]:
        """Run the flow on one record in this process, without Redis, and return all results.

        The results are those of a submitted run, in the same order, and records pass through the
        same encoding between stages. One record at a time goes down the flow, all the way.

        Args:
            value: the input record.
            run_id: what `current().run_id` says.
            isolate: False leaves out the encoding, for speed: stages then share objects.
            sleep: waits that many seconds, for pauses with a time and before retries, whose waits
                are not left to chance here.
            dead: takes up an error for each record that a submitted run would keep as a dead
                letter; the exception is its `__cause__`. Without it such records are logged.
            signals: what pauses that wait for a signal or a job evaluate to: data by the signal's
                name or by `job:` and the job's id, or a function of that name, which may raise
                SignalTimeout or JobFailed. A name that is missing comes to the pause's timeout.

        Raises:
            StageFailed: a stage raised, where a submitted run halts, or waits for what nobody
                sends; its exception is the `__cause__`.
            NotSerializable: a stage emitted what has no encoding.
            FlowDefinitionError: the flow has no stages.
        """
        results = self.iter(
            value, run_id=run_id, isolate=isolate, sleep=sleep, dead=dead, signals=signals
        )
        return list(results)

    def iter(
        self,
        value: object,
        *,
        run_id: str = "local",
        isolate: bool = True,
        sleep: Callable[[float], object] = time.sleep,
        dead: list[StageFailed] | None = None,
        signals: Signals | None = None,
    ) -> Iterator[Any]:
        """Like `run`, but results come as they are made: nothing runs before one is asked for."""
        from pauseflow.local import LocalRun  # noqa: PLC0415 # building a flow needs no runners

        run = LocalRun(
            self.graph, run_id=run_id, isolate=isolate, sleep=sleep, dead=dead, signals=signals
        )
        return run.results(value)

    def __repr__(self) -> str:
        return f"Flow({self.name!r}: {' > '.join(self._plan.names()) or 'no stages yet'})"
