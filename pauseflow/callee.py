"""What a user's callable looks like: its name, whether it is async, what it takes."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pauseflow.errors import FlowDefinitionError


@dataclass(frozen=True, slots=True)
class Callee:
    """The facts about a callable that decide how it can be a stage.

    Attributes:
        fn: the callable as it was given.
        name: what the author called it; "" for a lambda, which has no name of its own.
        is_async: calling it gives an awaitable or an asynchronous generator.
        is_generator: calling it gives a generator, asynchronous or not.
        is_iterator: it is a class of iterators, asynchronous or not.
    """

    fn: Callable[..., Any]
    name: str
    is_async: bool
    is_generator: bool
    is_iterator: bool

    @classmethod
    def of(cls, fn: object, *, asked_by: str) -> Callee:
        """Look at `fn`.

        Args:
            fn: what the author gave.
            asked_by: how the author's call reads, such as `flow.map(...)`, for the message.

        Raises:
            FlowDefinitionError: it can't be called.
        """
        if not callable(fn):
            raise FlowDefinitionError(_not_callable(fn, asked_by))
        plain = _without_partials(fn)
        # An instance is judged by its __call__, a class by what it is: its calls make objects.
        is_itself = inspect.isroutine(plain) or inspect.isclass(plain)
        body = plain if is_itself else type(plain).__call__
        is_generator = inspect.isgeneratorfunction(body) or inspect.isasyncgenfunction(body)
        is_async = inspect.iscoroutinefunction(body) or inspect.isasyncgenfunction(body)
        name = getattr(plain, "__name__", None) or type(plain).__name__
        is_iterator = inspect.isclass(plain) and (
            hasattr(plain, "__next__") or hasattr(plain, "__anext__")
        )
        return cls(fn, "" if name == "<lambda>" else name, is_async, is_generator, is_iterator)

    def takes(self, count: int) -> bool:
        """Whether it can be called with `count` positional arguments; True if nobody can tell."""
        try:
            inspect.signature(self.fn).bind(*([None] * count))
        except TypeError:
            return False
        except ValueError:  # a builtin without a signature
            return True
        return True

    def signature(self) -> str:
        """How the callable's head reads, for messages."""
        shown = self.name or "lambda"
        try:
            return f"{shown}{inspect.signature(self.fn)}"
        except (TypeError, ValueError):
            return shown


def _without_partials(fn: Callable[..., Any]) -> Callable[..., Any]:
    while isinstance(fn, functools.partial):
        fn = fn.func
    return fn


def _not_callable(given: object, asked_by: str) -> str:
    if inspect.iscoroutine(given):
        given.close()  # else Python warns, later and elsewhere, that it was never awaited
        name = given.__name__
        return (
            f"{asked_by} was given the coroutine {name}(...), the outcome of a call. Give the "
            f"function itself: {asked_by.replace('...', name)}"
        )
    if inspect.isgenerator(given) or inspect.isasyncgen(given):
        name = given.__name__
        return (
            f"{asked_by} was given the generator {name}(...), the outcome of a call. Give the "
            f"function itself: {asked_by.replace('...', name)}"
        )
    return (
        f"{asked_by} takes a function of one record, and was given {given!r} "
        f"({type(given).__name__}), which can't be called"
    )
