"""Running a generator plainly, and stopped wherever that can be."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine
from copy import deepcopy
from typing import Any

from corpus.world import WORLD, Case

from pauseflow.errors import CaptureError
from pauseflow.pause import PauseFlow
from pauseflow.resumable import Series

Outcome = tuple[list[Any], list[Any], str]
"""What came out, what was done to the world, and the error that it ended in."""


OVER = object()


def answer(number: int) -> str:
    return f"answer {number}"


def plainly(case: Case) -> Outcome:
    """The function as its author wrote it, with nothing of ours but what pauses mean."""
    WORLD.clear()
    return finished(_plainly(case.plain, deepcopy(case.argument)), awaits=Series(case.fn).is_async)


async def _plainly(fn: Callable[[Any], Any], argument: Any) -> Outcome:
    outputs: list[Any] = []
    error = ""
    value = None
    pauses = 0
    series = fn(argument)
    if inspect.isawaitable(series):
        series = await series
    if not hasattr(series, "__next__") and not hasattr(series, "__anext__"):
        series = iter(series)
    try:
        while True:
            try:
                item = await _next(series, value)
            except PauseFlow:  # an iterator class is simply asked again
                continue
            value = None
            if item is OVER:
                break
            if isinstance(item, PauseFlow):
                pauses += 1
                value = answer(pauses)
            else:
                outputs.append(deepcopy(item))
    except Exception as raised:  # noqa: BLE001
        error = repr(raised)
    return outputs, list(WORLD.effects), error


async def _next(series: Any, value: Any = None) -> Any:
    try:
        if hasattr(series, "__anext__"):
            return await (anext(series) if value is None else series.asend(value))
        return next(series) if value is None else series.send(value)
    except (StopIteration, StopAsyncIteration):
        return OVER


def finished(running: Coroutine[Any, Any, Outcome], *, awaits: bool) -> Outcome:
    """Run to the end; an event loop is only made for what awaits something."""
    if awaits:
        return asyncio.run(running)
    try:
        running.send(None)
    except StopIteration as over:
        return over.value  # type: ignore[no-any-return]
    raise AssertionError("it awaits something")


class Driver:
    """Runs a case, written down and taken up again wherever it is told to."""

    def __init__(self, case: Case, *, strict: bool = True) -> None:
        self.case = case
        self.series = Series(case.fn, strict=strict)
        self.captures = 0
        self.refused: list[CaptureError] = []

    def run(self, *, at_yields: bool, pause_at: int = 0) -> Outcome:
        WORLD.clear(pause_at)
        self.captures = 0
        return finished(self._run(at_yields=at_yields), awaits=self.series.is_async)

    async def _run(self, *, at_yields: bool) -> Outcome:
        argument = deepcopy(self.case.argument)
        outputs: list[Any] = []
        error = ""
        pauses = 0
        it = self.series.open(argument)
        try:
            while True:
                value = None
                try:
                    item = await _next(it)
                except PauseFlow as raised:
                    it = await self._again(it, argument, len(outputs), raised, None)
                    continue
                if item is OVER:
                    break
                if isinstance(item, PauseFlow):
                    pauses += 1
                    value = answer(pauses)
                else:
                    outputs.append(deepcopy(item))
                if at_yields or value is not None:
                    it = await self._again(it, argument, len(outputs), None, value)
        except CaptureError:
            raise
        except Exception as raised:  # noqa: BLE001
            error = repr(raised)
        return outputs, list(WORLD.effects), error

    async def _again(
        self, it: Any, argument: Any, emitted: int, raised: PauseFlow | None, value: Any
    ) -> Any:
        frame = self.series.capture(it, emitted=emitted, raised=raised)
        self.captures += 1
        if hasattr(it, "aclose"):
            await it.aclose()
        elif hasattr(it, "close"):
            it.close()
        return self.series.reopen(deepcopy(argument), frame, value)
