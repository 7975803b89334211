"""What all sources over one file have in common: the file, and the place in it."""

from __future__ import annotations

import gzip
import io
import os
import weakref
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Generic, Self, TypeVar, cast

from pauseflow.errors import SourceChanged
from pauseflow.sources.point import Point
from pauseflow.sources.unpacking import READ_BYTES, Unpacking

T = TypeVar("T")

_OPEN = {"_file", "_unpacking", "_point"}


class FileSource(Generic[T]):
    """An iterator over a file; its state is the path, the options and an offset in bytes.

    The file is opened when the first item is asked for, and again, at the offset, after a pause on
    whichever machine it goes on: the path must lead to the same file there. In a plain file the
    offset is sought at once.

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
        path: the file. A name that ends in `.gz` is unpacked.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self.offset = 0
        self._file: BinaryIO | None = None
        self._unpacking: Unpacking | None = None
        self._point: list[int | bytes] | None = None
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
        return state if point is None else {**state, "_point": point}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update({"_point": None, **state, "_file": None, "_unpacking": None})

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.path!r} at {self.offset}>"

    def _opened(self) -> BinaryIO:
        """The file, at the place.

        Raises:
            OSError: it can't be opened.
            SourceChanged: it ends before the place.
        """
        if self._file is None:
            self._file = self._at(self.offset)
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

    def _at(self, offset: int) -> BinaryIO:
        if Path(self.path).suffix == ".gz":
            return self._unpacked_at(offset)
        file = Path(self.path).open("rb")  # noqa: SIM115 (it stays open between items)
        size = file.seek(0, os.SEEK_END)
        if size < offset:
            file.close()
            raise self._changed(f"has only {size} now")
        file.seek(offset)
        return file

    def _unpacked_at(self, offset: int) -> BinaryIO:
        point = Point.of(self._point)
        point = point if point.unpacked <= offset else Point()
        unpacking = Unpacking(self.path, point, _place_of(self))
        if unpacking.size < point.packed:
            size = unpacking.size
            unpacking.close()
            raise self._changed(f"has only {size} of {point.packed} packed bytes now")
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
        return SourceChanged(
            f"{self.path} was read up to byte {self.offset}, and {what}. Put back the file that "
            f"the run was reading, or cancel the run"
        )


def _place_of(source: FileSource[Any]) -> Callable[[], int]:
    """Tells the place of a source, and does not keep it alive: it closes its file when it goes."""
    watched = weakref.ref(source)

    def place() -> int:
        alive = watched()
        return 0 if alive is None else alive.offset

    return place
