"""What a worker has encoded lately: when it gets that back, it need not decode it.

A worker that runs several stages of a flow mostly gets the chunks that it has just emitted.
"""

from __future__ import annotations

from collections import OrderedDict

from pauseflow import codec

FEWEST = 256
"""Records; smaller chunks are decoded as quickly as they are looked for."""

KEPT = 16
_TAIL = 48


class Lately:
    """A few chunks that were emitted, as bytes and as values.

    Only numbers and strings are kept as values: what a stage does to a record can't reach them.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[int, bytes], tuple[bytes, list[object]]] = OrderedDict()

    def note(self, piece: bytes, values: list[object]) -> None:
        """Takes in what was emitted.

        Args:
            piece: as it was sent, its header in front.
            values: what it holds. Nobody may change the list from now on.
        """
        if len(values) >= FEWEST:
            self._kept[(len(values), piece[-_TAIL:])] = (piece, values)
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)

    def take(self, count: int, items: bytes) -> list[object] | None:
        """The values of these items, once, if they were emitted here lately and are all plain.

        Args:
            count: how many.
            items: their encodings.
        """
        if count < FEWEST:
            return None
        piece, values = self._kept.pop((count, items[-_TAIL:]), (b"", []))
        header = len(piece) - len(items)
        if header <= 0 or piece[header - 1 : header] != b"\n" or not piece.endswith(items):
            return None
        return values if codec.is_flat(values) else None
