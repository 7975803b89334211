"""The client: submit runs, feed them, read their results, look at them."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import islice
from types import TracebackType
from typing import TYPE_CHECKING, Self

from pauseflow.errors import (
    ResultsDropped,
    RunCancelled,
    RunFailed,
)
from pauseflow.feed import Feed
from pauseflow.rollout import Rollout
from pauseflow.steering import HasGraph, Steering
from pauseflow.store.books import (
    ParkedInfo,
    ResultsInfo,
    RunInfo,
    RunState,
    SetAsideInfo,
    StageInfo,
)
from pauseflow.store.fleet import Fleet, WorkerInfo
from pauseflow.store.held import Held
from pauseflow.store.inspection import Inspection
from pauseflow.store.keys import Keys
from pauseflow.store.lanes import lane
from pauseflow.store.letters import Letter
from pauseflow.store.results import ResultsPage
from pauseflow.store.runs import Runs
from pauseflow.store.server import Server
from pauseflow.store.standing import Standings
from pauseflow.store.tuning import Tuning

if TYPE_CHECKING:
    from pauseflow.stack import RunStack

__all__ = [
    "Client",
    "Feed",
    "HasGraph",
    "Held",
    "Letter",
    "ParkedInfo",
    "ResultsInfo",
    "RunInfo",
    "RunState",
    "SetAsideInfo",
    "StageInfo",
    "WorkerInfo",
]

BLOCK_MS = 2_000

REPLY_SECONDS = 60.0
"""A server that writes to a busy disk may stand still for longer than ten seconds."""


class Client(Steering):
    """Speaks to one server. For one thread at a time: make one for each thread.

    Use it as a context manager, or `close` it.

    Args:
        server: where Redis is.
        namespace: keeps installations apart that share a server.
    """

    def __init__(self, server: Server, *, namespace: str = "default") -> None:
        self._keys = Keys(namespace)
        self._tuning = Tuning()
        self._wire = server.wire(REPLY_SECONDS)
        self._fleet = Fleet(self._keys)
        super().__init__(self._keys, self._wire, Runs(self._keys, self._wire, self._tuning))

    @classmethod
    def connect(cls, url: str, *, namespace: str = "default") -> Client:
        """Connects to a server.

        Args:
            url: `redis://`, `rediss://` or `unix://`.
            namespace: keeps installations apart that share a server.

        Raises:
            SettingsError: the URL or the namespace makes no sense.
            ServerUnreachable: nothing answers there.
            ServerRefused: what answers does not let us in, or is not Redis.
        """
        server = Server.at(url)
        client = cls(server, namespace=namespace)
        first = server.wire()  # less patient: what never answers is no server
        try:
            first.call(("PING",))
        finally:
            first.close()
        return client

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection."""
        self._wire.close()

    def submit(
        self,
        flow: HasGraph,
        value: object,
        *,
        run_id: str | None = None,
        priority: str = "normal",
    ) -> str:
        """Starts a run of one record, and returns its id without waiting for it.

        Submitting the same again under the same `run_id` changes nothing, so it is safe to repeat
        after an error.

        Args:
            flow: what to run.
            value: the record.
            run_id: 1 to 120 letters, digits, `_`, `.` or `-`; made up if it is left out.
            priority: `high`, `normal` or `low`; see `prioritize`.

        Raises:
            ValueError: there is no such priority.
            RunConflict: the id was used before, for another flow or input.
            NotSerializable: the record has no encoding.
            StoreError: the server is gone, refuses, or is full.
        """
        run_id = _new_id() if run_id is None else run_id
        self._runs.submit(flow.graph, run_id, value, lane(priority))
        return run_id

    def open(self, flow: HasGraph, *, run_id: str | None = None, priority: str = "normal") -> Feed:
        """Opens a run that is fed records for as long as one likes, or takes up an open one.

        Args:
            flow: what to run.
            run_id: as for `submit`. Of a run opened before: the feed goes on at its position.
            priority: as for `submit`. A run that was opened before keeps its own.

        Raises:
            ValueError: there is no such priority.
            RunConflict: the id was used before, for another flow or by `submit`.
        """
        run_id = _new_id() if run_id is None else run_id
        position = self._runs.open(flow.graph, run_id, lane(priority))
        return Feed(self._runs, flow.graph, run_id, position)

    def results(self, run_id: str, *, follow: bool = False, start: int = 0) -> Iterator[object]:
        """The run's results, in order.

        Results are kept after they were read, until the run needs the room for new ones: then
        those that a reader has taken go. Two readers of a large run can so take results from each
        other; the slower one is told.

        Args:
            run_id: the run.
            follow: wait for more until the run is done; False: what is there now.
            start: skip that many results.

        Raises:
            UnknownRun: there is no such run.
            RunFailed: the run halted (`follow` only); the results before are given first.
            RunCancelled: the run was cancelled; otherwise the same.
            ResultsDropped: results at this position were read before and are gone.
        """
        reader = self._runs.results(run_id)
        page, dropped = reader.first()
        expected, waited = start, False
        if page is None and dropped > expected:
            raise _dropped(run_id, expected, dropped)
        while page is None or not page.ended:
            if page is None:
                if not follow:
                    break
                if waited:
                    self._raise_if_dropped(run_id, expected)
                    self._raise_if_stopped(run_id)
                page, waited = reader.next(block_ms=BLOCK_MS), True
                continue
            yield from _from_position(run_id, page, expected)
            expected, waited = max(expected, page.position), False
            reader.take(page)
            if page.halted and follow:
                self._raise_if_stopped(run_id)
            page = reader.next(block_ms=None)
        if page is not None and page.values:
            yield from _from_position(run_id, page, expected)
            reader.take(page)
        else:
            self._raise_if_dropped(run_id, expected)
        reader.finish()
        if page is not None and page.cancelled and follow:
            raise _cancelled(run_id)

    def wait(self, run_id: str, *, timeout: float | None = None) -> RunInfo:
        """Waits until the run is done.

        It does not read results: a run with more results than are kept unread waits for a reader.

        Args:
            run_id: the run.
            timeout: seconds; None for as long as it takes.

        Raises:
            UnknownRun: there is no such run.
            RunFailed: it halted.
            RunCancelled: it was cancelled.
            TimeoutError: it is not done yet.
        """
        until = None if timeout is None else time.monotonic() + timeout
        while True:
            latest = self._runs.latest_result(run_id)
            info = self._raise_if_stopped(run_id)
            if info.state is RunState.DONE:
                return info
            left = BLOCK_MS / 1000 if until is None else until - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"run {run_id!r} is not done after {timeout} seconds")
            self._runs.wait_for_result(run_id, latest, min(int(left * 1000) + 1, BLOCK_MS))

    def run(self, run_id: str) -> RunInfo:
        """What is known of a run.

        Raises:
            UnknownRun: there is none of this id.
        """
        return self._runs.info(run_id)

    def runs(self, *, flow: str | None = None, limit: int = 100) -> list[RunInfo]:
        """The newest runs, newest first.

        Args:
            flow: only runs of the flow of this name.
            limit: at most so many.
        """
        return self._runs.list(flow=flow, limit=limit)

    def set_aside(self, *, limit: int = 100) -> tuple[int, list[SetAsideInfo]]:
        """What was found where pauseflow writes, and is not its own, or is damaged.

        Args:
            limit: at most so many.

        Returns:
            How much was ever set aside, and the newest of it, newest first; 1,000 are kept.
        """
        count, newest = self._runs.set_aside(limit)
        return count, list(newest)

    def stack(
        self, run_id: str, *, flows: Mapping[str, HasGraph] | None = None, limit: int = 20
    ) -> RunStack:
        """Where everything in a run stands: what is parked or half done, its frames and locals.

        It changes nothing, and runs nothing of the app.

        Args:
            run_id: the run.
            flows: the app's by their names, for source lines; without them a frame tells what it
                has itself.
            limit: at most so many chunks.

        Raises:
            UnknownRun: there is no such run.
        """
        from pauseflow.stack import stack_of  # noqa: PLC0415 - brings in all of resumable

        info = self._runs.info(run_id, parked=False)
        standing = Standings(self._keys, self._wire).of(info, limit)
        flow = (flows or {}).get(info.flow)
        graph = None if flow is None else flow.graph
        return stack_of(info, standing, Rollout(self.workers()), graph)

    @property
    def inspection(self) -> Inspection:
        """For a look at the server and at what waits there in vain, as `flowctl doctor` has."""
        return Inspection(self._keys, self._wire)

    def workers(self) -> list[WorkerInfo]:
        """The workers whose lease has not ended."""
        return self._fleet.workers(self._wire)

    def _raise_if_dropped(self, run_id: str, expected: int) -> None:
        """Results that are gone leave nothing behind that a reader could stumble over."""
        dropped = self._runs.info(run_id, parked=False).results.dropped
        if dropped > expected:
            raise _dropped(run_id, expected, dropped)

    def _raise_if_stopped(self, run_id: str) -> RunInfo:
        info = self._runs.info(run_id, parked=False)
        if info.state is RunState.CANCELLED:
            raise _cancelled(run_id)
        if info.error and not info.state.over:
            raise RunFailed(
                f"run {run_id!r} halted: {info.error}. Mend the cause, then let it go on from "
                f"there: flowctl retry {run_id}"
            )
        return info


def _cancelled(run_id: str) -> RunCancelled:
    return RunCancelled(f"run {run_id!r} was cancelled; its results up to then can still be read")


def _from_position(run_id: str, page: ResultsPage, expected: int) -> Iterator[object]:
    """The page's results from this position on."""
    if page.first > expected:
        raise _dropped(run_id, expected, page.first)
    return islice(page.values, expected - page.first, None)


def _dropped(run_id: str, expected: int, first: int) -> ResultsDropped:
    return ResultsDropped(
        f"run {run_id!r}: results {expected} to {first - 1} were read before and made room for "
        f"others. Read from start={first}"
    )


def _new_id() -> str:
    stamp = datetime.now().strftime("%y%m%d-%H%M%S")
    return f"{stamp}-{uuid.uuid4().hex[:8]}"
