"""What becomes of a record that a stage fails on: again, halt, the dead letters, or a fallback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal, TypeAlias

from pauseflow.duration import seconds_of
from pauseflow.errors import CodecError, FrameError, SourceChanged
from pauseflow.pause import PauseFlow

HOPELESS = (CodecError, FrameError, SourceChanged)
"""The same will be raised however often the record is run again."""


class RetryAfter(Exception):
    """This failed, and is worth another try, but not before so many seconds.

    Raised by a stage, anywhere below it, typically for a 429 or 503 with a Retry-After. It is a
    failure like any other, except that the stage's backoff and `retry_on=` are not asked. It counts
    against `retries=` where the stage gives that, and is tried for ever where it doesn't. To wait
    without having failed, raise a PauseFlow.

    Args:
        seconds: until the next try; a timedelta or a text such as "30s" will do too. Not before;
            how long after depends on how busy the workers are.
        reason: a word for whoever looks at the run meanwhile.

    Attributes:
        seconds: until the next try.
        reason: as given.

    Raises:
        TypeError: `seconds` is no span of time. A text of digits, as headers have, is one.
        ValueError: it is negative, more than 100 years, or a text that is no span.
    """

    def __init__(self, seconds: float | timedelta | str, reason: str = "") -> None:
        self.seconds = seconds_of(seconds, "RetryAfter's seconds", zero=True)
        self.reason = reason
        super().__init__(seconds, reason)

    def __str__(self) -> str:
        told = f"try again in {self.seconds:g} s"
        return f"{self.reason}: {told}" if self.reason else told


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before the next try: longer after each failure, and not all at once.

    Args:
        first: seconds after the first failure.
        factor: how many times longer after each further one; 1 for always the same.
        most: seconds, at most.
        jitter: the share of each wait that is left to chance, from 0 to 1: records that failed
            together then don't come back together. With 0.5 a wait is half to all of its length.

    Raises:
        TypeError: one of them is no number.
        ValueError: one of them makes no sense.
    """

    first: float = 1.0
    factor: float = 2.0
    most: float = 300.0
    jitter: float = 0.5

    def __post_init__(self) -> None:
        for name in ("first", "factor", "most", "jitter"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise TypeError(f"Backoff({name}={value!r}): give a number")
        seconds_of(self.first, "the backoff's first", zero=True)
        seconds_of(self.most, "the backoff's most", zero=True)
        if not 1 <= self.factor <= 1000:
            raise ValueError(f"Backoff(factor={self.factor!r}): give a number from 1 to 1000")
        if not 0 <= self.jitter <= 1:
            raise ValueError(f"Backoff(jitter={self.jitter!r}): give a share from 0 to 1")

    def seconds(self, failures: int, random: Callable[[], float]) -> float:
        """How long to wait.

        Args:
            failures: how often the record had failed before this failure.
            random: gives a number from 0 to 1, as `random.random` does.
        """
        try:
            wait = min(self.most, self.first * float(self.factor) ** failures)
        except OverflowError:
            wait = self.most
        return wait * (1 - self.jitter * random())


@dataclass(frozen=True, slots=True)
class Retry:
    """Run the record again, from its last frame, after so many seconds. Its failures are one more.

    Attributes:
        seconds: until then; may be 0.
    """

    seconds: float


@dataclass(frozen=True, slots=True)
class Halt:
    """The run stops at this record, in order, until a person lets it go on."""


@dataclass(frozen=True, slots=True)
class Dead:
    """The record goes to the dead letters, with its frame and error, and the run goes on."""


@dataclass(frozen=True, slots=True)
class Fallback:
    """The record is done: what `make(error, record)` returns is its (last) output.

    What `make` raises is a failure of its own, which is not retried: see `FailurePolicy.after`.

    Attributes:
        make: the author's function of the error and the record.
    """

    make: Callable[[Any, Any], Any]


Decision: TypeAlias = Retry | Halt | Dead | Fallback
"""What becomes of a failed record: a closed set."""

HALT = Halt()
DEAD = Dead()


@dataclass(frozen=True, slots=True)
class FailurePolicy:
    """What a stage's options say about records that it fails on. The default: the run halts.

    Attributes:
        retries: how often a record is run again after failures without progress between them.
            None: only after RetryAfter, and then as often as it is raised.
        backoff: how long it waits before each.
        retry_on: what is worth another try.
        give_up_on: what isn't, although it is in `retry_on`, or a RetryAfter.
        on_error: what then: halt the run, or put the record into the dead letters.
        fallback: a function of the error and the record, which is called in place of either.
    """

    retries: int | None = None
    backoff: Backoff = field(default_factory=Backoff)
    retry_on: tuple[type[Exception], ...] = (Exception,)
    give_up_on: tuple[type[Exception], ...] = ()
    on_error: Literal["halt", "dead"] = "halt"
    fallback: Callable[[Any, Any], Any] | None = None

    def decide(self, error: BaseException, failures: int, random: Callable[[], float]) -> Decision:
        """What becomes of a record that `error` was raised on.

        What is no Exception (SystemExit, CancelledError) is never tried again, nor is what
        pauseflow itself found wrong with the data or the code. An exception group is tried again
        if each exception in it would be, pauses aside, after the longest of their waits.

        Args:
            error: what came out of the stage.
            failures: how often the record had failed before, without progress since.
            random: gives a number from 0 to 1, as `random.random` does.
        """
        causes = list(_leaves(error))
        if self._is_over(error, causes, failures):
            return self.after()
        waits = [each.seconds for each in causes if isinstance(each, RetryAfter)]
        if waits and len(waits) == len(causes):
            return Retry(max(waits))
        if self.retries is None or not self._worth_it(error, causes):
            return self.after()
        return Retry(max(self.backoff.seconds(failures, random), *waits, 0.0))

    def _is_over(self, error: BaseException, causes: list[BaseException], failures: int) -> bool:
        if self.retries is not None and failures >= self.retries:
            return True
        gives_up: tuple[type[Exception], ...] = (*HOPELESS, *self.give_up_on)
        return any(isinstance(each, gives_up) for each in (error, *causes))

    def _worth_it(self, error: BaseException, causes: list[BaseException]) -> bool:
        if isinstance(error, self.retry_on):
            return True
        return bool(causes) and all(
            isinstance(each, (RetryAfter, *self.retry_on)) for each in causes
        )

    def after(self) -> Halt | Dead | Fallback:
        """What becomes of a record that is not tried again."""
        return self.last() if self.fallback is None else Fallback(self.fallback)

    def last(self) -> Halt | Dead:
        """What becomes of a record whose fallback has failed too."""
        return DEAD if self.on_error == "dead" else HALT


def _leaves(error: BaseException) -> Iterator[BaseException]:
    """What a group holds, however deep, without pauses; the error itself, if it is no group."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    elif not isinstance(error, PauseFlow):
        yield error
