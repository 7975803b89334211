"""Seals: signatures inside pieces, envelopes, answers and letters.

Scripts join pieces by joining their items, so each piece's items are one sealed part, and those of
a chunk are one part after another. What a worker leaves of a chunk is sealed as a whole, frames
and place included. Inside a process nothing is sealed: it is opened where it is read, and sealed
where it is written.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import replace

from pauseflow.answer import Answer
from pauseflow.errors import MalformedData
from pauseflow.signing import SIGNED, SIZE, Signing, no_key, unsigned
from pauseflow.store.envelope import Envelope

RESULTS = ""
"""In place of a stage's name: pieces for the run's results."""

_PART = struct.Struct(f">2s{SIZE}sIII")
"""The kind, the signature, the bytes of items, how many they are, how many of them are markers."""

_PIECE = SIGNED + b"P"
_REST = SIGNED + b"C"
_ANSWER = SIGNED + b"S"
_LETTER = SIGNED + b"L"
_KEPT = SIGNED + b"K"


class Seals:
    """Seals and opens what is on the server; without a key both leave it as it is.

    Args:
        signing: the keys.
    """

    def __init__(self, signing: Signing) -> None:
        self._signing = signing
        self.enabled = signing.enabled

    # -- pieces

    def pieces(self, run: str, targets: Sequence[str], pieces: list[bytes]) -> list[bytes]:
        """Pieces, sealed.

        Args:
            run: the run's id.
            targets: the stages that they are for, by their outlets from 0 on.
            pieces: as `envelope.piece` makes them.
        """
        if not self.enabled:
            return pieces
        return [self._piece(run, targets, each) for each in pieces]

    def _piece(self, run: str, targets: Sequence[str], piece: bytes) -> bytes:
        head, _, items = piece.partition(b"\n")
        count, marks, _, outlet = map(int, head.split(b" "))
        if not count:
            return piece
        about = (run, targets[outlet], count, marks)
        signature = self._signing.sign(b"P", about, items)
        part = _PART.pack(_PIECE, signature, len(items), count, marks)
        return b"%b\n%b%b" % (head, part, items)

    def open_items(self, run: str, target: str, items: bytes) -> tuple[bytes, int, int]:
        """The items of joined pieces, how many there are, and how many of them are markers.

        Raises:
            MalformedData: a part of them is not signed, or not by us, or is meant for elsewhere.
        """
        parts, at, total, marked = [], 0, 0, 0
        while at < len(items):
            kind, signature, length, count, marks = _part(items, at)
            at += _PART.size
            body = items[at : at + length]
            at += length
            if kind != _PIECE or len(body) != length:
                raise unsigned()
            self._signing.check(signature, b"P", (run, target, count, marks), body)
            parts.append(body)
            total, marked = total + count, marked + marks
        return parts[0] if len(parts) == 1 else b"".join(parts), total, marked

    def open_results(self, run: str, count: int, items: bytes) -> bytes:
        """The items of a piece among a run's results.

        Raises:
            MalformedData: it is not signed by us, or signed and there is no key.
        """
        if not self.enabled:
            if items[:1] == SIGNED:
                raise no_key()
            return items
        opened, total, _ = self.open_items(run, RESULTS, items)
        if total != count:
            raise MalformedData("its count is not what was signed")
        return opened

    # -- envelopes

    def envelope(self, stage: str, envelope: Envelope) -> Envelope:
        """What is left of a chunk, or a chunk that no script makes, sealed."""
        if not self.enabled or not (envelope.count or envelope.frames):
            return envelope
        body = envelope.frames + envelope.items
        signature = self._signing.sign(b"C", _place(stage, envelope), body)
        part = _PART.pack(_REST, signature, len(envelope.items), envelope.count, envelope.marks)
        return replace(envelope, items=part + envelope.items)

    def packed(self, stage: str, packed: bytes) -> bytes:
        """The same of an envelope as `Envelope.pack` gives it."""
        return self.envelope(stage, Envelope.parse(packed)).pack() if self.enabled else packed

    def open(self, stage: str, envelope: Envelope) -> Envelope:
        """A chunk as it was before it was sealed, its answer too.

        Raises:
            MalformedData: it is not signed by us for this place, or signed and there is no key.
        """
        if not self.enabled:
            if envelope.items[:1] == SIGNED:
                raise no_key()
            return envelope
        answer = self.open_answer(envelope.run, envelope.answer)
        if not (envelope.count or envelope.frames or envelope.items):
            return replace(envelope, answer=answer)
        if envelope.items[:2] != _REST:
            if envelope.frames:
                raise unsigned()
            items, count, marks = self.open_items(envelope.run, stage, envelope.items)
            if (count, marks) != (envelope.count, envelope.marks):
                raise MalformedData("its counts are not what was signed")
            return replace(envelope, items=items, answer=answer)
        _, signature, length, _, _ = _part(envelope.items, 0)
        items = envelope.items[_PART.size :]
        opened = replace(envelope, items=items, answer=answer)
        if length != len(items):
            raise MalformedData("its items are not as many bytes as were signed")
        self._signing.check(signature, b"C", _place(stage, opened), opened.frames + items)
        return opened

    # -- what stages keep

    def kept(self, run: str, stage: str, name: bytes, value: bytes) -> bytes:
        """A field of what a stage keeps of a run, sealed. An empty one takes the field away."""
        if not self.enabled or not value:
            return value
        return _KEPT + self._signing.sign(b"K", (run, stage, name.hex()), value) + value

    def open_kept(self, run: str, stage: str, name: bytes, sealed: bytes) -> bytes:
        """The same as it was before it was sealed.

        Raises:
            MalformedData: it is not signed by us for this field.
        """
        if not self.enabled:
            if sealed[:1] == SIGNED:
                raise no_key()
            return sealed
        if sealed[:2] != _KEPT:
            raise unsigned()
        signature, value = sealed[2 : 2 + SIZE], sealed[2 + SIZE :]
        self._signing.check(signature, b"K", (run, stage, name.hex()), value)
        return value

    # -- answers and letters

    def answer(self, run: str, answer: Answer) -> bytes:
        """An answer as `Answer.pack` gives it, sealed."""
        packed = answer.pack()
        if not self.enabled:
            return packed
        head, _, data = packed.partition(b"\n")
        signature = self._signing.sign(b"S", (run, answer.kind, answer.name), data)
        return b"%b\n%b%b%b" % (head, _ANSWER, signature, data)

    def open_answer(self, run: str, packed: bytes) -> bytes:
        """An answer as it was before it was sealed.

        That a wait has timed out is told by a script, and so is not signed.

        Raises:
            MalformedData: it is not signed by us for this run.
        """
        if not packed:
            return packed
        told = Answer.parse(packed)
        if told.kind == "timeout" and not told.data:
            return packed
        if told.data[:2] != _ANSWER:
            raise unsigned()
        signature, data = told.data[2 : 2 + SIZE], told.data[2 + SIZE :]
        self._signing.check(signature, b"S", (run, told.kind, told.name), data)
        return replace(told, data=data).pack()

    def letter(self, key: str, packed: bytes) -> bytes:
        """A dead letter as `Letter.pack` gives it, sealed."""
        if not self.enabled:
            return packed
        return _LETTER + self._signing.sign(b"L", (key,), packed) + packed

    def open_letter(self, key: str, sealed: bytes) -> bytes:
        """A dead letter as it was before it was sealed.

        Raises:
            MalformedData: it is not signed by us under this key.
        """
        if not self.enabled:
            if sealed[:1] == SIGNED:
                raise no_key()
            return sealed
        if sealed[:2] != _LETTER:
            raise unsigned()
        signature, packed = sealed[2 : 2 + SIZE], sealed[2 + SIZE :]
        self._signing.check(signature, b"L", (key,), packed)
        return packed


def _part(items: bytes, at: int) -> tuple[bytes, bytes, int, int, int]:
    if items[at : at + 1] != SIGNED:
        raise unsigned()
    try:
        return _PART.unpack_from(items, at)
    except struct.error:
        raise MalformedData("it ends in the middle of a signature") from None


def _place(stage: str, envelope: Envelope) -> tuple[object, ...]:
    """What is signed of a rest beside its bytes; scripts change the number and the crashes."""
    return (
        envelope.run,
        stage,
        envelope.ordinal,
        envelope.count,
        envelope.marks,
        int(envelope.ended),
        len(envelope.frames),
    )
