"""The client's side of the store: submit, feed, look, read results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import assert_never

from pauseflow import codec
from pauseflow.answer import Answer
from pauseflow.errors import (
    MalformedData,
    RunConflict,
    SettingsError,
    StoreError,
    UnknownRun,
)
from pauseflow.graph import Graph
from pauseflow.store import commands
from pauseflow.store.books import DAMAGED, ParkedInfo, RunInfo, SetAsideInfo, moment, read_run
from pauseflow.store.cast import Casting
from pauseflow.store.commands import Appended, Delivered, Prioritized, Submitted
from pauseflow.store.envelope import Envelope, ParkedChunk
from pauseflow.store.foreign import CODE, origin_of_chunk
from pauseflow.store.held import LANES
from pauseflow.store.keys import Keys, RunKeys, readable_ids, valid_run_id
from pauseflow.store.lanes import Lane
from pauseflow.store.pieces import cut
from pauseflow.store.results import ResultsReader
from pauseflow.store.scripts import Command
from pauseflow.store.seals import Seals
from pauseflow.store.server import Wire
from pauseflow.store.submission import Submission
from pauseflow.store.tuning import QUARANTINE_ENTRIES, RESULTS_BYTES, Tuning, read_costs
from pauseflow.store.waking import waking

READ_ENTRIES = 16
PARKED_SHOWN = 100

SIGNALS_KEPT = 10_000
"""Answers that a run keeps although nothing waits for them."""

LATEST_MS = 253_402_300_799_000
"""The end of the year 9999, of all times."""

WOKEN_AT_ONCE = 200
"""Of what a broadcast wakes."""


class Runs:
    """The runs of one namespace.

    Args:
        keys: the namespace's keys.
        wire: a connection of the caller's thread.
        tuning: chunk sizes and windows.
    """

    def __init__(self, keys: Keys, wire: Wire, tuning: Tuning) -> None:
        self._keys = keys
        self._wire = wire
        self._tuning = tuning
        self._seals = Seals(keys.signing)
        self._castings: dict[int, tuple[Graph, Casting]] = {}
        self.now_ms = 0

    def submit(self, graph: Graph, run_id: str, value: object, priority: Lane = Lane.NORMAL) -> int:
        """Makes a run of one record. The same again changes nothing. Returns its position, 1.

        Raises:
            RunConflict: the id was used for another flow or input.
            NotSerializable: the record has no encoding.
        """
        return self._make(graph, run_id, codec.encode_items([value]), priority)

    def open(self, graph: Graph, run_id: str, priority: Lane = Lane.NORMAL) -> int:
        """Makes a run that is fed, or finds it. Returns how many records it has taken.

        Raises:
            RunConflict: the id was used for another flow, or for a run with a single input.
        """
        return self._make(graph, run_id, None, priority)

    def prioritize(self, run_id: str, priority: Lane) -> Prioritized:
        """Gives a run another priority."""
        self._open_lane(priority)
        run = self._keys.run(run_id)
        return Prioritized(self._wire.call(commands.prioritize(run.base, priority.stored)))

    def _open_lane(self, priority: Lane) -> None:
        """Has workers read the streams of other priorities, before there is anything in them."""
        if priority is not Lane.NORMAL:
            self._wire.call(commands.hold(self._keys.held, LANES, "1"))

    def _make(self, graph: Graph, run_id: str, items: bytes | None, priority: Lane) -> int:
        if not valid_run_id(run_id):
            raise SettingsError(f"run id {run_id!r}: use 1 to 120 letters, digits, '_', '.' or '-'")
        self._open_lane(priority)
        cast = self._casting(graph).feeding(graph.root.name)
        made = Submission.of(self._keys, graph, cast, run_id, items, self.now_ms, priority)
        status, position, _ = self._wire.call(commands.submit(*made))
        submitted = Submitted(status)
        match submitted:
            case Submitted.MADE | Submitted.THERE:
                return int(position)
            case Submitted.OTHER_FLOW:
                raise RunConflict(
                    f"run id {run_id!r} was used before, for another flow than {graph.name!r}. "
                    f"Choose another id, or leave it out"
                )
            case Submitted.OTHER_INPUT:
                raise RunConflict(
                    f"run id {run_id!r} was used before, for another input of flow "
                    f"{graph.name!r}. Choose another id, or leave it out"
                )
            case _:
                assert_never(submitted)

    def append(
        self, graph: Graph, run_id: str, position: int, values: Sequence[object], *, close: bool
    ) -> tuple[Appended, int]:
        """Appends records to an open run.

        Args:
            graph: the run's flow.
            run_id: the run.
            position: how many records came before these.
            values: the records; none to only close it.
            close: these are the last.

        Returns:
            What became of it, and how many records the run has taken now.

        Raises:
            NotSerializable: a record has no encoding; nothing is appended.
        """
        run = self._keys.run(run_id)
        root = graph.root.name
        cast = self._casting(graph).feeding(root)
        target = self._tuning.piece(graph.name, root, position)
        pieces = cut(values, target=target, outlet=0, ended=close)
        pieces = self._seals.pieces(run_id, [root], pieces)
        status, taken = self._wire.call(
            commands.append(
                run.base,
                run.results,
                run.room,
                cast.keys(run),
                run_id,
                position,
                len(values),
                "1" if close else "",
                RESULTS_BYTES,
                len(pieces),
                len(cast.streams),
                cast.size,
                [*cast.arguments, *pieces],
            )
        )
        if status == Appended.DAMAGED:
            raise damaged_run(run_id)
        return Appended(status), int(taken)

    def wait_for_room(self, run_id: str, seconds: float) -> bool:
        """Waits until an open run that had no room may have some. Returns whether it has."""
        room = self._keys.run(run_id).room
        return self._wire.call(("BLPOP", room, seconds)) is not None

    def knows_cost(self, graph: Graph) -> bool:
        """Whether it is known what a record costs the flow's first stage."""
        return self._tuning.cost(graph.name, graph.root.name) is not None

    def learn_costs(self, graph: Graph) -> None:
        """Asks what the flow's stages cost, to cut records into pieces of the right size."""
        names = [f"{graph.name}:{stage.name}" for stage in graph.stages]
        now = self._wire.call(("TIME",))
        values, workers = self._wire.exchange(
            [
                ("HMGET", self._keys.costs, *names),
                ("ZCOUNT", self._keys.leases, int(now[0]) * 1000, "+inf"),
            ]
        )
        if isinstance(values, StoreError) or isinstance(workers, StoreError):
            return
        self._tuning.learn(read_costs(names, values), int(workers))

    def info(self, run_id: str, *, parked: bool = True) -> RunInfo:
        """What is known of a run.

        Raises:
            UnknownRun: there is none of this id.
        """
        run = self._keys.run(run_id)
        asked: list[tuple[object, ...]] = [("HGETALL", run.base)]
        if parked:
            asked.append(("HSCAN", run.parked, 0, "COUNT", PARKED_SHOWN))
        replies = self._wire.call_all(asked)
        info = self._read(run_id, replies[0])
        if info is None:
            raise unknown_run(run_id)
        if parked:
            info = replace(info, parked=tuple(_parked(run_id, replies[1][1]))[:PARKED_SHOWN])
        return info

    def list(self, *, flow: str | None, limit: int) -> list[RunInfo]:
        """The newest runs, newest first, without what they have parked."""
        found: list[RunInfo] = []
        at = 0
        while len(found) < limit:
            ids = self._wire.call(("ZREVRANGE", self._keys.runs, at, at + 99))
            if not ids:
                break
            at += len(ids)
            names = readable_ids(ids)
            replies = self._wire.exchange(
                [("HGETALL", self._keys.run(name).base) for name in names]
            )
            for name, reply in zip(names, replies, strict=True):
                info = None if isinstance(reply, StoreError) else self._read(name, reply)
                if info is not None and flow in (None, info.flow):
                    found.append(info)
        return found[:limit]

    @staticmethod
    def _read(run_id: str, reply: Sequence[bytes]) -> RunInfo | None:
        fields = dict(zip(reply[::2], reply[1::2], strict=True))
        return read_run(run_id, fields) if b"flow" in fields else None

    def results(self, run_id: str) -> ResultsReader:
        """A reader of the run's results, from their beginning."""
        return ResultsReader(self._keys, self._wire, run_id)

    def parked_fields(self, run_id: str) -> Iterator[tuple[str, ParkedChunk]]:
        """Every parked continuation of a run: its name in the parked hash, and itself."""
        cursor: bytes | int = 0
        while True:
            cursor, flat = self._wire.call(
                ("HSCAN", self._keys.run(run_id).parked, cursor, "COUNT", PARKED_SHOWN)
            )
            for name, value in zip(flat[::2], flat[1::2], strict=True):
                try:
                    yield name.decode(), ParkedChunk.parse(value)
                except (MalformedData, UnicodeDecodeError):
                    continue
            if int(cursor) == 0:
                return

    def wake(self, flow: str, run_id: str, names: Sequence[str], *, why: str) -> int:
        """Puts parked continuations back. Returns how many; some may not be parked for this reason.

        Args:
            flow: the run's flow.
            run_id: the run.
            names: the continuations' names in the parked hash.
            why: only if it is parked for this reason; empty for any.
        """
        timers = [f"{run_id} {flow} {name}" for name in names]
        return sum(int(self._wire.call(wakes)) for wakes in waking(self._keys, timers, why))

    def deliver(self, run_id: str, answer: Answer, *, broadcast: bool = False) -> Delivered:
        """Gives an answer to what has waited longest for it in a run, or keeps it.

        Args:
            run_id: the run.
            answer: what came; its name says for whom.
            broadcast: wake all that wait for it now. It is kept only if nothing does.

        Returns:
            Never `LOOK_AGAIN`.
        """
        run = self._keys.run(run_id)
        name = answer.name
        text = self._seals.answer(run_id, answer)
        woken, upto, count = False, "\v", 1
        if broadcast:  # what waits again meanwhile has to wait for the next one
            seconds, micros = self._wire.call(("TIME",))
            began = int(seconds) * 1000 + int(micros) // 1000
            upto, count = f"\n{began + 1:016d}", WOKEN_AT_ONCE
        lowest, highest = f"[{name}\n", f"({name}{upto}"
        while True:
            flow, first = self._wire.call_all(
                [
                    ("HGET", run.base, "flow"),
                    ("ZRANGEBYLEX", run.waits, lowest, highest, "LIMIT", 0, count),
                ]
            )
            if flow is None:
                return Delivered.NO_RUN
            if woken and not first:
                return Delivered.WOKEN
            commands_ = [
                self._signal(run, run_id, flow.decode("utf-8", "replace"), name, member, text)
                for member in first or [b""]
            ]
            replies = self._wire.call_all(commands_)
            last = Delivered(replies[-1])
            woken = woken or Delivered.WOKEN in replies
            if last is not Delivered.LOOK_AGAIN and not (broadcast and last is Delivered.WOKEN):
                return last
            if not first:
                # What waits has begun later, by its clock, or is damaged: one gets it.
                broadcast, count, highest = False, 1, f"({name}\v"

    def _signal(
        self, run: RunKeys, run_id: str, flow: str, name: str, member: bytes, text: bytes
    ) -> Command:
        stage = member.rpartition(b"\n")[2].rpartition(b":")[0].decode("utf-8", "replace")
        return commands.signal(
            run.base,
            run.parked,
            run.waits,
            run.signals,
            self._keys.timers,
            self._keys.stream(flow, stage),
            self._keys.quarantine,
            self._keys.quarantined,
            run_id,
            flow,
            name,
            member,
            text,
            SIGNALS_KEPT,
            QUARANTINE_ENTRIES,
        )

    def set_aside(self, limit: int) -> tuple[int, Sequence[SetAsideInfo]]:
        """How much was ever set aside as damaged or foreign, and the newest of it, newest first."""
        key = self._keys.quarantine
        count, newest = self._wire.call_all(
            [("GET", self._keys.quarantined), ("XREVRANGE", key, "+", "-", "COUNT", limit)]
        )
        found = []
        for entry_id, words in newest:
            about = dict(zip(words[::2], words[1::2], strict=True))
            stream, entry, reason = (
                about.get(name, b"").decode("utf-8", "replace")
                for name in (b"stream", b"entry", b"reason")
            )
            since = moment(min(int(entry_id.split(b"-")[0]), LATEST_MS))
            found.append(SetAsideInfo(stream, entry, since, reason, about.get(b"body", b"")))
        # An installation of an older version did not count.
        counted = int(count) if count and count.isdigit() and len(count) < 20 else 0
        return max(counted, len(found)), found

    def latest_result(self, run_id: str) -> bytes:
        """The id of the newest entry of the results; `b"0"` if there is none."""
        newest = self._wire.call(
            ("XREVRANGE", self._keys.run(run_id).results, "+", "-", "COUNT", 1)
        )
        return bytes(newest[0][0]) if newest else b"0"

    def wait_for_result(self, run_id: str, after: bytes, block_ms: int) -> None:
        """Waits for an entry after this one, the run's end included, or for the time to pass."""
        stream = self._keys.run(run_id).results
        self._wire.call(("XREAD", "COUNT", 1, "BLOCK", block_ms, "STREAMS", stream, after))

    def _casting(self, graph: Graph) -> Casting:
        known = self._castings.get(id(graph))
        if known is None:
            known = self._castings[id(graph)] = (graph, Casting(self._keys, graph, self._tuning))
        return known[1]


def unknown_run(run_id: str) -> UnknownRun:
    """The error about a run that is not there."""
    return UnknownRun(f"there is no run {run_id!r}: it was never submitted, or it has expired")


def damaged_run(run_id: str) -> MalformedData:
    """The error about a run whose record on the server can't be read."""
    return MalformedData(
        f"what the server knows of run {run_id!r} is damaged. Cancel the run, and submit it again "
        f"under another id"
    )


def _parked(run_id: str, flat: Sequence[bytes]) -> Iterator[ParkedInfo]:
    for name, value in zip(flat[::2], flat[1::2], strict=True):
        field = name.decode("utf-8", "replace")
        try:
            yield _parked_info(run_id, field, ParkedChunk.parse(value))
        except (MalformedData, ValueError, OverflowError, OSError) as error:
            stage = field.rpartition(":")[0]
            yield ParkedInfo(stage, f"{run_id}:{field}", DAMAGED, None, None, str(error))


def _parked_info(run_id: str, name: str, chunk: ParkedChunk) -> ParkedInfo:
    wake = moment(chunk.wake) if chunk.wake else None
    envelope = Envelope.parse(chunk.envelope)
    waits_for = origin_of_chunk(envelope) if chunk.why == CODE else None
    return ParkedInfo(
        name.rpartition(":")[0],
        f"{run_id}:{name}",
        chunk.why,
        moment(chunk.since),
        wake,
        chunk.note,
        waits_for,
    )
