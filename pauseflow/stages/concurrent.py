"""Runs async stages: several records at once on an event loop."""

from __future__ import annotations

import asyncio
from typing import Any

from pauseflow.context import place
from pauseflow.graph import Kind, Stage
from pauseflow.stages.eventloop import EventLoop
from pauseflow.stages.parallel import ParallelRunner, Slice
from pauseflow.stages.progress import Progress
from pauseflow.stages.runner import failed, raised
from pauseflow.stages.timeout import limited
from pauseflow.stages.unfolding import Unfolding


class ConcurrentRunner(ParallelRunner):
    """Has an event loop of its own, which runs only while a chunk does.

    So a task that a stage leaves behind stands still between chunks, and is cancelled when the
    runner is closed.
    """

    def __init__(self, stage: Stage, flow_name: str) -> None:
        super().__init__(stage, flow_name)
        self._fn = limited(stage)
        self._loop = EventLoop()

    def close(self) -> None:
        """Cancel what is left on the loop, and close it."""
        self._loop.close()

    def _run_lanes(self, part: Slice) -> None:
        self._loop.run(self._run_async(part))

    async def _run_async(self, part: Slice) -> None:
        loop = asyncio.get_running_loop()
        stopped = asyncio.Event()
        count = min(self.stage.concurrency, len(part.work.items))
        lanes = {loop.create_task(self._lane(part)) for _ in range(count)}
        watch: asyncio.Task[Any] = loop.create_task(stopped.wait())
        with part.budget.on_stop(lambda: loop.call_soon_threadsafe(stopped.set)):
            waiting: set[asyncio.Task[Any]] = set(lanes)
            while waiting and not stopped.is_set():
                _, waiting = await asyncio.wait(
                    {*waiting, watch}, return_when=asyncio.FIRST_COMPLETED
                )
                waiting = waiting - {watch}
        if waiting:
            _, waiting = await asyncio.wait(waiting, timeout=part.budget.grace)
        for task in (*waiting, watch):
            task.cancel()
        for answer in await asyncio.gather(*lanes, watch, return_exceptions=True):
            if isinstance(answer, BaseException) and not isinstance(answer, asyncio.CancelledError):
                raise answer

    async def _lane(self, part: Slice) -> None:
        while (index := part.next()) is not None:
            place.set(self._place_at(part.work, index))
            part.settle(index, await self._one(part, index))

    async def _one(self, part: Slice, index: int) -> Progress:
        item = part.work.items[index]
        data = part.work.frames.get(index)
        try:
            if self.stage.kind is Kind.BRANCH:
                return await self._unfold(part, index, data)
            kept = self._kept(data, self._answer(part.work, index))
            if kept is not None:
                return kept
            return self._answered(item, await self._fn(*self._arguments(item)))
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise  # it is us who gave the record up
            return Progress([], failed(error))
        except BaseException as error:  # noqa: BLE001 # SystemExit too must not end the worker
            return Progress([], raised(error))

    async def _unfold(self, part: Slice, index: int, data: bytes | None) -> Progress:
        record = part.work.items[index]
        unfolding = Unfolding(self.stage, record, data, [], self._answer(part.work, index))
        end = await unfolding.unfold_async(part.budget)
        return Progress(unfolding.outputs, end, unfolding.left)
