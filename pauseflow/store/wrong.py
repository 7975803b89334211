"""Wrong: what is wrong in a namespace, and what would put it right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Rewrite:
    """What a run has written down, as it would be right.

    Attributes:
        field: of the run's hash; `b:<stage>` for the books of a stage.
        before: as it is.
        after: as it would be.
    """

    field: str
    before: bytes
    after: bytes


@dataclass(frozen=True, slots=True)
class Push:
    """A stage that needs an empty chunk to go on.

    Attributes:
        stage: which.
        before: its books as they are.
    """

    stage: str
    before: bytes


@dataclass(frozen=True, slots=True)
class SetTimer:
    """A timer that is missing.

    Attributes:
        field: of the parked hash.
        wake: when it is due, ms since the epoch.
        head: how what is parked begins.
    """

    field: str
    wake: int
    head: str


@dataclass(frozen=True, slots=True)
class SetWait:
    """A wait that is missing.

    Attributes:
        field: of the parked hash.
        member: of the waits.
        head: how what is parked begins.
    """

    field: str
    member: str
    head: str


@dataclass(frozen=True, slots=True)
class DropWait:
    """A wait of nothing.

    Attributes:
        member: of the waits.
        field: of the parked hash.
        head: how what it stands for would begin.
    """

    member: bytes
    field: str
    head: str


@dataclass(frozen=True, slots=True)
class WatchJob:
    """A job that something waits for, and nobody looks at.

    Attributes:
        name: of the wait: `job:` and its id.
    """

    name: str


@dataclass(frozen=True, slots=True)
class Unpause:
    """What is parked for a pause that is over.

    Attributes:
        fields: of the parked hash.
    """

    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DropTimers:
    """Timers of nothing.

    Attributes:
        run: the run's id.
        members: of the timers, with their fields of the parked hash.
    """

    run: str
    members: tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class DropJobs:
    """Jobs that nothing waits for.

    Attributes:
        jobs: runs and ids of jobs.
    """

    jobs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Disown:
    """What is left of runs that are gone.

    Attributes:
        runs: their ids, with keys that are left.
    """

    runs: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class Expire:
    """Runs that are over, and that nobody would ever drop.

    Attributes:
        runs: their ids.
    """

    runs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DropDeaths:
    """Members of the dead without a letter.

    Attributes:
        keys: of the letters.
    """

    keys: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class ListLetters:
    """Letters that are not listed among the dead.

    Attributes:
        letters: their keys, and when they were written, ms since the epoch.
    """

    letters: tuple[tuple[bytes, int], ...]


@dataclass(frozen=True, slots=True)
class Reclaim:
    """A consumer without a lease that has chunks in hand.

    Attributes:
        stage: `<flow>:<stage>`, and `:high` or `:low`.
        worker: the consumer.
    """

    stage: str
    worker: str


@dataclass(frozen=True, slots=True)
class MakeGroup:
    """A stream without its consumer group.

    Attributes:
        stream: its key.
    """

    stream: str


Remedy: TypeAlias = (
    Rewrite
    | Push
    | SetTimer
    | SetWait
    | DropWait
    | WatchJob
    | Unpause
    | DropTimers
    | DropJobs
    | Disown
    | Expire
    | DropDeaths
    | ListLetters
    | Reclaim
    | MakeGroup
)


@dataclass(frozen=True, slots=True)
class Wrong:
    """Something that is wrong.

    Attributes:
        text: what, in words.
        remedy: what would put it right; None if nothing does.
        advice: what a person should do if nothing else puts it right.
        lost: records of the run are lost.
        harmless: it keeps nothing from getting on.
        passing: it may be so for a moment while all is well.
    """

    text: str
    remedy: Remedy | None = None
    advice: str = ""
    lost: bool = False
    harmless: bool = False
    passing: bool = False

    @property
    def what(self) -> Remedy | str:
        """The same whenever it is found again: its text may have a time or a number in it."""
        return self.remedy or self.text
