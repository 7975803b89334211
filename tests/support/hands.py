"""A consumer without a stage: takes chunks, and commits what a test says."""

from dataclasses import replace

from pauseflow import Flow, codec
from pauseflow.codec import Marker
from pauseflow.store.chunks import Chunks, Entry, Park, Result
from pauseflow.store.commands import Committed
from pauseflow.store.envelope import Envelope, ParkedChunk, piece
from pauseflow.store.keys import Keys
from pauseflow.store.pieces import item_bytes
from pauseflow.store.server import Server
from pauseflow.store.tuning import Tuning


class FixedTuning(Tuning):
    """Chunk sizes, windows and backlogs that a test chooses instead of measurements.

    Args:
        target: records a chunk.
        piece: records a piece; as `target` if it is left out.
        window: chunks in flight, for stages that leave it to the engine.
        limit: records in a backlog at which the stages above stop.
    """

    def __init__(self, target=1, piece=None, window=4, limit=64):
        super().__init__()
        self._target, self._piece, self._window, self._limit = target, piece, window, limit

    def measured(self, *_):
        pass

    def learn(self, *_):
        pass

    def cost(self, *_):
        return 1.0

    def target(self, *_):
        return self._target

    def piece(self, *_):
        return self._piece or self._target

    def window(self, stage):
        return 1 if stage.sequential else stage.window or self._window

    def limit(self, *_):
        return self._limit


class Hands:
    """One consumer of every stage of a flow.

    Args:
        server: where.
        flow: whose stages.
        name: the consumer's.
        tuning: as a worker would have it.
        namespace: of the runs.
    """

    def __init__(
        self, server: Server, flow: Flow, name="hands", *, tuning=None, namespace="default"
    ):
        self.flow = flow
        self.graph = flow.graph
        self.name = name
        self.keys = Keys(namespace)
        self.server = server
        self.wire = server.wire()
        stages = [(self.graph, stage.name) for stage in reversed(self.graph.stages)]
        self.chunks = Chunks(self.keys, name, stages, tuning or FixedTuning())
        self.chunks.ensure_groups(self.wire)

    def take(self, count=100) -> list[Entry]:
        """Whatever lies in the streams, later stages first."""
        return self.chunks.entries(self.wire.call(self.chunks.read(count, block=False)))

    def at(self, stage: str, count=100) -> list[Entry]:
        """What lies in the stream of one stage."""
        stream = self.keys.stream(self.graph.name, stage)
        command = ("XREADGROUP", "GROUP", "workers", self.name, "COUNT", count)
        return self.chunks.entries(self.wire.call((*command, "STREAMS", stream, ">")))

    def pending(self, stage: str) -> list[tuple[str, int]]:
        """Who has entries of the stage in hand, and how often each was delivered."""
        stream = self.keys.stream(self.graph.name, stage)
        found = self.wire.call(("XPENDING", stream, "workers", "-", "+", 100))
        return [(owner.decode(), count) for _, owner, _, count in found]

    def values(self, entry: Entry) -> list[object]:
        """The records of a chunk."""
        assert isinstance(entry.envelope, Envelope), entry.envelope
        return codec.decode_items(entry.envelope.count, entry.envelope.items)

    def result(self, entry: Entry, outputs=(), *, done=None, rest=False, **more) -> Result:
        """What became of a chunk: its first `done` records are done and gave the outputs."""
        envelope = entry.envelope
        done = envelope.count if done is None and not rest else done or 0
        pieces = []
        for position, outlet in enumerate(self.graph.outlets(entry.stage), 1):
            carried = [
                value
                for value in outputs
                if (outlet.markers if isinstance(value, Marker) else outlet.records)
            ]
            marks = sum(isinstance(value, Marker) for value in carried)
            number = 0 if outlet.target is None else position
            if carried:
                items = codec.encode_items(carried)
                pieces.append(piece(len(carried), marks, items, outlet=number))
        result = Result(pieces, done, len(outputs), 1000, **more)
        stops = rest or result.unfinished
        if rest:
            result.rest = self.rest(envelope, done)
        if envelope.ended and not stops and self.graph[entry.stage].ordered:
            for position, outlet in enumerate(self.graph.outlets(entry.stage), 1):
                if outlet.target is not None:
                    result.pieces.append(piece(0, 0, b"", outlet=position, ended=True))
            if all(outlet.target is None for outlet in self.graph.outlets(entry.stage)):
                result.pieces.append(piece(0, 0, b"", outlet=0, ended=True))
        return result

    def rest(self, envelope: Envelope, done: int) -> Envelope:
        """What is left of a chunk after its first records."""
        return envelope.rest(
            envelope.ordinal + done,
            envelope.count - done,
            0,
            b"",
            item_bytes(envelope.items, done),
        )

    def alone(self, envelope: Envelope, index: int) -> Envelope:
        """One record of a chunk, by itself."""
        items = item_bytes(envelope.items, index, 1)
        return replace(envelope.rest(envelope.ordinal + index, 1, 0, b"", items), ended=False)

    def park(self, envelope: Envelope, *, wake=0, why="pause", note="") -> Park:
        """A continuation that is to wait."""
        return Park(envelope.ordinal, ParkedChunk(why, 1, wake, note, envelope.pack()))

    def commit(self, entry: Entry, outputs=(), **how) -> Committed:
        """Commits a chunk as done with these outputs, or as `result` is told otherwise."""
        return self.put(entry, self.result(entry, outputs, **how))

    def put(self, entry: Entry, result: Result) -> Committed:
        command = self.chunks.commit(entry, entry.envelope, result)
        return Committed(self.wire.call(command))
