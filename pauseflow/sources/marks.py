"""Places in a gzip file that is being read, from which the next block can be looked for."""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

from pauseflow.sources.blocks import Block, Inflating, block_in, decompressor, from_bit
from pauseflow.sources.point import WINDOW, Point

MARK_SPACING: Final = 1 << 20
"""Unpacked bytes between marks, at least, and that are unpacked again rather than searched."""

SEARCHED_BYTES: Final = 1 << 17
"""Packed bytes that are searched for one point: it bounds the time that takes."""

_AT_ONCE: Final = 1 << 15
"""Of these: a block of zlib's is mostly smaller."""

_OVERLAP: Final = 1 << 6
"""Packed bytes searched twice: a block's header may begin in one piece and end in the next."""

_KEPT: Final = 10
"""Marks before the place: the blocks that begin behind the last ones may begin after the place.

Of what packs best, a block of zlib's is up to 8 MiB. A mark takes some 75 KB.
"""

_CHECKED_BYTES: Final = 1 << 12
"""Packed bytes that are unpacked once from a new point, and compared."""


Read = Callable[[int, int], bytes]


class Mark(NamedTuple):
    """A decompressor as it was at a place.

    Attributes:
        packed: the offset in the file that it had come to.
        unpacked: the offset in what is unpacked.
        member: the offset in the file where the member begins.
        window: the bytes before, as many as are known and may be referred to.
        inflating: the decompressor.
    """

    packed: int
    unpacked: int
    member: int
    window: bytes
    inflating: Inflating


class Marks:
    """The marks of a file that is being read.

    They cost next to nothing. A search costs milliseconds, and is done when a point is asked for.
    """

    def __init__(self) -> None:
        self._marks: deque[Mark] = deque()
        self._not_before = 0

    def due(self, unpacked: int, since: int, needed: int) -> bool:
        """Whether to set a mark.

        Args:
            unpacked: how far the file is unpacked.
            since: where the member begins.
            needed: up to where the bytes have been made use of. When that is far behind, marks may
                be as far from each other.
        """
        if self._marks:
            since = max(since, self._marks[-1].unpacked)
        return unpacked - since >= max(MARK_SPACING, (unpacked - needed) // 4)

    def set(self, mark: Mark, needed: int) -> None:
        """Set a mark, and forget those that are too far before the bytes that are needed."""
        self._marks.append(mark)
        while len(self._marks) > _KEPT and self._marks[_KEPT].unpacked <= needed:
            self._marks.popleft()

    def point(self, known: Point, unpacked: int, packed: int, read: Read) -> Point | None:
        """Find a point behind one that is known.

        Args:
            known: the last point known.
            unpacked: the offset in what is unpacked that it must not be behind.
            packed: how far the file has been read.
            read: gives a number of bytes from an offset in the file, or fewer.

        Returns:
            None, if none was found. The next search is put off then; if this one took all the time
            it may, until there is twice as much to unpack again: in a very large block, it would be
            as vain.
        """
        distance = unpacked - known.unpacked
        if distance < MARK_SPACING or unpacked < self._not_before:
            return None
        left = SEARCHED_BYTES
        for mark in reversed(self._marks):
            if mark.unpacked <= known.unpacked or not left:
                break
            if mark.unpacked < unpacked:
                size = min(packed - mark.packed, left)
                found = _search(mark, unpacked, size, read)
                if found:
                    return found
                left -= size
            packed = mark.packed + _OVERLAP
        self._not_before = unpacked + (MARK_SPACING // 4 if left else distance)
        return None


def _search(mark: Mark, unpacked: int, size: int, read: Read) -> Point | None:
    """Search so many packed bytes behind a mark."""
    end = mark.packed + size
    while mark.packed < end and mark.unpacked < unpacked:
        packed = read(mark.packed, min(end - mark.packed, _AT_ONCE))
        if block := block_in(packed, mark.inflating, unpacked - mark.unpacked):
            return _point(_onward(mark, packed[: block.byte]), block, packed[block.byte :])
        if mark.packed + len(packed) >= end or len(packed) <= _OVERLAP:
            break
        try:
            mark = _onward(mark, packed[:-_OVERLAP])
        except zlib.error:
            break
        if mark.inflating.decompressor.eof:
            break
    return None


def _onward(mark: Mark, packed: bytes) -> Mark:
    inflating = mark.inflating.copy()
    data = inflating.feed(packed)
    return Mark(
        mark.packed + len(packed),
        mark.unpacked + len(data),
        mark.member,
        (mark.window + data)[-WINDOW:],
        inflating,
    )


def _point(mark: Mark, block: Block, packed: bytes) -> Point | None:
    """The point at a block that begins in the byte at a mark.

    None, if not all of its window is known, or unpacking from there does not give the same bytes.
    """
    inflating, below = mark.inflating, block.below
    length, crc = inflating.length + len(below), zlib.crc32(below, inflating.crc)
    window = (mark.window + below)[-WINDOW:]
    if len(window) < max(min(WINDOW, length), 1):
        return None
    packed = packed[:_CHECKED_BYTES]
    try:
        expected = inflating.copy().feed(packed)
        again = decompressor(window).decompress(from_bit(packed[0], block.bit) + packed[1:])
    except zlib.error:
        return None
    if below + again != expected:
        return None
    unpacked = mark.unpacked + len(below)
    return Point(mark.packed, unpacked, mark.member, length, crc, block.bit, zlib.compress(window))
