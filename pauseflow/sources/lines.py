"""The lines of a text file."""

from __future__ import annotations

import os
from typing import Protocol

from pauseflow.sources.file import FileSource


class lines(FileSource[str]):  # noqa: N801 (used as a function)
    r"""The lines of a text file, without their ends.

    Lines end in `\n` or `\r\n`; the last one need not. A byte order mark is left out.

    ```python
    def words(path):
        for line in lines(path):
            yield from line.split()
    ```

    Args:
        path: the file; unpacked if its name ends in `.gz`.
        encoding: one in which a line's end is the byte 10, as in all but UTF-16 and UTF-32.
        errors: as for `open`.

    Raises:
        ValueError: in this encoding, ends of lines can't be found by their byte.
        UnicodeDecodeError: when a line is asked for that is not of the encoding; names file and
            line. Asking again goes on with the next line.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, encoding: str = "utf-8", errors: str = "strict"
    ) -> None:
        check_encoding("lines", encoding)
        super().__init__(path)
        self.encoding = encoding
        self.errors = errors
        self.number = 0
        """How many lines were read."""

    def __next__(self) -> str:
        if self._over:
            raise StopIteration
        line = (self._file or self._opened()).readline()
        if not line:
            raise self._finished()
        self.offset += len(line)
        self.number += 1
        bare = line.removesuffix(b"\n").removesuffix(b"\r")
        return decoded(bare, self)


def check_encoding(source: str, encoding: str) -> None:
    """See whether ends of lines can be found by their byte.

    Raises:
        ValueError: they can't, or there is no such encoding.
    """
    try:
        ends = "\n".encode(encoding).removeprefix(_MARK)
    except LookupError:
        raise ValueError(
            f"{source}(..., encoding={encoding!r}): no encoding is called so"
        ) from None
    if ends != b"\n":
        raise ValueError(f"{source}(..., encoding={encoding!r}): recode the file to UTF-8 first")


_MARK = b"\xef\xbb\xbf"


class Numbered(Protocol):
    """A source that counts lines."""

    path: str
    encoding: str
    errors: str
    number: int


def decoded(line: bytes, source: Numbered) -> str:
    """The text of the line that a source is at.

    Raises:
        UnicodeDecodeError: it is not of the encoding; names file and line.
    """
    if source.number == 1 and line[:3] == _MARK and source.encoding.lower().startswith("utf"):
        line = line[3:]
    try:
        return line.decode(source.encoding, source.errors)
    except UnicodeDecodeError as error:
        error.reason += (
            f" ({source.path}:{source.number}: write which encoding=... it has, or "
            f"errors='replace' if some characters may be lost)"
        )
        raise
