"""Taking series up again: what they give must not depend on where they were stopped."""

import functools
from collections.abc import Callable, Iterator
from typing import Any

from pauseflow.pause import PauseFlow
from pauseflow.resumable import Series


@functools.cache
def _here(fn: Callable[[Any], Any]) -> Series:
    """What stops series."""
    return Series(fn, strict=True)


@functools.cache
def _elsewhere(fn: Callable[[Any], Any]) -> Series:
    """What takes them up."""
    return Series(fn, strict=True)


def opened(fn: Callable[[Any], Any], record: Any) -> Any:
    """A series from its beginning."""
    return _here(fn).open(record)


def frame_after(fn: Callable[[Any], Any], record: Any, count: int) -> tuple[list[Any], bytes]:
    """The first items, and the frame behind them."""
    it = opened(fn, record)
    taken = [next(it) for _ in range(count)]
    return taken, _here(fn).capture(it, emitted=count)


def gone_on(fn: Callable[[Any], Any], record: Any, frame: bytes) -> Iterator[Any]:
    """What another process makes of a frame."""
    return _elsewhere(fn).reopen(record, frame)  # type: ignore[no-any-return]


def stopped_after_each(fn: Callable[[Any], Any], record: Any) -> list[Any]:
    """All items, each given by a series that was made of the frame behind the one before."""
    taken, frame = frame_after(fn, record, 1)
    while True:
        try:
            taken.append(next(it := gone_on(fn, record, frame)))
        except StopIteration:
            return taken
        frame = _here(fn).capture(it, emitted=len(taken))


def raised_pause(fn: Callable[[Any], Any], it: Any) -> tuple[PauseFlow, bytes]:
    """The pause that comes out of a series now, and the frame at it."""
    try:
        next(it)
    except PauseFlow as pause:
        return pause, _here(fn).capture(it, emitted=0, raised=pause)
    raise AssertionError("it gave something instead of pausing")
