"""Values as bytes and back, type for type.

What can be encoded: None, bool, int of any size, float, str, bytes, list, tuple, dict with any
encodable key, set, frozenset, datetime, date, time, timedelta, Decimal, UUID, and the instances of
registered classes: dataclasses, enums, named tuples, and others that come with functions of their
own. Anything else is `NotSerializable`: also bytearray, which would come back as bytes, and
subclasses such as OrderedDict, which would come back without what they add.

Equal values of equal types have equal bytes, dicts if they have the same order too, so that a
digest of the bytes names the value.

Nesting is bounded by msgpack's stack (512 to 1,024 levels, by its version), and sets inside sets by
8 levels. Whatever is encoded can be decoded.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final, TypeVar, overload
from uuid import UUID

from pauseflow.codec.culprit import find_culprit
from pauseflow.codec.marker import Marker
from pauseflow.codec.reader import read_items
from pauseflow.codec.registry import Registry
from pauseflow.codec.wire import ExtType, Timestamp
from pauseflow.codec.writer import Writer, is_flat
from pauseflow.errors import NotSerializable

_C = TypeVar("_C", bound=type)

_REGISTRY: Final = Registry(
    reserved=frozenset(
        {
            type(None), bool, int, float, str, bytes, bytearray, memoryview, list, tuple, dict,
            set, frozenset, dt.datetime, dt.date, dt.time, dt.timedelta, Decimal, UUID,
            ExtType, Timestamp, Marker, object, type,
        }
    )
)  # fmt: skip


def encode(value: object) -> bytes:
    """One value as bytes.

    Raises:
        NotSerializable: with the path to what has no encoding, and why.
    """
    try:
        return Writer(_REGISTRY).items([value])
    except Exception as error:  # noqa: BLE001 - whatever packing raises, the value is the cause
        raise _located([value], error, single=True) from error.__cause__


def decode(data: bytes | memoryview) -> object:
    """The value that `encode` wrote.

    Instances are made without running `__init__` or `__post_init__`: the fields get what they
    had. A field that the data does not have gets its default.

    Raises:
        MalformedData: the bytes are damaged, hostile, not one value, or name a class or a field
            that this process does not have. Nothing else is raised, and nothing is imported.
    """
    return read_items(1, data, _REGISTRY)[0]


def encode_items(values: Sequence[object]) -> bytes:
    """The values' encodings one after another, with nothing around them.

    Such bytes are joined by concatenation; how many values they hold is kept elsewhere.

    Raises:
        NotSerializable: its `index` says which of the values, its `path` where inside.
    """
    try:
        return Writer(_REGISTRY).items(values)
    except Exception as error:  # noqa: BLE001 - whatever packing raises, the values are the cause
        raise _located(values, error, single=False) from error.__cause__


def decode_items(count: int, data: bytes | memoryview) -> list[object]:
    """The `count` values that `data` holds.

    Raises:
        MalformedData: as `decode` does, or there are more or fewer values.
    """
    return read_items(count, data, _REGISTRY)


@overload
def register(cls: _C, /) -> _C: ...
@overload
def register(
    cls: _C,
    /,
    *,
    name: str | None = None,
    encode: Callable[[Any], object] | None = None,
    decode: Callable[[Any], object] | None = None,
) -> _C: ...
@overload
def register(
    cls: None = None,
    /,
    *,
    name: str | None = None,
    encode: Callable[[Any], object] | None = None,
    decode: Callable[[Any], object] | None = None,
) -> Callable[[_C], _C]: ...
def register(
    cls: Any = None,
    /,
    *,
    name: str | None = None,
    encode: Callable[[Any], object] | None = None,
    decode: Callable[[Any], object] | None = None,
) -> Any:
    """Let the instances of a class travel in records. A decorator, or a call.

    Dataclasses (put it above `@dataclass`), enums and named tuples need nothing more; any other
    class needs `encode` and `decode`. Subclasses are registered by themselves. Data holds the
    fields by their names, an enum's member by its name (a flag by its number), and the class by
    the name that it is registered with.

    Args:
        cls: the class.
        name: what data calls the class; by default `module:qualname`. Give one to a class that
            may move, or that is written in a script (whose module is `__main__` only there).
        encode: makes a plain value of an instance.
        decode: makes an instance of such a plain value. It gets what `encode` returned, but
            bytes may be hostile: it must run nothing that they name.

    Raises:
        RegistrationError: the class can't be registered like this, or its name is taken.
    """
    if cls is None:

        def decorate(cls: _C) -> _C:
            _REGISTRY.add(cls, name, encode, decode)
            return cls

        return decorate
    _REGISTRY.add(cls, name, encode, decode)
    return cls


def _located(values: Sequence[object], error: Exception, *, single: bool) -> NotSerializable:
    """The error that names the place, which packing in C does not know."""
    for index, value in enumerate(values):
        found = find_culprit(value, _REGISTRY, index=-1 if single else index)
        if found is not None:
            return found
    for index, value in enumerate(values):
        try:
            Writer(_REGISTRY).items([value])
        except Exception as again:  # noqa: BLE001 - as above
            return _unlocated(value, again, -1 if single else index)
    return _unlocated(values, error, -1)


def _unlocated(value: object, error: Exception, index: int) -> NotSerializable:
    name = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
    if isinstance(error, NotSerializable):
        return NotSerializable(error.type_name, reason=error.reason, index=index)
    if "recursion" in str(error):
        return NotSerializable(name, reason="it is nested too deeply", index=index)
    return NotSerializable(name, reason=f"{type(error).__name__}: {error}", index=index)


__all__ = ["Marker", "decode", "decode_items", "encode", "encode_items", "is_flat", "register"]
