"""What the corpus's generators do to the world, and where it can make them pause."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

from pauseflow.pause import PauseFlow

T = TypeVar("T")


@dataclass(frozen=True)
class Case:
    """One generator function, and what to call it with."""

    name: str
    fn: Callable[[Any], Any]
    argument: Any
    plain: Callable[[Any], Any]
    """What to run for the outcome that is right: `fn`, or its like without `raise PauseFlow`."""


CASES: list[Case] = []


def case(argument: Any = 3, *, like: Callable[[Any], Any] | None = None) -> Callable[[T], T]:
    def add(fn: T) -> T:
        plain: Any = fn.func if isinstance(fn, functools.partial) else fn
        name = f"{plain.__module__.rpartition('.')[2]}.{plain.__qualname__}"
        CASES.append(Case(name, fn, argument, like or fn))
        return fn

    return add


@dataclass
class World:
    """What has happened, and when to pause: at the `pause_at`th call of `tick`, once."""

    effects: list[Any] = field(default_factory=list)
    managers: list[str] = field(default_factory=list)
    calls: int = 0
    pause_at: int = 0

    def clear(self, pause_at: int = 0) -> None:
        self.effects.clear()
        self.managers.clear()
        self.calls = 0
        self.pause_at = pause_at


WORLD = World()


def tick(value: Any = None) -> Any:
    """A side effect, or, when it is its turn, a pause instead of it."""
    WORLD.calls += 1
    if WORLD.calls == WORLD.pause_at:
        raise PauseFlow
    WORLD.effects.append(value)
    return value


class Opened:
    """A manager that can't be written down, and that must be left as often as it is entered."""

    def __init__(self, name: str, *, swallows: type[BaseException] | None = None) -> None:
        self.name = name
        self._swallows = swallows
        self._handle = object()

    def __enter__(self) -> Self:
        WORLD.managers.append(f"+{self.name}")
        return self

    def __exit__(self, *raised: object) -> bool:
        error = raised[1]
        WORLD.managers.append(f"-{self.name}" + (f" {type(error).__name__}" if error else ""))
        return self._swallows is not None and isinstance(error, self._swallows)

    def read(self, value: Any) -> Any:
        return (self.name, value)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(self, *error: object) -> bool:
        return self.__exit__(*error)
