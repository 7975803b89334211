"""What to call a type in an error, and why it has no encoding."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import io
import types
from collections.abc import AsyncIterator, Awaitable, Iterator
from decimal import Decimal
from typing import Final
from uuid import UUID

_PLAIN: Final = (
    bool, int, float, str, bytes, list, tuple, dict, set, frozenset,
    dt.datetime, dt.date, dt.time, dt.timedelta, Decimal, UUID,
)  # fmt: skip

_CODE: Final = (
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodType,
    types.ModuleType,
    types.CodeType,
    type,
)

_REASONS: Final[tuple[tuple[tuple[type, ...], str], ...]] = (
    (_CODE, "is code, and only data travels between stages"),
    ((io.IOBase,), "is open here, and can't be open on another worker"),
    (
        (Iterator, AsyncIterator, Awaitable),
        "is half-done work of this process (emit what it yields or returns)",
    ),
)


def type_name(kind: type) -> str:
    """The qualified name, without `builtins`."""
    if kind.__module__ == "builtins":
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"


def why_not(value: object) -> str:
    """Why a value of an unknown type is refused: one clause that names the type."""
    kind = type(value)
    name = type_name(kind)
    if kind is bytearray or kind is memoryview:
        return f"a {name} would come back as bytes (emit bytes(...) of it)"
    if isinstance(value, enum.Enum) or dataclasses.is_dataclass(kind):
        return f"the class {name} is not registered"
    if isinstance(value, tuple) and hasattr(kind, "_fields"):
        return f"the named tuple {name} is not registered, and would come back as a tuple"
    for plain in _PLAIN:
        if isinstance(value, plain):
            return f"{name} is a subclass of {plain.__name__}, and would come back as one"
    for kinds, why in _REASONS:
        if isinstance(value, kinds):
            return f"a {name} {why}"
    return f"{name} has no encoding"
