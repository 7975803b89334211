"""What goes into the codec comes out of it, type for type."""

from __future__ import annotations

import datetime as dt
import enum
import math
import struct
import threading
from dataclasses import dataclass, field, fields, is_dataclass
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import msgpack
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pauseflow.codec import Marker, decode, decode_items, encode, encode_items, register
from pauseflow.errors import MalformedData


@register(name="test:Colour")
class Colour(enum.Enum):
    RED = 1
    GREEN = "g"
    CRIMSON = 1  # noqa: PIE796 - an alias is what is tested


@register(name="test:Level")
class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


@register(name="test:Word")
class Word(enum.StrEnum):
    YES = "yes"


@register(name="test:Rights")
class Rights(enum.Flag):
    READ = 1
    WRITE = 2


@register(name="test:Bits")
class Bits(enum.IntFlag):
    A = 1
    B = 2


@register(name="test:Point")
class Point(NamedTuple):
    x: object
    y: object = None


@register(name="test:Frozen")
@dataclass(frozen=True)
class Frozen:
    value: object
    made: int = 0


@register(name="test:Slotted")
@dataclass(slots=True)
class Slotted:
    value: object
    rest: list[object] = field(default_factory=list)


class Money:
    def __init__(self, amount: Decimal) -> None:
        self.amount = amount

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Money) and same(self.amount, other.amount)

    def __hash__(self) -> int:
        return hash(str(self.amount))


register(Money, name="test:Money", encode=lambda m: (m.amount,), decode=lambda t: Money(t[0]))


def same(left: Any, right: Any) -> bool:  # noqa: C901, PLR0911 - one rule a type
    """Equal, and of equal types all the way down."""
    if type(left) is not type(right):
        return False
    if isinstance(left, enum.Enum):
        return left is right
    if isinstance(left, float):
        return struct.pack(">d", left) == struct.pack(">d", right)
    if isinstance(left, Decimal):
        return left.as_tuple() == right.as_tuple()
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return same(list(left.items()), list(right.items()))
    if isinstance(left, (set, frozenset)):
        rest = list(right)
        for element in left:
            twin = next((i for i, other in enumerate(rest) if same(element, other)), None)
            if twin is None:
                return False
            del rest[twin]
        return not rest
    if isinstance(left, (dt.datetime, dt.time)):
        return (
            left.replace(tzinfo=None) == right.replace(tzinfo=None)
            and left.fold == right.fold
            and same_zone(left.tzinfo, right.tzinfo)
        )
    if is_dataclass(left):
        return all(same(getattr(left, f.name), getattr(right, f.name)) for f in fields(left))
    if isinstance(left, Marker):
        return same((left.branch, left.scope, left.value), (right.branch, right.scope, right.value))
    return bool(left == right)


def same_zone(left: dt.tzinfo | None, right: dt.tzinfo | None) -> bool:
    if type(left) is not type(right):
        return False
    if isinstance(left, ZoneInfo):
        return left is right
    if isinstance(left, dt.timezone):
        return left.utcoffset(None) == right.utcoffset(None) and left.tzname(
            None
        ) == right.tzname(None)  # fmt: skip
    return left is right


OFFSETS = st.timedeltas(
    min_value=dt.timedelta(hours=-24, microseconds=1),
    max_value=dt.timedelta(hours=24, microseconds=-1),
)
ZONES = st.one_of(
    st.none(),
    st.just(dt.UTC),
    st.builds(dt.timezone, OFFSETS),
    st.builds(dt.timezone, OFFSETS, st.text(max_size=8)),
    st.sampled_from(["Europe/Rome", "America/Argentina/Buenos_Aires", "UTC", "Etc/GMT+5"]).map(
        ZoneInfo
    ),
)
FOLDS = st.integers(0, 1)

# Hypothesis leaves lone surrogates out unless it is asked.
TEXT = st.one_of(st.text(max_size=12), st.text(st.characters(), max_size=6))
SURROGATES = st.text(st.characters(categories=["Cs", "Ll"]), max_size=4)

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.integers(),
    st.integers(-(2**70), 2**70),
    st.sampled_from([2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1, 10**400]),
    st.floats(),
    st.sampled_from([1.0, 0.0, -0.0, math.nan, math.inf, -math.inf]),
    TEXT,
    SURROGATES,
    st.binary(max_size=12),
    st.decimals(allow_nan=False),
    st.sampled_from(
        [Decimal("-0"), Decimal("1E+3"), Decimal("1.10"), Decimal("NaN12"), Decimal("-Infinity")]
    ),
    st.uuids(),
    st.dates(),
    st.timedeltas(),
    st.builds(lambda t, z, f: t.replace(tzinfo=z, fold=f), st.times(), ZONES, FOLDS),
    st.builds(lambda t, z, f: t.replace(tzinfo=z, fold=f), st.datetimes(), ZONES, FOLDS),
    st.sampled_from([*Colour, *Level, *Word, *Bits, Rights.READ, Rights(0), Rights(3), Bits(3)]),
)

HASHABLE = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(tuple),
        st.frozensets(inner, max_size=3),
        st.builds(Frozen, inner, st.integers()),
        st.builds(Point, inner, inner),
    ),
    max_leaves=4,
)

VALUES = st.recursive(
    st.one_of(SCALARS, HASHABLE),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(HASHABLE, inner, max_size=4),
        st.sets(HASHABLE, max_size=4),
        st.frozensets(HASHABLE, max_size=4),
        st.builds(Slotted, inner, st.lists(inner, max_size=2)),
        st.builds(Frozen, inner, st.integers()),
        st.builds(Point, inner, inner),
        st.builds(Money, st.decimals(allow_nan=False)),
        st.builds(Marker, TEXT, st.integers(0), inner),
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(VALUES)
def test_a_value_comes_back_type_for_type(value):
    assert same(decode(encode(value)), value)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(VALUES, max_size=6), st.lists(VALUES, max_size=3))
def test_items_come_back_one_by_one_and_joined(values, more):
    data = encode_items(values)
    assert same(decode_items(len(values), data), values)
    assert data == b"".join(map(encode, values))
    joined = data + encode_items(more)
    assert same(decode_items(len(values) + len(more), memoryview(joined)), values + more)


@settings(max_examples=100, deadline=None)
@given(VALUES)
def test_what_came_back_has_the_same_bytes(value):
    data = encode(value)
    assert encode(decode(data)) == data


@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 65_535, 65_536])
def test_any_number_of_items(count):
    values = list(range(count))
    assert decode_items(count, encode_items(values)) == values


def test_a_chunk_may_be_a_tuple_of_values():
    assert decode_items(2, encode_items((1, (2,)))) == [1, (2,)]


def test_keys_keep_their_type_and_order():
    value = {"b": 1, 2: 2, True: 3, (1, (2,)): 4, None: 5, 2.5: 6, b"b": 7, frozenset({1}): 8}
    assert same(decode(encode(value)), value)
    assert same(decode(encode({True: "a"})), {True: "a"})
    assert same(decode(encode({1.0: "a"})), {1.0: "a"})


def test_equal_sets_have_equal_bytes_whatever_their_order():
    words = [f"w{i}" for i in range(50)]
    mixed = [1, "a", (2, "b"), None, frozenset({"x", 1}), 2.5, *words]
    for elements in (words, mixed):
        # Elements that were there for a while leave another order in the table behind.
        other = set(range(1000, 3000))
        other.update(reversed(elements))
        other -= set(range(1000, 3000))
        assert list(other) != list(set(elements))
        assert encode(other) == encode(set(elements))
        assert encode(frozenset(other)) == encode(frozenset(elements))
    assert encode({1}) != encode(frozenset({1}))


def test_aliases_and_combined_flags_are_the_members_they_name():
    assert decode(encode(Colour.CRIMSON)) is Colour.RED
    assert decode(encode(Rights.READ | Rights.WRITE)) is Rights.READ | Rights.WRITE


def test_a_marker_is_compared_by_what_it_says():
    marker = Marker("pages", 3, {"a": [1]})
    assert decode(encode(marker)) == marker
    assert hash(marker) == hash(Marker("pages", 3, {"a": [1]}))
    assert marker != Marker("pages", 4, {"a": [1]})
    assert marker != ("pages", 3, {"a": [1]})
    assert repr(marker) == "Marker(branch='pages', scope=3, value={'a': [1]})"


def test_msgpacks_own_timestamp_is_a_value_like_others():
    value = msgpack.Timestamp(12, 34)
    assert same(decode(encode([value])), [value])


def test_a_signaling_nan_which_has_no_hash():
    assert same(decode(encode(Decimal("-sNaN7"))), Decimal("-sNaN7"))


def test_uuid_and_plain_examples():
    value = {
        "id": UUID(int=5),
        "at": dt.datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Rome")),
        "price": Decimal("1.10"),
        "tags": {"a", "b"},
    }
    assert same(decode(encode(value)), value)


def test_threads_do_not_disturb_each_other():
    values = [{"n": i, "t": (i, {i}), "s": "\ud800" if i % 7 == 0 else "x"} for i in range(200)]
    data = encode_items(values)
    wrong = []

    def work():
        for _ in range(20):
            if encode_items(values) != data or not same(decode_items(200, data), values):
                wrong.append(1)
            try:
                decode_items(200, data[:-1])
                wrong.append(2)
            except MalformedData:
                pass

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_packing_from_within_an_encode_function():
    class Sealed:
        def __init__(self, inner):
            self.inner = inner

    register(Sealed, name="test:Sealed", encode=lambda s: encode(s.inner),
             decode=lambda data: Sealed(decode(data)))  # fmt: skip
    back = decode(encode([Sealed((1, {2})), Sealed(Sealed("x"))]))
    assert back[0].inner == (1, {2})
    assert back[1].inner.inner == "x"
