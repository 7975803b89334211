"""Runs `finished`: once for each marker of its branch."""

from __future__ import annotations

from pauseflow.codec import Marker
from pauseflow.context import Place, place
from pauseflow.stages.runner import Runner, raised
from pauseflow.stages.work import DONE, SLICED, Budget, End, Outcome, Work


class FinishedRunner(Runner):
    """Calls the function for the markers of its own branch, and passes on those of others."""

    def run(self, work: Work, budget: Budget) -> Outcome:
        """Run as much of the work as the budget allows."""
        here = self.place(work)
        outcome = Outcome([], marked=False, consumed=0)
        token = place.set(here)
        try:
            outcome.end = self._run(work, budget, outcome, here)
        finally:
            place.reset(token)
        outcome.marked = bool(outcome.outputs)
        return outcome

    def _run(self, work: Work, budget: Budget, outcome: Outcome, here: Place) -> End:
        for index, item in enumerate(work.items):
            if index and budget.spent(len(outcome.outputs)):
                return SLICED
            here.first = work.ordinal + index
            if type(item) is Marker:
                end = self._marker(item, outcome)
                if end is not None:
                    return end
            outcome.consumed = index + 1
        return DONE

    def _marker(self, marker: Marker, outcome: Outcome) -> End | None:
        if marker.branch != self.stage.scope:
            outcome.outputs.append(marker)
            return None
        try:
            if self.stage.takes_value:
                self.stage.fn(marker.value)
            else:
                self.stage.fn()
        except BaseException as error:  # noqa: BLE001 # SystemExit too must not end the worker
            return raised(error)
        return None
