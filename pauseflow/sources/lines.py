"""The lines of a text file."""

from __future__ import annotations

import os

from pauseflow.sources.file import FileSource


class lines(FileSource[str]):  # noqa: N801 (used as a function)
    r"""The lines of a text file, without their ends.

    Lines end in `\n` or `\r\n`; the last one need not.

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
        UnicodeDecodeError: when a line is asked for that is not of the encoding.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, encoding: str = "utf-8", errors: str = "strict"
    ) -> None:
        if "\n".encode(encoding) != b"\n":
            raise ValueError(f"lines(..., encoding={encoding!r}): recode the file to UTF-8 first")
        super().__init__(path)
        self.encoding = encoding
        self.errors = errors
        self.number = 0
        """How many lines were read."""

    def __next__(self) -> str:
        if self._over:
            raise StopIteration
        line = self._opened().readline()
        if not line:
            raise self._finished()
        text = line.removesuffix(b"\n").removesuffix(b"\r").decode(self.encoding, self.errors)
        self.offset += len(line)
        self.number += 1
        return text
