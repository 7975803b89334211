"""What the runners of several records at once have in common."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Iterator

from pauseflow.answer import Answer
from pauseflow.codec import Marker
from pauseflow.context import Place
from pauseflow.graph import Kind
from pauseflow.stages.frame import Frame
from pauseflow.stages.progress import Progress, assemble
from pauseflow.stages.runner import Runner
from pauseflow.stages.work import DONE, Budget, Done, Outcome, Paused, Work


class Slice:
    """One run of a chunk by several lanes: each takes the next record that nobody has.

    Args:
        work: the chunk.
        budget: for all lanes together.
        ordered: a record that pauses or fails keeps later ones from being begun.
        targets: the indexes of the items to run.
    """

    def __init__(self, work: Work, budget: Budget, targets: list[int], *, ordered: bool) -> None:
        self.work = work
        self.budget = budget
        self.results: dict[int, Progress] = {}
        self._ordered = ordered
        self._targets: Iterator[int] = iter(targets)
        self._outputs = 0
        self._over = False

    def next(self) -> int | None:
        """The index of the next item to run; None if no more should be begun."""
        if self._over or self.budget.stopping:
            return None
        return next(self._targets, None)

    def settle(self, index: int, progress: Progress) -> None:
        """Take note of what came of an item."""
        self.results[index] = progress
        self._outputs += len(progress.outputs)
        held_up = self._ordered and not isinstance(progress.end, Done)
        if held_up or self.budget.spent(self._outputs):
            self._over = True


class ParallelRunner(Runner):
    """Runs several records of a chunk at once, and puts their outputs in order."""

    def run(self, work: Work, budget: Budget) -> Outcome:
        """Run as much of the work as the budget allows."""
        targets = self._targets(work)
        part = Slice(work, budget, targets, ordered=self.stage.ordered)
        self._run_lanes(part)
        # A copy: what was given up may still write to the original.
        return assemble(self.stage, work, dict(part.results), frozenset(targets))

    @abstractmethod
    def _run_lanes(self, part: Slice) -> None:
        """Have as many lanes as the stage allows take items until there are none."""

    def _targets(self, work: Work) -> list[int]:
        if self.stage.kind is Kind.FINISHED:
            scope = self.stage.scope
            return [
                index
                for index, item in enumerate(work.items)
                if type(item) is Marker and item.branch == scope
            ]
        return [index for index, item in enumerate(work.items) if type(item) is not Marker]

    def _place_at(self, work: Work, index: int) -> Place:
        here = self.place(work)
        here.first += index
        return here

    def _arguments(self, item: object) -> tuple[object, ...]:
        """What the function is called with."""
        if type(item) is not Marker:
            return (item,)
        return (item.value,) if self.stage.takes_value else ()

    def _answered(self, item: object, answer: object) -> Progress:
        """What follows from what the function returned."""
        match self.stage.kind:
            case Kind.MAP:
                return Progress([answer], DONE)
            case Kind.FILTER:
                return Progress([item] if answer else [], DONE)
            case _:
                return Progress([], DONE)

    @staticmethod
    def _answer(work: Work, index: int) -> Answer | None:
        """What a record was woken with, if it waited for something."""
        return None if index else work.answer

    def _kept(self, data: bytes | None, answer: Answer | None) -> Progress | None:
        """What an earlier slice has settled about a function's record already."""
        if data is None:
            return None
        frame = Frame.from_bytes(data).without_series(self.stage.name)
        if frame.done:
            return Progress(frame.held, DONE)
        pause = frame.asleep(time.time(), answer)
        return None if pause is None else Progress([], Paused(pause), frame)
