"""What every runner is: given work and a budget, it gives an outcome."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from pauseflow import __file__ as package_file
from pauseflow.codec import Marker
from pauseflow.context import Place
from pauseflow.graph import Stage
from pauseflow.pause import PauseFlow
from pauseflow.stages.work import Budget, Failed, Outcome, Paused, Work

if TYPE_CHECKING:
    from pauseflow.store.server import Server

PACKAGE = str(Path(package_file).parent)


class Runner(ABC):
    """Runs one stage. For one thread at a time: a worker has one for each of its stages.

    Args:
        stage: what to run.
        flow_name: the flow's name, for `current()`.
    """

    def __init__(self, stage: Stage, flow_name: str) -> None:
        self.stage = stage
        self.flow_name = flow_name

    @abstractmethod
    def run(self, work: Work, budget: Budget) -> Outcome:
        """Run as much of the work as the budget allows, and at least one record unless stopping.

        What the author's code raises becomes `Failed`; only KeyboardInterrupt comes through.
        """

    def connect(self, server: Server, namespace: str) -> None:  # noqa: B027 # most need no server
        """Take note of where the runs are. Called before the first `run`, in a worker only."""

    def settled(self, run: str, *, committed: bool) -> None:  # noqa: B027 # most keep nothing
        """Take note of whether the commit of the last slice of a run was carried out."""

    def close(self) -> None:  # noqa: B027 # most runners own nothing
        """Give up threads and loops. Does not wait for what was given up on `stop`."""

    def place(self, work: Work) -> Place:
        """Where the work is, for `current()`."""
        here = Place(
            flow=self.flow_name,
            stage=self.stage.name,
            run_id=work.run,
            attempt=work.attempt,
            first=work.ordinal,
        )
        if work.answer is not None:
            here.answer, here.answered = work.answer, work.ordinal
        here.origin = work.origin
        return here


def raised(error: BaseException) -> Paused | Failed:
    """The end of a slice that `error`, which may be a pause, was raised in.

    Raises:
        KeyboardInterrupt: if it is one, since the user means the process.
    """
    pause = pause_in(error)
    return failed(error) if pause is None else asked(pause)


def asked(pause: PauseFlow) -> Paused:
    """The end of a slice that `pause` was raised or yielded in."""
    # Its traceback keeps the author's locals alive, and a parked record needs none.
    pause.__traceback__ = pause.__context__ = None
    return Paused(pause)


def failed(error: BaseException) -> Failed:
    """The end of a slice that `error` was raised in, its traceback beginning in the author's code.

    Raises:
        KeyboardInterrupt: if it is one, since the user means the process.
    """
    if isinstance(error, KeyboardInterrupt):
        raise error
    traceback = error.__traceback__
    while traceback is not None and _is_ours(traceback):
        traceback = traceback.tb_next
    return Failed(error.with_traceback(traceback))


def _is_ours(traceback: TracebackType) -> bool:
    return traceback.tb_frame.f_code.co_filename.startswith(PACKAGE)


def stop_iteration(stage: str) -> Failed:
    """The end of a slice in which a function raised StopIteration, which ends a `map` silently."""
    return Failed(
        RuntimeError(
            f"stage {stage!r} raised StopIteration, which only an iterator may: if it comes from "
            f"next(iterator), write next(iterator, default)"
        )
    )


def rest_of(frames: dict[int, bytes], consumed: int) -> dict[int, bytes]:
    """The frames of `items[consumed:]`, by their index in that."""
    return {index - consumed: data for index, data in frames.items() if index >= consumed}


def end_of_series(branch: Stage, record: object, ordinal: int) -> Marker:
    """What says that the series of a record is over.

    Args:
        branch: the stage that gave the series.
        record: its input.
        ordinal: of the record at the branch.
    """
    return Marker(branch.name, ordinal, record if branch.takes_value else None)


def pause_in(error: BaseException) -> PauseFlow | None:
    """The pause that was raised, also if a task group wrapped it.

    Of several the longest, and rather one that waits for something.
    """
    if isinstance(error, PauseFlow):
        return error
    if not isinstance(error, BaseExceptionGroup):
        return None
    found = [pause_in(inner) for inner in error.exceptions]
    pauses = [pause for pause in found if pause is not None]
    if len(pauses) < len(found):
        return None
    now = time.time()
    return max(pauses, key=lambda pause: (pause.waits_for is not None, pause.wake_at(now) or now))
