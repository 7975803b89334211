"""Runs branch, one record after the other."""

from __future__ import annotations

from pauseflow.codec import Marker
from pauseflow.context import Place, place
from pauseflow.stages.runner import Runner, end_of_series, rest_of
from pauseflow.stages.unfolding import Unfolding
from pauseflow.stages.work import (
    DONE,
    SLICED,
    Budget,
    Done,
    End,
    Failed,
    Outcome,
    Parked,
    Paused,
    Work,
)


class BranchRunner(Runner):
    """Gives the series of each record, and after it a marker if somebody waits for its end."""

    def run(self, work: Work, budget: Budget) -> Outcome:
        """Run as much of the work as the budget allows."""
        here = self.place(work)
        outcome = Outcome([], marked=False, consumed=0)
        token = place.set(here)
        try:
            outcome.end = self._run(work, budget, outcome, here)
        finally:
            place.reset(token)
        # A frame that this slice made for the record that it ended in takes the old one's place.
        outcome.frames = rest_of(work.frames, outcome.consumed) | outcome.frames
        return outcome

    def _run(self, work: Work, budget: Budget, outcome: Outcome, here: Place) -> End:
        for index, item in enumerate(work.items):
            if budget.stopping or (index and budget.spent(len(outcome.outputs))):
                return SLICED
            if work.marked and type(item) is Marker:
                outcome.outputs.append(item)
                outcome.marked = True
            else:
                here.first = work.ordinal + index
                end = self._record(work, index, budget, outcome)
                if end is not None:
                    return end
            outcome.consumed = index + 1
        return DONE

    def _record(self, work: Work, index: int, budget: Budget, outcome: Outcome) -> End | None:
        """Run one record's series; the end of the slice, or None if the next record may follow."""
        record = work.items[index]
        answer = None if index else work.answer
        unfolding = Unfolding(self.stage, record, work.frames.get(index), outcome.outputs, answer)
        end = unfolding.unfold(budget)
        match end:
            case Done():
                if self.stage.marks and unfolding.closes:
                    outcome.outputs.append(end_of_series(self.stage, record, work.ordinal + index))
                    outcome.marked = True
                return None
            case Failed():
                return end
            case Paused(pause) if not self.stage.ordered:
                frame = None if unfolding.left is None else unfolding.left.to_bytes()
                outcome.parked.append(Parked(index, frame, pause))
                return None
            case _:
                if unfolding.left is not None:
                    outcome.frames[0] = unfolding.left.to_bytes()
                return end
