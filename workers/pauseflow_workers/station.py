"""A stage as one worker runs it: decode a chunk, run it, and say what became of it."""

from __future__ import annotations

from pauseflow import codec
from pauseflow.answer import Answer
from pauseflow.errors import MalformedData, NotSerializable
from pauseflow.graph import Graph, Kind, Outlet, Stage
from pauseflow.stages import Budget, Done, Failed, Outcome, Runner, Work, runner_for
from pauseflow.stages.state import State
from pauseflow.stages.work import DONE, EVERY_ARM
from pauseflow.store.chunks import Result
from pauseflow.store.envelope import Envelope, piece
from pauseflow.store.pieces import cut
from pauseflow.store.server import Server
from pauseflow.store.tuning import CHUNK_RECORDS, Tuning
from pauseflow_workers.colleagues import Colleagues
from pauseflow_workers.gate import Gate, GatedRunner
from pauseflow_workers.lately import Lately
from pauseflow_workers.settling import CrashedWorker, Settling
from pauseflow_workers.suspects import (
    Trail,
    raise_if_out_of_memory,
    run_singly,
)
from pauseflow_workers.turnstile import Turnstile

SLICE_SECONDS = 0.05
OUTPUT_BYTES = 1 << 20
"""A slice ends when it has emitted about so much."""

FEW = 8


class Station:
    """Runs the chunks of one stage.

    Args:
        graph: the flow's graph.
        stage: the stage.
        tuning: takes in what chunks cost, and says how large pieces should be.
        lately: what this worker's stations have emitted.
        colleagues: what the other workers can run.
        turnstile: asks for permits, where the stage has a rate or a limit.
    """

    def __init__(
        self,
        graph: Graph,
        stage: Stage,
        tuning: Tuning,
        lately: Lately | None = None,
        colleagues: Colleagues | None = None,
        turnstile: Turnstile | None = None,
    ) -> None:
        self._flow = graph.name
        self._stage = stage
        self._outlets = graph.outlets(stage.name)
        self._leaf = all(outlet.target is None for outlet in self._outlets)
        self._tuning = tuning
        self._lately = lately or Lately()
        self._colleagues = colleagues or Colleagues()
        self._runner = self.runner()
        if turnstile is not None and (stage.rate is not None or stage.limit is not None):
            self._runner = GatedRunner(self._runner, Gate(graph.name, stage, turnstile))
        self._next = [graph[each.target] for each in self._outlets if each.target is not None]
        self._room_version = -1
        self._room_known = 0
        self._max_outputs = 64
        self._stride = 1
        self._emitted = 0
        self._runs = 0
        self.entry_seconds = 0.0
        """What a chunk takes, lately."""

    def runner(self) -> Runner:
        """What runs the stage's function."""
        return runner_for(self._stage, self._flow)

    def connect(self, server: Server, namespace: str) -> None:
        """Tells the stage where the server is, in case it has business of its own there."""
        self._runner.connect(server, namespace)

    def settled(self, run: str, *, committed: bool) -> None:
        """Takes note of what became of the commit of a slice."""
        self._runner.settled(run, committed=committed)

    def close(self) -> None:
        """Ends the runner's threads and event loop."""
        self._runner.close()

    def budget(self, envelope: Envelope) -> Budget:
        """The budget for a slice of this chunk."""
        if _about_to_fail(envelope):
            return Budget(0.0, max_outputs=1, stride=1)
        clock = self._tuning.clock
        most = min(self._max_outputs, self._room())
        return Budget(SLICE_SECONDS, max_outputs=most, stride=self._stride, clock=clock)

    def _room(self) -> int:
        """The most that a slice may emit: not more than the next stage's backlog is meant for."""
        if self._room_version != self._tuning.version:
            self._room_version = self._tuning.version
            limits = [self._tuning.limit(self._flow, stage) for stage in self._next]
            self._room_known = min(limits, default=8 * CHUNK_RECORDS)
        return self._room_known

    def run(self, envelope: Envelope, budget: Budget, trail: Trail | None = None) -> Result:
        """Runs a slice of a chunk.

        Args:
            envelope: the chunk.
            budget: what the slice may take.
            trail: if it is a suspect.

        Raises:
            MalformedData: the chunk's items or frames are damaged; nothing was run.
        """
        started = self._tuning.clock()
        work = _work(envelope, self._lately)
        suspect = False
        if trail is None:
            outcome = self._runner.run(work, budget)
        elif trail.blames(work):
            crashed = CrashedWorker(f"it crashed its worker {envelope.crashes} times")
            outcome = Outcome([], marked=False, consumed=0, frames=work.frames, end=Failed(crashed))
        else:
            outcome, suspect = run_singly(self._runner, work, budget, trail, self._tuning.clock)
        raise_if_out_of_memory(outcome)
        result = self._result(work, envelope, outcome)
        if suspect and result.rest is not None:
            result.rest.crashes = envelope.crashes
        took = self._tuning.clock() - started
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
        settling = None
        if outcome.end is not DONE or outcome.parked:
            settling = Settling(self._flow, self._stage, work, envelope, outcome, self._colleagues)
            settling.failure()
        try:
            pieces = self._pieces(outcome, ended=self._ends(envelope, outcome))
        except NotSerializable as error:
            return self._not_serializable(work, envelope, outcome, error)
        # Of an unordered stage, what waits is behind the others, and is not done.
        done = outcome.consumed - len(outcome.parked)
        result = Result(pieces, done, len(outcome.outputs), 0, kept=outcome.kept)
        if settling is not None:
            settling.rest(result)
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

    def _not_serializable(
        self, work: Work, envelope: Envelope, outcome: Outcome, error: NotSerializable
    ) -> Result:
        """An output has no encoding: what came before it is committed, and its record fails."""
        self._runner.settled(work.run, committed=False)
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
            self._runner.settled(work.run, committed=False)
        key = f"{envelope.run}:{self._stage.name}:{envelope.ordinal}"
        failed = Failed(error.at(stage=self._stage.name, key=key))
        return self._result(
            work, envelope, Outcome([], marked=False, consumed=0, frames=work.frames, end=failed)
        )


def _about_to_fail(envelope: Envelope) -> bool:
    """Whether its first record failed, and is to give what it gave before that one by one."""
    if not envelope.frames:
        return False
    try:
        return State.parse(envelope.frames, envelope.count).failures < 0
    except MalformedData:
        return False  # whoever runs it will say so


def _work(envelope: Envelope, lately: Lately) -> Work:
    state = State.parse(envelope.frames, envelope.count)
    if envelope.answer:
        state.answer = Answer.parse(envelope.answer)
    items = lately.take(envelope.count, envelope.items)
    if items is None:
        items = codec.decode_items(envelope.count, envelope.items)
    return Work(
        envelope.run,
        envelope.ordinal,
        items,
        state.frames,
        marked=envelope.marks > 0,
        attempt=envelope.crashes + max(state.failures, 0),
        answer=state.answer,
        failures=state.failures,
        origin=state.origin,
        ended=envelope.ended,
    )


def _carried(outlet: Outlet, outcome: Outcome) -> list[object]:
    if outcome.arms is not None:
        return _of_arm(outlet, outcome.outputs, outcome.arms)
    if not outcome.marked:
        return outcome.outputs if outlet.records else []
    if outlet.records and outlet.markers:
        return outcome.outputs
    return [
        value for value in outcome.outputs if (type(value) is codec.Marker) is not outlet.records
    ]


def _of_arm(outlet: Outlet, outputs: list[object], arms: list[int]) -> list[object]:
    wanted = {outlet.arm} if outlet.records else set()
    if outlet.markers:
        wanted.add(EVERY_ARM)
    return [value for value, arm in zip(outputs, arms, strict=True) if arm in wanted]
