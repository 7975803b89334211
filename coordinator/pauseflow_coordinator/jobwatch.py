"""JobWatch: finds the jobs that are over and whose runs were not told."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from pauseflow.errors import ServerRefused
from pauseflow.jobs.endings import ending_of
from pauseflow.store.jobs import RqJob, RqJobs
from pauseflow.store.jobwaits import JobWait, JobWaits
from pauseflow.store.runs import Runs

AT_ONCE = 100
EVERY_SECONDS = 0.5

SOONEST_SECONDS = 2.0
LATEST_SECONDS = 30.0
SHARE = 0.25
"""Of its age a job is left alone until the next look: the longer it lasts, the rarer the looks."""

NOWHERE_SECONDS = 10.0
"""A job is in no queue for a moment whenever a worker begins it."""

log = logging.getLogger(__name__)


class JobWatch:
    """Looks at the jobs that records wait for, in RQ, and tells their runs of those that are over.

    Jobs of job stages tell it themselves; those of other code don't, nor do any whose worker was
    killed, or that were deleted.

    Args:
        waits: which records wait for which jobs.
        jobs: what RQ says of them.
        runs: whom to tell.
        clock: seconds since the epoch.
    """

    name = "job watch"
    every = EVERY_SECONDS

    def __init__(
        self,
        waits: JobWaits,
        jobs: RqJobs,
        runs: Runs,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._waits = waits
        self._jobs = jobs
        self._runs = runs
        self._clock = clock
        self._nowhere: dict[str, float] = {}

    def run_once(self) -> int:
        """Looks at some jobs that are due. Returns how many runs were told of an end."""
        now = self._clock()
        until = _ms(now + LATEST_SECONDS)
        waits = self._waits.due(_ms(now), until, AT_ONCE)
        self._forget_old(now)
        if not waits:
            return 0
        try:
            jobs = self._jobs.look([wait.job for wait in waits], now)
        except ServerRefused as error:  # the other services have the rights that they need
            log.warning("runs wait for jobs that can't be looked at (see docs/jobs.md): %s", error)
            return 0
        later: list[tuple[JobWait, int]] = []
        told = 0
        for wait, job in zip(waits, jobs, strict=True):
            answer = None if self._may_turn_up(wait, job, now) else ending_of(wait.job, job)
            if answer is None:
                pause = min(max(job.age * SHARE, SOONEST_SECONDS), LATEST_SECONDS)
                later.append((wait, _ms(now + pause)))
                continue
            self._runs.deliver(wait.run, answer, broadcast=True)
            self._waits.forget(wait, until)
            if answer.kind == "failed":
                log.warning("job %s, which run %s waits for, is %s", wait.job, wait.run, _how(job))
            told += 1
        self._waits.look_again(later)
        return told

    def _may_turn_up(self, wait: JobWait, job: RqJob, now: float) -> bool:
        """Whether the job is nowhere to be found, but not for long enough to be called lost."""
        if not job.nowhere:
            self._nowhere.pop(wait.job, None)
            return False
        return now - self._nowhere.setdefault(wait.job, now) < NOWHERE_SECONDS

    def _forget_old(self, now: float) -> None:
        oldest = now - 10 * LATEST_SECONDS
        for job in [job for job, since in self._nowhere.items() if since < oldest]:
            del self._nowhere[job]


def _how(job: RqJob) -> str:
    if job.abandoned or job.nowhere:
        return "lost: its worker is gone"
    return job.status or "not there any more"


def _ms(seconds: float) -> int:
    return int(seconds * 1000)
