"""Parked: what waits in a run, and what a test can do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from pauseflow.pause import JOB
from pauseflow.store.books import moment
from pauseflow.store.envelope import SIGNAL, ParkedChunk

SHOWN = 5


@dataclass(frozen=True, slots=True)
class Parked:
    """A record that waits, in an ordered stage with all that come after it.

    Attributes:
        run: the run's id.
        stage: the stage's name.
        key: the record's.
        why: `pause`, `signal`, `job`, `retry`, `rate`, `limit`, `failed`, `code` or `paused`.
        waits_for: the name of the signal, or the id of the job; None if it waits for neither.
        wake: when it goes on by itself, in UTC; None if it does not.
        note: more for a person: the error, say.
    """

    run: str
    stage: str
    key: str
    why: str
    waits_for: str | None
    wake: datetime | None
    note: str

    @classmethod
    def of(cls, run: str, field: str, chunk: ParkedChunk) -> Parked:
        """What is parked under a name in a run."""
        why, waits_for = chunk.why, None
        if why == SIGNAL:
            waits_for = chunk.note.removeprefix(JOB)
            why = "job" if chunk.note.startswith(JOB) else why
        if why == "turn":
            why = "limit"
        wake = moment(chunk.wake) if chunk.wake else None
        stage = field.rpartition(":")[0]
        note = "" if waits_for is not None else chunk.note
        return cls(run, stage, f"{run}:{field}", why, waits_for, wake, note)

    @property
    def wait(self) -> str | None:
        """What an answer has to name: the signal, or `job:` and the job's id."""
        return f"{JOB}{self.waits_for}" if self.why == "job" else self.waits_for

    def __str__(self) -> str:
        at = f"record {self.key}"
        until = f" (until {self.wake:%Y-%m-%d %H:%M:%S} UTC)" if self.wake else ""
        match self.why:
            case "signal":
                return (
                    f"{at} waits for signal {self.waits_for!r}{until}: "
                    f"flow_engine.signal({self.waits_for!r}, data)"
                )
            case "job":
                return (
                    f"{at} waits for job {self.waits_for!r}{until}: "
                    f"flow_engine.end_job({self.waits_for!r}, value)"
                )
            case "failed":
                last = self.note.strip().rpartition("\n")[2]
                return f"{at} failed: {last}"
            case "code":
                return f"{at} was paused by other code than this: {self.note}"
            case why:
                told = f", {self.note}" if self.note else ""
                return f"{at} waits ({why}{told}){until}: flow_engine.advance(...)"


def told(parked: Iterable[Parked]) -> str:
    """What waits, a line each; of many the first few."""
    lines = [f"  {each}" for each in parked]
    if len(lines) > SHOWN:
        lines[SHOWN:] = [f"  and {len(lines) - SHOWN} more"]
    return "\n".join(lines)
