"""The open end of a run: records go in, as fast as the run takes them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from types import TracebackType
from typing import Self

from pauseflow.errors import (
    FeedGap,
    NotSerializable,
    RunCancelled,
    RunFailed,
    RunNotOpen,
    UnknownRun,
)
from pauseflow.graph import Graph
from pauseflow.store.commands import Appended
from pauseflow.store.runs import Runs

ROOM_SECONDS = 2.0
COSTS_SECONDS = 1.0
UNKNOWN_COSTS_SECONDS = 0.02
APPEND_RECORDS = 8_192
COLLECT_SECONDS = 0.05


class Feed:
    """The open end of a run. Made by `Client.open`.

    As a context manager it closes the run's input when the block ends well; after an exception the
    run stays open, and `Client.open` with the same id goes on.

    Attributes:
        run_id: the run.
        position: how many records the run has taken.
    """

    def __init__(self, runs: Runs, graph: Graph, run_id: str, position: int) -> None:
        self._runs = runs
        self._graph = graph
        self._costs_at = -COSTS_SECONDS
        self.run_id = run_id
        self.position = position

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()

    def append(self, value: object) -> int:
        """Adds one record; waits while the run has no room. Returns the new position.

        Raises:
            NotSerializable: the record has no encoding; it is not added.
            RunNotOpen: the run's input was closed.
        """
        self._put([value], close=False)
        return self.position

    def extend(
        self, values: Iterable[object], on_progress: Callable[[int], None] | None = None
    ) -> int:
        """Adds records, many at a time; waits while the run has no room.

        Args:
            values: any number of records. If it raises, the records before are added first.
            on_progress: called with the new position after each batch.

        Returns:
            The new position.

        Raises:
            NotSerializable: a record has no encoding; the records before it are added.
            RunNotOpen: the run's input was closed.
            RunFailed: the run halted, and has no room.
            RunCancelled: the run was cancelled.
        """
        source = iter(values)
        while True:
            batch: list[object] = []
            try:
                _collect(source, batch)
            finally:
                # what came before an error of the source is not lost
                if batch:
                    self._put(batch, close=False)
            if not batch:
                return self.position
            if on_progress is not None:
                on_progress(self.position)

    def close(self) -> None:
        """Closes the run's input: it is done when what it has is done. Again, it does nothing."""
        try:
            self._put([], close=True)
        except RunNotOpen:
            return

    def _put(self, values: list[object], *, close: bool) -> None:
        while True:
            status, taken = self._try(values, close=close)
            match status:
                case Appended.TAKEN:
                    self.position = taken
                    return
                case Appended.NO_ROOM:
                    self._wait_for_room()
                case Appended.BEHIND:
                    # another feeder of the same records was here, or our own append whose reply
                    # got lost
                    skip = taken - self.position
                    self.position = min(taken, self.position + len(values))
                    values = values[skip:]
                    if not values and not close:
                        return
                case Appended.NO_RUN:
                    raise UnknownRun(f"there is no run {self.run_id!r} any more")
                case Appended.CLOSED:
                    raise RunNotOpen(f"the input of run {self.run_id!r} is closed")
                case Appended.CANCELLED:
                    raise RunCancelled(
                        f"run {self.run_id!r} was cancelled after it had taken {taken} records: "
                        f"it takes no more"
                    )
                case Appended.GAP:
                    raise FeedGap(
                        f"run {self.run_id!r} has taken {taken} records, but these begin at "
                        f"{self.position}: open it again to go on where it stands"
                    )

    def _try(self, values: list[object], *, close: bool) -> tuple[Appended, int]:
        if values:
            self._learn_costs()
        try:
            return self._runs.append(self._graph, self.run_id, self.position, values, close=close)
        except NotSerializable as error:
            if error.index > 0:
                self._put(values[: error.index], close=False)
            raise

    def _wait_for_room(self) -> None:
        if self._runs.wait_for_room(self.run_id, ROOM_SECONDS):
            return
        info = self._runs.info(self.run_id, parked=False)
        if info.error:
            raise RunFailed(
                f"run {self.run_id!r} halted, and has no room for more: {info.error}. Mend the "
                f"cause, let it go on (flowctl retry {self.run_id}), then open it again"
            )

    def _learn_costs(self) -> None:
        """Asks now and then what a record costs: often as long as nobody knows."""
        now = time.monotonic()
        known = self._runs.knows_cost(self._graph)
        if now - self._costs_at >= (COSTS_SECONDS if known else UNKNOWN_COSTS_SECONDS):
            self._costs_at = now
            self._runs.learn_costs(self._graph)


def _collect(source: Iterator[object], batch: list[object]) -> None:
    """Takes records from a source for as long as they come quickly: a slow one's don't wait."""
    began, some = time.monotonic(), 1
    while len(batch) < APPEND_RECORDS:
        before = len(batch)
        batch.extend(islice(source, some))
        if len(batch) < before + some or time.monotonic() - began > COLLECT_SECONDS:
            return
        some = min(2 * some, APPEND_RECORDS - len(batch))
