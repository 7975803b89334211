"""Rates and limits: a runner that runs only the records that have a permit.

What has none is no error and blocks nobody: it is parked until it should ask again.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from pauseflow.answer import Answer
from pauseflow.codec import Marker
from pauseflow.errors import CodecError, ServerRefused, StoreError
from pauseflow.graph import Kind, Stage
from pauseflow.limits import Limit, Rate, key_text
from pauseflow.pause import PauseFlow
from pauseflow.stages import Budget, Done, Failed, Outcome, Paused, Runner, Work
from pauseflow.stages.frame import Frame
from pauseflow.stages.runner import failed
from pauseflow.stages.work import SLICED
from pauseflow.store.permits import AT_ONCE, Demand, Source
from pauseflow.store.server import Server
from pauseflow_workers.turnstile import Turnstile

TROUBLE_SECONDS = 1.0
"""When the server can't say whether a record may run, it is asked again after so long."""

A_DAY = 86_400.0

log = logging.getLogger(__name__)


class Refused(PauseFlow):
    """What a record waits for that has no permit. Made by the gate, never by a stage.

    Args:
        why: "rate" or "limit".
        wake: when to ask again, in ms since the epoch by the server's clock.
        note: which rate or limit it is, for people.
    """

    def __init__(self, why: str, wake: int, note: str) -> None:
        super().__init__(at=datetime.fromtimestamp(wake / 1000, UTC))
        self.why = why
        self.wake = wake
        self.note = note


@dataclass(slots=True)
class Admission:
    """What may run of a chunk now.

    Attributes:
        count: `items[:count]` may run, but for those in `refused`.
        refused: by index, what a record waits for. Where records wait for each other there is one
            at most, at or behind `count`, and it holds up all that follow.
        error: what the key function raised for the first record, which so has failed.
        at: when the permits were given.
        sources: the rates and limits of the records that were asked for.
        permits: for each of these records the positions of its rate and its limit, from 1.
    """

    count: int
    refused: dict[int, Refused] = field(default_factory=dict)
    error: BaseException | None = None
    at: int = 0
    sources: list[Source] = field(default_factory=list)
    permits: list[tuple[int, int]] = field(default_factory=list)

    def part(self, work: Work) -> Work:
        """What is to be run of the work now. What is refused among it is put to sleep."""
        frames = {index: frame for index, frame in work.frames.items() if index < self.count}
        for index in self.refused:
            if index < self.count:
                frames[index] = Frame(wake=time.time() + A_DAY).to_bytes()
        return replace(work, items=work.items[: self.count], frames=frames)

    def begun(self, part: Work, outcome: Outcome) -> set[int]:
        """The indexes of the records that were taken up."""
        consumed = outcome.consumed
        begun = set(range(consumed))
        if isinstance(outcome.end, Paused | Failed):
            begun.add(consumed)
        for at, frame in outcome.frames.items():
            if part.frames.get(consumed + at) != frame:
                begun.add(consumed + at)
        return begun - self.refused.keys()

    def whole(self, work: Work, outcome: Outcome) -> Outcome:
        """The outcome of the part as one of the whole work; what was refused waits."""
        consumed = outcome.consumed
        for parked in outcome.parked:
            if parked.index in self.refused:
                parked.frame = work.frames.get(parked.index)
                parked.pause = self.refused[parked.index]
            elif parked.frame is not None:
                parked.frame = _paused(parked.frame)
        if isinstance(outcome.end, Paused) and 0 in outcome.frames:
            outcome.frames[0] = _paused(outcome.frames[0])
        for index in range(consumed, len(work.items)):
            if index in self.refused or index >= self.count:
                frame = work.frames.get(index)
                outcome.frames.pop(index - consumed, None)
                if frame is not None:
                    outcome.frames[index - consumed] = frame
        if isinstance(outcome.end, Done) and consumed < len(work.items):
            refused = self.refused.get(consumed)
            outcome.end = SLICED if refused is None else Paused(refused)
        return outcome


class Gate:
    """Decides which records of a stage may run now.

    A record needs a permit of its rate each time that it is taken up, but not where only the
    engine had sliced it; and a slot of its limit while it is at work. A worker that runs a
    chunk's records one after the other needs one slot for all of one key, and one that runs
    several at once as many as it may run.

    Args:
        flow: the flow's name.
        stage: one with a `rate` or a `limit`.
        turnstile: asks the server.
    """

    def __init__(self, flow: str, stage: Stage, turnstile: Turnstile) -> None:
        self._stage = stage
        self._lanes = max(stage.concurrency, stage.threads)
        own = f"{flow}/{stage.name}"
        self._rate_name = f"rate:{(stage.rate and stage.rate.name) or own}"
        self._limit_name = f"limit:{(stage.limit and stage.limit.name) or own}"
        keyed = any(each is not None and each.key for each in (stage.rate, stage.limit))
        self._prefix = stage.ordered or not keyed
        self._turnstile = turnstile
        # Permits that lie with a slow worker are of no use: it asks for about what it comes to.
        self._reach = min(self._lanes, AT_ONCE)

    def admit(self, work: Work) -> Admission:
        """Asks for the next records of a chunk, a bounded number, in one round trip.

        If the server does not answer, all are refused for a while.

        Raises:
            ServerRefused: the server does not accept us.
        """
        admission = Admission(0)
        self._survey(work, admission)
        if not admission.sources:
            return admission
        demand = Demand(
            work.run, admission.permits, admission.sources, self._lanes, prefix=self._prefix
        )
        try:
            grant = self._turnstile.ask(demand)
        except ServerRefused:
            raise
        except StoreError as error:
            log.warning("asking for permits of stage %s: %s", self._stage.name, error)
            wake = int((time.time() + TROUBLE_SECONDS) * 1000)
            why = "rate" if self._stage.rate else "limit"
            return Admission(0, {0: Refused(why, wake, str(error))})
        admission.at = grant.at
        for index, wake in enumerate(grant.wakes):
            if wake:
                admission.refused[index] = self._refused(admission, index, wake)
        if self._prefix and admission.refused:
            (admission.count,) = admission.refused
        if grant.lanes < self._lanes:
            # A lane for each record, so that no more run at once than have a slot.
            admission.count = min(admission.count, grant.lanes)
        return admission

    def leave(self, admission: Admission, run: str, begun: set[int]) -> None:
        """Frees the slots, and hands back the permits of records that were not begun.

        Args:
            admission: what `admit` gave.
            run: the run's id.
            begun: the indexes of the records that were taken up.
        """
        if len(begun) < admission.count - len(admission.refused):
            self._reach = max(self._lanes, len(begun))
        elif not admission.refused:
            self._reach = max(self._reach, 2 * len(begun))
        self._reach = min(self._reach, AT_ONCE)
        if not admission.at:
            return
        unused = [0] * len(admission.sources)
        asked = len(admission.permits)
        if self._prefix:
            asked = min(admission.refused, default=asked)
        for index, (rate, _) in enumerate(admission.permits[:asked]):
            if rate and index not in begun and index not in admission.refused:
                unused[rate - 1] += 1
        over = [
            (source, count)
            for source, count in zip(admission.sources, unused, strict=True)
            if count or not source.interval
        ]
        self._turnstile.leave(
            run, admission.at, [source for source, _ in over], [count for _, count in over]
        )

    def _survey(self, work: Work, admission: Admission) -> None:
        """Finds the rates and limits of the next records."""
        known: dict[str, int] = {}
        now = time.time()
        for index, item in enumerate(work.items[: self._reach]):
            sources: tuple[Source | None, Source | None] = (None, None)
            if type(item) is not Marker:
                answer, again = (None, False) if index else (work.answer, work.failures > 0)
                begins, works = _needs(work.frames.get(index), now, answer)
                if self._stage.kind is Kind.JOB and (answer is not None or index in work.frames):
                    begins = False  # its job has begun
                try:
                    sources = self._sources(item, begins=works and (begins or again), works=works)
                except BaseException as error:  # noqa: BLE001 # as if the stage had raised it
                    failure = failed(error)
                    if not index:
                        admission.error = failure.error
                    return
            for source in sources:
                if source is not None and source.name not in known:
                    admission.sources.append(source)
                    known[source.name] = len(admission.sources)
            rate, limit = (known[source.name] if source else 0 for source in sources)
            admission.permits.append((rate, limit))
            admission.count += 1

    def _sources(
        self, item: object, *, begins: bool, works: bool
    ) -> tuple[Source | None, Source | None]:
        """The rate and the limit that a record stands under, as far as it needs a permit."""
        rate, limit = self._stage.rate, self._stage.limit
        return (
            self._of_rate(rate, item) if rate and begins else None,
            self._of_limit(limit, item) if limit and works else None,
        )

    def _of_rate(self, rate: Rate, item: object) -> Source:
        key = ":" + key_text(rate.key(item)) if rate.key else ""
        return Source(self._rate_name + key, rate.burst, rate.interval)

    def _of_limit(self, limit: Limit, item: object) -> Source:
        key = ":" + key_text(limit.key(item)) if limit.key else ""
        return Source(self._limit_name + key, limit.count, whole=not key)

    def _refused(self, admission: Admission, index: int, wake: int) -> Refused:
        rate, limit = admission.permits[index]
        if wake > 0:
            text = self._stage.rate.text if self._stage.rate else ""
            return Refused("rate", wake, f"{text} ({admission.sources[rate - 1].name})")
        text = self._stage.limit.text if self._stage.limit else ""
        return Refused("limit", -wake, f"{text} ({admission.sources[limit - 1].name})")


class GatedRunner(Runner):
    """Runs the records that the gate admits, and has the others wait.

    Args:
        runner: of the stage.
        gate: of the stage.
    """

    def __init__(self, runner: Runner, gate: Gate) -> None:
        super().__init__(runner.stage, runner.flow_name)
        self._runner = runner
        self._gate = gate

    def run(self, work: Work, budget: Budget) -> Outcome:
        """Run as much of the work as the budget and the gate allow.

        What waits for a permit ends in `Paused`, or is in `Outcome.parked`, with a `Refused`.

        Raises:
            ServerRefused: the server does not accept us.
        """
        admission = self._gate.admit(work)
        nothing = Outcome([], marked=False, consumed=0, frames=dict(work.frames))
        if admission.error is not None:
            nothing.end = Failed(admission.error)
            return nothing
        if not admission.count:
            return admission.whole(work, nothing)
        part = admission.part(work)
        begun: set[int] = set()
        try:
            outcome = self._runner.run(part, budget)
            begun = admission.begun(part, outcome)
        finally:
            self._gate.leave(admission, work.run, begun)
        return admission.whole(work, outcome)

    def connect(self, server: Server, namespace: str) -> None:
        """Tell the runner where the runs are."""
        self._runner.connect(server, namespace)

    def close(self) -> None:
        """Give up the runner's threads and loops."""
        self._runner.close()


def _paused(data: bytes) -> bytes:
    """The frame, saying that its record has paused, so that going on needs a permit."""
    frame = Frame.from_bytes(data)
    if frame.wake is not None or frame.waits is not None:
        return data
    return replace(frame, wake=0.0).to_bytes()


def _needs(data: bytes | None, now: float, answer: Answer | None) -> tuple[bool, bool]:
    """Whether a record with this frame needs a permit of its rate, and a slot of its limit."""
    if data is None:
        return True, True
    try:
        frame = Frame.from_bytes(data)
    except CodecError:
        return False, False  # the runner will say what is wrong with it
    if frame.done or frame.closed or frame.asleep(now, answer) is not None:
        return False, False
    paused = frame.wake is not None or frame.waits is not None
    return paused or answer is not None, True
