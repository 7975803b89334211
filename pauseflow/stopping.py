"""Stopping: the flag by which a signal handler tells a process to stop."""

from __future__ import annotations

import threading


class Stopping(threading.Event):
    """An event that a signal handler may set, whatever its own thread is doing at that moment.

    The lock of a plain event is not reentrant: a handler that runs while its thread is inside
    `set` or `wait` of the same event, as one of a second SIGTERM may, waits for that thread, which
    is itself, for ever. A `wait` that was interrupted just before it began to sleep sleeps for the
    whole of its timeout, so it is given one.
    """

    def __init__(self) -> None:
        super().__init__()
        self._cond = threading.Condition(threading.RLock())
