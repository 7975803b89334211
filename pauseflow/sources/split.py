"""Records out of pieces of bytes, by what stands between them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, Self

LONGEST: Final = 1 << 24


class split:  # noqa: N801 (used as a function)
    r"""The records in a series of pieces of bytes, without the delimiters between them.

    Where the pieces were cut does not matter: a record, and a delimiter too, may go on in the next
    piece. What comes after the last delimiter is a record if it is not empty.

    ```python
    def messages(path):
        for message in split(chunks(path), b"\r\n.\r\n"):
            yield message.decode()
    ```

    Its state is that of the pieces, and what is left of the piece that it is in: it is small if
    the pieces are.

    Args:
        pieces: bytes in pieces: one of the sources, a list, or a generator of yours that has a
            name: `pieces = received(...)` and then `split(pieces)`, for only such a generator can
            be written down.
        delimiter: what stands between records.
        longest: bytes in a record, at most.

    Raises:
        ValueError: the delimiter is empty; or, when a record is asked for, it is too long.
        TypeError: when a record is asked for, a piece is not bytes.
    """

    def __init__(
        self, pieces: Iterable[bytes], delimiter: bytes = b"\n", *, longest: int = LONGEST
    ) -> None:
        if not isinstance(delimiter, bytes) or not delimiter:
            raise ValueError(f"split(..., {delimiter!r}): give what stands between records, bytes")
        self.delimiter = delimiter
        self.longest = longest
        self.number = 0
        """How many records were given."""
        self._pieces: Iterator[bytes] = iter(pieces)
        self._left = b""
        self._at = 0
        self._over = False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        searched = self._at
        while (found := self._left.find(self.delimiter, searched)) < 0:
            if self._over:
                return self._last()
            searched = self._more()
        record = self._left[self._at : found]
        self._at = found + len(self.delimiter)
        self.number += 1
        return record

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_left": self._left[self._at :], "_at": 0}

    def _more(self) -> int:
        """Take one more piece; from where to search on."""
        if len(self._left) - self._at > self.longest:
            raise ValueError(
                f"record {self.number + 1} is longer than {self.longest} bytes: is "
                f"{self.delimiter!r} what stands between records? If so, give split(..., longest=)"
            )
        try:
            piece = next(self._pieces)
        except StopIteration:
            self._over = True
            return self._at
        if not isinstance(piece, bytes):
            raise TypeError(f"split goes over pieces of bytes, and got a {type(piece).__name__}")
        seen = len(self._left) - self._at
        self._left = self._left[self._at :] + piece
        self._at = 0
        return max(0, seen - len(self.delimiter) + 1)

    def _last(self) -> bytes:
        record = self._left[self._at :]
        self._left, self._at = b"", 0
        if not record:
            raise StopIteration
        self.number += 1
        return record
