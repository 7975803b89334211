"""Dead letters: records that were set aside, with all that is needed to take them up again."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from pauseflow import codec
from pauseflow.errors import MalformedData
from pauseflow.store.books import moment

LONGEST_TEXT = 16_384
"""Characters of an error's text and of its traceback that are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A record that was set aside.

    Attributes:
        run: the run's id.
        flow: the flow's name.
        stage: the stage that failed on it.
        ordinal: of the record at the stage.
        since: when it was set aside, ms since the epoch.
        attempts: how often it was tried.
        crashes: how many workers died with it in hand.
        error_type: the name of the last exception's type.
        error: its text.
        traceback: its traceback, as text; may be empty.
        is_marker: it is not a record, but the end of a branch's series.
        item: the record, encoded.
        state: what is written down of it, as `State.pack` gives it for a chunk of one.
        stored: the letter as it stands on the server.
    """

    run: str
    flow: str
    stage: str
    ordinal: int
    since: int
    attempts: int
    crashes: int
    error_type: str
    error: str
    traceback: str
    is_marker: bool
    item: bytes
    state: bytes
    stored: bytes = field(default=b"", compare=False, repr=False)

    @property
    def key(self) -> str:
        """The record's key, which names the letter: one that dies again takes its place."""
        return f"{self.run}:{self.stage}:{self.ordinal}"

    @property
    def died(self) -> datetime:
        """When it was set aside."""
        return moment(self.since)

    @property
    def record(self) -> object:
        """The record; for a marker what `finished` would be called with, or None.

        Raises:
            MalformedData: it is damaged, or of a class that this process does not have.
        """
        value = codec.decode(self.item)
        return value.value if isinstance(value, codec.Marker) else value

    def pack(self) -> bytes:
        """The bytes that `parse` reads."""
        return codec.encode(
            (
                self.run,
                self.flow,
                self.stage,
                self.ordinal,
                self.since,
                self.attempts,
                self.crashes,
                self.error_type,
                self.error[:LONGEST_TEXT],
                self.traceback[-LONGEST_TEXT:],
                self.is_marker,
                self.item,
                self.state,
            )
        )

    @classmethod
    def parse(cls, data: bytes) -> Letter:
        """Read what `pack` wrote.

        Raises:
            MalformedData: it isn't that.
        """
        match codec.decode(data):
            case (
                str(run),
                str(flow),
                str(stage),
                int(ordinal),
                int(since),
                int(attempts),
                int(crashes),
                str(error_type),
                str(error),
                str(traceback),
                bool(is_marker),
                bytes(item),
                bytes(state),
            ):
                return cls(
                    run=run,
                    flow=flow,
                    stage=stage,
                    ordinal=ordinal,
                    since=since,
                    attempts=attempts,
                    crashes=crashes,
                    error_type=error_type,
                    error=error,
                    traceback=traceback,
                    is_marker=is_marker,
                    item=item,
                    state=state,
                )
            case _:
                raise MalformedData("a dead letter that has parts that it should not have")
