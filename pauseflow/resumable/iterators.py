"""The state of Python's own iterators, as plain values, and iterators made of it again."""

from __future__ import annotations

import gc
import itertools
import operator
from collections.abc import Callable, Iterator
from typing import Any

_LIST: type = type(iter([]))
_SEQUENCES: dict[type, str] = {
    _LIST: "list",
    type(iter(())): "tuple",
    type(iter("")): "str",
    type(iter("\u20ac")): "str",
    type(iter(b"")): "bytes",
    type(iter(bytearray())): "bytearray",
}
_RANGES = (type(iter(range(0))), type(iter(range(1 << 70))))
_BACKWARDS: tuple[type, ...] = (type(reversed([])), type(reversed(())))
_DICTS: dict[type, str] = {
    type(iter({}.keys())): "keys",
    type(iter({}.values())): "values",
    type(iter({}.items())): "items",
    type(reversed({}.keys())): "reversed keys",
    type(reversed({}.values())): "reversed values",
    type(reversed({}.items())): "reversed items",
}
_SET: type = type(iter(set()))
_VIEWS = {type({}.keys()): "keys", type({}.values()): "values", type({}.items()): "items"}

PLAIN_SOURCES: tuple[type, ...] = (
    list,
    tuple,
    str,
    bytes,
    bytearray,
    range,
    dict,
    set,
    frozenset,
    *_VIEWS,
)
"""What gives iterators that can't fail half-way."""

NATIVE = frozenset({*_SEQUENCES, *_RANGES, *_BACKWARDS, *_DICTS, _SET, enumerate, zip, *_VIEWS})
"""The types whose state is known here."""


class NoState(Exception):
    """An iterator whose state can't be had; says why."""


def state_of(value: Any) -> tuple[str, list[Any]]:  # noqa: PLR0911 (one branch a kind of value reads best in one place)
    """The kind of an iterator or dict view, and the values that it can be made of again.

    Raises:
        NoState: it has none that can be written down.
    """
    kind = type(value)
    if kind in _SEQUENCES or kind in _BACKWARDS:
        _, (source, *_), *place = value.__reduce__()
        if not place:  # exhausted: it has let go of its source
            return "done", []
        name = "backwards" if kind in _BACKWARDS else _SEQUENCES[kind]
        return name, [source, place[0]]
    if kind in _RANGES:
        _, (source,), *place = value.__reduce__()
        rest = source[place[0] :] if place and place[0] else source
        return "range", [rest.start, rest.stop, rest.step]
    if kind in _DICTS:
        return _dict_state(value, _DICTS[kind])
    if kind is _SET:
        return "list", [list(value.__reduce__()[1][0]), 0]
    if kind is enumerate:
        return "enumerate", list(value.__reduce__()[1])
    if kind is zip:
        _, iterators, *strict = value.__reduce__()
        return "zip", [bool(strict and strict[0]), *iterators]
    if kind in _VIEWS:
        return f"view {_VIEWS[kind]}", gc.get_referents(value)
    raise NoState(f"{kind.__qualname__} does not tell its state")


def made_of(kind: str, state: list[Any]) -> Any:
    """An iterator of its kind and state.

    Raises:
        ValueError, TypeError: they don't fit each other.
    """
    maker = _MAKERS.get(kind)
    if maker is None:
        raise ValueError(f"no iterator is called {kind!r:.40}")
    return maker(*state)


def _dict_state(value: Any, name: str) -> tuple[str, list[Any]]:
    source = [held for held in gc.get_referents(value) if isinstance(held, dict)]
    if not source:
        return "done", []
    left = operator.length_hint(value)
    if not left:
        try:
            value.__reduce__()
        except RuntimeError as error:
            raise NoState(str(error)) from None
    return name, [source[0], len(source[0]) - left]


def _sequence(expected: type) -> Callable[..., Iterator[Any]]:
    def make(source: Any, place: int) -> Iterator[Any]:
        iterator: Any = iter(_checked(source, expected))
        iterator.__setstate__(_index(place))
        return iterator  # type: ignore[no-any-return]  # an iterator with a state

    return make


def _backwards(source: Any, place: int) -> Iterator[Any]:
    iterator: Any = reversed(_checked(source, (list, tuple, str, bytes)))
    iterator.__setstate__(_index(place, lowest=-1))
    return iterator  # type: ignore[no-any-return]  # an iterator with a state


def _range(start: int, stop: int, step: int) -> Iterator[int]:
    return iter(range(_index(start, None), _index(stop, None), _index(step, None)))


def _mapping(name: str) -> Callable[..., Iterator[Any]]:
    backwards, _, method = name.rpartition(" ")

    def make(source: Any, place: int) -> Iterator[Any]:
        view = getattr(_checked(source, dict), method)()
        iterator: Iterator[Any] = reversed(view) if backwards else iter(view)
        place = _index(place)
        next(itertools.islice(iterator, place, place), None)
        return iterator

    return make


def _view(method: str) -> Callable[[Any], Any]:
    return lambda source: getattr(_checked(source, dict), method)()


def _enumerate(iterator: Any, count: int) -> Iterator[Any]:
    return enumerate(_iterator(iterator), _index(count, None))


def _zip(strict: bool, *iterators: Any) -> Iterator[Any]:  # noqa: FBT001 (state, by position)
    return zip(*map(_iterator, iterators), strict=bool(strict))


def _checked(source: Any, expected: type | tuple[type, ...]) -> Any:
    if not isinstance(source, expected):
        raise TypeError(f"{type(source).__qualname__} is not what the iterator goes over")
    return source


def _iterator(value: Any) -> Iterator[Any]:
    if not hasattr(type(value), "__next__"):
        raise TypeError(f"{type(value).__qualname__} is not an iterator")
    return value  # type: ignore[no-any-return]  # it has __next__


def _index(value: Any, lowest: int | None = 0) -> int:
    if type(value) is not int or (lowest is not None and not lowest <= value < 1 << 62):
        raise ValueError(f"{value!r:.40} is no position")
    return value


_MAKERS: dict[str, Callable[..., Any]] = {
    "done": lambda: iter(()),
    "backwards": _backwards,
    "range": _range,
    "enumerate": _enumerate,
    "zip": _zip,
    **{
        name: _sequence(kind)
        for name, kind in {
            "list": list, "tuple": tuple, "str": str, "bytes": bytes, "bytearray": bytearray,
        }.items()
    },
    **{name: _mapping(name) for name in _DICTS.values()},
    **{f"view {name}": _view(name) for name in _VIEWS.values()},
}  # fmt: skip
