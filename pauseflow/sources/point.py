"""A point in a gzip file from which unpacking can go on, as it is written down."""

from __future__ import annotations

import zlib
from typing import Any, Final, NamedTuple, Self

WINDOW: Final = 1 << zlib.MAX_WBITS
"""What is packed refers to no more than so many bytes before it."""

_PACKED_WINDOW: Final = WINDOW + 64
"""No packed window is larger: zlib adds a few bytes to what it can't make smaller."""


class Point(NamedTuple):
    """Where unpacking can begin: a member, or a block in one.

    Attributes:
        packed: the offset in the file.
        unpacked: the offset in what is unpacked.
        member: the offset in the file where the member begins.
        length: unpacked bytes of the member before this point; 0 where it begins.
        crc: their checksum.
        bit: where in the first byte the block begins, 0 to 7.
        window: the bytes before it that what follows may refer to, packed by zlib; empty if it
            refers to none.
    """

    packed: int = 0
    unpacked: int = 0
    member: int = 0
    length: int = 0
    crc: int = 0
    bit: int = 0
    window: bytes = b""

    @classmethod
    def of(cls, data: Any) -> Self:
        """The point that was written down as a list; the beginning, if the data is no point."""
        if not isinstance(data, list) or len(data) not in _LENGTHS:
            return cls()
        numbers, window = data[:_WINDOW_AT], data[_WINDOW_AT:]
        if any(type(number) is not int or not 0 <= number < 1 << 63 for number in numbers):
            return cls()
        point = cls(*numbers)._replace(window=window[0] if window else b"")
        sound = (
            point.crc < 1 << 32
            and point.length <= point.unpacked
            and point.member <= point.packed
            and point.bit < 8
            and _is_window(point.window)
            and (bool(point.window) or not point.bit)
        )
        return point if sound else cls()

    def written(self) -> list[int | bytes]:
        """The point as a list of plain data."""
        return [*self] if self.window else [*self[:_SHORT]]

    @property
    def inside(self) -> bool:
        """It is behind the header of its member."""
        return self.packed != self.member

    def before(self) -> bytes:
        """The window, unpacked."""
        return zlib.decompress(self.window) if self.window else b""


_WINDOW_AT: Final = Point._fields.index("window")
_SHORT: Final = Point._fields.index("bit")
_LENGTHS: Final = (_SHORT, len(Point._fields))


def _is_window(data: Any) -> bool:
    """It is packed bytes, and not too many."""
    if not isinstance(data, bytes) or len(data) > _PACKED_WINDOW:
        return False
    if not data:
        return True
    unpacking = zlib.decompressobj()
    try:
        size = len(unpacking.decompress(data, WINDOW + 1))
    except zlib.error:
        return False
    return unpacking.eof and not unpacking.unused_data and size <= WINDOW
