"""Schedule: when runs of a flow start by themselves."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, TypeAlias, get_args

from pauseflow import codec
from pauseflow.cron import Cron
from pauseflow.errors import FlowDefinitionError

Missed: TypeAlias = Literal["skip", "once", "all"]

LATE: Final = timedelta(seconds=60)
"""A tick that is older than this is missed."""

AT_MOST: Final = 100
"""So many missed ticks run with `missed="all"`, the latest ones."""

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_NAMES = 103
"""A run's id has 120 characters: the flow's name, the schedule's, two dots, and the tick."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SPAN = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?:in)?)?(?:(\d+)s)?")
_UNITS = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))
_LONGEST = 366 * 86_400


@dataclass(frozen=True, slots=True)
class Every:
    """Ticks at equal intervals, counted from 1970-01-01 00:00 UTC.

    So all processes agree on them, and a restart does not move them: every 5 minutes is at :00,
    :05, :10; every day is at midnight UTC.

    Args:
        seconds: from one tick to the next, 1 or more.
    """

    seconds: int

    @classmethod
    def of(cls, interval: object) -> Every:
        """The rule that an author's words mean.

        Args:
            interval: whole seconds, a timedelta, or a text such as `90s`, `5m`, `1h30m`, `1d`.

        Raises:
            ValueError: it is none of these, shorter than a second or longer than a year.
        """
        seconds: float | None = None
        if isinstance(interval, timedelta):
            seconds = interval.total_seconds()
        elif isinstance(interval, int | float) and not isinstance(interval, bool):
            seconds = interval
        elif isinstance(interval, str):
            found = _SPAN.fullmatch(interval.replace(" ", "").lower())
            if found and any(found.groups()):
                counts = (int(digits or 0) for digits in found.groups())
                seconds = sum(count * unit for count, (_, unit) in zip(counts, _UNITS, strict=True))
        if seconds is None:
            raise ValueError(
                f"every({interval!r}): give a text such as '90s', '5m', '1h30m' or '1d', whole "
                f"seconds, or a timedelta"
            )
        if not 1 <= seconds <= _LONGEST or seconds != int(seconds):
            raise ValueError(
                f"every({interval!r}): give whole seconds, from one second to a year (366 days)"
            )
        return cls(int(seconds))

    @property
    def zone(self) -> str:
        """It is counted in UTC."""
        return "UTC"

    @property
    def text(self) -> str:
        """The interval in its largest units: `1h30m`."""
        words, left = "", self.seconds
        for unit, length in _UNITS:
            count, left = divmod(left, length)
            words += f"{count}{unit}" if count else ""
        return words

    @property
    def spec(self) -> str:
        """The rule as a line of text: equal for equal ticks."""
        return f"every {self.text}"

    def after(self, moment: datetime) -> datetime:
        """The first tick after a moment, both aware; in UTC."""
        length = timedelta(seconds=self.seconds)
        return _EPOCH + ((moment - _EPOCH) // length + 1) * length


Rule: TypeAlias = Every | Cron


@dataclass(frozen=True, slots=True)
class Schedule:
    """One rule by which runs of a flow start. Made by `flow.every(...)` and `flow.cron(...)`.

    Attributes:
        flow: the flow's name.
        name: unique in the flow.
        rule: when it ticks.
        missed: what becomes of ticks that no coordinator was there for.
        record: the encoded input record of each run; None: the time of the tick.
    """

    flow: str
    name: str
    rule: Rule
    missed: Missed = "once"
    record: bytes | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not NAME.fullmatch(self.name):
            raise FlowDefinitionError(
                f"flow {self.flow!r}: a schedule can't be called {self.name!r}: a name begins with "
                f"a letter or underscore, and goes on with letters, digits, _ and -"
            )
        if len(self.flow) + len(self.name) > _NAMES:
            raise FlowDefinitionError(
                f"flow {self.flow!r}: the schedule's name {self.name!r} is too long: together with "
                f"the flow's it may have {_NAMES} characters, as runs are called after both"
            )
        if self.missed not in get_args(Missed):
            raise FlowDefinitionError(
                f"flow {self.flow!r}: missed={self.missed!r}: give 'skip' (what was missed is left "
                f"out), 'once' (the latest tick that was missed runs) or 'all' (each of them runs)"
            )

    @property
    def full_name(self) -> str:
        """The flow's name and its own: what its runs are called after."""
        return f"{self.flow}.{self.name}"

    @property
    def zone(self) -> str:
        """The zone that its times are meant in."""
        return self.rule.zone

    def run_id(self, tick: datetime) -> str:
        """The id of the run of a tick: `<flow>.<name>.<tick as UTC yyyymmddThhmmss>`."""
        return f"{self.full_name}.{tick.astimezone(UTC):%Y%m%dT%H%M%S}"

    def input(self, tick: datetime) -> bytes:
        """The encoded record of the run of a tick."""
        if self.record is not None:
            return self.record
        return codec.encode(tick.astimezone(UTC))

    def due(self, after: datetime, now: datetime) -> list[datetime]:
        """The ticks that are to run now, oldest first.

        Args:
            after: ticks up to this one have been seen to.
            now: ticks up to this one have come.
        """
        if self.rule.after(after) > now:
            return []
        if self.missed == "all":
            return self._latest(after, now, AT_MOST)
        latest = self._latest(after, now, 1)
        if self.missed == "skip":
            return [tick for tick in latest if now - tick <= LATE]
        return latest

    def _latest(self, after: datetime, now: datetime, count: int) -> list[datetime]:
        """The last `count` ticks, found without going through years of them."""
        span = timedelta(seconds=64)
        while True:
            begin = max(after, now - span)
            found = deque(self._between(begin, now), maxlen=count)
            if begin == after or len(found) == count:
                return list(found)
            span *= 16

    def _between(self, after: datetime, upto: datetime) -> Iterator[datetime]:
        tick = self.rule.after(after)
        while tick <= upto:
            yield tick
            tick = self.rule.after(tick)


def every(
    flow: str, interval: object, *, value: object, name: str | None, missed: Missed
) -> Schedule:
    """Makes a schedule as `Flow.every` is told; `value` is `...` if it was left out.

    Raises:
        FlowDefinitionError: it can't work.
        NotSerializable: the record has no encoding.
    """
    try:
        rule = Every.of(interval)
    except ValueError as error:
        raise FlowDefinitionError(f"flow {flow!r}: {error}") from None
    name = f"every-{rule.text}" if name is None else name
    return Schedule(flow, name, rule, missed, _encoded(value))


def cron(
    flow: str, expression: str, zone: str, *, value: object, name: str | None, missed: Missed
) -> Schedule:
    """Makes a schedule as `Flow.cron` is told; `value` is `...` if it was left out.

    Raises:
        FlowDefinitionError: it can't work.
        NotSerializable: the record has no encoding.
    """
    try:
        rule = Cron(expression, zone)
    except ValueError as error:
        raise FlowDefinitionError(f"flow {flow!r}: {error}") from None
    return Schedule(flow, "cron" if name is None else name, rule, missed, _encoded(value))


def _encoded(value: object) -> bytes | None:
    return None if value is ... else codec.encode(value)
