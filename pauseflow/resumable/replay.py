"""Iterators that are taken up by running them again and skipping what was taken before."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass
from types import GeneratorType
from typing import Any, Final, Generic, TypeVar

from pauseflow.pause import PauseFlow
from pauseflow.resumable.call import Call

T = TypeVar("T")

REPLAY: Final = "replay"
"""What data of a series that is run again begins with."""


class replayable(Generic[T]):  # noqa: N801 (used as a function)
    """An iterator that can be written down although what it goes over can't.

    On resume the factory is called again, and as many items are skipped as were taken. So it must
    give the same items each time, and skipping costs what making them costs.

    ```python
    for row in replayable(read_table, "orders"):
        yield row
    ```

    Args:
        factory: a function with a name that the generator's source says: `replayable(rows)`, not
            `replayable(lambda: ...)`.
        args: its arguments; plain data.
    """

    def __init__(self, factory: Callable[..., Any], *args: Any) -> None:
        self._factory = factory
        self._args = args
        self._taken = 0
        self._iterator: Iterator[T] | None = None

    def __iter__(self) -> replayable[T]:
        return self

    def __next__(self) -> T:
        if self._iterator is None:
            self._iterator = iter(self._factory(*self._args))
            next(itertools.islice(self._iterator, self._taken, self._taken), None)
        try:
            item = next(self._iterator)
        except PauseFlow:
            self._iterator = None  # it may be a generator, which is dead now
            raise
        self._taken += 1
        return item

    def __getstate__(self) -> dict[str, Any]:
        return {"factory": self._factory, "args": self._args, "taken": self._taken}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._factory, self._args = state["factory"], tuple(state["args"])
        self._taken = int(state["taken"])
        self._iterator = None


class Replaying:
    """A series that counts what was taken of it, pauses too, and can be skipped forward.

    Args:
        iterator: the series from its beginning.
        taken: how many values to skip.
        answers: what each pause among them was answered with, by its place.
        value: the answer to the last of them.
        call: the arguments that it was begun with, if they are others than the record.
    """

    def __init__(
        self,
        iterator: Iterator[Any],
        taken: int = 0,
        answers: dict[int, Any] | None = None,
        value: object = None,
        call: Call | None = None,
    ) -> None:
        self._iterator = iterator
        self.call = call
        self.taken = 0
        self.answers: dict[int, Any] = dict(answers or {})
        if value is not None:
            self.answers[taken] = value
        self._skip = taken

    def __iter__(self) -> Replaying:
        return self

    def __next__(self) -> Any:
        while self.taken < self._skip:
            self._advance()
        return self._advance()

    def _advance(self) -> Any:
        answer = self.answers.get(self.taken)
        if answer is not None and isinstance(self._iterator, GeneratorType):
            item = self._iterator.send(answer)
        else:
            item = next(self._iterator)
        self.taken += 1
        return item

    def close(self) -> None:
        """Close the iterator, if it can be closed."""
        close = getattr(self._iterator, "close", None)
        if close is not None:
            close()

    @property
    def state(self) -> list[Any]:
        """How many values were taken in all, and the answers to the pauses among them."""
        return [max(self.taken, self._skip), self.answers]


class ReplayingAsync:
    """As `Replaying`, of an asynchronous iterator."""

    def __init__(
        self,
        iterator: AsyncIterator[Any],
        taken: int = 0,
        answers: dict[int, Any] | None = None,
        value: object = None,
        call: Call | None = None,
    ) -> None:
        self._iterator = iterator
        self.call = call
        self.taken = 0
        self.answers: dict[int, Any] = dict(answers or {})
        if value is not None:
            self.answers[taken] = value
        self._skip = taken

    def __aiter__(self) -> ReplayingAsync:
        return self

    async def __anext__(self) -> Any:
        while self.taken < self._skip:
            await self._advance()
        return await self._advance()

    async def _advance(self) -> Any:
        answer = self.answers.get(self.taken)
        send = getattr(self._iterator, "asend", None)
        if answer is not None and send is not None:
            item = await send(answer)
        else:
            item = await self._iterator.__anext__()
        self.taken += 1
        return item

    async def aclose(self) -> None:
        """Close the iterator, if it can be closed."""
        close = getattr(self._iterator, "aclose", None)
        if close is not None:
            await close()

    @property
    def state(self) -> list[Any]:
        """How many values were taken in all, and the answers to the pauses among them."""
        return [max(self.taken, self._skip), self.answers]


@dataclass(frozen=True, slots=True)
class ReplayFrame:
    """A series that is run again, as it was written down.

    Attributes:
        function: `module:qualname` of what is called.
        fingerprint: of the code that made the frame.
        taken: how many values were taken of it, pauses too.
        answers: what each pause among them was answered with, by its place.
        call: the arguments that it was begun with, if they are others than the record.
    """

    function: str
    fingerprint: str
    taken: int
    answers: dict[Any, Any]
    call: Call | None = None

    @classmethod
    def from_data(cls, data: object) -> ReplayFrame | None:
        """Read it from plain data; None if that is something else."""
        match data:
            case ["replay", str(name), str(code), int(taken), dict(answers), *began]:
                match began:
                    case [] if taken >= 0:
                        return cls(name, code, taken, answers)
                    case [list(args), dict(named)] if taken >= 0 and _are_names(named):
                        return cls(name, code, taken, answers, Call(tuple(args), named))
        return None


def _are_names(keys: Iterable[object]) -> bool:
    return all(type(key) is str for key in keys)
