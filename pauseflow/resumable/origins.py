"""Which code made a frame, read from the frame itself."""

from __future__ import annotations

from collections.abc import Iterator

from pauseflow.codec.showing import decode_to_show
from pauseflow.errors import CodecError, MalformedData
from pauseflow.origin import Origin
from pauseflow.resumable.frame import Frame
from pauseflow.resumable.replay import ReplayFrame

OWN = "pauseflow.resumable.equivalents:"
"""Functions of the library itself, which every worker has."""

_MOST = 200
"""Of the heap's generators that are looked at."""


def read_to_show(frame: bytes) -> tuple[str, Frame | ReplayFrame]:
    """The label that is around a frame, and the frame, decoded only to be looked at.

    Raises:
        MalformedData: it is no frame.
    """
    try:
        version, data = "", decode_to_show(frame)
        match data:
            case ["version", str(version), bytes(inner)]:
                data = decode_to_show(inner)
        replay = ReplayFrame.from_data(data)
        return version, Frame.from_data(data) if replay is None else replay
    except RecursionError:
        raise MalformedData("a frame is nested too deeply") from None


def origin_of(frame: bytes) -> Origin | None:
    """Which code made a frame of a series; None if it can't be told."""
    try:
        version, read = read_to_show(frame)
    except CodecError:
        return None
    holds = () if isinstance(read, ReplayFrame) else tuple(dict.fromkeys(_held(read)))
    return Origin(read.function, read.fingerprint, version, holds)


def _held(frame: Frame) -> Iterator[str]:
    data = frame.to_data()
    for laid in (data[8] if len(data) > 6 else [])[:_MOST]:
        match laid:
            case ["g", str(function), str(fingerprint), *_] if not function.startswith(OWN):
                yield fingerprint
