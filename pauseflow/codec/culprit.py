"""Finding the value that has no encoding, and its path, after packing has failed."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final

from pauseflow.codec.marker import Marker
from pauseflow.codec.registry import Fields, Registry, Shape
from pauseflow.codec.typename import type_name, why_not
from pauseflow.codec.wire import Timestamp
from pauseflow.codec.writer import LEAVES
from pauseflow.errors import NotSerializable

_MSGPACK_OWN: Final = frozenset({type(None), bool, int, float, str, bytes, Timestamp})

_HEAD, _TAIL = 8, 3

_MAX_DEPTH: Final = 5_000

_Step = tuple[str, object]


def find_culprit(value: object, registry: Registry, *, index: int = -1) -> NotSerializable | None:
    """The first value in `value` that can't be encoded, in the order in which it is packed.

    Args:
        value: a record.
        registry: the classes that may be encoded.
        index: which of several records it is, for the error.

    Returns:
        The error to raise, or None if nothing in the record is wrong by itself.
    """
    above: list[tuple[str, object, Iterator[_Step]]] = [("", None, iter([("", value)]))]
    open_ids: set[int] = set()
    while above:
        step, child = next(above[-1][2], ("", above))
        if child is above:
            open_ids.discard(id(above.pop()[1]))
            continue
        steps = [*(step_above for step_above, _, _ in above), step]
        if id(child) in open_ids:
            return _error(child, steps, index, "it contains itself (a circular reference)")
        if len(above) > _MAX_DEPTH:
            return _error(child, steps, index, "it is nested too deeply")
        try:
            inside = _inside(child, registry)
        except NotSerializable as error:
            return _error(child, steps, index, error.reason)
        except ValueError as error:
            return _error(child, steps, index, str(error))
        if inside is not None:
            open_ids.add(id(child))
            above.append((step, child, inside))
    return None


def _error(child: object, steps: list[str], index: int, reason: str) -> NotSerializable:
    if len(steps) > _HEAD + _TAIL + 2:
        steps = [*steps[:_HEAD], " ... ", *steps[-_TAIL:]]
    return NotSerializable(type_name(type(child)), path="".join(steps), reason=reason, index=index)


def _inside(value: object, registry: Registry) -> Iterator[_Step] | None:
    """The steps to what `value` holds, or None if it holds nothing. Raises if it is the culprit."""
    kind = type(value)
    if kind in registry.shapes:
        return _instance_steps(value, registry.shapes[kind][1])
    steps = _STEPS.get(kind)
    if steps is not None:
        return steps(value)
    if kind in _MSGPACK_OWN:
        return None
    if kind in LEAVES:
        LEAVES[kind][1](value)
        return None
    raise NotSerializable(type_name(kind), reason=why_not(value))


def _instance_steps(value: object, shape: Shape) -> Iterator[_Step]:
    plain = shape.plain(value)
    if isinstance(shape, Fields) and isinstance(plain, dict):
        return ((f".{name}", content) for name, content in plain.items())
    return iter([("<encoded>", plain)])


def _sequence_steps(value: Sequence[object]) -> Iterator[_Step]:
    return ((f"[{place}]", item) for place, item in enumerate(value))


def _set_steps(value: AbstractSet[object]) -> Iterator[_Step]:
    return (("{element}", element) for element in value)


def _marker_steps(value: Marker) -> Iterator[_Step]:
    return iter([(".value", value.value)])


def _dict_steps(value: dict[object, object]) -> Iterator[_Step]:
    for key, content in value.items():
        title = _key_title(key)
        yield f"<key {title}>", key
        yield f"[{title}]", content


_STEPS: Final[dict[type, Callable[[Any], Iterator[_Step]]]] = {
    list: _sequence_steps,
    tuple: _sequence_steps,
    set: _set_steps,
    frozenset: _set_steps,
    dict: _dict_steps,
    Marker: _marker_steps,
}


def _key_title(key: object) -> str:
    if type(key) is str:
        short = key if len(key) <= 40 else key[:37] + "..."
        return '"' + short.replace('"', '\\"') + '"'
    if type(key) in _MSGPACK_OWN:
        return reprlib.repr(key)
    return type_name(type(key))
