"""FlowJob: a job that can only be of ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rq.job import Job

from pauseflow.errors import MalformedData
from pauseflow.jobs import callbacks, performing
from pauseflow.jobs.call import FAILED, PERFORM, STOPPED, SUCCEEDED


class FlowJob(Job):
    """A job that calls nothing but `perform`, and has no callbacks but ours.

    RQ imports the functions that a job names, from whatever is in Redis. A worker with this class
    does not: `flowctl jobs` has it, and `rq worker --job-class pauseflow.jobs.flowjob.FlowJob`.
    """

    @property
    def func(self) -> Callable[..., Any]:
        """What the job calls.

        Raises:
            MalformedData: it names something else than `perform`.
        """
        if self.func_name != PERFORM or self.instance is not None:
            raise MalformedData(
                f"job {self.id} names the function {self.func_name!r}, and this worker runs "
                f"nothing but the job stages of its app. Run jobs of other code with RQ's own "
                f"worker, from queues of their own"
            )
        return performing.perform

    @property
    def success_callback(self) -> Callable[..., Any] | None:
        """What is called when the job has returned."""
        return callbacks.succeeded if self._success_callback_name == SUCCEEDED else None

    @property
    def failure_callback(self) -> Callable[..., Any] | None:
        """What is called when the job has failed."""
        return callbacks.failed if self._failure_callback_name == FAILED else None

    @property
    def stopped_callback(self) -> Callable[..., Any] | None:
        """What is called when somebody has stopped the job."""
        return callbacks.stopped if self._stopped_callback_name == STOPPED else None
