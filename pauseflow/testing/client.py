"""SteppedClient: a client whose time is a test's, and which never waits for anybody."""

from __future__ import annotations

from collections.abc import Sequence

from pauseflow.answer import Answer
from pauseflow.client import Client, HasGraph
from pauseflow.errors import UnknownRun
from pauseflow.feed import Feed
from pauseflow.store.commands import Delivered
from pauseflow.testing.parked import Parked


class SteppedClient(Client):
    """A client for the thread in which workers are stepped."""

    def set_now(self, now_ms: int) -> None:
        """Take this for the time, in ms since the epoch; 0 for the server's."""
        stores = (self._runs, self._fleet, self._letterbox, self._skipping)
        for store in stores:
            store.now_ms = now_ms

    def parked(self, run_id: str) -> list[Parked]:
        """All that is parked in a run, in no particular order; nothing if there is no such run."""
        return [Parked.of(run_id, *found) for found in self._runs.parked_fields(run_id)]

    def deliver(self, run_id: str, answer: Answer) -> Delivered:
        """Send the end of a wait to a run."""
        return self._runs.deliver(run_id, answer)

    def feed(
        self, flow: HasGraph, values: Sequence[object], run_id: str, position: int
    ) -> tuple[int, bool]:
        """Append as many of the records as the run has room for, and close it after the last.

        Args:
            flow: the run's.
            values: all of the run's records.
            run_id: the run.
            position: how many of them it has taken.

        Returns:
            How many it has taken now, and whether it is closed.

        Raises:
            RunConflict: the id was used before, for another flow or by `submit`.
            NotSerializable: a record has no encoding.
        """
        self._runs.open(flow.graph, run_id)
        feed = _Hurried(self._runs, flow.graph, run_id, position)
        try:
            for value in values[position:]:
                feed.append(value)
            feed.close()
        except _NoRoom:
            return feed.position, False
        return feed.position, True


class _NoRoom(UnknownRun):
    """The run has no room now."""


class _Hurried(Feed):
    def _wait_for_room(self) -> None:
        raise _NoRoom(f"run {self.run_id!r} has no room")
