"""Cron: the ticks of a cron expression, as a zone's clocks show them."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

_SHORTHANDS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_WORD = re.compile(r"[a-z]+")
_WORDS = frozenset(
    {
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
        "sun", "mon", "tue", "wed", "thu", "fri", "sat", "l", "w",
    }
)  # fmt: skip
_EXAMPLE = "'0 3 * * *' is every day at 3:00, '*/15 8-18 * * mon-fri' each quarter in office hours"
_INSTANT = timedelta(microseconds=1)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Cron:
    """A cron expression of five fields (minute, hour, day, month, day of the week), in a zone.

    A tick is when the zone's clocks show a time that the expression names. Where clocks are
    changed, an expression with set hours ticks once for each time that it names: one that is
    skipped ticks when the clocks have gone forward (2:30, skipped by a change from 2:00 to 3:00,
    at 3:00), and one that comes twice ticks the first time. An expression for any hour (`*` or
    `*/2`) follows the clocks: it leaves out the times that are skipped, and ticks in both of the
    hours of one name.

    Args:
        text: the expression, or a shorthand such as `@daily`.
        zone: the IANA name of the zone.

    Raises:
        ValueError: it is no such expression, it never ticks, or there is no such zone. The
            message says what to write instead.
    """

    text: str
    zone: str

    def __post_init__(self) -> None:
        _zone(self.zone)
        try:
            self.after(datetime.now(UTC))
        except ValueError as error:
            raise ValueError(_complaint(self.text, error)) from None

    @property
    def spec(self) -> str:
        """The rule as a line of text: equal for equal ticks."""
        return f"cron {self.text} {self.zone}"

    def after(self, moment: datetime) -> datetime:
        """The first tick after a moment, both aware; in UTC."""
        zone, hours = _zone(self.zone), _fields(self.text)[1]
        any_hour = hours.startswith("*")
        moment = moment.astimezone(UTC)
        offset = _offset(moment, zone)
        while True:
            shown = _next_shown(self.text, moment.replace(tzinfo=None) + offset)
            tick = (shown - offset).replace(tzinfo=UTC)
            change = _first_change(zone, offset, moment, tick)
            if change is None:
                if any_hour or not tick.astimezone(zone).fold:
                    return tick
                moment = tick
                continue
            offset = _offset(change, zone)
            if not any_hour and shown < change.replace(tzinfo=None) + offset:
                return change  # the clocks skip what it names
            moment = change - _INSTANT


@cache
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        pass
    known = available_timezones()
    if not known:
        raise ValueError(f"tz={name!r}: this machine has no list of time zones: pip install tzdata")
    by_end = {each.rpartition("/")[2].lower(): each for each in sorted(known, reverse=True)}
    by_name = {each.lower(): each for each in known} | by_end
    near = difflib.get_close_matches(name.lower(), by_name, n=1)
    hint = f"did you mean {by_name[near[0]]!r}?" if near else "give one such as 'Europe/Paris'"
    raise ValueError(f"tz={name!r}: there is no time zone of this name: {hint}")


def _fields(text: object) -> list[str]:
    if not isinstance(text, str):
        raise ValueError("it is not a text")  # noqa: TRY004 - all that is wrong is told as one
    fields = _SHORTHANDS.get(text.strip().lower(), text).lower().split()
    if len(fields) != 5:
        raise ValueError(
            f"there are five fields (minute, hour, day, month, day of the week), and it has "
            f"{len(fields)}"
        )
    # The parser knows words of its own, some of them for a random time at each look.
    for word in _WORD.findall(" ".join(fields)):
        if word not in _WORDS:
            raise ValueError(f"{word!r} is not the name of a month or of a day of the week")
    return fields


def _next_shown(text: str, shown: datetime) -> datetime:
    """The next time that the expression names, on a clock that nobody ever changes."""
    from croniter import croniter  # noqa: PLC0415 - 40 ms that few apps need

    found: datetime = croniter(" ".join(_fields(text)), shown).get_next(datetime)
    return found


def _complaint(text: object, error: ValueError) -> str:
    if "failed to find next date" in str(error):
        return f"cron {text!r} never comes: no month has such a day. For example, {_EXAMPLE}"
    return f"cron {text!r} can't be read: {error}. For example, {_EXAMPLE}"


def _offset(moment: datetime, zone: ZoneInfo) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta()


def _first_change(
    zone: ZoneInfo, offset: timedelta, after: datetime, upto: datetime
) -> datetime | None:
    """When the zone's clocks first have another offset: after one moment, not after the other."""
    low = after
    while low < upto:
        high = min(low + _DAY, upto)
        if _offset(high, zone) == offset:
            low = high
            continue
        while high - low > _INSTANT:
            middle = low + (high - low) / 2
            if _offset(middle, zone) == offset:
                low = middle
            else:
                high = middle
        return high
    return None
