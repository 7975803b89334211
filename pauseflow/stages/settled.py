"""Values as they were when a generator yielded them, whatever it does to them afterwards."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from uuid import UUID

from pauseflow import codec

UNCHANGING = frozenset(
    {
        type(None), bool, int, float, str, bytes, Decimal, UUID,
        dt.datetime, dt.date, dt.time, dt.timedelta, codec.Marker,
    }
)  # fmt: skip
"""Values of these types stay as they are."""


def settled(value: object) -> object:
    """The value, or a copy if it could be changed later.

    A generator may go on working on what it has yielded (`yield batch; batch.clear()`), but a
    slice's values are encoded together, at its end.

    Raises:
        NotSerializable: the value has no encoding.
    """
    kind = type(value)
    if kind in UNCHANGING:
        return value
    if (
        isinstance(value, tuple)
        and kind is tuple
        and all(type(each) in UNCHANGING for each in value)
    ):
        return value
    return codec.decode(codec.encode(value))
