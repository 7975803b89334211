"""What all sources over one file have in common: the file, and the place in it."""

from __future__ import annotations

import gzip
import io
import os
import weakref
import zlib
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Generic, Self, TypeVar, cast

from pauseflow.errors import SourceChanged
from pauseflow.sources.address import shown
from pauseflow.sources.opening import is_remote, open_path, path_of, size_of, version_of
from pauseflow.sources.point import Point
from pauseflow.sources.unpacking import READ_BYTES, Unpacking

T = TypeVar("T")

_OPEN = {"_file", "_unpacking", "_point", "_known"}
_COMPARED = 256


class FileSource(Generic[T]):
    """An iterator over a file; its state is the path, the options and an offset in bytes.

    The file is opened when the first item is asked for, and again, at the offset, after a pause on
    whichever machine it goes on: the path must lead to the same file there. In a plain file the
    offset is sought at once. Its first bytes and those before the offset are compared with what
    they were, 256 each, so a file that was put in its place is found out unless it is alike there.

    In a gzip file it is an offset in what is unpacked. The state has, besides it, a point before it
    where unpacking can begin, and what lies between is unpacked once more: some 1 MiB, plus what is
    read at once, plus a block of what is packed. The point is the beginning of a member, or a full
    flush in one, if there is one so near; else it is a block in the member, and the state has the
    32 KiB before it too, packed, for what follows may refer to them. Only in a block that is larger
    than 128 KiB packed, or about 8 MiB unpacked, more is unpacked again: from the block's beginning
    or even the member's. The writers in use make none.

    A gzip file that ends inside a member raises EOFError behind its last whole item, and one that
    is damaged raises `gzip.BadGzipFile`; both name it.

    Args:
        path: the file, or a URL that fsspec knows. A name that ends in `.gz` is unpacked.

    Raises:
        ValueError: it is a URL with a secret in it.
        FileNotFoundError: when an item is asked for, and it is not there.
        SourceChanged: it is not there any more, ends before the place, or is another file.
        MissingExtra: fsspec is needed for it, and is not installed.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = path_of(path)
        self.offset = 0
        self._file: BinaryIO | None = None
        self._unpacking: Unpacking | None = None
        self._point: list[int | bytes] | None = None
        self._known: str | list[int] | None = None
        self._over = False

    def __iter__(self) -> Self:
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; asking for another item opens it again at its place."""
        if self._file is not None:
            self._point = self._resuming()
            self._known = self._recognised(self._point)
            self._file.close()
            self._file = self._unpacking = None

    def __del__(self) -> None:
        # A generator that is paused lets go of its sources without a chance to close them.
        file = vars(self).get("_file")
        if file is not None:
            file.close()

    def __getstate__(self) -> dict[str, Any]:
        state = {name: value for name, value in vars(self).items() if name not in _OPEN}
        point = self._resuming()
        place = {"_point": point, "_known": self._recognised(point)}
        return state | {name: value for name, value in place.items() if value is not None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        made_again = {"_file": None, "_unpacking": None}
        vars(self).update({"_point": None, "_known": None, **state, **made_again})

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.path!r} at {self.offset}>"

    def _opened(self) -> BinaryIO:
        """The file, at the place.

        Raises:
            OSError: it can't be opened.
            SourceChanged: it ends before the place.
        """
        if self._file is None:
            try:
                self._file = self._at(self.offset)
            except FileNotFoundError as error:
                if not self.offset:
                    raise
                raise self._changed("is not there now") from error
        return self._file

    def _finished(self) -> StopIteration:
        self.close()
        self._over = True
        return StopIteration()

    def _resuming(self) -> list[int | bytes] | None:
        """Where in a gzip file unpacking can begin for the place."""
        if self._unpacking is None:
            return self._point
        return self._unpacking.point(self.offset).written()

    def _recognised(self, point: list[int | bytes] | None) -> str | list[int] | None:
        """What the file is to be recognised by after a pause."""
        if self._file is None or isinstance(self._known, str) or not self.offset:
            return self._known
        packed = self._unpacking
        if packed is None:
            return [self.offset, _checksum(self._file, self.offset)]
        if point is not None and point[0]:
            return None  # it does not matter what is before that
        return [_COMPARED, packed.checksum(_COMPARED)] if packed.reached >= _COMPARED else None

    def _at(self, offset: int) -> BinaryIO:
        if is_remote(self.path):
            self._compare_versions()
        if Path(self.path).suffix == ".gz":
            return self._unpacked_at(offset)
        file = open_path(self.path)
        if is_remote(self.path):  # its own way to read lines is slow
            file = cast("BinaryIO", io.BufferedReader(cast("io.RawIOBase", file), READ_BYTES))
        size = size_of(file)
        if size < offset:
            file.close()
            raise self._changed(f"has only {size} now")
        match self._known:
            case [int(length), int(checksum)] if length == offset:
                if _checksum(file, offset) != checksum:
                    file.close()
                    raise self._changed("has something else there now")
        file.seek(offset)
        return file

    def _compare_versions(self) -> None:
        version = version_of(self.path)
        if isinstance(self._known, str) and self.offset and version != self._known:
            raise self._changed(f"is another file now ({version}, and was {self._known})")
        self._known = version

    def _unpacked_at(self, offset: int) -> BinaryIO:
        point = Point.of(self._point)
        point = point if point.unpacked <= offset else Point()
        unpacking = Unpacking(self.path, point, _place_of(self))
        if unpacking.size < point.packed:
            size = unpacking.size
            unpacking.close()
            raise self._changed(f"has only {size} of {point.packed} packed bytes now")
        match self._known:
            case [int(length), int(checksum)] if (
                not point.packed
            ):  # else earlier bytes don't matter
                if unpacking.checksum(length) != checksum:
                    unpacking.close()
                    raise self._changed("can't be read up to there now: it begins otherwise")
        try:
            unpacking.skip(offset)
        except (EOFError, gzip.BadGzipFile) as error:
            unpacking.close()
            raise self._changed(f"can't be read up to there now ({error})") from error
        if unpacking.unpacked != offset:
            unpacking.close()
            raise self._changed(f"has only {unpacking.unpacked} now")
        self._unpacking = unpacking
        return cast("BinaryIO", io.BufferedReader(unpacking, READ_BYTES))

    def _changed(self, what: str) -> SourceChanged:
        path = shown(self.path) if is_remote(self.path) else self.path
        return SourceChanged(
            f"{path} was read up to byte {self.offset}, and {what}. Put back the file that the run "
            f"was reading, or cancel the run"
        )


def _checksum(file: BinaryIO, offset: int) -> int:
    """Of the first bytes of a file, and of those before an offset; its place is left as it is."""
    try:
        descriptor = file.fileno()
    except OSError:
        return 0
    length = min(_COMPARED, offset)
    ends = os.pread(descriptor, length, 0) + os.pread(descriptor, length, offset - length)
    return zlib.crc32(ends)


def _place_of(source: FileSource[Any]) -> Callable[[], int]:
    """Tells the place of a source, and does not keep it alive: it closes its file when it goes."""
    watched = weakref.ref(source)

    def place() -> int:
        alive = watched()
        return 0 if alive is None else alive.offset

    return place
