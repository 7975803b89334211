"""State: what is written down about the half-done records of a chunk, beside the records."""

from __future__ import annotations

from dataclasses import dataclass, field

from pauseflow import codec
from pauseflow.answer import Answer
from pauseflow.errors import MalformedData

_ANSWER = -1
_FAILURES = -2
_ORIGIN = -3

_MOST = 1 << 53
"""Of anything that is counted."""

_LONGEST_ORIGIN = 200


@dataclass(slots=True)
class State:
    """Where the records of a chunk stand.

    Attributes:
        frames: by index of the record: how far it has come.
        answer: what the first record was woken with last.
        failures: how often the first record has failed since it last got any further.
        origin: the run that the first record came to the stage in, if this one is of a dead letter
            that is tried again: its key stays what it was there.
    """

    frames: dict[int, bytes] = field(default_factory=dict)
    answer: Answer | None = None
    failures: int = 0
    origin: str = ""

    def pack(self) -> bytes:
        """The bytes that `parse` reads; none if there is nothing to be said."""
        parts: dict[int, object] = dict(self.frames)
        if self.answer is not None:
            parts[_ANSWER] = self.answer.pack()
        if self.failures:
            parts[_FAILURES] = self.failures
        if self.origin:
            parts[_ORIGIN] = self.origin
        return codec.encode(parts) if parts else b""

    @classmethod
    def parse(cls, data: bytes, count: int) -> State:
        """Read what `pack` wrote.

        Args:
            data: the bytes.
            count: how many records the chunk has.

        Raises:
            MalformedData: it isn't that.
        """
        if not data:
            return cls()
        parts = codec.decode(data)
        if not isinstance(parts, dict):
            raise MalformedData("a chunk whose frames are not frames")
        answer, failures = parts.pop(_ANSWER, None), parts.pop(_FAILURES, 0)
        origin = parts.pop(_ORIGIN, "")
        if (
            not all(
                type(index) is int and 0 <= index < count and type(frame) is bytes
                for index, frame in parts.items()
            )
            or not isinstance(answer, bytes | None)
            or type(failures) is not int
            or not -_MOST <= failures <= _MOST
            or type(origin) is not str
            or len(origin) > _LONGEST_ORIGIN
        ):
            raise MalformedData("a chunk whose frames are not frames")
        woken = None if answer is None else Answer.parse(answer)
        return cls(parts, woken, failures, origin)
