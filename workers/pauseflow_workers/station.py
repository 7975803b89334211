"""A stage as one worker runs it: decode a chunk, run it, and say what became of it."""

from __future__ import annotations

import logging
import time
import traceback
from typing import assert_never

from pauseflow import codec
from pauseflow.errors import ForeignFrame, MalformedData, NotSerializable, PauseflowError
from pauseflow.graph import Graph, Kind, Outlet, Stage
from pauseflow.pause import PauseFlow
from pauseflow.stages import Budget, Done, Failed, Outcome, Paused, Sliced, Work, runner_for
from pauseflow.store.chunks import Park, Result
from pauseflow.store.envelope import Envelope, ParkedChunk, piece
from pauseflow.store.pieces import cut, item_bytes
from pauseflow.store.tuning import CHUNK_RECORDS, Tuning
from pauseflow_workers.lately import Lately

SLICE_SECONDS = 0.05
OUTPUT_BYTES = 1 << 20
"""A slice ends when it has emitted about so much."""

CRASHES_ALONE = 2
"""A chunk that has taken so many workers down is run one record at a time."""

CRASHES_HALT = 3
"""A record that has taken so many workers down alone halts its run."""

NOTE_CHARACTERS = 4_000

FEW = 8

FOREIGN_SECONDS = 10.0
"""A frame of other code is offered again after so long, to whichever worker."""

log = logging.getLogger(__name__)


class Station:
    """Runs the chunks of one stage.

    Args:
        graph: the flow's graph.
        stage: the stage.
        tuning: takes in what chunks cost, and says how large pieces should be.
        lately: what this worker's stations have emitted.
    """

    def __init__(
        self, graph: Graph, stage: Stage, tuning: Tuning, lately: Lately | None = None
    ) -> None:
        self._flow = graph.name
        self._stage = stage
        self._outlets = graph.outlets(stage.name)
        self._leaf = all(outlet.target is None for outlet in self._outlets)
        self._tuning = tuning
        self._lately = lately or Lately()
        self._runner = runner_for(stage, graph.name)
        self._next = [graph[each.target] for each in self._outlets if each.target is not None]
        self._room_version = -1
        self._room_known = 0
        self._max_outputs = 64
        self._stride = 1
        self._emitted = 0
        self._runs = 0
        self.entry_seconds = 0.0
        """What a chunk takes, lately."""

    def close(self) -> None:
        """Ends the runner's threads and event loop."""
        self._runner.close()

    def budget(self, envelope: Envelope) -> Budget:
        """The budget for a slice of this chunk."""
        if envelope.crashes >= CRASHES_ALONE:
            return Budget(0.0, max_outputs=1, stride=1)
        most = min(self._max_outputs, self._room())
        return Budget(SLICE_SECONDS, max_outputs=most, stride=self._stride)

    def _room(self) -> int:
        """The most that a slice may emit: not more than the next stage's backlog is meant for."""
        if self._room_version != self._tuning.version:
            self._room_version = self._tuning.version
            limits = [self._tuning.limit(self._flow, stage) for stage in self._next]
            self._room_known = min(limits, default=8 * CHUNK_RECORDS)
        return self._room_known

    def run(self, envelope: Envelope, budget: Budget) -> Result:
        """Runs a slice of a chunk.

        Raises:
            MalformedData: the chunk's items or frames are damaged; nothing was run.
        """
        started = time.perf_counter()
        work = _work(envelope, self._lately)
        if envelope.crashes >= CRASHES_HALT and work.items:
            crashed = PauseflowError(f"it crashed its worker {envelope.crashes} times")
            outcome = Outcome([], marked=False, consumed=0, frames=work.frames, end=Failed(crashed))
        else:
            outcome = self._runner.run(work, budget)
        result = self._result(work, envelope, outcome)
        took = time.perf_counter() - started
        self._learn(outcome, budget, result, took)
        return result

    def _learn(self, outcome: Outcome, budget: Budget, result: Result, took: float) -> None:
        result.microseconds = int(took * 1e6)
        before = self.entry_seconds
        self.entry_seconds = took if took > before else before + 0.2 * (took - before)
        self._runs += 1
        # Of chunks of a few records, one in a while says enough.
        if outcome.consumed > FEW or (outcome.consumed and self._runs & 15 == 1):
            self._tuning.measured(self._flow, self._stage.name, outcome.consumed, took)
        self._stride = budget.stride
        if outcome.outputs:
            self._emitted += len(outcome.outputs)
            size = sum(map(len, result.pieces)) / len(outcome.outputs)
            fit = int(OUTPUT_BYTES / max(size, 1.0))
            self._max_outputs = min(max(fit, 16), self._max_outputs * 4, 8 * CHUNK_RECORDS)

    def _result(self, work: Work, envelope: Envelope, outcome: Outcome) -> Result:
        try:
            pieces = self._pieces(outcome, ended=self._ends(envelope, outcome))
        except NotSerializable as error:
            return self._not_serializable(work, envelope, outcome, error)
        result = Result(pieces, outcome.consumed, len(outcome.outputs), 0)
        self._park_alone(envelope, outcome, result)
        match outcome.end:
            case Done():
                pass
            case Sliced():
                result.rest = self._rest(work, envelope, outcome)
            case Paused(pause):
                self._pause(work, envelope, outcome, result, pause)
            case Failed(cause):
                self._fail(work, envelope, outcome, result, cause)
            case _:
                assert_never(outcome.end)
        return result

    def _ends(self, envelope: Envelope, outcome: Outcome) -> bool:
        """Whether this was the run's last chunk here, so that the stages after it are told."""
        return envelope.ended and self._stage.ordered and isinstance(outcome.end, Done)

    def _pieces(self, outcome: Outcome, *, ended: bool) -> list[bytes]:
        """The outputs as pieces for each outlet, the end behind the last one."""
        pieces: list[bytes] = []
        if not outcome.outputs and not ended:
            return pieces
        for position, outlet in enumerate(self._outlets, 1):
            values = _carried(outlet, outcome)
            if outlet.target is None:
                last = ended and self._leaf
                pieces += cut(values, target=CHUNK_RECORDS, outlet=0, ended=last)
            else:
                target = self._tuning.piece(self._flow, outlet.target, self._emitted)
                some = cut(
                    values, target=target, outlet=position, marked=outcome.marked, ended=ended
                )
                if len(some) == 1:
                    self._lately.note(some[0], values)
                pieces += some
        if ended and not self._outlets:
            pieces.append(piece(0, 0, b"", outlet=0, ended=True))
        return pieces

    def _rest(self, work: Work, envelope: Envelope, outcome: Outcome) -> Envelope:
        left = work.items[outcome.consumed :]
        marks = sum(type(item) is codec.Marker for item in left) if work.marked else 0
        frames = codec.encode(outcome.frames) if outcome.frames else b""
        items = item_bytes(envelope.items, outcome.consumed)
        return envelope.rest(envelope.ordinal + outcome.consumed, len(left), marks, frames, items)

    def _pause(
        self, work: Work, envelope: Envelope, outcome: Outcome, result: Result, pause: PauseFlow
    ) -> None:
        rest = self._rest(work, envelope, outcome)
        now = time.time()
        wake = pause.wake_at(now)
        if wake is None or wake <= now:
            result.rest = rest
            return
        chunk = ParkedChunk("pause", int(now * 1000), int(wake * 1000), "", rest.pack())
        result.parks.append(Park(rest.ordinal, chunk))
        result.unfinished = True

    def _park_alone(self, envelope: Envelope, outcome: Outcome, result: Result) -> None:
        """Records of an unordered stage that paused while others went on: each waits alone."""
        now = time.time()
        for parked in outcome.parked:
            items = item_bytes(envelope.items, parked.index, 1)
            frames = codec.encode({0: parked.frame}) if parked.frame is not None else b""
            ordinal = envelope.ordinal + parked.index
            alone = envelope.rest(ordinal, 1, 0, frames, items)
            alone.ended = False
            wake = parked.pause.wake_at(now)
            if wake is None or wake <= now:
                result.at_once.append(alone)
            else:
                chunk = ParkedChunk("pause", int(now * 1000), int(wake * 1000), "", alone.pack())
                result.parks.append(Park(ordinal, chunk))

    def _fail(
        self, work: Work, envelope: Envelope, outcome: Outcome, result: Result, error: BaseException
    ) -> None:
        rest = self._rest(work, envelope, outcome)
        if isinstance(error, ForeignFrame):
            self._wait_for_code(rest, result, error)
            return
        ours = isinstance(error, PauseflowError)
        said = str(error) if ours else "".join(traceback.format_exception_only(error)).strip()
        note = "".join(traceback.format_exception(error))[-NOTE_CHARACTERS:]
        self._halt(rest, result, said, note)
        log.error("run %s halts: %s", envelope.run, result.error, exc_info=None if ours else error)

    def _halt(self, rest: Envelope, result: Result, said: str, note: str) -> None:
        """Keeps the rest of a chunk until a person lets the run go on."""
        chunk = ParkedChunk("failed", int(time.time() * 1000), 0, note, rest.pack())
        result.parks.append(Park(rest.ordinal, chunk))
        result.unfinished = True
        key = f"{rest.run}:{self._stage.name}:{rest.ordinal}"
        result.error = f"stage {self._stage.name!r} failed on record {key}: {said}"

    def _wait_for_code(self, rest: Envelope, result: Result, error: ForeignFrame) -> None:
        """The frame is of other code: it waits, and is offered again to whoever has that."""
        now = time.time()
        wake = int((now + FOREIGN_SECONDS) * 1000)
        chunk = ParkedChunk("code", int(now * 1000), wake, str(error), rest.pack())
        result.parks.append(Park(rest.ordinal, chunk))
        result.unfinished = True

    def _not_serializable(
        self, work: Work, envelope: Envelope, outcome: Outcome, error: NotSerializable
    ) -> Result:
        """An output has no encoding: what came before it is committed, and its record fails."""
        if self._stage.kind is Kind.MAP and self._stage.ordered and not work.marked:
            good = max(error.index, 0)
            key = f"{envelope.run}:{self._stage.name}:{envelope.ordinal + good}"
            failed = Failed(error.at(stage=self._stage.name, key=key))
            return self._result(
                work,
                envelope,
                Outcome(outcome.outputs[:good], marked=False, consumed=good, end=failed),
            )
        if len(work.items) > 1:
            alone = self._runner.run(work, Budget(0.0, max_outputs=1, stride=1))
            if alone.consumed < outcome.consumed or len(alone.outputs) < len(outcome.outputs):
                return self._result(work, envelope, alone)
        key = f"{envelope.run}:{self._stage.name}:{envelope.ordinal}"
        failed = Failed(error.at(stage=self._stage.name, key=key))
        return self._result(
            work, envelope, Outcome([], marked=False, consumed=0, frames=work.frames, end=failed)
        )


def _work(envelope: Envelope, lately: Lately) -> Work:
    frames: dict[int, bytes] = {}
    if envelope.frames:
        decoded = codec.decode(envelope.frames)
        if not isinstance(decoded, dict) or not all(
            type(index) is int and 0 <= index < envelope.count and type(frame) is bytes
            for index, frame in decoded.items()
        ):
            raise MalformedData("a chunk whose frames are not frames")
        frames = decoded
    items = lately.take(envelope.count, envelope.items)
    if items is None:
        items = codec.decode_items(envelope.count, envelope.items)
    return Work(
        envelope.run,
        envelope.ordinal,
        items,
        frames,
        marked=envelope.marks > 0,
        attempt=envelope.crashes,
    )


def _carried(outlet: Outlet, outcome: Outcome) -> list[object]:
    if not outcome.marked:
        return outcome.outputs if outlet.records else []
    if outlet.records and outlet.markers:
        return outcome.outputs
    return [
        value for value in outcome.outputs if (type(value) is codec.Marker) is not outlet.records
    ]
