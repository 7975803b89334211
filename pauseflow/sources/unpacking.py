"""The bytes of a gzip file, and the points in it from which unpacking can go on.

A gzip file is a series of members, each compressed on its own. Unpacking can begin at any of them,
and in a member wherever the writer has done a full flush: everything was given out there, a block
ends on a byte, and what follows refers to nothing before it. Where those are rare, it begins at any
other block in a member, with the bytes before that it may refer to.
"""

from __future__ import annotations

import io
import zlib
from collections import deque
from collections.abc import Callable
from gzip import BadGzipFile
from typing import TYPE_CHECKING, Any, Final

from pauseflow.sources.blocks import TRAILER, Inflating, decompressor, from_bit
from pauseflow.sources.marks import Mark, Marks
from pauseflow.sources.opening import open_path, size_of
from pauseflow.sources.point import WINDOW, Point

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

PACKED_BYTES: Final = 1 << 14
"""Read from the file at once: what unpacks to one or a few times `READ_BYTES`, mostly."""

READ_BYTES: Final = 1 << 16
"""Unpacked at once."""

SPACING: Final = 1 << 16
"""Unpacked bytes between points in a member, at least: looking for them costs time.

With steps of `READ_BYTES`, all flushes are found that are twice as far from each other.
"""

_GZIP: Final = 16 + zlib.MAX_WBITS
_FLUSHED: Final = b"\x00\x00\xff\xff"
"""What a flush ends with: the two lengths of an empty stored block."""


class Unpacking(io.RawIOBase):
    """What is packed in a gzip file, from a point on.

    Args:
        path: the file.
        point: where to begin; one that it told of the same file before.
        place: tells up to where the bytes have been made use of: earlier points are forgotten.

    Raises:
        OSError, MissingExtra: it can't be opened.
    """

    def __init__(self, path: str, point: Point, place: Callable[[], int]) -> None:
        self._file = open_path(path, buffering=0)
        self._path = path
        self._place = place
        self._points: deque[Point] = deque()
        self._begin(point)

    def _begin(self, point: Point) -> None:
        self._file.seek(min(point.packed, self.size))
        self._at = point.packed
        self._ahead = self._behind = b""
        if point.window:
            self._ahead = b"".join(from_bit(byte, point.bit) for byte in self._file.read(1))
            self._at -= len(self._ahead) - 1
        self._points.clear()
        self._points.append(point)
        self._marks = Marks()
        self._since = self._begun = point
        self._sure = Point()
        self._flushes = True
        self._last = point.before()
        self._member, self._length, self._crc = point.member, point.length, point.crc
        self.unpacked = point.unpacked
        self._raw = point.inside
        self._decompressor: Any = decompressor(self._last) if self._raw else None

    @property
    def size(self) -> int:
        """Bytes in the file, packed."""
        return size_of(self._file)

    @property
    def reached(self) -> int:
        """Up to which offset in the file, packed, it is unpacked."""
        return self._at

    def checksum(self, size: int) -> int:
        """Of so many bytes at the beginning of the file, packed."""
        return zlib.crc32(self._read_at(0, size))

    def readable(self) -> bool:
        """It can be read."""
        return True

    def close(self) -> None:
        """Close the file."""
        if not self.closed:
            self._file.close()
        super().close()

    def point(self, unpacked: int) -> Point:
        """A point at or before an offset in what is unpacked: the last one known, if that is near.

        If not, the file is searched for the last block that begins before the offset, or one a
        little earlier. That takes some milliseconds; its place in the file is left as it is.
        """
        known = self._known(unpacked)
        if not self._is_full(known):
            self._flushes = False
            begin = Point(known.member, known.unpacked - known.length, known.member)
            later = [p for p in self._points if p.unpacked > begin.unpacked and not _is_flush(p)]
            self._points = deque([begin, *later])
            known = self._known(unpacked)
        found = self._marks.point(known, unpacked, self._at, self._read_at)
        if found is None:
            return known
        behind = sum(point.unpacked > unpacked for point in self._points)
        self._points.insert(len(self._points) - behind, found)
        return found

    def _known(self, unpacked: int) -> Point:
        return next((p for p in reversed(self._points) if p.unpacked <= unpacked), Point())

    def _is_full(self, point: Point) -> bool:
        """Whether what follows a flush refers to nothing before it.

        It is so forever, if it is so for as many bytes as may be referred to.
        """
        if point == self._sure or not _is_flush(point):
            return True
        try:
            decompressor(b"").decompress(self._read_at(point.packed, 2 * WINDOW), WINDOW)
        except zlib.error:
            return False
        self._sure = point
        return True

    def skip(self, unpacked: int) -> None:
        """Go forward to an offset in what is unpacked, or to the end.

        Raises:
            EOFError, BadGzipFile: as `readinto`.
        """
        while self.unpacked < unpacked and self._some(min(unpacked - self.unpacked, READ_BYTES)):
            pass

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Unpack some bytes, `READ_BYTES` at most; 0 at the end.

        Raises:
            EOFError: the file ends inside a member.
            BadGzipFile: it is damaged, or no gzip file.
        """
        view = memoryview(buffer).cast("B")
        data = self._some(min(len(view), READ_BYTES))
        view[: len(data)] = data
        return len(data)

    def _some(self, size: int) -> bytes:
        try:
            return self._unpacked(size)
        except (zlib.error, BadGzipFile) as error:
            if not self._raw or self._begun.window or isinstance(error, BadGzipFile):
                told = f"{self._path}: damaged at about byte {self._at}: {error}"
                raise BadGzipFile(told) from None
        # What follows the flush refers to what was before it after all: it was no full one.
        reached = self.unpacked
        self._begin(Point(self._member, reached - self._length, self._member))
        self.skip(reached)
        return self._some(size)

    def _unpacked(self, size: int) -> bytes:
        while True:
            if self._decompressor is None and not self._next_member():
                return b""
            ended = not self._ahead and not self._refill()
            whole, piece = self._ahead, self._piece()
            data: bytes = self._decompressor.decompress(piece, size)
            left = self._decompressor.unconsumed_tail or self._decompressor.unused_data
            self._ahead = left + whole[len(piece) :]
            taken = len(whole) - len(self._ahead)
            self._at += taken
            self._behind = (self._behind + whole[:taken])[-3:]
            self._crc = zlib.crc32(data, self._crc)
            self._length += len(data)
            self.unpacked += len(data)
            self._last = data if len(data) >= WINDOW else (self._last + data)[-WINDOW:]
            if self._decompressor.eof:
                self._end_member()
            elif not left and self._behind == _FLUSHED[1:]:
                self._look()
            elif self._marks.due(self.unpacked, self.unpacked - self._length, self._place()):
                self._mark()
            if data:
                return data
            if ended and self._decompressor is not None:
                raise self._cut_off()

    def _refill(self) -> bool:
        self._ahead = self._file.read(PACKED_BYTES) or b""
        return bool(self._ahead)

    def _piece(self) -> bytes:
        """What to unpack next: up to where a flush may have been, if a point is due."""
        if not self._flushes or self.unpacked - self._since.unpacked < SPACING:
            return self._ahead
        found = (self._behind + self._ahead).find(_FLUSHED)
        end = found + len(_FLUSHED) - len(self._behind)
        return self._ahead if found < 0 else self._ahead[:end]

    def _look(self) -> None:
        """Note a point, if all that was unpacked so far ends where a block may begin.

        The mark of a flush alone may as well be packed data. Whether the flush was a full one shows
        in what follows it; that is looked at if the point is asked for.
        """
        if not self._flushes or self.unpacked - self._since.unpacked < max(SPACING, 1):
            return
        if self._inflating().block_at(0, 0) == b"":
            self._note(Point(self._at, self.unpacked, self._member, self._length, self._crc))

    def _mark(self) -> None:
        """Set a mark, to look for a block behind it if that is asked for."""
        known = min(len(self._last), self._length, WINDOW)
        window = self._last[len(self._last) - known :]
        mark = Mark(self._at, self.unpacked, self._member, window, self._inflating().copy())
        self._marks.set(mark, self._place())

    def _inflating(self) -> Inflating:
        return Inflating(self._decompressor, self._length, self._crc, raw=self._raw)

    def _read_at(self, packed: int, size: int) -> bytes:
        """Read so many bytes at an offset, or fewer; nothing, if they can't be read now."""
        place = self._file.tell()
        try:
            self._file.seek(packed)
            return self._file.read(size) or b""
        except OSError:
            return b""
        finally:
            self._file.seek(place)

    def _note(self, point: Point) -> None:
        self._since = point
        self._points.append(point)
        needed = self._place()
        while len(self._points) > 1 and self._points[1].unpacked <= needed:
            self._points.popleft()

    def _next_member(self) -> bool:
        """Begin a member; False at the end of the file."""
        while self._ahead or self._refill():
            packed = self._ahead.lstrip(b"\0") if self._at else self._ahead
            self._at += len(self._ahead) - len(packed)
            self._ahead = packed
            if packed:
                self._member, self._length, self._crc = self._at, 0, 0
                self._behind = b""
                self._flushes = True
                self._decompressor = zlib.decompressobj(_GZIP)
                return True
        return False

    def _end_member(self) -> None:
        if self._raw:
            while len(self._ahead) < TRAILER.size:
                more = self._file.read(PACKED_BYTES)
                if not more:
                    raise self._cut_off()
                self._ahead += more
            if TRAILER.unpack_from(self._ahead) != (self._crc, self._length & 0xFFFFFFFF):
                raise BadGzipFile("incorrect data check")
            self._ahead = self._ahead[TRAILER.size :]
            self._at += TRAILER.size
            self._raw = False
        self._decompressor = None
        self._note(Point(self._at, self.unpacked, self._at))

    def _cut_off(self) -> EOFError:
        return EOFError(
            f"{self._path} ends inside a gzip member, with {self.unpacked} bytes unpacked: it was "
            f"cut off, or is still being written"
        )


def _is_flush(point: Point) -> bool:
    return point.inside and not point.window
