"""JobDesk: job stages without RQ: their functions are called here, in this process and at once."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from pauseflow.answer import Answer
from pauseflow.graph import Graph
from pauseflow.jobs.call import Call
from pauseflow.jobs.enqueuing import Enqueuer
from pauseflow.jobs.identity import JobKey
from pauseflow.stages.job import JobRunner

if TYPE_CHECKING:
    from pauseflow.jobs.spec import JobSpec
    from pauseflow.store.server import Server

TRACEBACK_CHARACTERS = 4_000


class JobDesk(Enqueuer):
    """Takes the records of job stages, each once, until they are worked off.

    Args:
        namespace: of the runs.
    """

    def __init__(self, namespace: str = "default") -> None:
        self.namespace = namespace
        self._known: set[str] = set()
        self._waiting: list[tuple[str, Call, JobSpec]] = []

    def put(self, call: Call, spec: JobSpec, number: int = 1) -> str:
        """Take a record, unless it was here before. Returns the job's id."""
        job_id = JobKey(
            call.namespace, call.flow, call.stage, call.run, call.ordinal, call.attempt, call.record
        ).id(number)
        if job_id not in self._known:
            self._known.add(job_id)
            self._waiting.append((job_id, call, spec))
        return job_id

    def work_off(self, graphs: Iterable[Graph], deliver: Callable[[str, Answer], object]) -> int:
        """Call the functions of all jobs that wait. Returns how many there were.

        Args:
            graphs: the flows whose stages they are.
            deliver: is given each run's id, and the end of its job.
        """
        waiting, self._waiting = self._waiting, []
        by_name = {graph.name: graph for graph in graphs}
        for job_id, call, spec in waiting:
            deliver(call.run, _end(by_name[call.flow], job_id, call, spec))
        return len(waiting)


class DeskRunner(JobRunner):
    """A job stage that gives its records to a desk."""

    def connect(self, server: Server, namespace: str) -> None:
        """Nothing: the desk is here already."""


def _end(graph: Graph, job_id: str, call: Call, spec: JobSpec) -> Answer:
    from pauseflow.jobs.performing import carry_out  # noqa: PLC0415 # imports all of rq

    tries = spec.retry + 1
    while True:
        tries -= 1
        try:
            return Answer.of_done(job_id, carry_out(graph[call.stage], call))
        except Exception as error:  # noqa: BLE001 # whatever the author's function raises
            if not tries:
                text = "".join(traceback.format_exception(error))[-TRACEBACK_CHARACTERS:]
                return Answer.of_failed(job_id, type(error).__name__, str(error), text)
