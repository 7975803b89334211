"""What is written down about one record that is half done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from pauseflow.answer import Answer
from pauseflow.codec import decode, encode
from pauseflow.codec.showing import decode_to_show
from pauseflow.errors import CodecError, ForeignFrame, MalformedData
from pauseflow.origin import Origin
from pauseflow.pause import PauseFlow

VERSION = b"f1"

MOST_EMITTED = 1 << 53
LATEST = 253_402_300_799.0
"""The last second of the year 9999: the end of all dates."""


@dataclass(slots=True)
class Frame:
    """How far a record has come at a stage.

    Attributes:
        series: where its series stands, as `Series.capture` wrote it; None: it wasn't begun.
        emitted: values that the series has given, `held` included.
        held: outputs that were made ahead of an earlier record that paused, and wait for it.
        done: nothing is left to do but to release `held`, and to say that the series is over.
        closed: nothing at all is left to do here: it is done, or it is parked on its own.
        wake: seconds since the epoch: when a pause that the record asked for ends.
        waits: what the pause waits for, as in `PauseFlow.waits_for`; None: only for `wake`.
    """

    series: bytes | None = None
    emitted: int = 0
    held: list[object] = field(default_factory=list)
    done: bool = False
    closed: bool = False
    wake: float | None = None
    waits: str | None = None

    def to_bytes(self) -> bytes:
        """The frame as data.

        Raises:
            NotSerializable: a held output has no encoding.
        """
        parts = (self.series, self.emitted, self.held, self.done, self.closed, self.wake)
        return VERSION + encode(parts if self.waits is None else (*parts, self.waits))

    @classmethod
    def from_bytes(cls, data: bytes, decode: Callable[[bytes], object] = decode) -> Frame:
        """Read what `to_bytes` wrote.

        Args:
            data: the bytes.
            decode: in place of the codec's, for frames that are only looked at.

        Raises:
            MalformedData: it isn't that.
        """
        if not data.startswith(VERSION):
            raise MalformedData("a frame of a record begins with f1, and this does not")
        match decode(data[len(VERSION) :]):
            case (
                bytes() | None as series,
                int() as emitted,
                list() as held,
                bool() as done,
                bool() as closed,
                float() | None as wake,
                *rest,
            ):
                if not 0 <= emitted <= MOST_EMITTED or not 0 <= (wake or 0.0) <= LATEST:
                    raise MalformedData("a frame of a record with numbers that can't be")
                match rest:
                    case []:
                        return cls(series, emitted, held, done, closed, wake)
                    case [str(waits)]:
                        return cls(series, emitted, held, done, closed, wake, waits)
        raise MalformedData("a frame of a record has parts that it should not have")

    def without_series(self, stage: str) -> Frame:
        """The frame, for a stage that has no series.

        Raises:
            ForeignFrame: there is one: the frame was made when the stage was a branch.
        """
        if self.series is not None:
            raise ForeignFrame(
                stage, frame_fingerprint="of a branch", code_fingerprint="of a function"
            )
        return self

    def asleep(self, now: float, answer: Answer | None = None) -> PauseFlow | None:
        """The pause that the record asked for, if what it waits for has not come.

        Args:
            now: seconds since the epoch.
            answer: what the record was woken with, if it was.
        """
        if self.waits is not None:
            if answer is not None and answer.name == self.waits:
                return None
            return PauseFlow.waiting(self.waits, self.wake)
        if self.wake is None or self.wake <= now:
            return None
        return PauseFlow(at=datetime.fromtimestamp(self.wake, UTC))

    def pausing(self, pause: PauseFlow, now: float) -> Frame:
        """The frame of a record that stands at this pause.

        Args:
            pause: what it asked for.
            now: seconds since the epoch.
        """
        return replace(self, wake=pause.wake_at(now), waits=pause.waits_for)


def origin_in(data: bytes) -> Origin | None:
    """Which code made the series in the frame of a record; None if there is none, or it is damaged.

    Args:
        data: as `Frame.to_bytes` wrote it.
    """
    from pauseflow.resumable.origins import origin_of  # noqa: PLC0415 (seldom, and much to import)

    try:
        series = Frame.from_bytes(data, decode_to_show).series
    except CodecError:
        return None
    return None if series is None else origin_of(series)
