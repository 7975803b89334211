"""Cuts values into pieces of the size that the next stage wants."""

from __future__ import annotations

from collections.abc import Sequence

from pauseflow import codec
from pauseflow.codec.wire import Unpacker
from pauseflow.errors import NotSerializable
from pauseflow.store.envelope import piece
from pauseflow.store.tuning import CHUNK_BYTES, CHUNK_RECORDS


def cut(
    values: Sequence[object],
    *,
    target: int,
    outlet: int,
    marked: bool = False,
    ended: bool = False,
) -> list[bytes]:
    """Encodes values into pieces of at most `target` records, and of at most about `CHUNK_BYTES`.

    Args:
        values: records, and markers if `marked`.
        target: records a piece.
        outlet: as `envelope.piece` takes it.
        marked: there are markers among the values.
        ended: nothing follows in this run: the last piece says so, an empty one if need be.

    Raises:
        NotSerializable: a value has no encoding; `index` says which.
    """
    pieces: list[bytes] = []
    size = min(max(target, 1), CHUNK_RECORDS)
    at, total = 0, len(values)
    while at < total:
        part = values if size >= total else values[at : at + size]
        try:
            items = codec.encode_items(part)
        except NotSerializable as error:
            error.index += at
            raise
        if len(items) > CHUNK_BYTES and len(part) > 1:
            size = max(1, len(part) * CHUNK_BYTES // (2 * len(items)))
            continue
        marks = sum(type(value) is codec.Marker for value in part) if marked else 0
        at += len(part)
        last = ended and at == total
        pieces.append(piece(len(part), marks, items, outlet=outlet, ended=last))
    if ended and not pieces:
        pieces.append(piece(0, 0, b"", outlet=outlet, ended=True))
    return pieces


def item_bytes(items: bytes, skip: int, count: int | None = None) -> bytes:
    """The encodings of items after the first `skip`, as they came.

    They are not encoded anew, for a stage may have changed the values.

    Args:
        items: encodings, one after another, that have been decoded before.
        skip: how many to leave out.
        count: how many to give; None for all that follow.
    """
    if skip == 0 and count is None:
        return items
    reader = Unpacker(strict_map_key=False, max_buffer_size=len(items) + 1)
    reader.feed(items)
    for _ in range(skip):
        reader.skip()
    begin = reader.tell()
    if count is None:
        return items[begin:]
    for _ in range(count):
        reader.skip()
    return items[begin : reader.tell()]
