"""What a runner is given, what it gives back, and how long it may take.

A worker decodes an entry to `Work`, makes a `Budget` for the slice, and commits the `Outcome`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from time import perf_counter
from typing import TypeAlias

from pauseflow.answer import Answer
from pauseflow.pause import PauseFlow

LONGEST_STRIDE = 1024
"""Records between two looks at the clock, at most."""

SHORT_STRIDE_SECONDS = 0.0005
LONG_STRIDE_SECONDS = 0.002


@dataclass(slots=True)
class Work:
    """One chunk, or what is left of one, for one stage.

    Attributes:
        run: the run's id.
        ordinal: of `items[0]` at this stage, counted over records and markers.
        items: records, and `codec.Marker` objects among them if and only if `marked`.
        frames: for an index into `items`, the frame of a record that is half done.
        marked: there are markers among the items.
        attempt: 0 the first time, and one more after each failure. A pause is not a failure.
        answer: what `items[0]` was woken with last, if it waited for something.
        failures: how often `items[0]` has failed since it last got any further.
        origin: the run whose key `items[0]` has, if that is another; see `State`.
        ended: nothing follows in this run.
        follows: the items before these are of the same slice, which is not committed yet.
    """

    run: str
    ordinal: int
    items: list[object]
    frames: dict[int, bytes] = field(default_factory=dict)
    marked: bool = False
    attempt: int = 0
    answer: Answer | None = None
    failures: int = 0
    origin: str = ""
    ended: bool = False
    follows: bool = False


class Budget:
    """How long a slice may take. One is made for each slice.

    A runner looks at it every `stride` records, and at least one record is done whatever the
    budget says, unless it was stopped. The stride follows what the records cost: it doubles while
    a stride takes less than half a millisecond.

    Args:
        seconds: from now until the slice is over.
        max_outputs: the slice is also over when this many outputs are there (about: a stride may
            pass it).
        stride: records before the first look at the clock; what the stage took last time is a
            good start.
        grace: seconds that records in flight get after `stop`, before they are given up.
        clock: seconds, never going back.
    """

    __slots__ = (
        "_callbacks", "_clock", "_looked", "_mutex", "deadline", "grace", "max_outputs",
        "stopping", "stride",
    )  # fmt: skip

    def __init__(
        self,
        seconds: float = 0.05,
        *,
        max_outputs: int = 4096,
        stride: int = 1,
        grace: float = 0.3,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self._clock = clock
        self._looked = clock()
        self._callbacks: list[Callable[[], object]] = []
        # Reentrant: a signal handler may call stop() while its own thread is inside on_stop().
        self._mutex = threading.RLock()
        self.deadline = self._looked + seconds
        self.grace = grace
        self.max_outputs = max_outputs
        self.stride = max(1, min(stride, LONGEST_STRIDE))
        self.stopping = False

    def spent(self, outputs: int) -> bool:
        """Whether the slice is over.

        Args:
            outputs: how many outputs the slice has so far.
        """
        now = self._clock()
        took = now - self._looked
        self._looked = now
        if took < SHORT_STRIDE_SECONDS:
            self.stride = min(self.stride * 2, LONGEST_STRIDE)
        elif took > LONG_STRIDE_SECONDS and self.stride > 1:
            self.stride //= 2
        return self.stopping or now >= self.deadline or outputs >= self.max_outputs

    def left(self) -> float:
        """Seconds until the deadline; zero when it has passed."""
        return max(0.0, self.deadline - self._clock())

    def stop(self) -> None:
        """End the slice at the next record or yield. For any thread, and for a signal handler."""
        with self._mutex:
            self.stopping = True
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    def on_stop(self, callback: Callable[[], object]) -> Watch:
        """Have `callback` called by `stop`, from its thread, while a `with` block runs.

        It is called at once if the budget is stopping already, and may be called twice. It must
        be quick and not raise.
        """
        return Watch(self, callback)

    def watch(self, callback: Callable[[], object]) -> None:
        """Begin to call `callback` on `stop`. See `on_stop`."""
        with self._mutex:
            self._callbacks.append(callback)
        if self.stopping:
            callback()

    def unwatch(self, callback: Callable[[], object]) -> None:
        """No longer call `callback`."""
        with self._mutex, suppress(ValueError):  # stop() has taken it out
            self._callbacks.remove(callback)


class Watch:
    """The `with` block of `Budget.on_stop`."""

    __slots__ = ("_budget", "_callback")

    def __init__(self, budget: Budget, callback: Callable[[], object]) -> None:
        self._budget = budget
        self._callback = callback

    def __enter__(self) -> None:
        self._budget.watch(self._callback)

    def __exit__(self, *_: object) -> None:
        self._budget.unwatch(self._callback)


@dataclass(slots=True)
class Parked:
    """A record of an unordered stage that paused while its neighbours went on.

    Attributes:
        index: into `Work.items`.
        frame: how far it has come; None: from the top.
        pause: what it asked for.
        error: it did not pause, but failed with this, and is to be tried again.
        failures: how often it has failed then.
    """

    index: int
    frame: bytes | None
    pause: PauseFlow
    error: str = ""
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Done:
    """Every item is done, or parked."""


@dataclass(frozen=True, slots=True)
class Sliced:
    """The budget is spent: the rest goes on at once, here or elsewhere."""


@dataclass(frozen=True, slots=True)
class Paused:
    """The first record of the rest asked for a pause (ordered stages)."""

    pause: PauseFlow


@dataclass(frozen=True, slots=True)
class Failed:
    """The first record of the rest raised `error`.

    Attributes:
        error: what came out of the stage.
        taken_back: how many values a series had given in this slice before; they are not among the
            outputs.
    """

    error: BaseException
    taken_back: int = 0


End: TypeAlias = Done | Sliced | Paused | Failed
"""How a slice ended: a closed set."""

EVERY_ARM = -1

DONE = Done()
SLICED = Sliced()


@dataclass(slots=True)
class Outcome:
    """What came of a slice.

    Attributes:
        outputs: records and markers, in order.
        marked: there are markers among the outputs.
        consumed: `items[:consumed]` are done, or parked; the others are the rest.
        frames: of the rest: an index into `items[consumed:]` and its frame.
        parked: records of an unordered stage that paused.
        end: how the slice ended.
        kept: fields of what the stage keeps of the run, that have changed; see `Kept`.
        arms: of a route: for each output, the line that it goes down; `EVERY_ARM` of a marker.
    """

    outputs: list[object]
    marked: bool
    consumed: int
    frames: dict[int, bytes] = field(default_factory=dict)
    parked: list[Parked] = field(default_factory=list)
    end: End = DONE
    kept: dict[bytes, bytes] = field(default_factory=dict)
    arms: list[int] | None = None
