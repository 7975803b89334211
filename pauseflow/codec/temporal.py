"""Dates, times and time zones as bytes, and back."""

from __future__ import annotations

import datetime as dt
import functools
import re
import struct
from typing import Final
from zoneinfo import ZoneInfo

_DATETIME: Final = struct.Struct(">H5BIB")
_DATE: Final = struct.Struct(">H2B")
_TIME: Final = struct.Struct(">3BIB")
_TIMEDELTA: Final = struct.Struct(">iII")
_OFFSET: Final = struct.Struct(">q")

_NAIVE, _FIXED, _NAMED, _ZONE = range(4)

# Without dots and leading slashes a key can't leave the time zone folders, nor name a module.
_ZONE_KEY: Final = re.compile(r"[A-Za-z0-9_+\-]+(?:/[A-Za-z0-9_+\-]+)*", re.ASCII)

_UTC: Final = _OFFSET.pack(0)
_MICROSECOND: Final = dt.timedelta(microseconds=1)


def write_datetime(value: dt.datetime) -> bytes:
    """A datetime, naive or aware, with its fold.

    Raises:
        ValueError: its tzinfo is neither a `datetime.timezone` nor a `ZoneInfo` with a key.
    """
    kind, tail = _write_zone(value.tzinfo)
    head = _DATETIME.pack(
        value.year,
        value.month,
        value.day,
        value.hour,
        value.minute,
        value.second,
        value.microsecond,
        value.fold | kind << 1,
    )
    return head + tail


def read_datetime(body: bytes) -> dt.datetime:
    """What `write_datetime` wrote. Raises ValueError, KeyError, OSError or struct.error else."""
    year, month, day, hour, minute, second, micro, flags = _DATETIME.unpack_from(body)
    zone = _read_zone(flags >> 1, body[_DATETIME.size :])
    return dt.datetime(year, month, day, hour, minute, second, micro, zone, fold=flags & 1)


def write_date(value: dt.date) -> bytes:
    """A date without a time."""
    return _DATE.pack(value.year, value.month, value.day)


def read_date(body: bytes) -> dt.date:
    """What `write_date` wrote. Raises ValueError or struct.error else."""
    return dt.date(*_DATE.unpack(body))


def write_time(value: dt.time) -> bytes:
    """A time of day, naive or aware, with its fold. Raises ValueError as `write_datetime`."""
    kind, tail = _write_zone(value.tzinfo)
    flags = value.fold | kind << 1
    return _TIME.pack(value.hour, value.minute, value.second, value.microsecond, flags) + tail


def read_time(body: bytes) -> dt.time:
    """What `write_time` wrote. Raises ValueError, KeyError, OSError or struct.error else."""
    hour, minute, second, micro, flags = _TIME.unpack_from(body)
    zone = _read_zone(flags >> 1, body[_TIME.size :])
    return dt.time(hour, minute, second, micro, zone, fold=flags & 1)


def write_timedelta(value: dt.timedelta) -> bytes:
    """A duration, exact to the microsecond."""
    return _TIMEDELTA.pack(value.days, value.seconds, value.microseconds)


def read_timedelta(body: bytes) -> dt.timedelta:
    """What `write_timedelta` wrote. Raises OverflowError or struct.error else."""
    return dt.timedelta(*_TIMEDELTA.unpack(body))


def _write_zone(zone: dt.tzinfo | None) -> tuple[int, bytes]:
    if zone is None:
        return _NAIVE, b""
    if zone is dt.UTC:
        return _FIXED, _UTC
    if type(zone) is dt.timezone:
        offset, name = zone.utcoffset(None), zone.tzname(None)
        body = _OFFSET.pack(offset // _MICROSECOND)
        # An unnamed zone makes its name up from the offset; only a name that was given is kept.
        if name == dt.timezone(offset).tzname(None):
            return _FIXED, body
        return _NAMED, body + name.encode("utf-8", "surrogatepass")
    if type(zone) is ZoneInfo and zone.key is not None:
        key = zone.key.encode("utf-8", "surrogatepass")
        try:
            _zone(_ZONE, key)
        except (ValueError, LookupError, OSError) as error:
            raise ValueError(f"there is no time zone {zone.key!r}") from error
        return _ZONE, key
    raise ValueError(
        f"its time zone is a {type(zone).__module__}.{type(zone).__qualname__}, and only "
        f"datetime.timezone and zoneinfo.ZoneInfo with a key can be named in data"
    )


def _read_zone(kind: int, tail: bytes) -> dt.tzinfo | None:
    if kind == _NAIVE and not tail:
        return None
    return _zone(kind, tail)


@functools.lru_cache(maxsize=256)
def _zone(kind: int, tail: bytes) -> dt.tzinfo:
    if kind == _FIXED:
        return dt.timezone(_MICROSECOND * _OFFSET.unpack(tail)[0])
    if kind == _NAMED:
        offset = _MICROSECOND * _OFFSET.unpack_from(tail)[0]
        return dt.timezone(offset, tail[_OFFSET.size :].decode("utf-8", "surrogatepass"))
    if kind == _ZONE:
        key = tail.decode("ascii")
        if not _ZONE_KEY.fullmatch(key):
            raise ValueError(f"{key!r} is not the name of a time zone")
        return ZoneInfo(key)
    raise ValueError(f"{kind} is not a kind of time zone")
