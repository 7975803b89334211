"""VirtualClock: what `time.time` says while a flow is tested, so that a day takes no time."""

from __future__ import annotations

import time
from datetime import UTC, datetime

REAL_TIME = time.time
REAL_TIME_NS = time.time_ns


class VirtualClock:
    """A clock that goes on only when it is told to, and is `time.time` between start and stop.

    Of several that were started, the last one that was not stopped is the time.

    Args:
        start: when it begins; the present second if it is left out. A naive one is local time.
        running: goes on by itself as well, as fast as the machine's.
    """

    def __init__(self, start: datetime | None = None, *, running: bool = False) -> None:
        begin = REAL_TIME() if start is None else start.timestamp()
        self._running = running
        self._origin = begin - REAL_TIME() if running else float(int(begin))
        self._ahead_ms = 0

    @property
    def ahead_ms(self) -> int:
        """How far it was put forward."""
        return self._ahead_ms

    @property
    def sets_others(self) -> bool:
        """Whether the server's own time is another one."""
        return not self._running or bool(self._ahead_ms)

    def time(self) -> float:
        """Seconds since the epoch."""
        return self._origin + (REAL_TIME() if self._running else 0.0) + self._ahead_ms / 1000

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""
        return int(self.time() * 1000)

    def now(self) -> datetime:
        """The moment, in UTC."""
        return datetime.fromtimestamp(self.time(), UTC)

    def advance(self, seconds: float) -> None:
        """Put it forward."""
        self._ahead_ms += round(seconds * 1000)

    def start(self) -> None:
        """Make it the time of this process, for `time.time` and `time.time_ns`."""
        if not _started:
            _before[:] = [(time.time, time.time_ns)]
            time.time, time.time_ns = virtual_time, virtual_time_ns
        _started.append(self)

    def stop(self) -> None:
        """Give the time back. A clock that is not started stays so."""
        if self in _started:
            _started.remove(self)
            if not _started:
                ((time.time, time.time_ns),) = _before


_started: list[VirtualClock] = []
_before = [(time.time, time.time_ns)]


def virtual_time() -> float:
    """The time of the clock that was started last, or the machine's."""
    return _started[-1].time() if _started else REAL_TIME()


def virtual_time_ns() -> int:
    """The same in nanoseconds, as exact as a microsecond."""
    return int(virtual_time() * 1_000_000) * 1_000
