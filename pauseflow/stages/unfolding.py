"""One record of a branch, while its series is open."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from pauseflow.answer import Answer
from pauseflow.errors import CaptureError, JobFailed, PauseflowError, SignalTimeout
from pauseflow.graph import Stage
from pauseflow.pause import PauseFlow
from pauseflow.stages.frame import Frame
from pauseflow.stages.runner import asked, failed, pause_in
from pauseflow.stages.settled import UNCHANGING, settled
from pauseflow.stages.timeout import Timeout
from pauseflow.stages.work import DONE, SLICED, Budget, End, Failed, Paused

if TYPE_CHECKING:
    from pauseflow.resumable.series import Series

# Iterators of builtin containers run no Python code, so they can be drained without a look at each
# value. That is why a PauseFlow inside a list is only a value, which has no encoding.
CONTAINERS: tuple[Iterable[object], ...] = ((), [], range(0), range(2**70), set(), {}.values())
DRAINABLE = frozenset(type(iter(container)) for container in CONTAINERS)

# What a function returns by mistake for a list of one: its iterator tells.
WHOLES: tuple[Iterable[object], ...] = ("", "é", b"", bytearray(), {})
MISTAKEN: dict[type, str] = {type(iter(whole)): type(whole).__name__ for whole in WHOLES}


class Unfolding:
    """Takes one record's series as far as the budget goes, and says how it ended.

    Args:
        stage: the branch.
        record: its input record.
        data: the frame that an earlier slice left, if any.
        outputs: where values go. When the record fails, those that it added are taken out again:
            the next attempt makes them anew.
        answer: what the record was woken with, if it waited for something.
    """

    __slots__ = ("_answer", "_data", "_iterator", "_mark", "_record", "_series", "_timeout",
                 "emitted", "left", "outputs", "over", "stage")  # fmt: skip

    left: Frame | None
    """Where the record stands, as of its last capture; None: at the beginning."""

    def __init__(
        self,
        stage: Stage,
        record: object,
        data: bytes | None,
        outputs: list[object],
        answer: Answer | None = None,
    ) -> None:
        assert stage.series is not None  # noqa: S101 # every branch has one; tells mypy
        self._series: Series = stage.series
        self.stage = stage
        self._record = record
        self._data = data
        self._answer = answer
        self._mark = len(outputs)
        self._iterator: Any = None
        self._timeout = Timeout.of(stage)
        self.outputs = outputs
        self.emitted = 0
        self.left = None
        self.over = False

    def unfold(self, budget: Budget) -> End:
        """Run a series that is not async, as far as the budget goes."""
        end = None
        while end is None:
            end = self.advance(budget)
        self.close()
        return end

    def advance(self, budget: Budget) -> End | None:
        """Take one stride of a series that is not async; None: there may be more."""
        if self._timeout is None:
            return self._advance(budget)
        try:
            return self._timeout.call(self._advance, budget)
        except BaseException as error:  # noqa: BLE001 # as below
            return self._raised(error)

    def _advance(self, budget: Budget) -> End | None:
        if self._iterator is None:
            end = self._begin()
            if end is not None:
                return end
        try:
            pause = self._pull(budget)
        except BaseException as error:  # noqa: BLE001 # SystemExit too must not end the worker
            return self._raised(error)
        return self._judge(pause, budget)

    async def unfold_async(self, budget: Budget) -> End:
        """Run an async series, as far as the budget goes."""
        end = None
        while end is None:
            end = await self.advance_async(budget)
        await self.close_async()
        return end

    async def advance_async(self, budget: Budget) -> End | None:
        """Take one stride of an async series; None: there may be more.

        Being cancelled takes back what the record has put into `outputs`.
        """
        if self._timeout is None:
            return await self._advance_async(budget)
        try:
            return await self._timeout.wait(self._advance_async(budget))
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 # as below
            return self._raised(error)

    async def _advance_async(self, budget: Budget) -> End | None:
        if self._iterator is None:
            end = self._begin()
            if end is not None:
                return end
        try:
            pause = await self._pull_async(budget)
        except asyncio.CancelledError:
            del self.outputs[self._mark :]
            raise
        except BaseException as error:  # noqa: BLE001 # SystemExit too must not end the worker
            return self._raised(error)
        return self._judge(pause, budget)

    def close(self) -> None:
        """Let go of a series that is not async. What its cleaning up raises is dropped."""
        close = getattr(self._iterator, "close", None)
        if close is not None and not self.over:
            with suppress(Exception, PauseFlow):  # the record is settled: its end is what counts
                close()

    async def close_async(self) -> None:
        """Let go of an async series."""
        close = getattr(self._iterator, "aclose", None)
        if close is not None and not self.over:
            with suppress(Exception, PauseFlow):  # the record is settled: its end is what counts
                await close()

    def _begin(self) -> End | None:
        """Open the series, or take it up where the frame says."""
        try:
            if self._data is not None:
                return self._take_up(Frame.from_bytes(self._data))
            self._open()
        except BaseException as error:  # noqa: BLE001 # SystemExit too must not end the worker
            pause = pause_in(error)
            if pause is None:
                return self._failed(error)
            return asked(pause)  # nothing was given yet: it is opened again
        return None

    def _open(self) -> None:
        self._iterator = self._series.open(self._record)
        self._check_given(self._iterator)

    def _check_given(self, iterator: object) -> None:
        if type(iterator) in MISTAKEN:
            name = MISTAKEN[type(iterator)]
            raise TypeError(self._instead(f"it returned a {name}"))

    def _instead(self, mistake: str) -> str:
        return (
            f"stage {self.stage.name!r} is a branch, which gives a series, and {mistake}: return a "
            f"list such as [value], with nothing in it for nothing, or use yield"
        )

    def _take_up(self, frame: Frame) -> End | None:
        self.outputs.extend(frame.held)
        self.emitted = frame.emitted
        self.left = replace(frame, held=[])
        if frame.done:
            return DONE
        pause = frame.asleep(time.time(), self._answer)
        if pause is not None:
            return Paused(pause)
        if frame.series is None:
            self._open()
        else:
            value, error = self._awaited(frame)
            self._iterator = self._series.reopen(self._record, frame.series, value, error=error)
        return None

    def _awaited(self, frame: Frame) -> tuple[object, PauseflowError | None]:
        """What the pause at which the series stands evaluates to, or what it raises."""
        if frame.waits is None or self._answer is None:
            return None, None
        try:
            return self._answer.value(), None
        except (SignalTimeout, JobFailed) as error:
            return None, error

    def _pull(self, budget: Budget) -> PauseFlow | None:
        """Take a stride of values, or fewer up to a pause that the series yields."""
        outputs = self.outputs
        before = len(outputs)
        count = self._room(budget, before)
        values = islice(self._iterator, count)
        try:
            if type(self._iterator) in DRAINABLE:
                outputs.extend(values)
            else:
                for value in values:
                    if type(value) in UNCHANGING:
                        outputs.append(value)
                    elif isinstance(value, PauseFlow):
                        return value
                    else:
                        outputs.append(settled(value))
                    if budget.stopping:
                        return None
            self.over = len(outputs) - before < count
        finally:
            self.emitted += len(outputs) - before
        return None

    async def _pull_async(self, budget: Budget) -> PauseFlow | None:
        outputs = self.outputs
        before = len(outputs)
        count = self._room(budget, before)
        try:
            async for value in self._iterator:
                if len(outputs) == before:  # what an async function returned is known by now
                    self._check_given(getattr(self._iterator, "iterator", None))
                if isinstance(value, PauseFlow):
                    return value
                outputs.append(settled(value))
                if budget.stopping or len(outputs) - before == count:
                    return None
            self.over = True
        finally:
            self.emitted += len(outputs) - before
        return None

    @property
    def closes(self) -> bool:
        """Whether a done record's series ends here and now, rather than before or elsewhere."""
        return self.left is None or not self.left.closed

    def _judge(self, pause: PauseFlow | None, budget: Budget) -> End | None:
        """What follows from a pull; None: pull again."""
        if pause is not None:
            return self._paused(pause)
        if self.over:
            return DONE
        if not budget.spent(len(self.outputs)):
            return None
        try:
            self._capture()
        except CaptureError:
            return None  # only the end of a slice: perhaps it can be captured at a later value
        except BaseException as error:  # noqa: BLE001 # the author's __getstate__ may raise anything
            return self._failed(error)
        return SLICED

    def _raised(self, error: BaseException) -> End:
        pause = pause_in(error)
        return self._failed(error) if pause is None else self._paused(pause, raised=error)

    def _paused(self, pause: PauseFlow, raised: BaseException | None = None) -> End:
        try:
            self._capture(raised)
        except BaseException as error:  # noqa: BLE001 # the author's __getstate__ may raise anything
            return self._failed(error)
        if pause.waits_for is not None and self.left is not None:
            self.left = self.left.pausing(pause, time.time())
        return asked(pause)

    def _capture(self, raised: BaseException | None = None) -> None:
        series = self._series.capture(self._iterator, emitted=self.emitted, raised=raised)
        self.left = Frame(series, self.emitted)

    def _failed(self, error: BaseException) -> End:
        taken_back = len(self.outputs) - self._mark
        del self.outputs[self._mark :]
        end = replace(failed(error), taken_back=taken_back)
        told = str(error)
        if isinstance(error, TypeError) and "is not iterable" in told and not error.__traceback__:
            # Nothing of the author's was running: it is what the function returned.
            return Failed(TypeError(self._instead(f"a {told}")))
        return end

    def _room(self, budget: Budget, outputs: int) -> int:
        """How many values to take before the next look at the budget."""
        if self._timeout is not None and type(self._iterator) not in DRAINABLE:
            return 1
        return max(1, min(budget.stride, budget.max_outputs - outputs))
