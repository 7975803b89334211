"""The stack of a run: where everything in it stands, told for a person.

Nothing of the app is run for it, and nothing that the server holds is trusted: what can't be read
is said to be so.
"""

from __future__ import annotations

import linecache
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from types import FunctionType
from typing import Protocol

from pauseflow.codec import Marker
from pauseflow.codec.showing import decode_items_to_show, decode_to_show, shown
from pauseflow.graph import Graph, Stage
from pauseflow.resumable.showing import FrameView
from pauseflow.resumable.source import unwrapped
from pauseflow.resumable.views import views_of
from pauseflow.rollout import Rollout
from pauseflow.stages.frame import Frame
from pauseflow.stages.state import State
from pauseflow.store.books import DAMAGED, RunInfo, moment
from pauseflow.store.envelope import Envelope
from pauseflow.store.foreign import CODE, origin_of_chunk
from pauseflow.store.pieces import item_bytes
from pauseflow.store.standing import Stand, Standing

RECORDS = 5
"""Half-done records of one chunk that are shown."""

_READY_TO_GIVE = "done; its outputs wait for those before it"


class HasGraph(Protocol):
    """A flow, as far as its stack is concerned."""

    @property
    def graph(self) -> Graph:
        """The flow's stages."""


@dataclass(frozen=True, slots=True)
class RecordStack:
    """A record of a chunk, and how far it has come.

    Attributes:
        key: the record's.
        record: how it reads, shortened.
        emitted: values that its series has given.
        frames: of its series, as a traceback has them: the innermost last. Of a function the place
            where it begins, if the app is there. None if it has not begun.
        note: more on where it stands.
    """

    key: str
    record: str
    emitted: int = 0
    frames: tuple[FrameView, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class StandInfo:
    """A chunk of a run that waits, or is half done.

    Attributes:
        stage: where.
        key: of its first record; empty if that can't be told.
        why: `pause`, `signal`, `retry`, `failed`, `code`, `rate`, `limit`, as it was parked;
            `taken` by a worker; `ready` for one; `held` until its turn comes; `damaged`.
        since: when it came to stand there, or None.
        wake: when it goes on by itself, or None.
        note: more: the signal's name, the error, what code it waits for and who has it.
        worker: who has it in hand; empty if nobody.
        failures: how often its first record has failed since it last got any further.
        records: the first record of it, and those that are half done.
        behind: how many more records it has.
        orphaned: it waits for code that no live worker has.
    """

    stage: str
    key: str
    why: str
    since: datetime | None
    wake: datetime | None
    note: str
    worker: str = ""
    failures: int = 0
    records: tuple[RecordStack, ...] = ()
    behind: int = 0
    orphaned: bool = False


@dataclass(frozen=True, slots=True)
class RunStack:
    """Where everything in a run stands.

    Attributes:
        run: the run.
        now: the server's time.
        stands: in the flow's order; what a person has to see to, then the oldest.
        more: how many are not among them.
        ready: by stage, how many chunks without a half-done record wait for a worker.
        unseen: stages with so much in their streams that not all of it was looked at.
    """

    run: RunInfo
    now: datetime
    stands: tuple[StandInfo, ...]
    more: int
    ready: Mapping[str, int]
    unseen: tuple[str, ...]


def stack_of(
    run: RunInfo, standing: Standing, rollout: Rollout, graph: Graph | None = None
) -> RunStack:
    """What was found of a run, told for a person.

    Args:
        run: the run.
        standing: what was found.
        rollout: what code the live workers have.
        graph: the flow's, if the app is there: then source lines are shown.
    """
    telling = _Telling(run, rollout, graph)
    return RunStack(
        run,
        moment(standing.now),
        tuple(telling.stand(stand) for stand in standing.stands),
        standing.more,
        standing.ready,
        tuple(standing.unseen),
    )


class _Telling:
    """Makes of what was found what is shown.

    Args:
        run: the run.
        rollout: what code the live workers have.
        graph: the flow's, if the app is there.
    """

    def __init__(self, run: RunInfo, rollout: Rollout, graph: Graph | None) -> None:
        self._run = run
        self._rollout = rollout
        self._graph = graph

    def stand(self, stand: Stand) -> StandInfo:
        """One chunk. Never fails on what the server holds."""
        key = f"{self._run.id}:{stand.stage}:{stand.ordinal}" if stand.ordinal >= 0 else ""
        told = StandInfo(
            stand.stage,
            key,
            stand.why,
            _moment(stand.since),
            _moment(stand.wake),
            stand.note,
            stand.worker,
        )
        envelope = stand.envelope
        if envelope is None:
            return told
        try:
            state = State.parse(envelope.frames, envelope.count)
            records = self._records(stand.stage, envelope, state)
        except Exception as error:  # noqa: BLE001 (what is damaged stops nothing)
            note = "; ".join(filter(None, (stand.note, f"its records can't be read: {error}")))
            return replace(told, why=DAMAGED, note=note)
        told = replace(
            told,
            key=records[0].key if records else key,
            failures=max(state.failures, 0),
            records=records,
            behind=envelope.count - len(records),
        )
        return self._waiting_for_code(told, envelope) if stand.why == CODE else told

    def _waiting_for_code(self, told: StandInfo, envelope: Envelope) -> StandInfo:
        origin = origin_of_chunk(envelope)
        if origin is None:
            return told
        flow, stage = self._run.flow, told.stage
        orphaned = not self._rollout.having(flow, stage, origin)
        return replace(told, note=self._rollout.told(flow, stage, origin), orphaned=orphaned)

    def _records(self, stage: str, envelope: Envelope, state: State) -> tuple[RecordStack, ...]:
        half_done = sorted(state.frames.keys() | {0})[:RECORDS] if envelope.count else []
        found = []
        at, left = 0, envelope.items
        for index in half_done:
            left = item_bytes(left, index - at)
            at = index
            run = state.origin if state.origin and index == 0 else self._run.id
            key = f"{run}:{stage}:{envelope.ordinal + index}"
            record = decode_items_to_show(1, item_bytes(left, 0, 1))[0]
            found.append(self._record(stage, key, record, state.frames.get(index)))
        return tuple(found)

    def _record(self, stage: str, key: str, record: object, data: bytes | None) -> RecordStack:
        known = self._graph[stage] if self._graph is not None and stage in self._graph else None
        if isinstance(record, Marker):
            text = f"the end of the series of {record.branch}:{record.scope}"
        else:
            text = shown(record)
        told = RecordStack(key, text, frames=_beginning(known))
        if data is None:
            return told
        frame = Frame.from_bytes(data, decode_to_show)
        told = replace(told, emitted=frame.emitted)
        if frame.done or frame.closed:
            return replace(told, frames=(), note=_READY_TO_GIVE)
        if frame.series is None:
            return told
        if known is None or known.series is None:
            return replace(told, frames=views_of(frame.series))
        return replace(told, frames=known.series.views(frame.series))


def _moment(milliseconds: int) -> datetime | None:
    try:
        return moment(milliseconds) if milliseconds else None
    except (OverflowError, ValueError, OSError):
        return None


def _beginning(stage: Stage | None) -> tuple[FrameView, ...]:
    """Where a stage's function begins: it is called again from there."""
    fn = None if stage is None else unwrapped(stage.fn)
    if not isinstance(fn, FunctionType):
        return ()
    code = fn.__code__
    name, file, line = f"{fn.__module__}:{fn.__qualname__}", code.co_filename, code.co_firstlineno
    return (FrameView(name, "", file, line, source=linecache.getline(file, line).strip()),)
