"""Runs map, filter and each, one record after the other, at the speed of `map` and `compress`."""

from __future__ import annotations

import time
from itertools import compress
from typing import cast

from pauseflow.codec import Marker
from pauseflow.context import Place, place
from pauseflow.graph import Kind, Stage
from pauseflow.stages.frame import Frame
from pauseflow.stages.runner import Runner, failed, raised, rest_of, stop_iteration
from pauseflow.stages.timeout import limited
from pauseflow.stages.work import (
    DONE,
    EVERY_ARM,
    SLICED,
    Budget,
    End,
    Outcome,
    Parked,
    Paused,
    Work,
)

MAPPING = (Kind.MAP, Kind.MERGE)


class FunctionRunner(Runner):
    """Runs a function of one record over a chunk.

    A batch of records goes through one `list.extend(map(fn, batch))`. When `fn` raises, the list
    has the results of the records before it, so its length tells which record it was.
    """

    def __init__(self, stage: Stage, flow_name: str) -> None:
        super().__init__(stage, flow_name)
        self._fn = limited(stage)
        self._batch: list[object] = []

    def run(self, work: Work, budget: Budget) -> Outcome:
        """Run as much of the work as the budget allows."""
        here = self.place(work)
        outcome = Outcome([], marked=False, consumed=0)
        if self.stage.cases is not None:
            outcome.arms = []
        token = place.set(here)
        try:
            with budget.on_stop(self._cut):
                outcome.end = self._run(work, budget, outcome, here)
        finally:
            place.reset(token)
            self._batch = []
        outcome.frames = rest_of(work.frames, outcome.consumed)
        return outcome

    def _cut(self) -> None:
        # `map` then finds its list at an end, and stops at the next record.
        self._batch.clear()

    def _run(self, work: Work, budget: Budget, outcome: Outcome, here: Place) -> End:
        size = len(work.items)
        for limit in (*_interruptions(work), size):
            while outcome.consumed < limit:
                end = self._records(work, budget, outcome, here, limit)
                if end is None and outcome.consumed < size and budget.spent(len(outcome.outputs)):
                    end = SLICED
                if end is not None:
                    return end
            if limit < size:
                end = self._interruption(work, budget, outcome, here)
                if end is not None:
                    return end
        return DONE

    def _records(
        self, work: Work, budget: Budget, outcome: Outcome, here: Place, limit: int
    ) -> End | None:
        """Put the next stride of plain records through the function."""
        start = outcome.consumed
        kind = self.stage.kind
        batch = work.items[start : min(start + budget.stride, limit)]
        size = len(batch)
        self._batch = batch
        if budget.stopping:
            return SLICED
        # The results of a map are its outputs, those of a filter select, those of an each are
        # dropped. Either way their number is the number of records done.
        results: list[object] = outcome.outputs if kind in MAPPING else []
        before = len(results)
        here.first, here.done = work.ordinal + start - before, results
        end: End | None = None
        try:
            if kind is Kind.FILTER:
                results.extend(map(bool, map(self._fn, batch)))
            elif self.stage.cases is not None:
                results.extend(map(self.stage.cases.arm, map(self._fn, batch)))
            else:
                results.extend(map(self._fn, batch))
        except BaseException as error:  # noqa: BLE001 # SystemExit too must not end the worker
            end = raised(error)
        done = len(results) - before
        outcome.consumed = start + done
        if kind is Kind.FILTER:
            outcome.outputs.extend(compress(work.items[start : start + done], results))
        elif outcome.arms is not None:
            outcome.outputs.extend(work.items[start : start + done])
            outcome.arms += cast("list[int]", results)
        if end is None and done < size and not budget.stopping:
            return stop_iteration(self.stage.name)
        if isinstance(end, Paused) and not self.stage.ordered:
            outcome.parked.append(Parked(outcome.consumed, None, end.pause))
            outcome.consumed += 1
            return None
        return end

    def _interruption(
        self, work: Work, budget: Budget, outcome: Outcome, here: Place
    ) -> End | None:
        """Deal with the next item, which is a marker, or a record with a frame."""
        index = outcome.consumed
        if type(work.items[index]) is Marker:
            outcome.outputs.append(work.items[index])
            outcome.marked = True
            if outcome.arms is not None:
                outcome.arms.append(EVERY_ARM)
            outcome.consumed += 1
            return None
        data = work.frames[index]
        try:
            frame = Frame.from_bytes(data).without_series(self.stage.name)
        except Exception as error:  # noqa: BLE001 # one bad frame must not end the worker
            return failed(error)
        if frame.done:
            outcome.outputs.extend(frame.held)
            outcome.consumed += 1
            return None
        pause = frame.asleep(time.time(), None if index else work.answer)
        if pause is None:
            return self._records(work, budget, outcome, here, index + 1)
        if self.stage.ordered:
            return Paused(pause)
        outcome.parked.append(Parked(index, data, pause))
        outcome.consumed += 1
        return None


def _interruptions(work: Work) -> list[int]:
    """Where in the items something else than a plain record stands."""
    found = set(work.frames)
    if work.marked:
        found.update(index for index, item in enumerate(work.items) if type(item) is Marker)
    return sorted(found)
