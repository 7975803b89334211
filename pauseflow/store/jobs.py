"""RQ's side of the server: connections for it, and what it says of its jobs.

What is read here is read from RQ's keys as bytes, so that nothing in them is ever unpickled.
"""

from __future__ import annotations

import contextlib
import os
import zlib
from base64 import b64decode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import redis
from redis.exceptions import RedisError

from pauseflow.errors import StoreError
from pauseflow.store.server import Reply, Server, Wire, in_our_words

PREFIX = os.environ.get("RQ_KEY_PREFIX", "rq")
"""Of all of RQ's keys; RQ itself reads the same variable."""

_FIELDS = ("status", "origin", "enqueued_at", "created_at", "retries_left")
SUCCESSFUL = b"1"
"""How RQ marks a result that was returned, rather than an error."""

NO_TRACEBACK_LONGER = 1 << 20


def rq_client(server: Server) -> redis.Redis:
    """A client as RQ wants it, which makes its own connections to the server."""
    return redis.Redis(connection_pool=server._pool)  # noqa: SLF001 # of the same package


def server_of(client: Any) -> Server:
    """The server that a client of RQ's is connected to."""
    pool = client.connection_pool
    options = {**pool.connection_kwargs, "protocol": 2, "decode_responses": False}
    return Server(
        redis.ConnectionPool(connection_class=pool.connection_class, **options), "RQ's server"
    )


@contextlib.contextmanager
def rq_errors(server: Server) -> Iterator[None]:
    """RQ lets the client library's errors through: inside this block they are ours.

    Raises:
        StoreError: in place of an error of the client library.
    """
    try:
        yield
    except (RedisError, OSError) as error:
        raise in_our_words(error, server.address) from None


@dataclass(frozen=True, slots=True)
class RqJob:
    """What RQ says of a job.

    Attributes:
        status: RQ's word, such as `queued`; empty if there is no such job.
        queue: its queue.
        age: seconds since it was put there.
        retries_left: how often RQ will still run it again if it fails.
        returned: what it returned, as its serializer wrote it; None for None.
        failure: its traceback, or what RQ said in place of one.
        abandoned: it was begun, and its worker has not been heard of for too long.
        nowhere: it is said to be queued, and is not in the queue, nor being worked on.
    """

    status: str = ""
    queue: str = ""
    age: float = 0.0
    retries_left: int = 0
    returned: bytes | None = None
    failure: str = ""
    abandoned: bool = False
    nowhere: bool = False


class RqJobs:
    """Looks at jobs, ours and those of other code.

    Args:
        wire: a connection of the caller's thread.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def look(self, ids: Sequence[str], now: float) -> list[RqJob]:
        """What RQ says of these jobs, in their order.

        Args:
            ids: of jobs.
            now: seconds since the epoch.

        Raises:
            StoreError: the server is gone, or doesn't let us see RQ's keys.
        """
        heads = self._wire.exchange([("HMGET", f"{PREFIX}:job:{each}", *_FIELDS) for each in ids])
        return [self._one(each, head, now) for each, head in zip(ids, heads, strict=True)]

    def _one(self, job_id: str, head: Reply, now: float) -> RqJob:
        try:
            if isinstance(head, StoreError):
                raise head
            return self._read(job_id, head, now)
        except StoreError as error:
            if type(error) is not StoreError:
                raise
            return RqJob()  # its keys are of other types than RQ's: it is no job

    def _read(self, job_id: str, head: Sequence[bytes | None], now: float) -> RqJob:
        status, queue, enqueued, created, retries = [_text(field) for field in head]
        if not status and not queue and not created:
            return RqJob()
        begun = _moment(enqueued) or _moment(created)
        age = max(now - begun, 0.0) if begun else 0.0
        left = int(retries) if retries.isdecimal() else 0
        job = RqJob(status or "created", queue, age, left)
        match status:
            case "finished":
                return self._with_result(job, job_id)
            case "failed" | "stopped":
                return self._with_result(job, job_id)
            case "started":
                return self._with_worker(job, job_id, now)
            case "queued":
                return self._with_place(job, job_id)
            case _:
                return job

    def _with_result(self, job: RqJob, job_id: str) -> RqJob:
        """The job with its latest result."""
        newest = self._call("XREVRANGE", f"{PREFIX}:results:{job_id}", "+", "-", "COUNT", 1)
        if not newest:
            return job
        words = newest[0][1]
        fields = dict(zip(words[::2], words[1::2], strict=True))
        returned = None
        if fields.get(b"type") == SUCCESSFUL and b"return_value" in fields:
            with contextlib.suppress(ValueError):
                returned = b64decode(fields[b"return_value"], validate=True)
        failure = _inflated(fields.get(b"exc_string", b""))
        return RqJob(job.status, job.queue, job.age, job.retries_left, returned, failure)

    def _with_worker(self, job: RqJob, job_id: str, now: float) -> RqJob:
        """The job, and whether whoever works on it is alive."""
        executions = self._call("ZRANGE", f"{PREFIX}:executions:{job_id}", 0, -1)
        names = [job_id, *(f"{job_id}:{_text(each)}" for each in executions)]
        ends = self._wire.call_all(
            [("ZSCORE", f"{PREFIX}:wip:{job.queue}", name) for name in names]
        )
        if any(end is not None and float(end) > now for end in ends):
            return job
        # It may have ended since its status was read.
        still = _text(self._call("HGET", f"{PREFIX}:job:{job_id}", "status")) == "started"
        return RqJob(job.status, job.queue, job.age, job.retries_left, abandoned=still)

    def _with_place(self, job: RqJob, job_id: str) -> RqJob:
        """The job, and whether it is anywhere where a worker could find it.

        A worker that is killed between taking a job from its queue and beginning it leaves it
        nowhere. The queue is searched only if its first job is a later one than this.
        """
        queue = f"{PREFIX}:queue:{job.queue}"
        first = self._call("LINDEX", queue, 0)
        if first is not None:
            if _text(first) == job_id:
                return job
            head = self._call("HMGET", f"{PREFIX}:job:{_text(first)}", "enqueued_at", "status")
            mine = self._call("HGET", f"{PREFIX}:job:{job_id}", "enqueued_at")
            if _moment(_text(head[0])) <= _moment(_text(mine)):
                return job
            if self._call("LPOS", queue, job_id) is not None:
                return job
        if self._call("ZRANGE", f"{PREFIX}:executions:{job_id}", 0, 0):
            return job
        return RqJob(job.status, job.queue, job.age, job.retries_left, nowhere=True)

    def _call(self, *command: str | bytes | float) -> Reply:
        return self._wire.call(command)


def _text(field: bytes | None) -> str:
    return "" if field is None else field.decode("utf-8", "replace")


def _moment(text: str) -> float:
    """Seconds since the epoch, as RQ writes a time; 0 if it is none."""
    with contextlib.suppress(ValueError):
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return 0.0


def _inflated(field: bytes) -> str:
    with contextlib.suppress(ValueError, zlib.error):
        return (
            zlib.decompressobj()
            .decompress(b64decode(field), NO_TRACEBACK_LONGER)
            .decode("utf-8", "replace")
        )
    return ""
