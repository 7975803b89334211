"""What all sources over one file have in common: the file, and the place in it."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Generic, Self, TypeVar, cast

from pauseflow.errors import SourceChanged

T = TypeVar("T")


class FileSource(Generic[T]):
    """An iterator over a file; its state is the path, the options and an offset in bytes.

    The file is opened when the first item is asked for, and again, at the offset, after a pause on
    whichever machine it goes on: the path must lead to the same file there. In a plain file the
    offset is sought at once. In a gzip file it is an offset in what is unpacked, and everything
    before it is unpacked once more: gzip has no other way.

    Args:
        path: the file. A name that ends in `.gz` is unpacked.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self.offset = 0
        self._file: BinaryIO | None = None
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
            self._file.close()
            self._file = None

    def __del__(self) -> None:
        # A generator that is paused lets go of its sources without a chance to close them.
        if vars(self).get("_file") is not None:
            self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_file"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _file=None)

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

    def _at(self, offset: int) -> BinaryIO:
        path = Path(self.path)
        if path.suffix == ".gz":
            file = cast("BinaryIO", gzip.open(path, "rb"))  # noqa: SIM115 (it stays open between items)
            reached = file.seek(offset)
        else:
            file = path.open("rb")
            reached = min(offset, file.seek(0, os.SEEK_END))
            file.seek(reached)
        if reached < offset:
            file.close()
            raise SourceChanged(
                f"{self.path} was read up to byte {offset}, and has only {reached} now. Put back "
                f"the file that the run was reading, or cancel the run"
            )
        return file
