"""What runners of stages have in common that keep something of a run from chunk to chunk."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from pauseflow.context import Place, place
from pauseflow.graph import Stage
from pauseflow.stages.kept import Kept, Shelf
from pauseflow.stages.runner import Runner
from pauseflow.stages.work import Budget, Outcome, Work

if TYPE_CHECKING:
    from pauseflow.store.server import Server
    from pauseflow.store.states import States


class StatefulRunner(Runner):
    """Gives each slice what is kept of its run, and hands on what the slice changes of it.

    The chunks of a run come to such a stage one at a time. Without a server nothing is kept but
    what this runner itself remembers.
    """

    def __init__(self, stage: Stage, flow_name: str) -> None:
        super().__init__(stage, flow_name)
        self._shelf = Shelf()
        self._states: States | None = None

    def connect(self, server: Server, namespace: str) -> None:
        """Read what is kept from this server."""
        from pauseflow.store.states import States  # noqa: PLC0415 # local runs need no server

        self._states = States(server, namespace)

    def close(self) -> None:
        """Close the connection."""
        if self._states is not None:
            self._states.close()

    def settled(self, run: str, *, committed: bool) -> None:
        """Keep what was written down, or read it again."""
        self._shelf.settle(run, committed=committed)

    def run(self, work: Work, budget: Budget) -> Outcome:
        """Run as much of the work as the budget allows."""
        if not work.items and not work.ended:
            # Sent only to have something dispatched, perhaps beside a chunk that is at work.
            return Outcome([], marked=False, consumed=0)
        here = self.place(work)
        kept = self._shelf.take(work.run, work.ordinal, follows=work.follows)
        if kept is None:
            kept = Kept(partial(self._load, work.run))
        token = place.set(here)
        try:
            outcome = self._run(work, budget, here, kept)
        finally:
            place.reset(token)
        outcome.kept = dict(kept.changed)
        self._shelf.put(work.run, work.ordinal + outcome.consumed, kept)
        return outcome

    @abstractmethod
    def _run(self, work: Work, budget: Budget, here: Place, kept: Kept) -> Outcome:
        """The slice itself. `kept.changed` is committed with its outcome."""

    def _load(self, run: str, names: Sequence[bytes]) -> list[bytes | None]:
        if self._states is None:
            return [None] * len(names)
        return self._states.read(run, self.stage.name, names)
