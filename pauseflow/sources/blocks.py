"""Where in packed data a block begins, to the bit, and how to unpack from there.

zlib tells of neither. But a decompressor can be copied, and the copy be given bits of our own after
those of the file: a block that ends the stream is accepted in one place only, between two blocks.
So a guess where a block begins is cheap to check and never wrong, and guesses are cheap to come by:
the header of a block with codes of its own is long and gives no output, the header of a stored
block has its length twice, and one with the fixed codes ends with seven zeros.
"""

from __future__ import annotations

import hashlib
import re
import struct
import zlib
from collections.abc import Iterator
from typing import Any, Final, NamedTuple, Self

RAW: Final = -zlib.MAX_WBITS

TRAILER: Final = struct.Struct("<LL")
"""Behind the last block of a member: the checksum and the length, modulo 2**32."""

_STEP: Final = 6
"""Bytes that give output in any case inside a block: 48 bits, the most that one symbol takes."""

_PROBES: Final = 1000
"""How many places are tried at most, of those that look like a block's beginning in some data.

There is no end of them in data that was made up for that.
"""


class _Bits(NamedTuple):
    value: int
    size: int

    def then(self, other: _Bits) -> _Bits:
        return _Bits(self.value | other.value << self.size, self.size + other.size)


_EMPTY: Final = _Bits(0b010, 10)
"""An empty block with the fixed codes."""

_LAST: Final = _Bits(0b011, 10)
"""The same, as the last one."""

_NOISE: Final = hashlib.shake_256(b"blocks").digest(1024)
"""Bytes that no codes give when they are applied to them: there are far fewer codes than bytes."""

_STORED: Final = struct.pack("<HH", len(_NOISE), len(_NOISE) ^ 0xFFFF) + _NOISE + b"\x03\x00"
"""What follows the first three bits of a block with these bytes stored, and an empty last block."""

_ODD: Final = _Bits(0x35FFC10000000000081E004, 93)
"""An empty block with codes of its own, which takes an odd number of bits.

All 19 code lengths are listed, of which 1 and 18 (a run of zeros) have codes, of one bit. They tell
of 256 literals without a code, a code of one bit for the block's end, and one for a distance.
"""


def _leading(bit: int) -> _Bits:
    """Empty blocks that end on the bit of a byte."""
    bits = _ODD if bit % 2 else _Bits(0, 0)
    while bits.size % 8 != bit:
        bits = bits.then(_EMPTY)
    return bits


_LEADING: Final = [_leading(bit) for bit in range(8)]


def from_bit(byte: int, bit: int) -> bytes:
    """What to unpack instead of a byte, so that only its bits from one on count."""
    bits = _LEADING[bit]
    return (bits.value | byte >> bit << bits.size).to_bytes((bits.size + 8 - bit) // 8, "little")


def decompressor(window: bytes) -> Any:
    """Unpacks blocks that refer to the bytes before them."""
    return zlib.decompressobj(RAW, zdict=window) if window else zlib.decompressobj(RAW)


class Inflating:
    """A decompressor somewhere in a member, which knows what it has unpacked of it.

    Args:
        decompressor: of zlib, for blocks (`RAW`) or a gzip member.
        length: bytes that it has unpacked of the member.
        crc: their checksum.
        raw: it is one for blocks.
    """

    __slots__ = ("crc", "decompressor", "length", "raw")

    def __init__(self, decompressor: Any, length: int, crc: int, *, raw: bool) -> None:
        self.decompressor = decompressor
        self.raw = raw
        self.length = length
        self.crc = crc

    def copy(self) -> Self:
        """One in the same place, which goes on for itself."""
        return type(self)(self.decompressor.copy(), self.length, self.crc, raw=self.raw)

    def feed(self, packed: bytes) -> bytes:
        """Unpack all of some bytes.

        Raises:
            zlib.error: they are damaged.
        """
        data: bytes = self.decompressor.decompress(packed)
        self.length += len(data)
        self.crc = zlib.crc32(data, self.crc)
        return data

    def block_at(self, byte: int, bit: int) -> bytes | None:
        """What the bits below one give, of the byte that comes next, if a block begins at that.

        What was fed, and the bits below, are followed by a last block. If that is accepted, up to
        its end, a block begins there, or this is in the last block. For inside another, whichever
        of the bits were taken for its end, those left could not be a last block: one with the fixed
        codes begins with two ones, and there are only these two; and there are too few bits for any
        other. In the last block, its end could be read from them. So it is tried once more with a
        block before it that gives bytes which the codes of the last block could not.
        """
        below = byte & ((1 << bit) - 1)
        given = self._ended(below | _LAST.value << bit, (bit + _LAST.size + 7) // 8)
        if given is None:
            return None
        again = self._ended(below, (bit + 3 + 7) // 8, _STORED)
        return given if again == given + _NOISE else None

    def _ended(self, bits: int, size: int, more: bytes = b"") -> bytes | None:
        """What bits and bytes give, if they end the last block and nothing is left of them."""
        probe = self.decompressor.copy()
        try:
            given: bytes = probe.decompress(bits.to_bytes(size, "little") + more)
            if not self.raw:
                length = (self.length + len(given)) & 0xFFFFFFFF
                if probe.eof or probe.decompress(TRAILER.pack(zlib.crc32(given, self.crc), length)):
                    return None
        except zlib.error:
            return None
        return given if probe.eof and not probe.unused_data else None


class Block(NamedTuple):
    """Where a block was found.

    Attributes:
        byte: in the data.
        bit: in the byte.
        below: what the bits before it in the byte give.
    """

    byte: int
    bit: int
    below: bytes


def block_in(packed: bytes, inflating: Inflating, most: int) -> Block | None:
    """Find a block that begins in packed data, if there is one; which one is not promised.

    Args:
        packed: the data.
        inflating: where it begins, at any byte of a member; it is left as it is.
        most: unpacked bytes that may be before the block.
    """
    for stall in _stalls(packed, inflating, most):
        begin, end = max(stall - _STEP, 0), stall + _STEP
        places = ((byte, bit) for byte in range(begin, end) for bit in range(8))
        if found := _first(packed, inflating, most, places):
            return found
    return _first(packed, inflating, most, iter(_suspects(packed)[:_PROBES]))


def _first(
    packed: bytes, inflating: Inflating, most: int, places: Iterator[tuple[int, int]]
) -> Block | None:
    """The first of some places, in order, where a block begins."""
    inflating = inflating.copy()
    most += inflating.length
    done = 0
    try:
        inflating.feed(b"")  # gives what there was no room for before
        for byte, bit in places:
            if byte > done:
                inflating.feed(packed[done:byte])
                done = byte
                if inflating.decompressor.eof or inflating.length > most:
                    return None
            below = inflating.block_at(packed[byte], bit)
            if below is not None and inflating.length + len(below) <= most:
                return Block(byte, bit, below)
    except zlib.error:
        pass  # the file has changed meanwhile, or is damaged: reading it tells that better
    return None


def _stalls(packed: bytes, inflating: Inflating, most: int) -> Iterator[int]:
    """Where steps begin that give no output, the first of several in a row."""
    probe = inflating.decompressor.copy()
    stalled = False
    try:
        for begin in range(0, len(packed) - _STEP + 1, _STEP):
            data = probe.decompress(packed[begin : begin + _STEP])
            if data:
                most -= len(data)
                stalled = False
            elif probe.eof:
                return
            elif not stalled:
                yield begin
                stalled = True
            if most < 0:
                return
    except zlib.error:
        return


def _suspects(packed: bytes) -> list[tuple[int, int]]:
    """Where the bits look like a stored block's header, or like one with the fixed codes.

    The latter is only seen behind a block with the fixed codes.
    """
    size = len(packed)
    bits = int.from_bytes(packed, "little")
    unset = ((1 << 8 * size) - 1) ^ bits
    ends = unset & unset >> 1
    ends &= ends >> 2
    ends &= ends >> 3  # seven zeros: the code of a block's end
    fixed = ((ends & bits >> 8 & unset >> 9) << 7).to_bytes(size + 1, "little")
    places = {
        8 * found.start() + bit
        for found in re.finditer(rb"[^\0]", fixed)
        for bit in range(8)
        if found[0][0] >> bit & 1
    }
    complements = (bits ^ bits >> 16).to_bytes(size, "little")
    for found in re.finditer(rb"(?=\xff\xff)", complements):
        length = 8 * found.start()
        places.update(range(max(length - 10, 0), max(length - 2, 0)))
    return [divmod(place, 8) for place in sorted(places) if place < 8 * size]
