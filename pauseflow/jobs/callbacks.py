"""What RQ calls when a job of ours is over: the run is told.

RQ calls these in the job's process, or, for a job that was stopped or abandoned, in its worker's.
They raise nothing: a run may be gone by now, and what can't be told now the coordinator finds.
"""

from __future__ import annotations

import logging
import traceback as tracebacks
from types import TracebackType
from typing import TYPE_CHECKING, Any

from pauseflow.answer import Answer
from pauseflow.errors import PauseflowError
from pauseflow.jobs.call import Call
from pauseflow.jobs.calling import runs_of
from pauseflow.jobs.endings import STOPPED
from pauseflow.jobs.performing import FILE

if TYPE_CHECKING:
    from rq.job import Job

TRACEBACK_CHARACTERS = 4_000
log = logging.getLogger(__name__)


def succeeded(job: Job, connection: Any, result: object) -> None:
    """Give the run what the job returned."""
    _tell(job, connection, lambda: Answer.of_done(job.id, result))


def failed(
    job: Job,
    connection: Any,
    kind: type[BaseException],
    error: BaseException,
    traceback: TracebackType | None,
) -> None:
    """Tell the run why the job failed, unless RQ runs it again by itself."""
    if job.should_retry:
        return
    text = "".join(tracebacks.format_exception(kind, error, _authors(traceback)))
    answer = Answer.of_failed(job.id, kind.__name__, str(error), text[-TRACEBACK_CHARACTERS:])
    _tell(job, connection, lambda: answer)


def stopped(job: Job, connection: Any) -> None:
    """Tell the run that somebody stopped the job."""
    answer = Answer.of_failed(job.id, STOPPED, "somebody stopped it")
    _tell(job, connection, lambda: answer)


def died(job: Job, connection: Any, error_type: str, message: str) -> None:
    """Tell the run that the job's process is gone. Called by our own worker, not by RQ."""
    _tell(job, connection, lambda: Answer.of_failed(job.id, error_type, message))


def _tell(job: Job, connection: Any, answer: Any) -> None:
    try:
        call = Call.of(list(job.args))
        with runs_of(call, connection) as runs:
            runs.deliver(call.run, answer())
    except PauseflowError as error:
        log.warning("job %s: its run was not told of its end: %s", job.id, error)
    except Exception:
        log.exception("job %s: its run was not told of its end", job.id)


def _authors(traceback: TracebackType | None) -> TracebackType | None:
    """The traceback from the author's function on."""
    here = found = traceback
    while here is not None:
        if here.tb_frame.f_code.co_filename == FILE:
            found = here.tb_next or here
        here = here.tb_next
    return found
