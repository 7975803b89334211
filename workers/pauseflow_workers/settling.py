"""What becomes of the records that a slice did not finish: they go on, wait, or are set aside."""

from __future__ import annotations

import logging
import random
import time
import traceback
from typing import assert_never

from pauseflow import codec
from pauseflow.context import Place, place
from pauseflow.errors import (
    ForeignFrame,
    JobFailed,
    NotSerializable,
    PauseflowError,
    StageTimeout,
)
from pauseflow.failing import HALT, Dead, Decision, Fallback, Halt, Retry
from pauseflow.graph import Kind, Stage
from pauseflow.pause import PauseFlow
from pauseflow.stages import Done, Failed, Outcome, Parked, Paused, Sliced, Work
from pauseflow.stages.frame import Frame, origin_in
from pauseflow.stages.runner import end_of_series, failed
from pauseflow.stages.state import State
from pauseflow.stages.work import DONE, SLICED
from pauseflow.store.chunks import DeadLetter, Park, Result
from pauseflow.store.envelope import SIGNAL, Envelope, ParkedChunk
from pauseflow.store.letters import Letter
from pauseflow.store.pieces import item_bytes
from pauseflow_workers.colleagues import Colleagues
from pauseflow_workers.gate import Refused

NOTE_CHARACTERS = 4_000

log = logging.getLogger(__name__)


class CrashedWorker(PauseflowError):
    """A record took down every worker that had it in hand."""


class Settling:
    """Settles one slice of a chunk, in two steps around the packing of its outputs.

    Args:
        flow: the flow's name.
        stage: the stage.
        work: what was run.
        envelope: the chunk.
        outcome: what came of it. `failure` changes it.
        colleagues: what the other workers can run.
    """

    def __init__(
        self,
        flow: str,
        stage: Stage,
        work: Work,
        envelope: Envelope,
        outcome: Outcome,
        colleagues: Colleagues,
    ) -> None:
        self._flow = flow
        self._stage = stage
        self._work = work
        self._envelope = envelope
        self._outcome = outcome
        self._colleagues = colleagues
        self._now = time.time()
        self._dead: list[DeadLetter] = []
        self._retry_in: float | None = None
        self._to_give = 0
        """What the record gave in this slice before it failed is committed first, one by one."""

    def failure(self) -> None:
        """First: what becomes of a record that failed. May add to the outputs."""
        outcome = self._outcome
        if not isinstance(outcome.end, Failed):
            return
        error = outcome.end.error
        if isinstance(error, ForeignFrame):
            return
        decision: Decision | None = self._decide(error)
        if outcome.end.taken_back and (outcome.consumed or self._work.failures >= 0):
            decision, self._to_give = Retry(0.0), outcome.end.taken_back
        if isinstance(decision, Fallback):
            decision = self._fall_back(error, decision)
        match decision:
            case None:
                self._pass_over()
            case Retry(seconds):
                self._retry(seconds, error)
            case Dead():
                self._set_aside(error)
                self._pass_over()
            case Halt():
                pass  # `rest` sees to it
            case Fallback():  # pragma: no cover # resolved above
                raise AssertionError(decision)
            case _:
                assert_never(decision)

    def rest(self, result: Result) -> None:
        """Then: what goes on, and what waits for what."""
        outcome = self._outcome
        result.dead = self._dead
        for parked in outcome.parked:
            self._park_alone(parked, result)
        match outcome.end:
            case Done():
                pass
            case Sliced():
                result.rest = self._left()
            case Paused(pause):
                self._pause(pause, result)
            case Failed(error):
                self._failed(error, result)
            case _:
                assert_never(outcome.end)

    # -- failures

    def _decide(self, error: BaseException) -> Decision:
        if isinstance(error, CrashedWorker):
            return Dead()
        decision = self._stage.failing.decide(error, self._failures(), random.random)
        if isinstance(decision, Retry) or self._outcome.consumed < len(self._work.items):
            return decision
        return HALT  # a fold at the end of its run: there is no record to go on without

    def _failures(self) -> int:
        """How often the record had failed before, without getting any further since."""
        return 0 if self._outcome.consumed else max(self._work.failures, 0)

    def _failed_again(self) -> int:
        """What is written down of the failures of the record that failed now."""
        return -self._to_give if self._to_give else self._failures() + 1

    def _fall_back(self, error: BaseException, fallback: Fallback) -> Halt | Dead | None:
        """Put the author's replacement among the outputs; None if that went well."""
        outcome = self._outcome
        record = self._work.items[outcome.consumed]
        ordinal = self._work.ordinal + outcome.consumed
        here = Place(
            flow=self._flow, stage=self._stage.name, run_id=self._work.run,
            attempt=self._failures() + 1, first=ordinal,
        )  # fmt: skip
        token = place.set(here)
        try:
            value = fallback.make(error, record)
            codec.encode(value)
        except BaseException as again:  # noqa: BLE001 # SystemExit too must not end the worker
            outcome.end = failed(again)
            return self._stage.failing.last()
        finally:
            place.reset(token)
        frame = outcome.frames.get(0)
        if frame is not None:
            outcome.outputs.extend(Frame.from_bytes(frame).held)
        outcome.outputs.append(value)
        if self._stage.kind is Kind.BRANCH and self._stage.marks:
            outcome.outputs.append(end_of_series(self._stage, record, ordinal))
            outcome.marked = True
        return None

    def _pass_over(self) -> None:
        """The failed record is dealt with: the next one is the first of the rest."""
        outcome = self._outcome
        outcome.consumed += 1
        outcome.frames = {at - 1: frame for at, frame in outcome.frames.items() if at}
        outcome.end = SLICED if outcome.consumed < len(self._work.items) else DONE

    def _retry(self, seconds: float, error: BaseException) -> None:
        if not self._to_give:
            log.warning(
                "record %s: %s; it is tried again in %.3g s", self._key(), _said(error), seconds
            )
        if self._stage.ordered:
            self._retry_in = seconds
            return
        # Its neighbours go on, in an unordered stage.
        index = self._outcome.consumed
        frame = self._outcome.frames.get(0)
        pause = PauseFlow(after=seconds)
        self._outcome.parked.append(
            Parked(index, frame, pause, _said(error), failures=self._failed_again())
        )
        self._pass_over()

    def _set_aside(self, error: BaseException) -> None:
        index = self._outcome.consumed
        letter = Letter(
            run=self._work.origin or self._work.run,
            flow=self._flow,
            stage=self._stage.name,
            ordinal=self._work.ordinal + index,
            since=int(self._now * 1000),
            attempts=self._failures() + 1,
            crashes=self._envelope.crashes,
            error_type=type(error).__qualname__,
            error=str(error),
            traceback=_traceback(error),
            is_marker=type(self._work.items[index]) is codec.Marker,
            item=item_bytes(self._envelope.items, index, 1),
            state=self._state(index, 0, self._outcome.frames.get(0)).pack(),
        )
        self._dead.append(DeadLetter(letter.key, letter.pack()))
        log.error(
            "record %s is set aside: %s", letter.key, _said(error), exc_info=_worth_showing(error)
        )

    def _failed(self, error: BaseException, result: Result) -> None:
        if isinstance(error, ForeignFrame):
            wake = self._now + self._offer_in()
            self._park(result, ParkedChunk("code", 0, _ms(wake), str(error), b""), self._left())
        elif self._retry_in is not None:
            rest = self._left(failures=self._failed_again())
            wake = self._now + self._retry_in
            if self._retry_in == 0:
                result.rest = rest
                return
            self._park(result, ParkedChunk("retry", 0, _ms(wake), _said(error), b""), rest)
        else:
            self._halt(error, result)

    def _offer_in(self) -> float:
        """Seconds until a frame that this worker can't take up is offered again."""
        frame = self._outcome.frames.get(0)
        origin = None if frame is None else origin_in(frame)
        return self._colleagues.offer_in(self._flow, self._stage.name, origin)

    def _halt(self, error: BaseException, result: Result) -> None:
        """Keeps the rest of the chunk until a person lets the run go on."""
        said = str(error) if isinstance(error, PauseflowError) else _said(error)
        note = "".join(traceback.format_exception(error))[-NOTE_CHARACTERS:]
        self._park(result, ParkedChunk("failed", 0, 0, note, b""), self._left())
        result.error = f"stage {self._stage.name!r} failed on record {self._key()}: {said}"
        log.error("run %s halts: %s", self._work.run, result.error, exc_info=_worth_showing(error))

    # -- what is left

    def _key(self) -> str:
        ordinal = self._work.ordinal + self._outcome.consumed
        return f"{self._work.origin or self._work.run}:{self._stage.name}:{ordinal}"

    def _state(self, index: int, failures: int, frame: bytes | None) -> State:
        """What is written down of one record of the chunk, as the first of a rest."""
        frames = {} if frame is None else {0: frame}
        if index:
            return State(frames, None, failures)
        return State(frames, self._work.answer, failures, self._work.origin)

    def _left(self, *, failures: int | None = None, waits: bool = False) -> Envelope:
        """What is left of the chunk.

        Args:
            failures: of its first record; None: as before, if it did not get any further.
            waits: its first record waits for something anew, so what woke it is done with.
        """
        work, outcome = self._work, self._outcome
        left = work.items[outcome.consumed :]
        marks = sum(type(item) is codec.Marker for item in left) if work.marked else 0
        state = State(outcome.frames)
        if outcome.consumed == 0:
            state.answer = None if waits else work.answer
            state.origin = work.origin
            if outcome.frames.get(0) == work.frames.get(0):
                state.failures = work.failures
            elif work.failures < 0:
                state.failures = work.failures + 1
        if failures is not None:
            state.failures = failures
        items = item_bytes(self._envelope.items, outcome.consumed)
        ordinal = self._envelope.ordinal + outcome.consumed
        return self._envelope.rest(ordinal, len(left), marks, state.pack(), items)

    def _pause(self, pause: PauseFlow, result: Result) -> None:
        rest = self._left(waits=pause.waits_for is not None)
        chunk = self._waiting(pause)
        if chunk is None:
            result.rest = rest
        else:
            self._park(result, chunk, rest)

    def _waiting(self, pause: PauseFlow) -> ParkedChunk | None:
        """How a pause is parked; None if it goes on at once."""
        wake = pause.wake_at(self._now)
        if pause.waits_for is not None:
            # 0 would stand for no timeout at all.
            until = 0 if wake is None else max(_ms(wake), 1)
            return ParkedChunk(SIGNAL, 0, until, pause.waits_for, b"")
        if isinstance(pause, Refused):
            return ParkedChunk(pause.why, 0, pause.wake, pause.note, b"")
        if wake is None or wake <= self._now:
            return None
        return ParkedChunk("pause", 0, _ms(wake), "", b"")

    def _park(self, result: Result, chunk: ParkedChunk, rest: Envelope) -> None:
        chunk.since, chunk.envelope = _ms(self._now), rest.pack()
        result.parks.append(Park(rest.ordinal, chunk))
        result.unfinished = True

    def _park_alone(self, parked: Parked, result: Result) -> None:
        """A record of an unordered stage that waits while others go on."""
        envelope, pause = self._envelope, parked.pause
        failures = parked.failures
        if not parked.error and not parked.index and parked.frame == self._work.frames.get(0):
            failures = self._work.failures
        state = self._state(parked.index, failures, parked.frame)
        if pause.waits_for is not None:
            state.answer = None
        items = item_bytes(envelope.items, parked.index, 1)
        ordinal = envelope.ordinal + parked.index
        alone = envelope.rest(ordinal, 1, 0, state.pack(), items)
        alone.ended = False
        chunk = self._waiting(pause)
        if chunk is None:
            result.at_once.append(alone)
            return
        if parked.error:
            chunk.why, chunk.note = "retry", parked.error
        elif isinstance(pause, Refused):
            # A chunk that waits for a permit keeps its place in the window, a record does not.
            chunk.why = "turn"
        chunk.since, chunk.envelope = _ms(self._now), alone.pack()
        result.parks.append(Park(ordinal, chunk))


def _worth_showing(error: BaseException) -> BaseException | None:
    """The error, if its traceback leads into the author's code."""
    ours = isinstance(error, PauseflowError) and not isinstance(error, StageTimeout)
    return None if ours else error


def _traceback(error: BaseException) -> str:
    if isinstance(error, JobFailed):
        return error.traceback
    return "".join(traceback.format_exception(error)) if _worth_showing(error) else ""


def _ms(seconds: float) -> int:
    return int(seconds * 1000)


def _said(error: BaseException) -> str:
    if isinstance(error, NotSerializable):
        return str(error)
    return "".join(traceback.format_exception_only(error)).strip()[:NOTE_CHARACTERS]
