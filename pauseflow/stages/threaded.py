"""Runs stages with threads=: several records at once in a pool of threads."""

from __future__ import annotations

import contextvars
import threading
from concurrent.futures import Future, ThreadPoolExecutor, wait
from queue import SimpleQueue

from pauseflow.context import place
from pauseflow.graph import Kind, Stage
from pauseflow.stages.parallel import ParallelRunner, Slice
from pauseflow.stages.progress import Progress
from pauseflow.stages.runner import raised
from pauseflow.stages.unfolding import Unfolding


class ThreadedRunner(ParallelRunner):
    """Has a pool of threads of its own.

    A thread can't be interrupted: on `stop`, records that take longer than the budget's grace are
    given up. They run on, their results are dropped, and they are run again elsewhere.
    """

    def __init__(self, stage: Stage, flow_name: str) -> None:
        super().__init__(stage, flow_name)
        self._pool = ThreadPoolExecutor(stage.threads, f"{flow_name}.{stage.name}")

    def close(self) -> None:
        """Let the threads end; does not wait for those that still run."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _run_lanes(self, part: Slice) -> None:
        # Not an Event: a signal handler that sets it could find its lock held by this very thread.
        news: SimpleQueue[None] = SimpleQueue()
        mutex = threading.Lock()
        lanes: list[Future[None]] = []
        with part.budget.on_stop(lambda: news.put(None)):
            for _ in range(min(self.stage.threads, len(part.work.items))):
                context = contextvars.copy_context()
                lane = self._pool.submit(context.run, self._lane, part, mutex)
                lane.add_done_callback(lambda _: news.put(None))
                lanes.append(lane)
            while not part.budget.stopping and not all(lane.done() for lane in lanes):
                news.get()
        wait(lanes, part.budget.grace if part.budget.stopping else None)
        for lane in lanes:
            if lane.done():
                lane.result()

    def _lane(self, part: Slice, mutex: threading.Lock) -> None:
        while True:
            with mutex:
                index = part.next()
            if index is None:
                return
            place.set(self._place_at(part.work, index))
            progress = self._one(part, index)
            with mutex:
                part.settle(index, progress)

    def _one(self, part: Slice, index: int) -> Progress:
        item = part.work.items[index]
        data = part.work.frames.get(index)
        if self.stage.kind is Kind.BRANCH:
            unfolding = Unfolding(self.stage, item, data, [], self._answer(part.work, index))
            end = unfolding.unfold(part.budget)
            return Progress(unfolding.outputs, end, unfolding.left)
        try:
            kept = self._kept(data, self._answer(part.work, index))
            if kept is not None:
                return kept
            return self._answered(item, self.stage.fn(*self._arguments(item)))
        except BaseException as error:  # noqa: BLE001 # SystemExit too must not end the worker
            return Progress([], raised(error))
