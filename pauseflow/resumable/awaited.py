"""The outputs of an `async def` function that returns an iterable."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pauseflow.resumable.call import Call


class Awaited:
    """Awaits the function when the first item is asked for, then goes over what it gave.

    Args:
        fn: the function.
        record: its argument.
        iterator: what it gave, if it was awaited before.
        call: its arguments, if they are others than the record.
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        record: Any,
        iterator: Any = None,
        call: Call | None = None,
    ) -> None:
        self._fn = fn
        self._record = record
        self.iterator = iterator
        self.call = call

    def __aiter__(self) -> Awaited:
        return self

    async def __anext__(self) -> Any:
        if self.iterator is None:
            call = self.call or Call((self._record,))
            made = await call.of(self._fn)
            self.iterator = aiter(made) if hasattr(made, "__aiter__") else iter(made)
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
