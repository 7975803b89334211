"""Survey: what a run has where, by looking at all of it, and not at its books."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pauseflow.errors import MalformedData, StoreError
from pauseflow.store.books import RunInfo, read_run
from pauseflow.store.keys import Keys, RunKeys
from pauseflow.store.lanes import Lane
from pauseflow.store.remedies import look
from pauseflow.store.server import Wire

AT_ONCE = 2_000
"""Things that one script looks at: the server does nothing else meanwhile."""

BYTES_AT_ONCE = 2 * 1024 * 1024

CALLS = 100
"""Of one survey. Who has more than this looks at has it unseen."""

_CHUNK = re.compile(rb"1 ([A-Za-z0-9_.-]{1,200}) (\d+) (\d+) \d+ (\d+) \d+ (\d) \d+")
_PIECE = re.compile(rb"(\d+) \d+ \d \d+")
_PARKED = re.compile(rb"([a-z]+) (\d+) (\d+) \d+")
_RESULT = re.compile(rb"(\d{1,16}) (\d{1,16}) (\d{1,16})")
_STATE = re.compile(rb"(\d+) ([01])")


@dataclass(frozen=True, slots=True)
class Seen:
    """A chunk, by its header.

    Attributes:
        run: the run's id.
        seq: its number at the stage.
        ordinal: of its first item.
        count: how many items it has.
    """

    run: str
    seq: int
    ordinal: int
    count: int


@dataclass(frozen=True, slots=True)
class SeenParked:
    """A parked continuation, by its header.

    Attributes:
        field: its name in the parked hash.
        why: as of a `ParkedChunk`; empty if it is damaged.
        since: as of a `ParkedChunk`.
        wake: as of a `ParkedChunk`.
        note: the first line of its note.
        chunk: the continuation; None if it is damaged.
        timed: it has a timer.
    """

    field: str
    why: str
    since: int
    wake: int
    note: str
    chunk: Seen | None
    timed: bool


@dataclass(frozen=True, slots=True)
class SeenWait:
    """A member of the run's waits.

    Attributes:
        member: the whole of it.
        name: what is waited for.
        field: of the parked hash.
        answered: an answer to it was kept all the same.
        looked_at: of a job: somebody is to look at it.
    """

    member: bytes
    name: str
    field: str
    answered: bool
    looked_at: bool


@dataclass(slots=True)
class SeenHeld:
    """A chunk in the reorder buffer.

    Attributes:
        kept: how many pieces there should be.
        finished: nothing more comes of the chunk.
        pieces: how many there are.
        rest: its continuation, if that is held too.
    """

    kept: int = 0
    finished: bool = False
    noted: bool = False
    pieces: set[int] = field(default_factory=set)
    rest: Seen | None = None


@dataclass(slots=True)
class SeenStage:
    """What is at a stage.

    Attributes:
        waiting: pieces in the backlog; their items, their bytes.
        stalled: continuations in the backlog.
        held: the reorder buffer by the chunks' numbers; its items, its bytes.
        entries: chunks in the stage's streams.
        damaged: what can't be read, in words.
    """

    waiting: int = 0
    waiting_items: int = 0
    waiting_bytes: int = 0
    stalled: list[Seen] = field(default_factory=list)
    held: dict[int, SeenHeld] = field(default_factory=dict)
    held_items: int = 0
    held_bytes: int = 0
    entries: list[Seen] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Survey:
    """A run, and what it has where.

    Attributes:
        info: what its hash says.
        fields: the hash itself.
        stages: what is at each of its stages.
        parked: what it has parked, by its names.
        waits: what waits for signals and jobs.
        results: of the newest results: which was the first, how many, and all bytes with them; None
            if none are there, or behind others.
        at_once: all of it was seen at one moment.
        steady: so it was; or its books were the same before and after.
        complete: there is no more than was looked at.
    """

    info: RunInfo
    fields: Mapping[bytes, bytes]
    stages: dict[str, SeenStage]
    parked: dict[str, SeenParked] = field(default_factory=dict)
    waits: list[SeenWait] = field(default_factory=list)
    results: tuple[int, int, int] | None = None
    at_once: bool = True
    steady: bool = True
    complete: bool = True

    def books(self, stage: str) -> bytes:
        """The line of a stage's books; empty if it has none yet."""
        return self.fields.get(b"b:" + stage.encode(), b"")


Census = Mapping[str, Sequence[tuple[str, bytes]]]
"""By a stream's key the runs of the chunks in it, with their headers."""


@dataclass(slots=True)
class _Part:
    """A key that is gone through.

    Args:
        kind: as in look.lua.
        key: the key.
        stage: of which stage it is; empty of none.
    """

    kind: str
    key: str
    stage: str = ""
    at: str = "0"
    rows: list[list[bytes]] = field(default_factory=list)


class Surveyor:
    """Looks at runs. It changes nothing, and never keeps the server for long.

    Args:
        keys: the namespace's keys.
        wire: a connection of the caller's thread.
    """

    def __init__(self, keys: Keys, wire: Wire) -> None:
        self._keys = keys
        self._wire = wire

    def survey(self, info: RunInfo, census: Census | None = None) -> Survey | None:
        """Everything that a run has.

        Args:
            info: the run, for its flow and its stages.
            census: the chunks in streams, seen before; None to look at them together with the
                rest, at one moment if it is not too much.

        Returns:
            None if the run is gone.

        Raises:
            StoreError: a key of the run is not of its type, or the server denies a command.
        """
        run, flow = self._keys.run(info.id), info.flow
        names = [stage.name for stage in info.stages]
        parts = [_Part("parked", run.parked), _Part("waits", run.waits)]
        parts.append(_Part("results", run.results))
        for name in names:
            parts.append(_Part("backlog", run.backlog(name), name))
            parts.append(_Part("reorder", run.reorder(name), name))
            if census is None:
                parts += [_Part("stream", key, name, "-") for key in self._lanes(flow, name)]
        first, last, calls = self._through(run, info.id, flow, parts)
        if not last:
            return None
        made = Survey(read_run(info.id, last), last, {name: SeenStage() for name in names})
        made.at_once = calls == 1
        made.steady = made.at_once or _books(first) == _books(last)
        made.complete = all(part.at == "" for part in parts)
        for part in parts:
            _READ[part.kind](made, part)
        for name in names if census is not None else ():
            for key in self._lanes(flow, name):
                heads = [head for of, head in (census or {}).get(key, ()) if of == info.id]
                made.stages[name].entries += [each for each in map(_seen, heads) if each]
        return made

    def census(self, places: Iterable[tuple[str, str]]) -> dict[str, list[tuple[str, bytes]]]:
        """The chunks in the streams of stages, of whatever runs.

        Args:
            places: flows and stages.
        """
        found = {}
        for flow, stage in places:
            for key in self._lanes(flow, stage):
                part = _Part("streams", key, stage, "-")
                try:
                    self._through(RunKeys(self._keys.prefix + "run:"), "", flow, [part])
                except StoreError as error:
                    if "WRONGTYPE" not in str(error):
                        raise
                seen = ((_seen(row[1]), bytes(row[1])) for row in part.rows)
                found[key] = [(chunk.run, head) for chunk, head in seen if chunk]
        return found

    def _lanes(self, flow: str, stage: str) -> list[str]:
        return [lane.of(self._keys.stream(flow, stage)) for lane in Lane]

    def _through(
        self, run: RunKeys, run_id: str, flow: str, parts: Sequence[_Part]
    ) -> tuple[dict[bytes, bytes], dict[bytes, bytes], int]:
        """Goes through the parts. Gives the run's hash before and after, and how often it asked."""
        first: dict[bytes, bytes] | None = None
        last: dict[bytes, bytes] = {}
        calls, left = 0, list(parts)
        while left and calls < CALLS:
            flat, *found = self._wire.call(
                look(
                    run.base,
                    run.parked,
                    run.signals,
                    self._keys.timers,
                    self._keys.jobs,
                    [part.key for part in left],
                    run_id,
                    flow,
                    AT_ONCE,
                    BYTES_AT_ONCE,
                    [word for part in left for word in (part.kind, part.at)],
                )
            )
            calls += 1
            last = dict(zip(flat[::2], flat[1::2], strict=True))
            first = last if first is None else first
            for part, (at, rows) in zip(left, found, strict=True):
                part.at = at.decode()
                part.rows += rows
            left = [part for part in left if part.at != ""]
        return first or {}, last, calls


def _books(fields: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    return {name: value for name, value in fields.items() if name.startswith((b"b:", b"state"))}


def _seen(head: bytes) -> Seen | None:
    match = _CHUNK.fullmatch(head)
    if match is None:
        return None
    return Seen(match[1].decode(), int(match[2]), int(match[3]), int(match[4]))


def _text(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace")


def _read_parked(made: Survey, part: _Part) -> None:
    for name, head, note, chunk, timer in part.rows:
        match, field_ = _PARKED.fullmatch(head), _text(name)
        seen = _seen(chunk)
        if match is None or seen is None:
            made.parked[field_] = SeenParked(field_, "", 0, 0, "", None, timed=bool(timer))
            continue
        why, since, wake = match[1].decode(), int(match[2]), int(match[3])
        made.parked[field_] = SeenParked(
            field_, why, since, wake, _text(note.partition(b"\n")[0]), seen, timed=bool(timer)
        )


def _read_waits(made: Survey, part: _Part) -> None:
    for member, answered, job in part.rows:
        name, _, rest = member.partition(b"\n")
        looked_at = not name.startswith(b"job:") or bool(job)
        field_ = _text(rest.partition(b"\n")[2])
        made.waits.append(SeenWait(member, _text(name), field_, bool(answered), looked_at))


def _read_backlog(made: Survey, part: _Part) -> None:
    stage = made.stages[part.stage]
    for head, size in part.rows:
        stage.waiting += 1
        if head.startswith(b"!"):
            chunk = _seen(head[1:])
            if chunk is None:
                stage.damaged.append(f"a continuation in its backlog begins with {head[:40]!r}")
            else:
                stage.stalled.append(chunk)
            continue
        match = _PIECE.fullmatch(head)
        if match is None:
            stage.damaged.append(f"a piece in its backlog begins with {head[:40]!r}")
        else:
            stage.waiting_items += int(match[1])
            stage.waiting_bytes += int(size)


def _read_reorder(made: Survey, part: _Part) -> None:
    stage = made.stages[part.stage]
    rows = {bytes(name): (bytes(head), int(size)) for name, head, size in part.rows}
    for name, (head, size) in rows.items():
        try:
            _read_held(stage, name, head, size)
        except MalformedData:
            where = name.decode("utf-8", "backslashreplace")
            stage.damaged.append(f"what it holds under {where!r} begins with {head[:40]!r}")


def _read_held(stage: SeenStage, name: bytes, head: bytes, size: int) -> None:
    number, _, which = name.partition(b":")
    if not number.isdigit() or len(number) > 16:
        raise MalformedData
    held = stage.held.setdefault(int(number), SeenHeld())
    if which == b"":
        state = _STATE.fullmatch(head)
        if state is None:
            raise MalformedData
        held.kept, held.finished, held.noted = int(state[1]), state[2] == b"1", True
    elif which == b"c":
        held.rest = _seen(head)
        if held.rest is None:
            raise MalformedData
    else:
        match = _PIECE.fullmatch(head)
        if match is None or not which.isdigit() or len(which) > 16:
            raise MalformedData
        held.pieces.add(int(which))
        stage.held_items += int(match[1])
        stage.held_bytes += size


def _read_stream(made: Survey, part: _Part) -> None:
    stage = made.stages[part.stage]
    for _, head in part.rows:
        chunk = _seen(head)
        if chunk is None:
            stage.damaged.append(f"an entry of its stream begins with {head[:40]!r}")
        else:
            stage.entries.append(chunk)


def _read_results(made: Survey, part: _Part) -> None:
    for (head,) in part.rows:
        match = _RESULT.fullmatch(head)
        if match is not None:
            made.results = (int(match[1]), int(match[2]), int(match[3]))
            return


_READ = {
    "results": _read_results,
    "parked": _read_parked,
    "waits": _read_waits,
    "backlog": _read_backlog,
    "reorder": _read_reorder,
    "stream": _read_stream,
}
