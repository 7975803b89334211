"""Suspects: chunks that were in hand when a worker died. One of their records may have done it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from pauseflow.stages import Budget, Done, Failed, Outcome, Runner, Sliced, Work
from pauseflow.stages.state import State
from pauseflow.stages.work import SLICED
from pauseflow.store.envelope import Envelope

CRASHES_ALONE = 2
"""A chunk that has taken so many workers down is run one record at a time."""

CRASHES_DEAD = 3
"""A record that has taken so many workers down goes to the dead letters."""

ALONE_MICROSECONDS = 200_000
"""Of work, one record at a time: several slices. A worker that died was in the first one."""


def run_first(
    runner: Runner, work: Work, budget: Budget, clock: Callable[[], float]
) -> tuple[Outcome, float]:
    """Runs the first record, and none beside it, whatever the stage's concurrency.

    Returns:
        What came of it as a slice of the whole chunk, and the seconds that it took.
    """
    frames = {index: frame for index, frame in work.frames.items() if index == 0}
    started = clock()
    outcome = runner.run(replace(work, items=work.items[:1], frames=frames), budget)
    took = clock() - started
    for index, frame in work.frames.items():
        if index:
            outcome.frames[index - outcome.consumed] = frame
    if isinstance(outcome.end, Done) and len(work.items) > 1:
        outcome.end = SLICED
    return outcome, took


def suspect_still(envelope: Envelope, outcome: Outcome, rest: Envelope, took: float) -> None:
    """Keeps the rest of a suspect's chunk suspect, unless enough of it has proved harmless.

    Without that, each record before the one that crashes would cost two more workers. A pause ends
    it: the worker that died had not come further than that.

    Args:
        envelope: the chunk.
        outcome: of its first record.
        rest: what is left of it. Changed.
        took: seconds that the record took.
    """
    if not isinstance(outcome.end, Sliced):
        return
    before = State.parse(envelope.frames, envelope.count).alone or ALONE_MICROSECONDS
    left = before - int(took * 1e6)
    if left > 0:
        state = State.parse(rest.frames, rest.count)
        state.alone = left
        rest.frames = state.pack()
        rest.crashes = CRASHES_ALONE


def raise_if_out_of_memory(outcome: Outcome) -> None:
    """Raises the MemoryError that a stage raised.

    Its record may be blameless, and whatever took the memory, this process is not the one to go on:
    it counts as a crash.
    """
    if isinstance(outcome.end, Failed) and isinstance(outcome.end.error, MemoryError):
        raise outcome.end.error
