"""RqWorker: RQ's worker, as it suits jobs of flows."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Sequence
from types import FrameType
from typing import Any
from uuid import uuid4

from rq import Queue, Worker
from rq.job import Job

from pauseflow.jobs import callbacks
from pauseflow.jobs.endings import DIED, LOST
from pauseflow.jobs.flowjob import FlowJob
from pauseflow.jobs.serializer import CodecSerializer

MONITORING_SECONDS = 5
"""Between two signs of life of a job that is running."""

SIGN_OF_LIFE_SECONDS = 30
"""A job whose worker gave none for so long is lost, and begun anew elsewhere."""

MAINTENANCE_SECONDS = 30


log = logging.getLogger(__name__)


class RqWorker(Worker):
    """A worker that says at once when the process of a job is gone, and doesn't wait for ever.

    Args:
        queues: the names of the queues, the most urgent first.
        connection: RQ's connection to the server.
        patience: seconds that the job at work gets on SIGTERM, before its process is ended and the
            job goes to another worker.

    Attributes:
        told_to_stop: on SIGTERM or SIGINT.
    """

    def __init__(self, queues: Sequence[str], *, connection: Any, patience: float) -> None:
        self._patience = patience
        self._leaving = False
        self.told_to_stop = False
        host = os.environ.get("DYNO") or socket.gethostname()
        super().__init__(
            list(queues),
            name=f"{host}.{os.getpid()}.{uuid4().hex[:8]}",
            connection=connection,
            serializer=CodecSerializer,
            job_class=FlowJob,
            maintenance_interval=MAINTENANCE_SECONDS,
            job_monitoring_interval=MONITORING_SECONDS,
        )

    def get_heartbeat_ttl(self, job: Job, working_time: float = 0.0) -> int:
        """How long the job counts as alive after this sign of life."""
        return min(super().get_heartbeat_ttl(job, working_time), SIGN_OF_LIFE_SECONDS)

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Have the job done in a process of its own, and say so."""
        began = time.monotonic()
        log.info("begins %s (job %s)", job.description, job.id)
        super().execute_job(job, queue)
        log.info("ended %s after %.1f s", job.description, time.monotonic() - began)

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """End when the job at work is done, or its patience is at an end. Called on SIGTERM."""
        # First: without a job at work, the call below ends the worker.
        self.told_to_stop = True
        timer = threading.Timer(self._patience, self._leave)
        timer.daemon = True
        timer.start()
        super().request_stop(signum, frame)  # type: ignore[no-untyped-call]

    def handle_work_horse_killed(self, job: Job, retpid: int, ret_val: int, rusage: Any) -> None:
        """Tell the run that the job's process is gone. Called before RQ puts the job away."""
        super().handle_work_horse_killed(job, retpid, ret_val, rusage)  # type: ignore[no-untyped-call]
        if self._leaving:
            job.retries_left = None  # the run has it done again: it is not for RQ to do so, too
            callbacks.died(job, self.connection, LOST, "its worker was stopped in the midst of it")
        elif not job.should_retry:
            callbacks.died(job, self.connection, DIED, _how_it_ended(ret_val))

    def _leave(self) -> None:
        self._leaving = True
        if self.horse_pid:
            self.kill_horse()


def _how_it_ended(status: int) -> str:
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        name = signal.Signals(number).name if number in set(signal.Signals) else str(number)
        hint = ", perhaps for want of memory" if name == "SIGKILL" else ""
        return f"its process was killed by {name}{hint}"
    return f"its process ended with exit code {os.WEXITSTATUS(status)} in the midst of it"
