"""A run as its hash tells it: state, counters, and the books of each stage."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from pauseflow.origin import Origin
from pauseflow.store.tuning import RESULTS_BYTES

DAMAGED = "damaged"
"""Why something goes nowhere that can't be read."""

MOST = 1 << 53
"""Beyond it, numbers are not exact in scripts."""


class RunState(StrEnum):
    """Where a run stands."""

    OPEN = "open"
    RUNNING = "running"
    PAUSED = "paused"
    HALTED = "halted"
    DONE = "done"
    CANCELLED = "cancelled"

    @property
    def over(self) -> bool:
        """Nothing more comes of it: it is done, or cancelled."""
        return self in (RunState.DONE, RunState.CANCELLED)


@dataclass(frozen=True, slots=True)
class StageInfo:
    """One stage of a run.

    Attributes:
        name: the stage.
        arrived: items (records, and markers that end a series) that have come to the stage.
        done: items that it has finished.
        emitted: items that it has emitted.
        cursor: chunks released downstream.
        in_flight: chunks in the stream or in a worker's hands, parked and held ones included in
            ordered stages.
        backlog: items that wait for the window.
        held: outputs that wait for the cursor.
        parked: continuations that wait for a time, or for a person.
        ended: nothing more will come to it, and all of it is done.
        busy: seconds of work so far.
        rate: items a second lately; 0.0 if unknown.
    """

    name: str
    arrived: int
    done: int
    emitted: int
    cursor: int
    in_flight: int
    backlog: int
    held: int
    parked: int
    ended: bool
    busy: float
    rate: float


@dataclass(frozen=True, slots=True)
class ResultsInfo:
    """The results of a run.

    Attributes:
        count: how many there are, read and dropped ones included.
        bytes: how much is kept now.
        read: how many a reader has taken.
        dropped: how many were read and have made room for others.
        waiting_for_reader: the run stands still until somebody reads them.
    """

    count: int
    bytes: int
    read: int
    dropped: int
    waiting_for_reader: bool


@dataclass(frozen=True, slots=True)
class ParkedInfo:
    """A continuation that waits.

    Attributes:
        stage: where.
        key: of its first record.
        why: `pause`, `failed`, `paused` with its run, `code`: its frame was made by code that no
            worker here has, or `damaged`: it can't be read.
        since: when it began to wait; None if it can't be read.
        wake: when it goes on by itself, or None.
        note: more for a person; the error, say.
        code: of one that waits for other code: which; None if that can't be told.
    """

    stage: str
    key: str
    why: str
    since: datetime | None
    wake: datetime | None
    note: str
    code: Origin | None = None


@dataclass(frozen=True, slots=True)
class RunInfo:
    """A run.

    Attributes:
        id: its id.
        flow: its flow's name.
        state: where it stands.
        created: when it was submitted or opened.
        finished: when it was done or cancelled, or None.
        error: what it halted with, also if it was paused before or since; empty if it did not.
        position: records that it has taken in.
        stages: in the flow's order.
        results: its results.
        parked: what waits, the first hundred.
        dead: records that it has set aside so far, whatever became of these dead letters since.
        priority: `high`, `normal` or `low`.
    """

    id: str
    flow: str
    state: RunState
    created: datetime
    finished: datetime | None
    error: str
    position: int
    stages: tuple[StageInfo, ...]
    results: ResultsInfo
    parked: tuple[ParkedInfo, ...] = ()
    dead: int = 0
    priority: str = "normal"


@dataclass(frozen=True, slots=True)
class SetAsideInfo:
    """Something that was found where pauseflow writes, and is not its own, or is damaged.

    Attributes:
        stream: the key that it was found in.
        entry: its id or name there.
        since: when it was set aside.
        reason: why it could not be read.
        body: what there was of it, 4 KiB at most.
    """

    stream: str
    entry: str
    since: datetime
    reason: str
    body: bytes = b""


def moment(milliseconds: int) -> datetime:
    """A time in ms since the epoch as an aware datetime."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def read_run(run_id: str, fields: Mapping[bytes, bytes]) -> RunInfo:
    """A run from the fields of its hash. One whose fields are damaged is told to be halted."""
    text = {
        name.decode("utf-8", "replace"): value.decode("utf-8", "replace")
        for name, value in fields.items()
    }
    try:
        return _read_run(run_id, text)
    except (KeyError, ValueError, OverflowError, OSError, RecursionError) as error:
        return RunInfo(
            id=run_id,
            flow=text.get("flow", ""),
            state=RunState.HALTED,
            created=moment(0),
            finished=None,
            error=f"what the server knows of it is damaged: {type(error).__name__}: {error!s:.200}",
            position=0,
            stages=(),
            results=ResultsInfo(0, 0, 0, 0, waiting_for_reader=False),
        )


def _read_run(run_id: str, text: Mapping[str, str]) -> RunInfo:
    state = RunState(text["state"])
    rates = _rates(text.get("rates", "{}"))
    names = text["stages"].split(" ")
    stages = tuple(_read_stage(name, text.get(f"b:{name}"), rates.get(name, 0.0)) for name in names)
    total, freed = _count(text.get("result_bytes", "0")), _count(text.get("result_freed", "0"))
    results = ResultsInfo(
        count=_count(text.get("results", "0")),
        bytes=total - freed,
        read=_count(text.get("results_read", "0")),
        dropped=_count(text.get("results_dropped", "0")),
        waiting_for_reader=not state.over and total - freed >= RESULTS_BYTES,
    )
    return RunInfo(
        id=run_id,
        flow=text["flow"],
        state=state,
        created=moment(int(text["created"])),
        finished=moment(int(text["finished"])) if "finished" in text else None,
        error=text.get("error", ""),
        position=_count(text["position"]),
        stages=stages,
        results=results,
        priority=text.get("priority") or "normal",
        dead=_count(text.get("dead", "0")),
    )


def _count(text: str) -> int:
    count = int(text)
    if not 0 <= count <= MOST:
        raise ValueError(f"a count of {text:.40}")
    return count


def _rates(text: str) -> dict[str, float]:
    try:
        told: Any = json.loads(text)
        return {name: float(rate) for name, rate in told.items() if isinstance(rate, int | float)}
    except (ValueError, AttributeError, OverflowError, RecursionError):
        return {}  # they are for the eye


def _read_stage(name: str, line: str | None, rate: float) -> StageInfo:
    *words, done, emitted, busy = line.split() if line else ["0"] * 16
    _, waiting, _, _, given, sent, cursor, flying, _, held, _, parked, ended = map(_count, words)
    return StageInfo(
        name=name,
        arrived=given + waiting,
        # less than zero for a while: see books.lua
        done=0 if done[:1] == "-" and _count(done[1:]) else _count(done),
        emitted=_count(emitted),
        cursor=cursor,
        in_flight=max(flying, sent - cursor) if cursor else flying,
        backlog=waiting,
        held=held,
        parked=parked,
        ended=ended == 2,
        busy=_count(busy) / 1e6,
        rate=rate,
    )
