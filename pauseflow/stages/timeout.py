"""How a stage's `timeout=` ends what takes too long: StageTimeout is raised in the author's code.

- An `async def` is cancelled where it awaits, and what it makes of that is dropped.
- Other functions are interrupted by an alarm signal in the process's main thread, as RQ does it.
- In any other thread, and where there is no such signal, an exception is sent to the thread, which
  sees it when it next runs Python code: a call into C, a sleep included, is not cut short.

It is raised once for each record, and never after the record is done. Code that catches it goes on
without a limit, and code below that can't bear an exception at any point may be left in a state of
its own making: a timeout is the last resort, behind the timeouts of what the function calls.
"""

from __future__ import annotations

import asyncio
import ctypes
import signal
import threading
from collections.abc import Awaitable, Callable
from time import monotonic
from types import FrameType
from typing import Any, TypeVar

from pauseflow.errors import StageTimeout
from pauseflow.graph import Kind, Stage

T = TypeVar("T")

AT_ONCE = 1e-6
"""What a timer that is due already is set to: zero would switch it off."""

HAS_ALARM = hasattr(signal, "setitimer")


def limited(stage: Stage) -> Callable[..., Any]:
    """The stage's function, ended after the stage's timeout; itself, if that has none."""
    limit = Timeout.of(stage)
    if limit is None:
        return stage.fn
    return limit.around_async(stage.fn) if stage.is_async else limit.around(stage.fn)


class Timeout:
    """How long one record, or one value of a branch's series, may take at a stage.

    Args:
        stage: the stage's name.
        seconds: how long.
        of: what may take so long, for the message.
    """

    __slots__ = ("_of", "seconds", "stage")

    def __init__(self, stage: str, seconds: float, of: str = "record") -> None:
        self.stage = stage
        self.seconds = seconds
        self._of = of

    @classmethod
    def of(cls, stage: Stage) -> Timeout | None:
        """The stage's; None if it has none."""
        if stage.timeout is None:
            return None
        of = "value of its series" if stage.kind is Kind.BRANCH else "record"
        return cls(stage.name, stage.timeout, of)

    def around(self, fn: Callable[..., T]) -> Callable[..., T]:
        """A function that calls `fn`, and raises StageTimeout in it when the time is over."""

        def within(*arguments: Any) -> T:
            return self.call(fn, *arguments)

        return within

    def around_async(self, fn: Callable[..., Awaitable[T]]) -> Callable[..., Awaitable[T]]:
        """The same for an `async def`, which is cancelled."""

        async def within(*arguments: Any) -> T:
            return await self.wait(fn(*arguments))

        return within

    def call(self, fn: Callable[..., T], *arguments: Any) -> T:
        """What `fn` returns.

        Raises:
            StageTimeout: it took too long, and let the exception through.
        """
        is_main = threading.current_thread() is threading.main_thread()
        guard = Alarm(self) if HAS_ALARM and is_main else Interruption(self)
        try:
            try:
                guard.begin()
                return fn(*arguments)
            finally:  # the time may be over just here, and then the other one is still to come
                guard.disarm()
        finally:
            guard.end()

    async def wait(self, awaitable: Awaitable[T]) -> T:
        """What `awaitable` gives.

        Raises:
            StageTimeout: it took too long, and let itself be cancelled.
        """
        limit = asyncio.timeout(self.seconds)
        try:
            async with limit:
                return await awaitable
        except TimeoutError as error:
            if limit.expired():  # its cause is the cancelling, which tells where the code stood
                raise self.error() from error.__cause__
            raise

    def error(self) -> StageTimeout:
        """What is raised."""
        return StageTimeout(self.message())

    def message(self) -> str:
        """What it says."""
        return (
            f"stage {self.stage!r} took longer than its timeout of {self.seconds:g} s over one "
            f"{self._of}"
        )


class Alarm:
    """One call in the main thread, interrupted by SIGALRM.

    An alarm that was set before goes off in time, also during the call, and is set again after it.
    """

    __slots__ = ("_armed", "_due", "_earlier", "_earlier_due", "_earlier_interval", "_limit")

    def __init__(self, limit: Timeout) -> None:
        self._limit = limit
        self._armed = False
        self._due = 0.0
        self._earlier: Any = None
        self._earlier_due: float | None = None
        self._earlier_interval = 0.0

    def begin(self) -> None:
        """Set the alarm."""
        now = monotonic()
        # The old timer first, or it would ring in the new handler as if it were the new one.
        delay, self._earlier_interval = signal.setitimer(signal.ITIMER_REAL, 0)
        if delay:
            self._earlier_due = now + delay
        self._earlier = signal.signal(signal.SIGALRM, self._ring)
        self._due = monotonic() + self._limit.seconds
        self._armed = True
        self._set()

    def disarm(self) -> None:
        """From here on nothing is raised any more."""
        self._armed = False

    def end(self) -> None:
        """Put back what was there before."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        # None: a handler that C code has set, and that can't be put back from here.
        signal.signal(signal.SIGALRM, self._earlier or signal.SIG_DFL)
        if self._earlier_due is not None:
            left = max(self._earlier_due - monotonic(), AT_ONCE)
            signal.setitimer(signal.ITIMER_REAL, left, self._earlier_interval)

    def _set(self) -> None:
        due = [self._due] if self._armed else []
        if self._earlier_due is not None and callable(self._earlier):
            due.append(self._earlier_due)
        if due:
            signal.setitimer(signal.ITIMER_REAL, max(min(due) - monotonic(), AT_ONCE))

    def _ring(self, number: int, frame: FrameType | None) -> None:
        now = monotonic()
        if self._earlier_due is not None and callable(self._earlier) and now >= self._earlier_due:
            again = self._earlier_interval
            self._earlier_due = now + again if again else None
            self._set()
            self._earlier(number, frame)
        elif self._armed and now >= self._due:
            self._armed = False
            self._set()
            raise self._limit.error()
        else:
            self._set()


class Interruption:
    """One call in any thread, interrupted by an exception that another thread sends it."""

    __slots__ = ("_claim", "_limit", "_sent", "_thread", "_timer")

    def __init__(self, limit: Timeout) -> None:
        self._limit = limit
        self._thread = threading.get_ident()
        self._claim = [self._thread]
        """Whoever takes it out decides: the call is over, or it is interrupted."""
        self._sent = threading.Event()
        self._timer = threading.Timer(limit.seconds, self._send)
        self._timer.daemon = True

    def begin(self) -> None:
        """Start to wait."""
        self._timer.start()

    def disarm(self) -> None:
        """From here on nothing is sent any more; what was sent before is still to be seen."""
        if not self._took():
            self._sent.wait()

    def end(self) -> None:
        """Take back what was sent and not seen yet."""
        self._timer.cancel()
        if not self._took() and self._sent.is_set():
            _flush(self._thread)

    def _took(self) -> bool:
        try:
            self._claim.pop()
        except IndexError:
            return False
        return True

    def _send(self) -> None:
        if self._took():
            message = self._limit.message()

            class Late(StageTimeout):
                """With its message, since only a class can be sent."""

                def __init__(self) -> None:
                    super().__init__(message)

            Late.__name__ = Late.__qualname__ = StageTimeout.__name__
            Late.__module__ = StageTimeout.__module__
            _raise_in(self._thread, Late)
            self._sent.set()


class _Flushed(BaseException):
    """What takes the place of an exception that was sent too late, and is caught at once."""


def _raise_in(thread: int, exception: type[BaseException]) -> None:
    """Have the exception raised in a thread when it next runs Python code."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(exception))


def _flush(this: int) -> None:
    """Leave nothing in the calling thread that is still to be raised.

    Another exception takes the place of the one that was sent. To send NULL instead leaves the
    interpreter (3.11, 3.12) with a request that nothing ever clears: each call and each turn of a
    loop looks for it from then on, and a traced function of 3.11 does so for ever.
    """
    try:
        while True:
            _raise_in(this, _Flushed)
    except _Flushed:
        pass
