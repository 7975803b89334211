"""The outputs of an `async def` function that returns an iterable."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from pauseflow.resumable.call import Call


class Awaited:
    """Awaits a function when the first item is asked for, then goes over what it gave.

    Args:
        function: called without arguments; None if it was awaited before.
        known: makes an iterator of what it gave; None as above.
        call: its arguments, if they are others than the record.
        iterator: what it gave, if it was awaited before.
        state: how much of what it gives is passed over, and the answers to the pauses in that.
    """

    def __init__(
        self,
        function: Callable[[], Awaitable[Any]] | None,
        known: Callable[[Any], Any] | None,
        call: Call | None,
        *,
        iterator: Any = None,
        state: list[Any] | None = None,
    ) -> None:
        self._function = function
        self._known = known
        self.call = call
        self.iterator = iterator
        self.state = state or [0, {}]

    def __aiter__(self) -> Awaited:
        return self

    async def __anext__(self) -> Any:
        if self.iterator is None and self._function is not None and self._known is not None:
            self.iterator = self._known(await self._function())
        if hasattr(self.iterator, "__anext__"):
            return await self.iterator.__anext__()
        try:
            return next(self.iterator)
        except StopIteration:
            raise StopAsyncIteration from None

    async def aclose(self) -> None:
        """Close what it gave, if that can be closed."""
        if hasattr(self.iterator, "aclose"):
            await self.iterator.aclose()
