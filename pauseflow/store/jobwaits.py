"""JobWaits: which records of a namespace wait for jobs, and when to look at these next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pauseflow.errors import StoreError
from pauseflow.pause import JOB
from pauseflow.store.keys import ANY_RUN_ID, Keys
from pauseflow.store.scripts import Command
from pauseflow.store.server import Wire


@dataclass(frozen=True, slots=True)
class JobWait:
    """A job that records of a run wait for, or have waited for.

    Attributes:
        run: the run's id.
        job: the job's id.
    """

    run: str
    job: str

    @property
    def member(self) -> str:
        """Its name among the jobs that are looked at."""
        return f"{self.run} {JOB}{self.job}"


class JobWaits:
    """The jobs that the runs of a namespace wait for.

    Args:
        keys: the namespace's keys.
        wire: a connection of the caller's thread.
    """

    def __init__(self, keys: Keys, wire: Wire) -> None:
        self._keys = keys
        self._wire = wire

    def due(self, now_ms: int, until_ms: int, limit: int) -> list[JobWait]:
        """Those to look at now, at most so many. They are left alone by others meanwhile.

        Those that nothing waits for any more are forgotten.

        Args:
            now_ms: the time, ms since the epoch.
            until_ms: when they are due again if nobody says otherwise.
            limit: how many.
        """
        key = self._keys.jobs
        found = self._wire.call(("ZRANGEBYSCORE", key, "-inf", now_ms, "LIMIT", 0, limit))
        waits, foreign = [], []
        for member in found:
            run, _, name = member.decode("utf-8", "replace").partition(" ")
            if name.startswith(JOB) and "\ufffd" not in name and ANY_RUN_ID.fullmatch(run):
                waits.append(JobWait(run, name[len(JOB) :]))
            else:
                foreign.append(member)
        if foreign:
            self._wire.call(("ZREM", key, *foreign))
        claims: list[Command] = []
        for wait in waits:
            claims.append(("ZADD", key, "XX", "GT", "CH", until_ms, wait.member))
            claims.append(self._awaited(wait))
        replies = self._wire.exchange(claims) if claims else []
        mine = []
        for wait, claimed, awaited in zip(waits, replies[::2], replies[1::2], strict=True):
            if isinstance(claimed, StoreError):
                raise claimed
            if isinstance(awaited, StoreError):  # something else has the name of the run's waits
                self._wire.call(("ZREM", key, wait.member))
            elif not awaited:
                self.forget(wait, until_ms)
            elif claimed:
                mine.append(wait)
        return mine

    def look_again(self, waits: Sequence[tuple[JobWait, int]]) -> None:
        """Say when to look at each of them next, ms since the epoch."""
        key = self._keys.jobs
        self._wire.call_all([("ZADD", key, "XX", at, wait.member) for wait, at in waits])

    def forget(self, wait: JobWait, at_ms: int) -> None:
        """Look at the job no more, unless a record has begun to wait for it again.

        Args:
            wait: the job.
            at_ms: when to look at it if one has.
        """
        _, awaited = self._wire.call_all(
            [("ZREM", self._keys.jobs, wait.member), self._awaited(wait)]
        )
        if awaited:
            self._wire.call(("ZADD", self._keys.jobs, "NX", at_ms, wait.member))

    def _awaited(self, wait: JobWait) -> Command:
        """Reads the first wait of the run for this job."""
        waits = self._keys.run(wait.run).waits
        name = JOB + wait.job
        return ("ZRANGEBYLEX", waits, f"[{name}\n", f"({name}\v", "LIMIT", 0, 1)
