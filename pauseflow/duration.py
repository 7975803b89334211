"""Spans of time as authors write them: seconds, a timedelta, or a text such as "5m"."""

from __future__ import annotations

import re
from datetime import timedelta

from pauseflow.pause import LONGEST_SECONDS

_TEXT = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*([a-z]*)")
_UNITS = {
    "ms": 0.001,
    "": 1.0, "s": 1.0, "sec": 1.0, "second": 1.0, "seconds": 1.0,
    "m": 60.0, "min": 60.0, "minute": 60.0, "minutes": 60.0,
    "h": 3600.0, "hour": 3600.0, "hours": 3600.0,
    "d": 86_400.0, "day": 86_400.0, "days": 86_400.0,
}  # fmt: skip


def seconds_of(value: object, what: str, *, zero: bool = False) -> float:
    """The span in seconds.

    Args:
        value: seconds, a timedelta, or a number with one of the units ms, s, m, h and d.
        what: how the author's words begin, such as `timeout`, for the message.
        zero: nothing at all is a span too.

    Raises:
        TypeError: it is none of these.
        ValueError: a text that is no such span, or a span that is negative or longer than 100
            years, or of no length without `zero`.
    """
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
    elif isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(min(value, 2 * LONGEST_SECONDS))  # a large int is no float
    elif isinstance(value, str):
        found = _TEXT.fullmatch(value.strip().lower())
        unit = None if found is None else _UNITS.get(found[2])
        if found is None or unit is None:
            raise ValueError(f"{what}={value!r}: give a text such as '30s', '500ms', '5m' or '2h'")
        seconds = float(found[1]) * unit
    else:
        raise TypeError(f"{what}={value!r}: give seconds, a timedelta, or a text such as '30s'")
    if not 0 <= seconds <= LONGEST_SECONDS:
        raise ValueError(f"{what}={value!r}: give a time from 0 to 100 years")
    if not seconds and not zero:
        raise ValueError(f"{what}={value!r}: give more than no time")
    return seconds
