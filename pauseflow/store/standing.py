"""Where a run stands: what it has parked, held, and in the stages' streams and workers' hands."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice

from pauseflow.errors import MalformedData, StoreError
from pauseflow.store.books import DAMAGED, RunInfo
from pauseflow.store.chunks import envelope_of
from pauseflow.store.envelope import Envelope, ParkedChunk
from pauseflow.store.keys import GROUP, Keys
from pauseflow.store.lanes import Lane
from pauseflow.store.seals import Seals
from pauseflow.store.server import Reply, Wire

PAGE = 50
"""Entries of a hash or stream that are fetched at once: each may be a quarter of a megabyte."""

PARKED_LOOKED_AT = 10_000
"""Parked continuations that are fetched to find those that have waited longest."""

ENTRIES_LOOKED_AT = 2_000
"""Entries of one stage's stream that are looked at: other runs' are among them."""

TAKEN = "taken"
"""Why: a worker has it in its hands."""

READY = "ready"
"""Why: it waits in the stage's stream for a worker."""

HELD = "held"
"""Why: it waits until the run's cursor reaches it."""

_FIRST = frozenset({"failed", "code", DAMAGED})
"""What a person has to see to is shown, whatever else there is."""


@dataclass(frozen=True, slots=True)
class Stand:
    """A chunk, or a record, of a run that is under way at a stage.

    Attributes:
        stage: where.
        ordinal: of its first record; -1 if it can't be told.
        why: as of a parked chunk; or one of those above.
        since: when it came to stand there, ms since the epoch; 0 if it isn't known.
        wake: when it goes on by itself, ms since the epoch; 0 if it doesn't.
        note: more on why.
        worker: who has it in hand; empty if nobody.
        envelope: the chunk; None if it is damaged.
    """

    stage: str
    ordinal: int
    why: str
    since: int = 0
    wake: int = 0
    note: str = ""
    worker: str = ""
    envelope: Envelope | None = None


@dataclass(slots=True)
class Standing:
    """What a look at a run found.

    Attributes:
        stands: chosen ones: what a person has to see to, then the oldest.
        more: how many were not chosen.
        now: the server's time, ms since the epoch.
        ready: by stage, how many chunks without a half-done record wait for a worker.
        unseen: stages whose streams are longer than what was looked at.
    """

    stands: list[Stand]
    more: int
    now: int
    ready: dict[str, int] = field(default_factory=dict)
    unseen: list[str] = field(default_factory=list)


class Standings:
    """Looks where runs stand. It changes nothing.

    Args:
        keys: the namespace's keys.
        wire: a connection of the caller's thread.
    """

    def __init__(self, keys: Keys, wire: Wire) -> None:
        self._keys = keys
        self._seals = Seals(keys.signing)
        self._wire = wire

    def of(self, info: RunInfo, limit: int) -> Standing:
        """Where a run stands.

        Args:
            info: the run.
            limit: at most so many of its chunks.
        """
        seconds, micros = self._wire.call(("TIME",))
        standing = Standing([], 0, int(seconds) * 1000 + int(micros) // 1000)
        parked = _Counted(islice(self.parked(info.id), PARKED_LOOKED_AT))
        flying = _Counted(self._flying(info, standing))
        chosen = heapq.nsmallest(limit, chain(parked, flying), key=_urgency)
        order = {stage.name: at for at, stage in enumerate(info.stages)}
        standing.stands = sorted(chosen, key=lambda each: order.get(each.stage, len(order)))
        total = max(parked.count, sum(stage.parked for stage in info.stages))
        standing.more = total + flying.count - len(chosen)
        return standing

    def parked(self, run_id: str) -> Iterator[Stand]:
        """Every parked continuation of a run, in no order, damaged ones too."""
        for name, value in self._scan(self._keys.run(run_id).parked):
            stage, ordinal = _place(name)
            try:
                chunk = ParkedChunk.parse(value)
                envelope = self._seals.open(stage, Envelope.parse(chunk.envelope))
            except MalformedData as error:
                yield Stand(stage, ordinal, DAMAGED, note=str(error))
            else:
                yield Stand(
                    stage, ordinal, chunk.why, chunk.since, chunk.wake, chunk.note, "", envelope
                )

    def _flying(self, info: RunInfo, standing: Standing) -> Iterator[Stand]:
        for stage in info.stages:
            if stage.in_flight:
                for lane in Lane:
                    stream = lane.of(self._keys.stream(info.flow, stage.name))
                    yield from self._in_stream(info, stage.name, stream, standing)
                yield from self._held(info, stage.name)

    def _held(self, info: RunInfo, stage: str) -> Iterator[Stand]:
        for name, value in self._scan(self._keys.run(info.id).reorder(stage), "*:c"):
            try:
                envelope = self._seals.open(stage, Envelope.parse(value))
            except MalformedData as error:
                told = f"held under {name.decode('utf-8', 'replace')!r}: {error}"
                yield Stand(stage, -1, DAMAGED, note=told)
            else:
                yield Stand(stage, envelope.ordinal, HELD, envelope=envelope)

    def _in_stream(
        self, info: RunInfo, stage: str, stream: str, standing: Standing
    ) -> Iterator[Stand]:
        pending = self._wire.exchange([("XPENDING", stream, GROUP, "-", "+", ENTRIES_LOOKED_AT)])[0]
        hands = {}
        if not isinstance(pending, StoreError):
            hands = {entry: (who, idle) for entry, who, idle, _ in pending}
        for entry, fields in self._entries(stream, stage, standing):
            envelope = envelope_of(fields)
            if isinstance(envelope, MalformedData) or envelope.run != info.id:
                continue
            try:
                envelope = self._seals.open(stage, envelope)
            except MalformedData as error:
                yield Stand(stage, envelope.ordinal, DAMAGED, note=str(error))
                continue
            if entry in hands:
                who, idle = hands[entry]
                worker = who.decode("utf-8", "replace")
                yield Stand(
                    stage, envelope.ordinal, TAKEN, standing.now - idle, 0, "", worker, envelope
                )
            elif envelope.frames:
                since = int(entry.partition(b"-")[0])
                yield Stand(stage, envelope.ordinal, READY, since, envelope=envelope)
            else:
                standing.ready[stage] = standing.ready.get(stage, 0) + 1

    def _entries(
        self, stream: str, stage: str, standing: Standing
    ) -> Iterator[tuple[bytes, list[bytes] | None]]:
        start, seen = "-", 0
        while seen < ENTRIES_LOOKED_AT:
            page = self._wire.call(("XRANGE", stream, start, "+", "COUNT", PAGE))
            yield from page
            if len(page) < PAGE:
                return
            seen += len(page)
            start = f"({page[-1][0].decode()}"
        if stage not in standing.unseen:
            standing.unseen.append(stage)

    def _scan(self, key: str, match: str = "") -> Iterator[tuple[bytes, bytes]]:
        """The fields of a hash; each once, although HSCAN may give one twice."""
        cursor: bytes | int = 0
        seen: set[bytes] = set()
        matching = ("MATCH", match) if match else ()
        while True:
            reply: Reply = self._wire.call(("HSCAN", key, cursor, *matching, "COUNT", PAGE))
            cursor, flat = reply
            for name, value in zip(flat[::2], flat[1::2], strict=True):
                if name not in seen:
                    seen.add(name)
                    yield name, value
            if int(cursor) == 0:
                return


class _Counted:
    """Goes over stands, and counts them.

    Args:
        stands: what to go over.
    """

    def __init__(self, stands: Iterable[Stand]) -> None:
        self._stands = stands
        self.count = 0

    def __iter__(self) -> Iterator[Stand]:
        for stand in self._stands:
            self.count += 1
            yield stand


def _urgency(stand: Stand) -> tuple[bool, int, int]:
    return stand.why not in _FIRST, stand.since, stand.ordinal


def _place(field: bytes) -> tuple[str, int]:
    """The stage and ordinal that a field of the parked hash names."""
    stage, _, ordinal = field.decode("utf-8", "replace").rpartition(":")
    is_number = ordinal.isdecimal() and len(ordinal) < 20
    return (stage, int(ordinal)) if is_number else (f"{stage}:{ordinal}", -1)
