"""The worker's side of the store: read chunks, commit what became of them, give them back."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from pauseflow.errors import MalformedData, ServerRefused, StoreError
from pauseflow.graph import Graph
from pauseflow.signing import KEY_VARIABLE
from pauseflow.store import commands
from pauseflow.store.cast import Casting
from pauseflow.store.envelope import Envelope, ParkedChunk, UnsignedChunk
from pauseflow.store.held import NOTHING_HELD, Held
from pauseflow.store.keys import GROUP, Keys, RunKeys
from pauseflow.store.lanes import Lane
from pauseflow.store.scripts import Command
from pauseflow.store.seals import RESULTS, Seals
from pauseflow.store.server import Reply, Wire
from pauseflow.store.tuning import KEEP_MS, QUARANTINE_ENTRIES, RESULTS_BYTES, Tuning

BLOCK_MS = 2_000
"""How long an idle worker waits in one read."""

_FIELDS = frozenset({(b"e",), (b"e", b"p"), (b"e", b"s")})
"""Of an entry: the envelope, and the piece with its items, or the answer that woke it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of a stage's stream in this worker's hands.

    Args:
        flow: the flow's name.
        stage: the stage's name.
        id: the entry's id in the stream.
        envelope: the chunk, or why it is none.
        lane: by which of the stage's streams it came.
        stream: that stream's key.
    """

    flow: str
    stage: str
    id: bytes
    envelope: Envelope | MalformedData
    lane: Lane = Lane.NORMAL

    @property
    def crashed(self) -> bool:
        """Whether a worker has died with it in hand."""
        return isinstance(self.envelope, Envelope) and self.envelope.crashes > 0

    stream: str = ""


@dataclass(slots=True)
class Park:
    """A continuation to be parked.

    Args:
        ordinal: of its first record; names it within the stage.
        chunk: the continuation and why it waits.
    """

    ordinal: int
    chunk: ParkedChunk


@dataclass(slots=True)
class DeadLetter:
    """A record that is set aside.

    Args:
        key: the record's.
        text: the letter, see `letters`.
    """

    key: str
    text: bytes


@dataclass(slots=True)
class Result:
    """What became of a chunk, ready to be committed.

    Args:
        pieces: the outputs, as `envelope.piece` makes them, in order.
        done: records processed.
        emitted: items emitted.
        microseconds: how long it took.
        rest: what is left and goes on at once, or None.
        parks: what is left and waits.
        at_once: single records of an unordered stage that go on at once, each by itself.
        unfinished: the rest of the chunk is among the parks (ordered stages).
        error: what the run halts with; empty if it does not.
        dead: records that are set aside.
        kept: fields of what the stage keeps of the run, that have changed; empty: it goes.
    """

    pieces: list[bytes]
    done: int
    emitted: int
    microseconds: int
    rest: Envelope | None = None
    parks: list[Park] = field(default_factory=list)
    at_once: list[Envelope] = field(default_factory=list)
    unfinished: bool = False
    error: str = ""
    dead: list[DeadLetter] = field(default_factory=list)
    kept: dict[bytes, bytes] = field(default_factory=dict)


class Chunks:
    """The streams of some stages, read and committed by one consumer.

    Args:
        keys: the namespace's keys.
        consumer: this worker's name, unique for each start of a process.
        stages: the graphs and names of the stages whose streams are read, the last stages first.
        tuning: chunk sizes and windows.
        now: 0, or a fixed time in ms for tests with a virtual clock.
    """

    def __init__(
        self,
        keys: Keys,
        consumer: str,
        stages: Sequence[tuple[Graph, str]],
        tuning: Tuning,
    ) -> None:
        self._keys = keys
        self._consumer = consumer
        self._tuning = tuning
        graphs = {graph.name: graph for graph, _ in stages}
        self._castings = {name: Casting(keys, graph, tuning) for name, graph in graphs.items()}
        self._roots = {graph.name: graph.root.name for graph in graphs.values()}
        self._places = {
            lane.of(keys.stream(graph.name, stage)).encode(): (
                graph.name,
                stage,
                lane,
                lane.of(keys.stream(graph.name, stage)),
            )
            for lane in Lane
            for graph, stage in stages
        }
        self._seals = Seals(keys.signing)
        self._targets = {
            (graph.name, stage): (
                RESULTS,
                *(outlet.target or RESULTS for outlet in graph.outlets(stage)),
            )
            for graph, stage in stages
        }
        self._streams = [key.decode() for key in self._places]
        self._read = {lane: self._upto(lane, NOTHING_HELD) for lane in Lane}
        self.now_ms = 0

    def ensure_groups(self, wire: Wire) -> None:
        """Makes the streams and their consumer groups where they are missing.

        A group begins at 0, not at `$`: what came before the first worker, or was there when a
        group got lost, is work too.
        """
        create = [("XGROUP", "CREATE", stream, GROUP, "0", "MKSTREAM") for stream in self._streams]
        replies = wire.exchange(create)
        if any(isinstance(reply, StoreError) and "WRONGTYPE" in str(reply) for reply in replies):
            wire.exchange([self._displace(stream) for stream in self._streams])
            replies = wire.exchange(create)
        for reply in replies:
            if isinstance(reply, StoreError) and "BUSYGROUP" not in str(reply):
                raise reply

    def agree_on_signing(self, wire: Wire) -> None:
        """Notes that what this worker writes is signed.

        Raises:
            ServerRefused: it has no key, and other workers have: it would set aside all that they
                have signed.
        """
        key = self._keys.signed
        if self._seals.enabled:
            wire.call(("SET", key, "1"))
        elif wire.call(("EXISTS", key)):
            raise ServerRefused(
                f"what is in namespace {self._keys.namespace!r} is signed, and this worker has no "
                f"key: set {KEY_VARIABLE}. If nothing signed is left there, delete {key}"
            )

    def _displace(self, stream: str) -> Command:
        """The command that moves away what is no stream but is called like this one."""
        keys = self._keys
        return commands.displace(
            stream,
            keys.displaced(stream),
            keys.quarantine,
            keys.quarantined,
            QUARANTINE_ENTRIES,
        )

    def leave_out(self, held: Held) -> None:
        """Reads no stream of a stage that is held, and all others. For any thread.

        Those of other priorities are left out as well until there is one: a read of three empty
        streams in place of one is felt by a small run.
        """
        self._read = {lane: self._upto(lane, held) for lane in Lane}

    def _upto(self, last: Lane, held: Held) -> list[str]:
        return [
            key.decode()
            for key, (flow, stage, lane, _) in self._places.items()
            if lane <= last
            and (held.lanes or lane is Lane.NORMAL)
            and not held.holds_stage(flow, stage)
        ]

    @property
    def reads(self) -> bool:
        """Whether there is a stream that may be read."""
        return bool(self._read[Lane.LOW])

    def read(self, count: int, *, block: bool, last: Lane = Lane.LOW) -> Command | None:
        """The command that reads up to `count` entries of each stream, for `entries`.

        None if every stage is held.

        Args:
            count: of each stream.
            block: wait up to `BLOCK_MS` if there is nothing.
            last: no lanes that are less urgent.
        """
        streams = self._read[last]
        if not streams:
            return None
        head: Command = ("XREADGROUP", "GROUP", GROUP, self._consumer, "COUNT", count)
        if block:
            head += ("BLOCK", BLOCK_MS)
        return (*head, "STREAMS", *streams, *([">"] * len(streams)))

    def entries(self, reply: Reply) -> list[Entry]:
        """The entries in the reply to `read`.

        Raises:
            StoreError: the reply is an error; NOGROUP or WRONGTYPE in it asks for `ensure_groups`.
        """
        if isinstance(reply, StoreError):
            raise reply
        found = []
        for stream, items in reply or ():
            flow, stage, lane, name = self._places[stream]
            for entry_id, fields in items:
                envelope = self._opened(stage, envelope_of(fields))
                found.append(Entry(flow, stage, entry_id, envelope, lane, name))
        return found

    def _opened(self, stage: str, envelope: Envelope | MalformedData) -> Envelope | MalformedData:
        if isinstance(envelope, MalformedData):
            return envelope
        try:
            return self._seals.open(stage, envelope)
        except MalformedData as error:
            return UnsignedChunk(str(error), envelope)

    def _sealed(self, entry: Entry, run: str, result: Result) -> Result:
        """The same, signed."""
        seals, stage = self._seals, entry.stage
        parks = [
            replace(
                park,
                chunk=replace(park.chunk, envelope=seals.packed(stage, park.chunk.envelope)),
            )
            for park in result.parks
        ]
        return replace(
            result,
            pieces=seals.pieces(run, self._targets[(entry.flow, stage)], result.pieces),
            rest=None if result.rest is None else seals.envelope(stage, result.rest),
            parks=parks,
            at_once=[seals.envelope(stage, alone) for alone in result.at_once],
            dead=[replace(each, text=seals.letter(each.key, each.text)) for each in result.dead],
            kept={name: seals.kept(run, stage, name, data) for name, data in result.kept.items()},
        )

    def commit(self, entry: Entry, envelope: Envelope, result: Result) -> Command:
        """The command that commits what became of an entry; its reply is a `commands.Committed`."""
        flow, stage, run = entry.flow, entry.stage, envelope.run
        if self._seals.enabled:
            result = self._sealed(entry, run, result)
        casting = self._castings[flow]
        cast = casting.committing(stage)
        keys = self._keys
        run_keys = keys.run(run)
        base = run_keys.base
        stages = cast.keys(run_keys)
        if result.parks or result.at_once or result.dead:
            stages += (run_keys.waits, run_keys.signals, keys.jobs, keys.dead, keys.letters)
            stages += (keys.quarantine, keys.quarantined)
        if result.kept:
            stages.append(run_keys.state(stage))
        payload: list[str | bytes | int] = list(cast.arguments)
        for park in result.parks:
            name = f"{stage}:{park.ordinal}"
            chunk = park.chunk
            payload += (name, chunk.wake, f"{run} {flow} {name}", chunk.pack(), chunk.wait(name))
        payload += [word for alone in result.at_once for word in ("", -1, "", alone.pack(), "")]
        now = self.now_ms or int(time.time() * 1000) if result.dead else 0
        payload += [word for letter in result.dead for word in (letter.key, now, letter.text)]
        payload += [word for pair in result.kept.items() for word in pair]
        payload += result.pieces
        rest = "again" if result.rest is not None else "parked" if result.unfinished else ""
        return commands.commit(
            base,
            base + ":results",
            base + ":parked",
            keys.timers,
            keys.expiring,
            base + ":room",
            entry.stream,
            stages,
            run,
            self.now_ms,
            entry.id,
            envelope.seq,
            result.done,
            result.emitted,
            result.microseconds,
            rest,
            result.rest.pack() if result.rest is not None else "",
            "1" if envelope.ended and not rest else "",
            result.error,
            KEEP_MS,
            RESULTS_BYTES,
            "1" if stage == self._roots[flow] else "",
            len(result.parks) + len(result.at_once),
            len(result.dead),
            len(result.kept),
            len(result.pieces),
            len(cast.streams),
            cast.before,
            cast.size,
            payload,
        )

    def give_back(self, entries: Sequence[Entry]) -> list[Command]:
        """The commands that return entries that were not worked on."""
        by_stream: dict[str, list[bytes]] = {}
        for entry in entries:
            by_stream.setdefault(entry.stream, []).append(entry.id)
        return [commands.giveback(stream, self._consumer, ids) for stream, ids in by_stream.items()]

    def quarantine(self, entry: Entry, reason: str) -> Command:
        """The command that sets aside an entry that is not ours or is damaged.

        If it is a chunk of a run, the run halts, and keeps the chunk.
        """
        stream = entry.stream
        run = RunKeys(stream)
        field, text, error = "", b"", ""
        envelope = entry.envelope
        if isinstance(envelope, UnsignedChunk):
            envelope = envelope.envelope
        elif isinstance(envelope, Envelope):
            envelope = self._seals.envelope(entry.stage, envelope)
        if isinstance(envelope, Envelope):
            run = self._keys.run(envelope.run)
            field = f"{entry.stage}:{envelope.ordinal}"
            now = self.now_ms or int(time.time() * 1000)
            text = ParkedChunk("failed", now, 0, reason, envelope.pack()).pack()
            error = (
                f"stage {entry.stage!r} can't read the chunk that begins with record "
                f"{envelope.run}:{field}: {reason}"
            )
        return commands.quarantine(
            stream,
            self._keys.quarantine,
            self._keys.quarantined,
            run.base,
            run.parked,
            run.results,
            self._consumer,
            entry.id,
            reason,
            QUARANTINE_ENTRIES,
            field,
            text,
            f"b:{entry.stage}",
            error,
        )


def envelope_of(fields: list[bytes] | None) -> Envelope | MalformedData:
    """The chunk in the fields of a stream's entry, or why it is none."""
    names = () if fields is None else tuple(fields[::2])
    if names not in _FIELDS:
        return MalformedData("an entry without a chunk in it")
    assert fields is not None  # noqa: S101 # there are names; tells mypy
    try:
        envelope = Envelope.parse(fields[1], fields[3] if names[1:] == (b"p",) else None)
    except MalformedData as error:
        return error
    if names[1:] == (b"s",):
        envelope.answer = fields[3]
    return envelope
