"""PauseFlow: how a stage stops in the middle of its work."""

from __future__ import annotations

from datetime import datetime, timedelta

LONGEST_SECONDS = 100 * 365 * 86_400.0
YEARS = range(2, 9999)
"""Of the first and the last year that datetime knows, some time zones have only a part."""


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
        TypeError: what is given is no number and no timedelta, or no datetime.
        ValueError: both are given, or a time that is negative or does not come in 100 years.
    """

    def __init__(
        self, *, after: float | timedelta | None = None, at: datetime | None = None
    ) -> None:
        if after is not None and at is not None:
            raise ValueError("PauseFlow takes after= or at=, not both")
        seconds = None if after is None else _seconds(after)
        if at is not None:
            _check_moment(at)
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


def _seconds(after: object) -> float:
    if isinstance(after, timedelta):
        seconds = after.total_seconds()
    elif isinstance(after, int | float) and not isinstance(after, bool):
        seconds = after
    else:
        raise TypeError(f"PauseFlow(after={after!r}): give seconds or a timedelta")
    if not 0 <= seconds <= LONGEST_SECONDS:
        raise ValueError(f"PauseFlow(after={after!r}): give a time from 0 to 100 years")
    return seconds


def _check_moment(at: object) -> None:
    if not isinstance(at, datetime):
        raise TypeError(
            f"PauseFlow(at={at!r}): give a datetime, or after= with seconds or a timedelta"
        )
    if at.year not in YEARS:
        raise ValueError(f"PauseFlow(at={at!r}): give a moment before the year {YEARS.stop}")
