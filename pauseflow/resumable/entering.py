"""What rewritten code finds under the hidden name `_pf`: how it enters, leaves and goes on."""

from __future__ import annotations

import builtins
import itertools
import sys
from collections.abc import AsyncIterator, Awaitable, Iterator
from types import TracebackType
from typing import Any

from pauseflow.pause import PauseFlow

iter = builtins.iter  # noqa: A001 (rewritten code must not see a module's own `iter`)
aiter = builtins.aiter  # noqa: A001 (as above)


class Entry(dict[str, Any]):
    """What a generator is entered with: its locals, taken out one by one, and more.

    Args:
        scope: locals, the hidden ones too, by name.
        again: the names whose `import` or `def` runs again.
        value: what the `yield` that it stands at evaluates to.
        error: what that `yield` raises instead.
    """

    __slots__ = ("__weakref__", "again", "bound", "error", "value")

    def __init__(
        self,
        scope: dict[str, Any],
        again: frozenset[str] = frozenset(),
        value: object = None,
        error: BaseException | None = None,
    ) -> None:
        super().__init__(scope)  # its own; `scope` stays whole
        self.bound = scope.keys()
        self.again = again
        self.value = value
        self.error = error

    def take(self) -> object:
        """The value that was waited for, once."""
        value, error = self.value, self.error
        self.value = self.error = None
        if error is not None:
            raise error
        return value


def is_pause(error: BaseException | None) -> bool:
    """Whether it is a PauseFlow, or a group of nothing else, as a task group raises it."""
    if isinstance(error, BaseExceptionGroup):
        return all(map(is_pause, error.exceptions))
    return isinstance(error, PauseFlow)


class Control:
    """Of one generator: whether it is being left for a pause, and which managers are entered."""

    __slots__ = ("entered", "gone")

    def __init__(self) -> None:
        self.gone = False
        self.entered: list[Hold] = []

    @property
    def passing(self) -> type[BaseException] | tuple[()]:
        """What no handler of the generator may see: all, or nothing, of what is being raised."""
        return BaseException if self.gone or is_pause(sys.exception()) else ()

    def hold(self, manager: Any) -> Hold:
        """A manager, so that it can be left on a pause."""
        return Hold(self, manager)

    def awith(self, manager: Any) -> AsyncHold:
        """An asynchronous manager; it is left while the generator is closed."""
        return AsyncHold(self, manager)

    def leave(self) -> None:
        """Leave every manager, the innermost first, as if its block had come to its end."""
        while self.entered:
            hold = self.entered.pop()
            type(hold.manager).__exit__(hold.manager, None, None, None)


class Hold:
    """A manager in a `with` of a rewritten generator."""

    __slots__ = ("_control", "manager")

    def __init__(self, control: Control, manager: Any) -> None:
        self._control = control
        self.manager = manager

    def __enter__(self) -> Any:
        manager = self.manager
        kind = type(manager)
        if not (hasattr(kind, "__enter__") and hasattr(kind, "__exit__")):
            raise TypeError(
                f"{kind.__qualname__!r} object does not support the context manager protocol"
            )
        target = kind.__enter__(manager)
        self._control.entered.append(self)
        return target

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> Any:
        control = self._control
        if self not in control.entered:
            return False  # left at the capture; what passes now is only the closing
        control.entered.remove(self)
        manager = self.manager
        if control.gone or is_pause(error):
            type(manager).__exit__(manager, None, None, None)
            return False
        return type(manager).__exit__(manager, kind, error, traceback)


class AsyncHold:
    """A manager in an `async with` of a rewritten generator."""

    __slots__ = ("_control", "manager")

    def __init__(self, control: Control, manager: Any) -> None:
        self._control = control
        self.manager = manager

    async def __aenter__(self) -> Any:
        manager = self.manager
        kind = type(manager)
        if not (hasattr(kind, "__aenter__") and hasattr(kind, "__aexit__")):
            raise TypeError(
                f"{kind.__qualname__!r} object does not support "
                f"the asynchronous context manager protocol"
            )
        return await kind.__aenter__(manager)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> Any:
        manager = self.manager
        if self._control.gone or is_pause(error):
            await type(manager).__aexit__(manager, None, None, None)
            return False
        return await type(manager).__aexit__(manager, kind, error, traceback)


LEAVING = frozenset({Hold.__exit__.__code__, AsyncHold.__aexit__.__code__})
"""Code that runs while a `with` is left: a PauseFlow out of it can't be resumed."""


def again(item: object, iterator: Iterator[object]) -> Iterator[object]:
    """A loop's current item, then what is left."""
    return itertools.chain((item,), iterator)


def nothing() -> Iterator[object]:
    """For a loop that is entered in its `else`."""
    return builtins.iter(())


class AgainAsync:
    """An asynchronous loop's current item, then what is left."""

    __slots__ = ("_first", "_iterator")

    def __init__(self, first: tuple[object, ...], iterator: AsyncIterator[object] | None) -> None:
        self._first = first
        self._iterator = iterator

    def __aiter__(self) -> AgainAsync:
        return self

    def __anext__(self) -> Awaitable[object]:
        if self._first or self._iterator is None:
            return self._at_once()
        return self._iterator.__anext__()

    async def _at_once(self) -> object:
        if not self._first:
            raise StopAsyncIteration
        (item,), self._first = self._first, ()
        return item


def aagain(item: object, iterator: AsyncIterator[object]) -> AgainAsync:
    """As `again`, for `async for`."""
    return AgainAsync((item,), iterator)


def anothing() -> AgainAsync:
    """As `nothing`, for `async for`."""
    return AgainAsync((), None)
