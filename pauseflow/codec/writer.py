"""Writer: values become bytes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterable, Sequence
from decimal import Decimal
from itertools import chain
from typing import Any, Final
from uuid import UUID

from pauseflow.codec import temporal, wire
from pauseflow.codec.marker import Marker
from pauseflow.codec.registry import Registry
from pauseflow.codec.typename import type_name, why_not
from pauseflow.codec.wire import ExtType, Packer
from pauseflow.errors import NotSerializable

_TUPLE: Final = wire.tag(wire.TUPLE)
_INSTANCE: Final = wire.tag(wire.INSTANCE)
_MARKER: Final = wire.tag(wire.MARKER)

LEAVES: Final[dict[type, tuple[int, Callable[[Any], bytes]]]] = {
    int: (wire.INT, lambda value: value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True)),
    dt.datetime: (wire.DATETIME, temporal.write_datetime),
    dt.date: (wire.DATE, temporal.write_date),
    dt.time: (wire.TIME, temporal.write_time),
    dt.timedelta: (wire.TIMEDELTA, temporal.write_timedelta),
    Decimal: (wire.DECIMAL, lambda value: str(value).encode("ascii")),
    UUID: (wire.UUID, lambda value: value.bytes),
}
"""Types whose instances hold no other values. An int comes here if it has more than 64 bits."""

LOOKALIKES: Final[frozenset[type]] = frozenset({bytearray, memoryview, ExtType})
"""Types that msgpack packs without asking, and that would come back as something else."""

# A buffer that malloc takes from its heap; the default of 256 KiB would be mapped and unmapped.
_CHUNK_BUFFER: Final = 32_768
_SET_BUFFER: Final = 512

_SORTED_AS_THEY_ARE: Final = ({int}, {str}, {bytes})


class Writer:
    """Packs one sequence of values. It is used once, by one thread.

    Args:
        registry: the classes that may be encoded.
    """

    __slots__ = ("_parts", "_registry", "_sets")

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._parts: list[Iterable[object]] = []
        self._sets = 0

    def items(self, values: Sequence[object]) -> bytes:
        """The encodings of `values`, one after another.

        Raises:
            NotSerializable: without a path; msgpack's own errors where it gave up. The caller
                looks for the place.
        """
        items = values if type(values) is list else list(values)
        data = self._packed(items)
        count = len(items)
        body = data[1 if count < 16 else 3 if count < 65_536 else 5 :]
        if not self._is_faithful(items, body):
            raise NotSerializable("bytearray")
        return body

    def _packed(self, items: list[object]) -> bytes:
        try:
            data: bytes = self._packer(None, _CHUNK_BUFFER).pack(items)
        except UnicodeEncodeError:
            # Handling lone surrogates makes every string slower, and next to none has any.
            self._parts.clear()
            self._sets = 0
            data = self._packer("surrogatepass", _CHUNK_BUFFER).pack(items)
        return data

    def _packer(self, unicode_errors: str | None, buffer: int) -> Any:
        # A packer of its own for each call: one can't be shared by threads, nor used again while
        # it packs, and with a small buffer a new one costs next to nothing.
        return Packer(
            default=self._replaced,
            strict_types=True,
            unicode_errors=unicode_errors,
            buf_size=buffer,
        )

    def _replaced(self, value: object) -> object:
        """What msgpack shall pack in the place of a value that it has no form for."""
        kind = type(value)
        if kind is tuple:
            self._parts.append(value)  # type: ignore[arg-type] # kind says that it is a tuple
            return [_TUPLE, *value]  # type: ignore[misc] # kind says that it is a tuple
        known = self._registry.shapes.get(kind)
        try:
            if known is not None:
                name, shape = known
                plain = shape.plain(value)
                self._parts.append((plain,))
                return [_INSTANCE, name, plain]
            leaf = LEAVES.get(kind)
            if leaf is not None:
                code, write = leaf
                return _extension(code, write(value))
        except ValueError as error:
            raise NotSerializable(type_name(kind), reason=str(error)) from error
        if isinstance(value, set | frozenset) and kind in (set, frozenset):
            return self._packed_set(value)
        if isinstance(value, Marker) and kind is Marker:
            self._parts.append((value.value,))
            return [_MARKER, value.branch, value.scope, value.value]
        raise NotSerializable(type_name(kind), reason=why_not(value))

    def _packed_set(self, elements: Collection[object]) -> object:
        if self._sets == wire.MAX_SETS:
            raise NotSerializable(
                type_name(type(elements)),
                reason=f"more than {wire.MAX_SETS} sets stand inside each other",
            )
        self._parts.append(elements)
        self._sets += 1
        pack = self._packer("surrogatepass", _SET_BUFFER).pack
        if set(map(type, elements)) in _SORTED_AS_THEY_ARE:
            body = pack(sorted(elements))  # type: ignore[type-var] # of one type that has an order
        else:
            # Inside a list, as it will be read: the nesting that is refused is the same.
            encoded = sorted([pack([element])[1:] for element in elements])
            body = b"".join((wire.array_header(len(encoded)), *encoded))
        self._sets -= 1
        return _extension(wire.SET if type(elements) is set else wire.FROZENSET, body)

    def _is_faithful(self, items: list[object], body: bytes) -> bool:
        """Whether every value will come back as it was: no lookalike was packed.

        What went through `_replaced` is in the parts; from there on only lists and dicts have
        been packed without asking.
        """
        if not items:
            return True
        if not self._parts:
            if is_flat(items):
                return True
            if len(body.translate(None, wire.LOOKALIKE_BYTES)) == len(body):
                return True
        level = [*items, *chain.from_iterable(self._parts)] if self._parts else items
        while level:
            kinds = set(map(type, level))
            if not kinds.isdisjoint(LOOKALIKES):
                return False
            below: list[object] = []
            if dict in kinds:
                dicts: list[dict[object, object]]
                dicts = level if len(kinds) == 1 else [x for x in level if type(x) is dict]  # type: ignore[assignment]
                if not _all_str(chain.from_iterable(dicts)):
                    below.extend(chain.from_iterable(dicts))
                below.extend(chain.from_iterable(map(dict.values, dicts)))
            if list in kinds:
                lists: list[list[object]]
                lists = level if len(kinds) == 1 else [x for x in level if type(x) is list]  # type: ignore[assignment]
                below.extend(chain.from_iterable(lists))
            level = below
        return True


def _extension(code: int, body: bytes) -> object:
    # Past the checks of ExtType's constructor, which take longer than all else here.
    return tuple.__new__(ExtType, (code, body))


def is_flat(items: list[object]) -> bool:
    """Whether they, one at least, are all numbers or all strings, found at the speed of C."""
    kind = type(items[0])
    if kind is int or kind is float:
        try:
            sum(items)  # type: ignore[arg-type] # stops at what is no number
        except TypeError:
            return False
        return True
    return kind is str and _all_str(items)


def _all_str(values: Iterable[object]) -> bool:
    try:
        "".join(values)  # type: ignore[arg-type] # stops at what is no string
    except TypeError:
        return False
    return True
