"""The bytes of a file in pieces."""

from __future__ import annotations

import os

from pauseflow.sources.file import FileSource


class chunks(FileSource[bytes]):  # noqa: N801 (used as a function)
    """The bytes of a file, `size` at a time; the last piece may be shorter.

    ```python
    def parts(path):
        for piece in chunks(path, 1 << 20):
            yield digest(piece)
    ```

    Args:
        path: the file; unpacked if its name ends in `.gz`.
        size: bytes in a piece.

    Raises:
        ValueError: the size is not positive.
    """

    def __init__(self, path: str | os.PathLike[str], size: int = 65_536) -> None:
        if size < 1:
            raise ValueError(f"chunks(..., size={size!r}): give a number of bytes, one or more")
        super().__init__(path)
        self.size = size

    def __next__(self) -> bytes:
        if self._over:
            raise StopIteration
        piece = self._opened().read(self.size)
        if not piece:
            raise self._finished()
        self.offset += len(piece)
        return piece
