"""Suspects: chunks that were in hand when workers died. One of their records may have done it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from pauseflow.stages import Budget, Done, Failed, Outcome, Runner, Work
from pauseflow.stages.work import SLICED
from pauseflow.store.chunks import Entry
from pauseflow.store.envelope import Envelope
from pauseflow.store.keys import Keys
from pauseflow.store.server import Wire

CRASHES_ALONE = 2
"""A chunk that has taken so many workers down is run one record at a time."""

CRASHES_DEAD = 3
"""A record that has taken so many workers down goes to the dead letters."""

ENOUGH_SECONDS = 0.2
"""Of work, the rest of a chunk is cleared: several slices. A worker that died was in the first."""

NOTE_MS = 3_600_000


@dataclass
class Trail:
    """Where in a suspect chunk the workers before were, and where this one is.

    Args:
        wire: a connection that nothing is under way on.
        key: of the note.
        crashes: how many workers the chunk has taken down.
        noted: the ordinal of the record that the last of them had begun; -1 if that is not known.
    """

    wire: Wire
    key: str
    crashes: int
    noted: int = -1

    @classmethod
    def of(cls, wire: Wire, keys: Keys, entry: Entry, envelope: Envelope) -> Trail:
        """Reads what was noted of a chunk.

        Raises:
            StoreError: no answer.
        """
        trail = cls(wire, keys.run(envelope.run).suspect(entry.stage), envelope.crashes)
        noted = wire.call(("GET", trail.key))
        if envelope.crashes >= CRASHES_DEAD and noted is not None and noted.isdigit():
            trail.noted = int(noted)
        return trail

    def begin(self, ordinal: int) -> None:
        """Notes that a record is begun. What the last worker noted of it stays.

        Raises:
            ServerUnreachable: no answer.
        """
        if self.noted < 0:
            # A full server may refuse it: then the first record bears the blame.
            self.wire.exchange([("SET", self.key, ordinal, "PX", NOTE_MS)])

    def blames(self, work: Work) -> bool:
        """Whether the first record is the one that takes workers down."""
        if self.crashes < CRASHES_DEAD or not work.items:
            return False
        return not work.ordinal < self.noted < work.ordinal + len(work.items)


def run_singly(
    runner: Runner,
    work: Work,
    budget: Budget,
    trail: Trail,
    clock: Callable[[], float],
) -> tuple[Outcome, bool]:
    """Runs a slice of a suspect chunk one record at a time, whatever the stage's concurrency.

    It ends before the record that is to blame, if that is known.

    Args:
        runner: of the stage.
        work: the chunk.
        budget: its time is for each of the records.
        trail: is told of each record before it is begun.
        clock: seconds.

    Returns:
        What came of it, and whether the rest is as suspect as the chunk was.
    """
    whole = Outcome([], marked=False, consumed=0, frames=dict(work.frames), end=SLICED)
    took, slice_seconds = 0.0, budget.left()
    while True:
        at = work.ordinal + whole.consumed
        trail.begin(at)
        started = clock()
        budget.deadline = started + slice_seconds
        outcome = runner.run(_first(work, whole), budget)
        took += clock() - started
        _add(whole, outcome)
        if not isinstance(outcome.end, Done) or outcome.parked:
            return whole, False
        if whole.consumed == len(work.items):
            whole.end = outcome.end
            return whole, False
        if at + 1 == trail.noted:
            return whole, True
        if took > ENOUGH_SECONDS and trail.noted < 0:
            return whole, False
        if budget.stopping or took > ENOUGH_SECONDS or len(whole.outputs) >= budget.max_outputs:
            return whole, True


def _first(work: Work, done: Outcome) -> Work:
    """The next record by itself."""
    frames = {index: frame for index, frame in done.frames.items() if index == 0}
    at = done.consumed
    items = work.items[at : at + 1]
    ended = work.ended and at + 1 >= len(work.items)
    if at == 0:
        return replace(work, items=items, frames=frames, ended=ended)
    return Work(
        work.run, work.ordinal + at, items, frames, marked=work.marked, ended=ended, follows=True
    )


def _add(whole: Outcome, outcome: Outcome) -> None:
    """Adds what came of one record to what came of those before."""
    others = {index: frame for index, frame in whole.frames.items() if index}
    whole.frames = {index - outcome.consumed: frame for index, frame in others.items()}
    whole.frames |= outcome.frames
    whole.outputs += outcome.outputs
    whole.marked = whole.marked or outcome.marked
    whole.parked += [replace(each, index=each.index + whole.consumed) for each in outcome.parked]
    whole.consumed += outcome.consumed
    whole.kept |= outcome.kept
    if outcome.arms is not None:
        whole.arms = (whole.arms or []) + outcome.arms
    whole.end = SLICED if isinstance(outcome.end, Done) else outcome.end


def raise_if_out_of_memory(outcome: Outcome) -> None:
    """Raises the MemoryError that a stage raised.

    Its record may be blameless, and whatever took the memory, this process is not the one to go on:
    it counts as a crash.
    """
    if isinstance(outcome.end, Failed) and isinstance(outcome.end.error, MemoryError):
        raise outcome.end.error
