"""rate= and limit=: how fast, and how many at once, a stage may take records up."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias, TypeVar

from pauseflow import codec
from pauseflow.errors import FlowDefinitionError

KeyFunction: TypeAlias = Callable[[Any], object]

T = TypeVar("T", "Rate", "Limit")

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,79}")
_RATE = re.compile(r"\s*([0-9]+)\s*/\s*([0-9]*)\s*([A-Za-z]+)\s*")
_UNITS = {
    "ms": 1_000,
    "s": 1_000_000,
    "sec": 1_000_000,
    "second": 1_000_000,
    "seconds": 1_000_000,
    "m": 60_000_000,
    "min": 60_000_000,
    "minute": 60_000_000,
    "minutes": 60_000_000,
    "h": 3_600_000_000,
    "hour": 3_600_000_000,
    "hours": 3_600_000_000,
    "d": 86_400_000_000,
    "day": 86_400_000_000,
    "days": 86_400_000_000,
}
"""Microseconds."""

FASTEST = 100_000
"""Records a second. Beyond that a limit costs more than what it protects."""

LONGEST = 366 * _UNITS["day"]
MOST = 1_000_000
"""The largest burst, and the largest number at once."""

KEY_CHARACTERS = 80
"""Keys up to this length stand as they are in the names of Redis' keys; longer ones as digests."""

_RATES = "'50/s', '10/min', '1000/hour' or '5/2s'"


@dataclass(frozen=True, slots=True, init=False)
class Rate:
    """How many records a stage may take up in a time, in the whole fleet.

    Strict: in no stretch of time are more taken up than `burst` and what the rate gives for the
    stretch. A record counts each time that it is taken up: at its start, at a retry, and when it
    goes on after a pause, so that a generator that pauses between two pages is limited by the
    page. What the engine slices for its own reasons counts once.

    Args:
        text: such as "50/s", "10/min", "1000/hour" or "5/2s".
        key: a function of the record; each of its values has a rate of its own. What it raises is
            a failure of the record.
        name: stages of one name share one rate, and should all be given the same; by default each
            stage has its own.
        burst: how many may come at once after a quiet time; by default a tenth of a second's
            worth, and at least one.

    Raises:
        FlowDefinitionError: that is no rate; the message says what to write.
    """

    count: int
    period: int
    """Microseconds."""
    burst: int
    key: KeyFunction | None
    name: str | None

    def __init__(
        self,
        text: str,
        *,
        key: KeyFunction | None = None,
        name: str | None = None,
        burst: int | None = None,
    ) -> None:
        count, period = _parsed(text)
        if burst is None:
            burst = max(1, count * 100_000 // period)
        elif not _is_count(burst):
            raise FlowDefinitionError(
                f"rate {text!r}: burst={burst!r} must be a number from 1 to {MOST:,}, of records "
                f"that may come at once"
            )
        _init(self, count=count, period=period, burst=min(burst, MOST), key=_key(key, "rate"))
        _init(self, name=_name(name, "rate"))

    @property
    def interval(self) -> int:
        """Microseconds between two records in the long run, rounded up."""
        return -(-self.period // self.count)

    @property
    def text(self) -> str:
        """The rate as a person would write it, such as `50/s`."""
        for unit in ("day", "hour", "min", "s", "ms"):
            if self.period % _UNITS[unit] == 0:
                many = self.period // _UNITS[unit]
                return f"{self.count}/{many if many > 1 else ''}{unit}"
        raise AssertionError(self.period)

    @classmethod
    def of(cls, value: object, *, stage: str) -> Rate:
        """What an author wrote as `rate=`: a text, a text and a key function, or a Rate.

        Args:
            value: what was written.
            stage: the stage's name, for the message.

        Raises:
            FlowDefinitionError: it is no rate; the message says what to write instead.
        """
        return _of(cls, value, stage, "rate=('50/s', key_function)")

    def __repr__(self) -> str:
        return f"Rate({self.text!r}, burst={self.burst}{_more(self)})"


@dataclass(frozen=True, slots=True, init=False)
class Limit:
    """How many records of a stage may be at work at once, in the whole fleet.

    A record is at work while its stage runs, not while it is parked. The slots of a worker that
    dies are free when its lease ends; a worker that was only cut off may still be at it then.

    Args:
        count: how many.
        key: a function of the record; each of its values has a count of its own. What it raises is
            a failure of the record.
        name: stages of one name share one count, and should all be given the same; by default
            each stage has its own.

    Raises:
        FlowDefinitionError: that is no number from 1 up.
    """

    count: int
    key: KeyFunction | None
    name: str | None

    def __init__(
        self, count: int, *, key: KeyFunction | None = None, name: str | None = None
    ) -> None:
        if not _is_count(count):
            raise FlowDefinitionError(
                f"limit={count!r}: write how many records may be at work at once, a number from 1 "
                f"to {MOST:,}"
            )
        _init(self, count=count, key=_key(key, "limit"), name=_name(name, "limit"))

    @property
    def text(self) -> str:
        """The limit as a person would say it, such as `3 at once`."""
        return f"{self.count} at once"

    @classmethod
    def of(cls, value: object, *, stage: str) -> Limit:
        """What an author wrote as `limit=`: a number, a number and a key function, or a Limit.

        Args:
            value: what was written.
            stage: the stage's name, for the message.

        Raises:
            FlowDefinitionError: it is no limit; the message says what to write instead.
        """
        return _of(cls, value, stage, "limit=(3, key_function)")

    def __repr__(self) -> str:
        return f"Limit({self.count}{_more(self)})"


def key_text(key: object) -> str:
    """The value of a key function as it stands in the name of a key in Redis.

    A str and an int stand for themselves, so 7 and "7" are one key; so do None, floats and other
    values that have an encoding, by their bytes. Long ones are told apart by a digest.

    Raises:
        NotSerializable: the value has no encoding.
    """
    if isinstance(key, str | int):
        text = str(key)
        if len(text) <= KEY_CHARACTERS and text.isprintable():
            return text
        data = text.encode("utf-8", "surrogatepass")
    else:
        data = codec.encode(key)
    return "#" + hashlib.blake2b(data, digest_size=16).hexdigest()


def _parsed(text: object) -> tuple[int, int]:
    """Records, and the microseconds that they are for."""
    if not isinstance(text, str):
        raise FlowDefinitionError(f"{text!r} is not a rate: write it as text, such as {_RATES}")
    found = _RATE.fullmatch(text)
    if not found:
        raise FlowDefinitionError(f"{text!r} is not a rate: write a number, / and a time: {_RATES}")
    count, many, unit = int(found[1]), int(found[2] or 1), found[3].lower()
    if unit not in _UNITS:
        raise FlowDefinitionError(
            f"{text!r} is not a rate: {found[3]!r} is no unit of time. Use ms, s, min, hour or "
            f"day, as in {_RATES}"
        )
    period = many * _UNITS[unit]
    if not count or not period:
        raise FlowDefinitionError(
            f"{text!r} is not a rate: nothing would ever run, or everything at once. To stop a "
            f"stage, pause it; to limit it, write {_RATES}"
        )
    if period > LONGEST:
        raise FlowDefinitionError(
            f"the rate {text!r} is for more than a year: write a shorter time"
        )
    if Fraction(count, period) > Fraction(FASTEST, 1_000_000):
        raise FlowDefinitionError(
            f"the rate {text!r} is more than {FASTEST:,} a second, which no stage comes to: leave "
            f"rate= out"
        )
    return count, period


def _of(cls: type[T], value: object, stage: str, keyed: str) -> T:
    if isinstance(value, cls):
        return value
    word = cls.__name__.lower()
    try:
        match value:
            case tuple((what, key)) if callable(key):
                return cls(what, key=key)
            case tuple():
                problem = (
                    f"{word}={value!r}: with a key, write {keyed}, where the function takes the "
                    f"record; for more, write {word}={cls.__name__}(...)"
                )
            case _:
                return cls(value)  # type: ignore[arg-type]  # the class looks, and says more
    except FlowDefinitionError as error:
        problem = str(error)
    raise FlowDefinitionError(f"stage {stage!r}: {problem}")


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST


def _key(key: object, word: str) -> KeyFunction | None:
    if key is None or callable(key):
        return key
    raise FlowDefinitionError(
        f"{word}: key={key!r} must be a function of the record, such as lambda record: "
        f"record['host']"
    )


def _name(name: object, word: str) -> str | None:
    if name is None or (isinstance(name, str) and NAME.fullmatch(name)):
        return name
    raise FlowDefinitionError(
        f"{word}: name={name!r} must begin with a letter or underscore, go on with letters, digits "
        f"and _ . - and have at most 80 characters"
    )


def _init(frozen: object, **values: object) -> None:
    for name, value in values.items():
        object.__setattr__(frozen, name, value)


def _more(limit: Rate | Limit) -> str:
    key = f", key={limit.key!r}" if limit.key else ""
    return key + (f", name={limit.name!r}" if limit.name else "")
