"""An event loop that runs only while somebody waits for it."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


class EventLoop:
    """Runs coroutines one after the other, for synchronous code.

    Called where a loop is running already, as in a notebook, it runs in a thread of its own.
    """

    __slots__ = ("_pool", "_runner")

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._pool: ThreadPoolExecutor | None = None

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """What the coroutine returns, or raises. It sees the caller's context variables."""
        context = contextvars.copy_context()
        if self._pool is None and not _is_running():
            return self._runner.run(coroutine, context=context)
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, "pauseflow-loop")
        return self._pool.submit(self._runner.run, coroutine, context=context).result()

    def close(self) -> None:
        """Cancel the tasks that were left behind, and close the loop."""
        if self._pool is None:
            self._runner.close()
        else:
            self._pool.submit(self._runner.close).result()
            self._pool.shutdown()


def _is_running() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
