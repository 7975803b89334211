"""Reading: bytes become values. Nothing they name is imported, and nothing they hold is run."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Final
from uuid import UUID

from pauseflow.codec import temporal, wire
from pauseflow.codec.marker import Marker
from pauseflow.codec.registry import Registry
from pauseflow.errors import MalformedData


class _Tag:
    """The first item of a tagged array, until the array is complete."""

    __slots__ = ("kind",)

    def __init__(self, kind: bytes) -> None:
        self.kind = kind


_TUPLE: Final = _Tag(wire.TUPLE)
_INSTANCE: Final = _Tag(wire.INSTANCE)
_MARKER: Final = _Tag(wire.MARKER)
_TAGS: Final = {tag.kind: tag for tag in (_TUPLE, _INSTANCE, _MARKER)}


def _read_int(body: bytes) -> int:
    return int.from_bytes(body, "big", signed=True)


def _read_decimal(body: bytes) -> Decimal:
    text = body.decode("ascii")
    value = Decimal(text)
    if str(value) != text:
        raise ValueError(f"{text[:40]!r} is not how a Decimal is written")
    return value


def _read_uuid(body: bytes) -> UUID:
    return UUID(bytes=body)


_LEAVES: Final[dict[int, Callable[[bytes], object]]] = {
    wire.INT: _read_int,
    wire.DATETIME: temporal.read_datetime,
    wire.DATE: temporal.read_date,
    wire.TIME: temporal.read_time,
    wire.TIMEDELTA: temporal.read_timedelta,
    wire.DECIMAL: _read_decimal,
    wire.UUID: _read_uuid,
}


def read_items(count: int, data: bytes | memoryview, registry: Registry) -> list[object]:
    """Exactly `count` values, which are all that `data` holds.

    Args:
        count: how many values there are; checked, not trusted.
        data: their encodings, one after another.
        registry: the classes that the bytes may name.

    Raises:
        MalformedData: and nothing else, whatever the bytes are.
    """
    # Each value takes a byte at least, so that a false count reserves no memory.
    if not 0 <= count <= len(data):
        raise MalformedData(f"{count} values are said to be in {len(data)} bytes")
    try:
        return _unpacked(b"".join((wire.array_header(count), data)), registry, sets=0)
    except MalformedData:
        raise
    except Exception as error:
        raise MalformedData(f"the bytes are no value: {_told(error)}") from error


def _unpacked(data: bytes, registry: Registry, *, sets: int) -> list[object]:
    """The items of the array that `data` is, inside of so many sets."""
    tags = 0

    # msgpack calls these for each extension and list: closures are a fifth faster than methods.
    def extension(code: int, body: bytes) -> object:
        nonlocal tags
        if code == wire.TAG:
            tags += 1
            return _TAGS[body]
        if code in _LEAVES:
            return _LEAVES[code](body)
        if code in (wire.SET, wire.FROZENSET):
            return _set(code, _unpacked(body, registry, sets=_one_more(sets)))
        raise MalformedData(f"the extension type {code} is not known to this version")

    def array(items: list[object]) -> object:
        nonlocal tags
        if not items:
            return items
        first = items[0]
        if first is _TUPLE:
            tags -= 1
            del items[0]
            return tuple(items)
        if type(first) is _Tag:
            tags -= 1
            return _instance(items, registry) if first is _INSTANCE else _marker(items)
        return items

    # A hook for every list is slow, so there is one only where an array may be tagged.
    items = wire.unpackb(
        data,
        strict_map_key=False,
        unicode_errors="surrogatepass",
        ext_hook=extension,
        list_hook=array if wire.TAG_BYTES in data else None,
    )
    if tags or type(items) is not list:
        raise MalformedData("the bytes are no value: a tag stands where no array begins")
    return items


def _one_more(sets: int) -> int:
    if sets == wire.MAX_SETS:
        raise MalformedData(f"more than {wire.MAX_SETS} sets stand inside each other")
    return sets + 1


def _set(code: int, elements: list[object]) -> object:
    value = set(elements) if code == wire.SET else frozenset(elements)
    if len(value) != len(elements):
        raise MalformedData("a set has an element twice")
    return value


def _instance(items: list[object], registry: Registry) -> object:
    if len(items) != 3 or type(items[1]) is not str:
        raise MalformedData("an instance has no class name, or not one value")
    shape = registry.named.get(items[1])
    if shape is None:
        raise MalformedData(
            f"no class is registered as {items[1][:200]!r} in this process. Import the module "
            f"that registers it; if the class was moved or renamed, give it that name with "
            f"@pauseflow.register(name=...)"
        )
    return shape.instance(items[2])


def _marker(items: list[object]) -> Marker:
    if len(items) == 4:
        _, branch, scope, value = items
        if type(branch) is str and type(scope) is int:
            return Marker(branch, scope, value)
    raise MalformedData("a marker has no branch, scope and value")


def _told(error: Exception) -> str:
    text = str(error)
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__
