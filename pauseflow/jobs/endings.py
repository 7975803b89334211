"""How jobs ended, of ours and of other code, read from what RQ has kept of them."""

from __future__ import annotations

import json
import re

from pauseflow import codec
from pauseflow.answer import Answer
from pauseflow.errors import MalformedData, NotSerializable
from pauseflow.jobs.serializer import encoded
from pauseflow.pause import JOB
from pauseflow.store.jobs import RqJob

LOST = "AbandonedJobError"
"""The error's type, RQ's own word, if it was not the job that failed: its worker is gone."""

NOT_HERE = "StageNotHere"
"""The error's type if the job's process had an app of another version, without the stage."""

STOPPED = "JobStopped"
CANCELED = "JobCanceled"
MISSING = "NoSuchJobError"
DIED = "JobDied"
"""The job's process ended in the middle of the job, and its worker saw it."""

_ENDED = {
    "": (MISSING, "RQ has no such job: it was deleted, or what it returned has expired"),
    "stopped": (STOPPED, "somebody stopped it"),
    "canceled": (CANCELED, "somebody canceled it"),
}
"""By RQ's status: what to say of a job that ended without saying anything."""

_LAST_LINE = re.compile(r"(?:[\w.]+\.)?(\w+)(?:: (.*))?", re.DOTALL)
_TRACEBACK = "Traceback (most recent call last)"
_TRACEBACK_CHARACTERS = 4_000


def ending_of(job_id: str, job: RqJob) -> Answer | None:
    """What to tell whoever waits for the job; None if it is not over.

    A result is given if it was written by `CodecSerializer` or by RQ's JSONSerializer. One that is
    pickled is never read: the answer then is None.

    Args:
        job_id: the job's id.
        job: what RQ says of it.
    """
    if job.status == "finished":
        return Answer("done", JOB + job_id, _result(job.returned))
    if job.status == "failed":
        return Answer.of_failed(job_id, *_failure(job.failure))
    if job.status in _ENDED:
        return Answer.of_failed(job_id, *_ENDED[job.status])
    if (job.abandoned or job.nowhere) and not job.retries_left:
        return Answer.of_failed(job_id, LOST, "the worker that had taken it is gone")
    # One with retries left RQ puts back itself, as soon as a worker looks after the queue.
    return None


def _result(returned: bytes | None) -> bytes:
    """What the job returned, encoded; the encoding of None if we don't read what it is in."""
    if returned is None:
        return codec.encode(None)
    try:
        return encoded(returned)
    except MalformedData:
        pass
    try:
        return codec.encode(json.loads(returned))
    except (ValueError, RecursionError, NotSerializable):
        return codec.encode(None)


def _failure(text: str) -> tuple[str, str, str]:
    """The type of the error, its text, and the traceback."""
    if not text.startswith(_TRACEBACK):
        kind = LOST if LOST in text else DIED
        return kind, text.strip().rstrip(";") or "RQ does not say why", ""
    last = next((line for line in reversed(text.splitlines()) if line[:1].strip()), "")
    found = _LAST_LINE.fullmatch(last)
    kind, message = (found[1], found[2] or "") if found else ("Exception", last)
    return kind, message, text[-_TRACEBACK_CHARACTERS:]
