"""Foreign frames: which code a parked chunk waits for."""

from __future__ import annotations

from pauseflow.errors import MalformedData
from pauseflow.origin import Origin
from pauseflow.stages.frame import origin_in
from pauseflow.stages.state import State
from pauseflow.store.envelope import Envelope

CODE = "code"
"""Why a chunk is parked whose first record's frame was made by other code than a worker had."""


def origin_of_chunk(envelope: Envelope) -> Origin | None:
    """Which code made the frame of a chunk's first record; None if it has none, or is damaged."""
    try:
        frame = State.parse(envelope.frames, envelope.count).frames.get(0)
    except MalformedData:
        return None
    return None if frame is None else origin_in(frame)
