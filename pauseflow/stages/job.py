"""Runs job stages: gives records to RQ, and puts what comes back in order."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from pauseflow import codec
from pauseflow.answer import Answer
from pauseflow.errors import JobFailed, ServerFull, ServerUnreachable, StoreError
from pauseflow.graph import Stage
from pauseflow.jobs.call import Call
from pauseflow.jobs.endings import LOST, NOT_HERE
from pauseflow.jobs.enqueuing import Enqueuer
from pauseflow.jobs.identity import number_of
from pauseflow.jobs.spec import JobSpec
from pauseflow.pause import JOB, PauseFlow
from pauseflow.stages.frame import Frame
from pauseflow.stages.runner import Runner, failed, rest_of
from pauseflow.stages.work import DONE, SLICED, Budget, End, Failed, Outcome, Parked, Paused, Work

AHEAD = 32
"""Records of a chunk that are with RQ at the same time."""

MOST_JOBS = 3
"""A record whose worker was lost so many times has failed, as one has that takes down our own."""

SERVER_SECONDS = 1.0
"""Until the next try, when the server takes nothing."""

if TYPE_CHECKING:
    from pauseflow.store.server import Server

OTHER_CODE_SECONDS = 10.0
"""Until the next try, when the job met a process of older or newer code."""

log = logging.getLogger(__name__)


class JobRunner(Runner):
    """Has the stage's function run by RQ's workers. Nothing of the author's runs here.

    An ordered stage waits for the first of its records; those behind it are with RQ meanwhile. Of
    an unordered one each record waits on its own.
    """

    def __init__(self, stage: Stage, flow_name: str, enqueuer: Enqueuer | None = None) -> None:
        super().__init__(stage, flow_name)
        self._spec = stage.job or JobSpec()
        self._enqueuer = enqueuer

    def connect(self, server: Server, namespace: str) -> None:
        """Put records into queues of this server."""
        self._enqueuer = Enqueuer(server, namespace)

    def run(self, work: Work, budget: Budget) -> Outcome:
        """Run as much of the work as there are answers for, and ask for the others."""
        part = _Part(work)
        try:
            part.outcome.end = self._run(part, budget)
        except (ServerUnreachable, ServerFull) as error:
            log.warning("%s.%s: %s; trying again", self.flow_name, self.stage.name, error)
            part.outcome.end = Paused(PauseFlow(after=SERVER_SECONDS))
        except Exception as error:  # noqa: BLE001 # a damaged frame, or rights that are missing
            part.outcome.end = failed(error)
        part.outcome.frames = rest_of(part.frames, part.outcome.consumed)
        return part.outcome

    def _run(self, part: _Part, budget: Budget) -> End:
        outcome, work = part.outcome, part.work
        for index, item in enumerate(work.items):
            if budget.stopping:
                return SLICED
            if type(item) is codec.Marker:
                outcome.outputs.append(item)
                outcome.marked = True
            else:
                end = self._record(part, index, budget)
                if end is not None:
                    return end
            outcome.consumed = index + 1
        return DONE

    def _record(self, part: _Part, index: int, budget: Budget) -> End | None:
        """Deal with one record; the end of the slice, or None if the next one may follow."""
        work = part.work
        answer = work.answer if index == 0 else None
        frame = part.frame(index, self.stage.name)
        if frame is not None and answer is not None and answer.name == frame.waits:
            if answer.kind == "done":
                part.outcome.outputs.append(answer.value())
                return None
            error = _error_of(answer)
            number = number_of(error.job)
            if error.error_type == NOT_HERE:
                part.frames[index] = Frame(emitted=number).to_bytes()
                log.warning("%s; asking again in %g s", error, OTHER_CODE_SECONDS)
                return self._stand(part, index, PauseFlow(after=OTHER_CODE_SECONDS), budget)
            if error.error_type != LOST or number >= frame.emitted + MOST_JOBS:
                # The next try is another job: RQ may not have put this one away yet.
                part.frames[index] = Frame(emitted=number).to_bytes()
                return Failed(error)
            self._ask(part, index, number + 1)
        elif frame is None or frame.waits is None:
            self._ask(part, index)
        return self._wait(part, index, budget)

    def _wait(self, part: _Part, index: int, budget: Budget) -> End | None:
        frame = part.frame(index, self.stage.name) or Frame()
        if self.stage.ordered:
            self._ask_ahead(part, index + 1, budget)
        return self._stand(part, index, PauseFlow.waiting(frame.waits or "", None), budget)

    def _stand(self, part: _Part, index: int, pause: PauseFlow, budget: Budget) -> End | None:
        """Leave the record at this pause: the whole chunk, or it alone."""
        if self.stage.ordered:
            return Paused(pause)
        part.outcome.parked.append(Parked(index, part.frames[index], pause))
        spent = index + 1 < len(part.work.items) and budget.spent(len(part.outcome.parked))
        if spent:
            part.outcome.consumed = index + 1
            return SLICED
        return None

    def _ask_ahead(self, part: _Part, first: int, budget: Budget) -> None:
        items = part.work.items
        for index in range(first, min(first + AHEAD - 1, len(items))):
            if budget.stopping:
                return
            if index not in part.frames and type(items[index]) is not codec.Marker:
                try:
                    self._ask(part, index)
                except StoreError as error:
                    # The first of them is with RQ: the others are asked for when it is back.
                    log.warning("%s.%s: %s", self.flow_name, self.stage.name, error)
                    return

    def _ask(self, part: _Part, index: int, number: int | None = None) -> None:
        """Give the record to RQ, and note for which job it waits.

        Args:
            part: the slice.
            index: of the record.
            number: of the job among the record's; None for the first one of this try. A frame's
                `emitted` is the number of the last one before this try.
        """
        frame = part.frame(index, self.stage.name) or Frame()
        work = part.work
        if self._enqueuer is None:
            raise RuntimeError(f"job stage {self.stage.name!r} runs without a server")
        call = Call(
            self._enqueuer.namespace,
            work.run,
            self.flow_name,
            self.stage.name,
            work.ordinal + index,
            0 if index else work.failures,
            codec.encode(work.items[index]),
            "" if index else work.origin,
        )
        job_id = self._enqueuer.put(call, self._spec, number or frame.emitted + 1)
        part.frames[index] = Frame(emitted=frame.emitted, waits=JOB + job_id).to_bytes()


class _Part:
    """A slice of a chunk: its frames as they are now, and what came of it."""

    __slots__ = ("frames", "outcome", "work")

    def __init__(self, work: Work) -> None:
        self.work = work
        self.frames = dict(work.frames)
        self.outcome = Outcome([], marked=False, consumed=0)

    def frame(self, index: int, stage: str) -> Frame | None:
        data = self.frames.get(index)
        return None if data is None else Frame.from_bytes(data).without_series(stage)


def _error_of(answer: Answer) -> JobFailed:
    """The failure that the answer tells of."""
    try:
        answer.value()
    except JobFailed as error:
        return error
    raise TypeError(f"an answer of kind {answer.kind!r} is none to a job")
