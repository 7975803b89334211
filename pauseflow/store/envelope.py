"""What travels: pieces, which wait in backlogs, and envelopes, the entries of streams.

A piece is a text header line and items, one encoded record after another, so that a script can
join two pieces without knowing what is in them. An envelope is a header line, the frames of
half-done records, and the items. `lua/includes/pipeline.lua` reads and writes the same.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from pauseflow.errors import MalformedData
from pauseflow.store.keys import ANY_RUN_ID

SIGNAL = "signal"
"""Why a continuation is parked that waits for a signal or a job."""

_FIELDS = 9
_MAX_HEADER = 400
_LARGEST = 1 << 53
"""Beyond it, numbers are not exact in scripts."""


def piece(count: int, marks: int, items: bytes, *, outlet: int, ended: bool = False) -> bytes:
    """A piece of a stage's outputs.

    Args:
        count: how many items.
        marks: how many of them are end-of-scope markers.
        items: their encodings, one after another.
        outlet: position (from 1) of the stage that it is for among the stage's outlets; 0 for the
            results.
        ended: nothing follows in this run.
    """
    return b"%d %d %d %d\n%b" % (count, marks, ended, outlet, items)


@dataclass(slots=True)
class Envelope:
    """A chunk on its way.

    Args:
        run: the run's id.
        seq: the chunk's number at its stage; a continuation keeps it.
        ordinal: of the first item at the stage, counted over the whole run.
        crashes: how many workers died with it in their hands.
        count: how many items.
        marks: how many of them are markers.
        ended: nothing follows in this run at this stage.
        frames: encoded frames of half-done records, empty if there are none.
        items: the items' encodings, one after another.
        answer: what its first record was woken with just now, as `Answer.pack` writes it. Not
            part of what `pack` gives: whoever goes on with it writes it into the frames.
    """

    run: str
    seq: int
    ordinal: int
    crashes: int
    count: int
    marks: int
    ended: bool
    frames: bytes
    items: bytes
    answer: bytes = b""

    @classmethod
    def parse(cls, data: bytes, piece: bytes | None = None) -> Envelope:
        """Reads an envelope.

        Args:
            data: the envelope.
            piece: a piece with its items, whose own header does not count; None if they are in it.

        Raises:
            MalformedData: it is damaged, not ours, or of a newer format.
        """
        end = data.find(b"\n", 0, _MAX_HEADER)
        words = data[: max(end, 0)].split(b" ")
        if len(words) != _FIELDS or words[0] != b"1":
            raise MalformedData(f"not a chunk of this version: it begins with {data[:40]!r}")
        try:
            seq, ordinal, crashes, count, marks, ended, frames = map(int, words[2:])
            run = words[1].decode("ascii")
        except ValueError:
            raise MalformedData(f"a chunk with a damaged header: {data[:end]!r}") from None
        if ANY_RUN_ID.fullmatch(run) is None:
            raise MalformedData(f"a chunk of what is no run's id: {data[:end]!r}")
        body = end + 1 + frames
        if piece is not None:
            if body != len(data) or frames:
                raise MalformedData(f"a chunk with its items in two places: {data[:end]!r}")
            end = piece.find(b"\n", 0, _MAX_HEADER)
            data, body = piece, end + 1
        numbers = (seq, ordinal, crashes, count, marks, ended, frames)
        # an item is at least one byte
        if (
            min(numbers) < 0
            or max(numbers) > _LARGEST
            or marks > count
            or body > len(data)
            or count > len(data) - body
        ):
            raise MalformedData(f"a chunk whose header does not fit its body: {data[:end]!r}")
        return cls(
            run, seq, ordinal, crashes, count, marks, ended == 1, data[end + 1 : body], data[body:]
        )

    def pack(self) -> bytes:
        """The bytes that `parse` reads."""
        return b"1 %b %d %d %d %d %d %d %d\n%b%b" % (
            self.run.encode("ascii"),
            self.seq,
            self.ordinal,
            self.crashes,
            self.count,
            self.marks,
            self.ended,
            len(self.frames),
            self.frames,
            self.items,
        )

    def rest(self, ordinal: int, count: int, marks: int, frames: bytes, items: bytes) -> Envelope:
        """What is left of this chunk, under the same number, with no crash against it."""
        return replace(
            self,
            ordinal=ordinal,
            crashes=0,
            count=count,
            marks=marks,
            frames=frames,
            items=items,
            answer=b"",
        )


class UnsignedChunk(MalformedData):
    """A chunk that can be read, but is not signed as it should be.

    Args:
        reason: why not.
        envelope: the chunk as it came.
    """

    def __init__(self, reason: str, envelope: Envelope) -> None:
        super().__init__(reason)
        self.envelope = envelope


@dataclass(slots=True)
class ParkedChunk:
    """A continuation in the parked hash, with why it waits.

    Args:
        why: `pause`; `signal` for one that waits for a signal or a job, whose wait name is the
            note; `retry` after a failure; `rate` or `limit`, and `turn` for one
            record alone that waits for either; `failed` and `code`, which wait for a
            person; `paused` by an operator.
        since: when it was parked, ms since the epoch.
        wake: when it goes on, ms since the epoch; 0 for when it is told to.
        note: for a person: the error, say.
        envelope: the continuation.
    """

    why: str
    since: int
    wake: int
    note: str
    envelope: bytes

    def wait(self, field: str) -> str:
        """Its member of the run's waits; empty if it waits for no signal and no job.

        Args:
            field: its name in the parked hash.
        """
        return f"{self.note}\n{self.since:016d}\n{field}" if self.why == SIGNAL else ""

    def pack(self) -> bytes:
        """The bytes that `parse` reads."""
        note = self.note.encode("utf-8", "replace")
        return b"%b %d %d %d\n%b%b" % (
            self.why.encode("ascii"),
            self.since,
            self.wake,
            len(note),
            note,
            self.envelope,
        )

    @classmethod
    def parse(cls, data: bytes) -> ParkedChunk:
        """Reads a parked continuation.

        Raises:
            MalformedData: it is damaged or not ours.
        """
        end = data.find(b"\n", 0, _MAX_HEADER)
        words = data[: max(end, 0)].split(b" ")
        try:
            why, (since, wake, length) = words[0].decode("ascii"), map(int, words[1:])
        except ValueError:
            raise MalformedData(f"not a parked chunk: it begins with {data[:40]!r}") from None
        if not 0 <= length <= len(data) or not (0 <= since <= _LARGEST and 0 <= wake <= _LARGEST):
            raise MalformedData(f"a parked chunk with a damaged header: {data[:end]!r}")
        note = data[end + 1 : end + 1 + length]
        return cls(why, since, wake, note.decode("utf-8", "replace"), data[end + 1 + length :])
