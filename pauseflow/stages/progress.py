"""What came of each record when several ran at once, and the outcome that they make together."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from pauseflow.codec import Marker
from pauseflow.errors import NotSerializable
from pauseflow.graph import Stage
from pauseflow.stages.frame import Frame
from pauseflow.stages.runner import end_of_series
from pauseflow.stages.work import (
    SLICED,
    Done,
    End,
    Failed,
    Outcome,
    Parked,
    Paused,
    Work,
)


@dataclass(slots=True)
class Progress:
    """What came of one record in this slice.

    Attributes:
        outputs: what it gave; nothing if it failed.
        end: as of a slice with this record alone.
        left: where the record stands, as of its last capture; None: at the beginning.
    """

    outputs: list[object]
    end: End
    left: Frame | None = None

    def closes(self) -> bool:
        """Whether the record's series ends here and now, rather than before or elsewhere."""
        return isinstance(self.end, Done) and not (self.left is not None and self.left.closed)


def assemble(
    stage: Stage, work: Work, results: Mapping[int, Progress], targets: Collection[int]
) -> Outcome:
    """Make the outcome of a slice whose records ran at once.

    Args:
        stage: the stage that ran.
        work: what it was given.
        results: by index into `work.items`, in the order in which they were ready. A target
            without a result was not begun, or was given up.
        targets: the indexes of the items to run. The others are markers that only pass.
    """
    outcome = Outcome([], marked=False, consumed=0)
    (_in_order if stage.ordered else _as_ready)(stage, work, results, targets, outcome)
    outcome.marked = any(type(output) is Marker for output in outcome.outputs)
    return outcome


def _in_order(
    stage: Stage,
    work: Work,
    results: Mapping[int, Progress],
    targets: Collection[int],
    outcome: Outcome,
) -> None:
    for index, item in enumerate(work.items):
        progress = results.get(index)
        if index not in targets:
            outcome.outputs.append(item)
        elif progress is None:
            outcome.end = SLICED
            break
        else:
            _release(stage, work, index, progress, outcome)
            if not isinstance(progress.end, Done):
                outcome.end = progress.end
                break
        outcome.consumed = index + 1
    first = outcome.consumed
    for index in range(first, len(work.items)):
        make = _frame if index == first else _withheld
        frame = make(results.get(index), work.frames.get(index))
        if frame is not None:
            outcome.frames[index - first] = frame


def _as_ready(
    stage: Stage,
    work: Work,
    results: Mapping[int, Progress],
    targets: Collection[int],
    outcome: Outcome,
) -> None:
    for index, progress in results.items():
        _release(stage, work, index, progress, outcome)
        if isinstance(progress.end, Paused):
            frame = _frame(progress, work.frames.get(index))
            outcome.parked.append(Parked(index, frame, progress.end.pause))
    for index, item in enumerate(work.items):
        if index not in targets:
            outcome.outputs.append(item)
        elif not _settled(results.get(index)):
            break
        outcome.consumed = index + 1
    first = outcome.consumed
    if first < len(work.items):
        head = results.get(first)
        outcome.end = head.end if head is not None and isinstance(head.end, Failed) else SLICED
    closed = Frame(done=True, closed=True).to_bytes()
    for index in range(first, len(work.items)):
        progress_there = results.get(index)
        given = work.frames.get(index)
        rest = closed if _settled(progress_there) else _frame(progress_there, given)
        if rest is not None:
            outcome.frames[index - first] = rest


def _release(stage: Stage, work: Work, index: int, progress: Progress, outcome: Outcome) -> None:
    outcome.outputs.extend(progress.outputs)
    if stage.marks and progress.closes():
        outcome.outputs.append(end_of_series(stage, work.items[index], work.ordinal + index))


def _settled(progress: Progress | None) -> bool:
    return progress is not None and isinstance(progress.end, Done | Paused)


def _frame(progress: Progress | None, given: bytes | None) -> bytes | None:
    """The frame of a record whose outputs are released.

    Args:
        progress: what came of it.
        given: the frame that it had before this slice, which a failure leaves as it is.
    """
    if progress is None or isinstance(progress.end, Failed):
        return given
    return None if progress.left is None else progress.left.to_bytes()


def _withheld(progress: Progress | None, given: bytes | None) -> bytes | None:
    """The frame of a record whose outputs wait for an earlier one.

    A failure is forgotten: the record fails again when its turn comes, or does not.
    """
    if progress is None or isinstance(progress.end, Failed):
        return given
    frame = replace(progress.left or Frame(), held=progress.outputs)
    if isinstance(progress.end, Paused):
        frame = frame.pausing(progress.end.pause, time.time())
    elif isinstance(progress.end, Done):
        frame.done = True
    try:
        return frame.to_bytes()
    except NotSerializable:
        return given  # it runs again when its turn comes, and the error is then seen as its own
