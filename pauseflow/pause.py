"""PauseFlow: how a stage stops in the middle of its work."""

from __future__ import annotations

from datetime import datetime, timedelta


class PauseFlow(BaseException):
    """Stop here, and go on from here later, on any worker.

    Raised by a function, raised by an iterator's `__next__`, or yielded or raised by a generator.
    Without arguments it gives the worker to others and goes on as soon as possible.

    It derives from BaseException, so that `except Exception` in a stage lets it through.

    Args:
        after: seconds, or a timedelta, until the stage goes on. Not before; how long after
            depends on how busy the workers are.
        at: the moment when the stage goes on. A naive datetime is local time.

    Raises:
        ValueError: both are given, or a time that is negative or not finite.
    """

    def __init__(
        self, *, after: float | timedelta | None = None, at: datetime | None = None
    ) -> None:
        if after is not None and at is not None:
            raise ValueError("PauseFlow takes after= or at=, not both")
        seconds = after.total_seconds() if isinstance(after, timedelta) else after
        if seconds is not None and not 0 <= seconds < float("inf"):
            raise ValueError(f"PauseFlow(after={after!r}): give seconds, zero or more")
        self.after = seconds
        self.at = at
        super().__init__()

    def wake_at(self, now: float) -> float | None:
        """When to go on, in seconds since the epoch, or None for as soon as possible.

        Args:
            now: the present, in seconds since the epoch.
        """
        if self.after is not None:
            return now + self.after
        return None if self.at is None else self.at.timestamp()

    def __repr__(self) -> str:
        given = f"after={self.after!r}" if self.after is not None else ""
        if self.at is not None:
            given = f"at={self.at!r}"
        return f"PauseFlow({given})"
