"""Enqueuer: puts records into queues of RQ, each once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pauseflow.jobs.call import FAILED, PERFORM, STOPPED, SUCCEEDED, Call
from pauseflow.jobs.identity import JobKey
from pauseflow.jobs.serializer import CodecSerializer
from pauseflow.jobs.spec import FAILURE_TTL, JobSpec
from pauseflow.store.jobs import rq_client, rq_errors

if TYPE_CHECKING:
    from rq import Queue

    from pauseflow.store.server import Server

MOST_NUMBERS = 100
"""Jobs for one try of a record: they are numbered on when a person lets a halted run go on."""


class Enqueuer:
    """Puts the records of job stages into RQ's queues. For one thread at a time.

    Args:
        server: where the runs are, and RQ's queues too.
        namespace: of the runs.
    """

    def __init__(self, server: Server, namespace: str) -> None:
        self._server = server
        self.namespace = namespace
        self._queues: dict[str, Queue] = {}

    def put(self, call: Call, spec: JobSpec, number: int = 1) -> str:
        """Have the record worked on by RQ, unless it is already. Returns the job's id.

        A job that is there, but failed or was stopped, is not waited for: another one is made.

        Args:
            call: what the job is asked to do.
            spec: how.
            number: of the job among those for this try, if there were others before.

        Raises:
            StoreError: the server is gone, full, or denies it.
        """
        key = JobKey(
            call.namespace, call.flow, call.stage, call.run, call.ordinal, call.attempt, call.record
        )
        with rq_errors(self._server):
            for each in range(number, number + MOST_NUMBERS):
                job_id = key.id(each)
                if self._put(job_id, call, spec) or not self._is_dead(job_id, spec):
                    break
        return job_id

    def _put(self, job_id: str, call: Call, spec: JobSpec) -> bool:
        from rq import Callback, Retry  # noqa: PLC0415 # 50 ms that few workers need
        from rq.exceptions import DuplicateJobError  # noqa: PLC0415 # the same

        try:
            self._queue(spec.queue).enqueue_call(
                PERFORM,
                args=call.arguments(),
                timeout=spec.timeout,
                result_ttl=spec.result_ttl,
                failure_ttl=FAILURE_TTL,
                description=f"{call.flow}: {call.key}",
                job_id=job_id,
                retry=Retry(spec.retry) if spec.retry else None,
                on_success=Callback(SUCCEEDED),
                on_failure=Callback(FAILED),
                on_stopped=Callback(STOPPED),
                unique=True,
            )
        except DuplicateJobError:
            return False
        return True

    def _is_dead(self, job_id: str, spec: JobSpec) -> bool:
        from rq.exceptions import InvalidJobOperation  # noqa: PLC0415 # as above
        from rq.job import Job, JobStatus  # noqa: PLC0415 # as above

        queue = self._queue(spec.queue)
        job: Any = Job(job_id, connection=queue.connection, serializer=CodecSerializer)
        try:
            status = job.get_status()
        except InvalidJobOperation:  # it has gone in this moment
            return True
        return status in (JobStatus.FAILED, JobStatus.STOPPED, JobStatus.CANCELED)

    def _queue(self, name: str) -> Queue:
        from rq import Queue  # noqa: PLC0415 # as above

        queue = self._queues.get(name)
        if queue is None:
            client = rq_client(self._server)
            queue = self._queues[name] = Queue(name, connection=client, serializer=CodecSerializer)
        return queue
