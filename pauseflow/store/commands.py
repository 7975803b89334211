"""The typed signatures of the Lua scripts; what each does stands in its `lua/<name>.lua`."""

from __future__ import annotations

from enum import IntEnum

from pauseflow.store.scripts import Arg, Args, Key, Keys, script


class Committed(IntEnum):
    """What became of a commit."""

    YES = 1
    FENCED = 0
    RUN_GONE = -1
    DAMAGED = -2


class Delivered(IntEnum):
    """What became of an answer to a wait."""

    WOKEN = 1
    KEPT = 2
    LOOK_AGAIN = 0
    NO_RUN = -1
    RUN_OVER = -2
    FULL = -3


class Revived(IntEnum):
    """What became of the retry of a dead letter."""

    MADE = 1
    GONE = 0
    CHANGED = -1
    THERE = -2


class Amended(IntEnum):
    """What became of the edit of a dead letter."""

    DONE = 1
    GONE = 0
    CHANGED = -1


class Skipped(IntEnum):
    """Why nothing was skipped; a positive number is how many were."""

    CHANGED = 0
    NO_RUN = -1
    RUN_OVER = -2


class Prioritized(IntEnum):
    """What became of another priority."""

    YES = 1
    BEFORE = 0
    NO_RUN = -1
    RUN_OVER = -2


class Submitted(IntEnum):
    """What became of a submission."""

    MADE = 1
    THERE = 0
    OTHER_FLOW = -1
    OTHER_INPUT = -2


class Ticked(IntEnum):
    """What became of a schedule's tick."""

    STARTED = 1
    THERE = 0
    OTHER_FLOW = -1
    OTHER_INPUT = -2
    TOO_LATE = -3


class Appended(IntEnum):
    """What became of an append."""

    TAKEN = 1
    NO_ROOM = 0
    NO_RUN = -1
    CLOSED = -2
    BEHIND = -3
    GAP = -4
    CANCELLED = -5
    DAMAGED = -6


class PausedRun(IntEnum):
    """What became of pausing a run."""

    YES = 1
    BEFORE = 0
    NO_RUN = -1
    DONE = -2
    CANCELLED = -3


class Resumed(IntEnum):
    """What became of resuming a run."""

    YES = 1
    HALTED = 2
    NOT_PAUSED = 0
    NO_RUN = -1
    DONE = -2
    CANCELLED = -3


class Cancelled(IntEnum):
    """What became of cancelling a run."""

    YES = 1
    BEFORE = 0
    NO_RUN = -1
    DONE = -2
    NAME_TAKEN = -4


@script
def commit(
    run: Key,
    results: Key,
    parked: Key,
    timers: Key,
    expiring: Key,
    room: Key,
    stream: Key,
    stages: Keys,
    run_id: Arg,
    now: Arg,
    entry: Arg,
    seq: Arg,
    done: Arg,
    emitted: Arg,
    busy: Arg,
    rest: Arg,
    continuation: Arg,
    ended: Arg,
    error: Arg,
    keep: Arg,
    results_limit: Arg,
    is_root: Arg,
    parks: Arg,
    deads: Arg,
    keeps: Arg,
    pieces: Arg,
    keyed: Arg,
    before: Arg,
    cast: Arg,
    payload: Args,
) -> None:
    """Commits what a worker did with one chunk."""


@script
def submit(
    run: Key,
    results: Key,
    runs: Key,
    stages: Keys,
    run_id: Arg,
    now: Arg,
    flow_name: Arg,
    stage_names: Arg,
    results_from: Arg,
    digest: Arg,
    leaves: Arg,
    closed: Arg,
    priority: Arg,
    position: Arg,
    results_limit: Arg,
    pieces: Arg,
    keyed: Arg,
    cast: Arg,
    payload: Args,
) -> None:
    """Makes a run, with its first records or none yet."""


@script
def tick(
    ticks: Key,
    run: Key,
    results: Key,
    runs: Key,
    stages: Keys,
    schedule: Arg,
    expected: Arg,
    noted: Arg,
    run_id: Arg,
    now: Arg,
    flow_name: Arg,
    stage_names: Arg,
    results_from: Arg,
    digest: Arg,
    leaves: Arg,
    closed: Arg,
    priority: Arg,
    position: Arg,
    results_limit: Arg,
    pieces: Arg,
    keyed: Arg,
    cast: Arg,
    payload: Args,
) -> None:
    """Starts the run of a schedule's tick, once."""


@script
def begin(ticks: Key, schedule: Arg, expected: Arg, noted: Arg) -> None:
    """Notes up to when a schedule is seen to."""


@script
def prioritize(run: Key, priority: Arg) -> None:
    """Gives a run another priority."""


@script
def append(
    run: Key,
    results: Key,
    room: Key,
    stages: Keys,
    run_id: Arg,
    position: Arg,
    count: Arg,
    closing: Arg,
    results_limit: Arg,
    pieces: Arg,
    keyed: Arg,
    cast: Arg,
    payload: Args,
) -> None:
    """Appends records to an open run at a position, or closes it."""


@script
def taken(
    run: Key,
    results: Key,
    stages: Keys,
    run_id: Arg,
    upto: Arg,
    position: Arg,
    bytes_read: Arg,
    results_limit: Arg,
    kept: Arg,
    keyed: Arg,
    cast: Arg,
    payload: Args,
) -> None:
    """Notes that a reader has taken results, and makes room where they need it."""


@script
def wake(
    timers: Key,
    quarantined: Key,
    counted: Key,
    places: Keys,
    reason: Arg,
    limit: Arg,
    items: Args,
) -> None:
    """Puts parked continuations back into their stages' streams."""


@script
def signal(
    run: Key,
    parked: Key,
    waits: Key,
    signals: Key,
    timers: Key,
    stream: Key,
    quarantined: Key,
    counted: Key,
    run_id: Arg,
    flow: Arg,
    name: Arg,
    member: Arg,
    answer: Arg,
    most: Arg,
    limit: Arg,
) -> None:
    """Gives an answer to the continuation that waits for it, or keeps it."""


@script
def reclaim(leases: Key, stream: Key, worker: Arg, now: Arg, count: Arg) -> None:
    """Puts back the pending entries of a worker whose lease has ended."""


@script
def giveback(stream: Key, consumer: Arg, entries: Args) -> None:
    """Returns entries that a worker has not worked on."""


@script
def quarantine(
    stream: Key,
    quarantined: Key,
    counted: Key,
    run: Key,
    parked: Key,
    results: Key,
    consumer: Arg,
    entry: Arg,
    reason: Arg,
    limit: Arg,
    field: Arg,
    text: Arg,
    books_field: Arg,
    error: Arg,
) -> None:
    """Sets an entry aside that is not ours or is damaged."""


@script
def displace(stream: Key, displaced: Key, quarantined: Key, counted: Key, limit: Arg) -> None:
    """Moves something else away that has the name of a stage's stream."""


@script
def revive(
    run: Key,
    runs: Key,
    dead: Key,
    letters: Key,
    stream: Key,
    run_id: Arg,
    now: Arg,
    flow_name: Arg,
    stage_names: Arg,
    results_from: Arg,
    digest: Arg,
    leaves: Arg,
    letter: Arg,
    text: Arg,
    envelope: Arg,
    books_field: Arg,
    missing: Args,
) -> None:
    """Makes a run of a dead letter."""


@script
def amend(letters: Key, letter: Arg, before: Arg, after: Arg) -> None:
    """Puts another text in the place of a dead letter's."""


@script
def discard(dead: Key, letters: Key, names: Args) -> None:
    """Drops dead letters."""


@script
def skip(
    run: Key, parked: Key, dead: Key, letters: Key, streams: Keys, now: Arg, last: Arg, items: Args
) -> None:
    """Sets the records aside that a run halted at."""


@script
def lease(leases: Key, workers: Key, worker: Arg, now: Arg, length: Arg, about: Arg) -> None:
    """Renews a worker's lease, or gives it up."""


@script
def pause(run: Key, held: Key, run_id: Arg) -> None:
    """Pauses a run."""


@script
def resume(run: Key, held: Key, streams: Keys, run_id: Arg, stages: Args) -> None:
    """Lets a paused run go on."""


@script
def cancel(
    run: Key,
    results: Key,
    parked: Key,
    room: Key,
    expiring: Key,
    held: Key,
    runs: Key,
    telling: Key,
    telling_stream: Key,
    others: Keys,
    run_id: Arg,
    now: Arg,
    keep: Arg,
    telling_id: Arg,
    telling_flow: Arg,
    envelope: Arg,
) -> None:
    """Cancels a run."""


@script
def hold(held: Key, field: Arg, value: Arg) -> None:
    """Holds a flow or a stage, or lets it go."""


@script
def rates(run: Key, text: Arg) -> None:
    """Notes the recent rates of a run's stages."""


@script
def admit(
    leases: Key,
    keys: Keys,
    run: Arg,
    worker: Arg,
    now: Arg,
    lanes: Arg,
    prefix: Arg,
    items: Arg,
    sources: Args,
) -> None:
    """Decides which of a chunk's next records may run now, by rates and limits."""


@script
def leave(keys: Keys, run: Arg, worker: Arg, now: Arg, admitted: Arg, sources: Args) -> None:
    """Frees the slots of records that were at work, and hands back permits not used."""
