"""Runs `finished`: once for each marker of its branch."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import replace
from functools import partial
from typing import Any

from pauseflow.codec import Marker
from pauseflow.context import Place, place
from pauseflow.graph import Kind, Stage
from pauseflow.stages.eventloop import EventLoop
from pauseflow.stages.kept import GONE, Kept
from pauseflow.stages.runner import Runner, raised
from pauseflow.stages.stateful import StatefulRunner
from pauseflow.stages.work import DONE, SLICED, Budget, End, Outcome, Work


class FinishedRunner(Runner):
    """Calls the function for the markers of its own branch, and passes on those of others."""

    def run(self, work: Work, budget: Budget) -> Outcome:
        """Run as much of the work as the budget allows."""
        here = self.place(work)
        token = place.set(here)
        try:
            return run_markers(self.stage, work, budget, here)
        finally:
            place.reset(token)


class MeetingRunner(StatefulRunner):
    """The same where several lines meet: of each marker the last copy counts.

    A merge lets records through as they come.
    """

    def __init__(self, stage: Stage, flow_name: str) -> None:
        super().__init__(stage, flow_name)
        self._loop: EventLoop | None = None

    def close(self) -> None:
        """Close the connection and the event loop."""
        super().close()
        if self._loop is not None:
            self._loop.close()

    def _run(self, work: Work, budget: Budget, here: Place, kept: Kept) -> Outcome:
        stage = self.stage
        if stage.is_async:
            stage = replace(stage, fn=partial(self._wait_for, stage.fn))
        return run_markers(stage, work, budget, here, kept)

    def _wait_for(self, fn: Callable[..., Coroutine[Any, Any, object]], *arguments: object) -> None:
        if self._loop is None:
            self._loop = EventLoop()
        self._loop.run(fn(*arguments))


def run_markers(
    stage: Stage, work: Work, budget: Budget, here: Place, kept: Kept | None = None
) -> Outcome:
    """A slice of a FINISHED stage, or of a MERGE.

    Args:
        stage: the stage.
        work: markers, and in a merge records.
        budget: as far as it goes.
        here: where the work is.
        kept: how many copies of each marker have come, where there are several.
    """
    outcome = Outcome([], marked=False, consumed=0)
    for index, item in enumerate(work.items):
        if index and budget.spent(len(outcome.outputs)):
            outcome.end = SLICED
            break
        here.first = work.ordinal + index
        if type(item) is Marker:
            end = _marker(stage, item, outcome, kept)
            if end is not None:
                outcome.end = end
                break
        elif stage.kind is Kind.MERGE:
            outcome.outputs.append(item)
        outcome.consumed = index + 1
    else:
        outcome.end = DONE
    outcome.marked = any(type(item) is Marker for item in outcome.outputs)
    return outcome


def _marker(stage: Stage, marker: Marker, outcome: Outcome, kept: Kept | None) -> End | None:
    own = marker.branch == stage.scope
    if stage.kind is Kind.FINISHED and not own and marker.branch not in stage.outer:
        return None  # only folds above had a use for it
    name = f"{marker.branch}:{marker.scope}".encode()
    if kept is not None:
        copies = int(kept.get(name) or b"0") + 1
        if copies < stage.copies.get(marker.branch, 1):
            kept.put(name, b"%d" % copies)
            return None
    if own:
        try:
            stage.fn(*((marker.value,) if stage.takes_value else ()))
        except BaseException as error:  # noqa: BLE001 # SystemExit too must not end the worker
            return raised(error)
    else:
        outcome.outputs.append(marker)
    if kept is not None:
        kept.put(name, GONE)
    return None
