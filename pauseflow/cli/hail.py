"""Hail: how another thread ends what the main thread waits for."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Self


class Hailed(BaseException):
    """Gets the main thread out of whatever blocks it: nothing on the way takes it for its own.

    Args:
        error: what the command ends with.
    """

    def __init__(self, error: BaseException) -> None:
        self.error = error
        super().__init__(str(error))


class Hail:
    """Raises `Hailed` in the main thread, in the middle of whatever blocks it, as Ctrl-C does.

    A context manager, entered in the main thread. Uses SIGUSR1 meanwhile.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open = False
        self._error: BaseException | None = None

    def __enter__(self) -> Self:
        self._before = signal.signal(signal.SIGUSR1, self._handle)
        self._open = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._lock:
            self._open = False
        # A hail that came just now is of no use any more: what it would have ended is over.
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        signal.signal(signal.SIGUSR1, self._before)

    def call(self, error: BaseException) -> None:
        """From any thread: end the command with this error. The first one counts."""
        with self._lock:
            if self._open and self._error is None:
                self._error = error
                os.kill(os.getpid(), signal.SIGUSR1)

    def _handle(self, _signal: int, _frame: FrameType | None) -> None:
        if self._open and self._error is not None:
            raise Hailed(self._error)
