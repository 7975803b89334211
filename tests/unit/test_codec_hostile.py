"""Damaged and hostile bytes are MalformedData: never another exception, a crash or an import."""

from __future__ import annotations

import datetime as dt
import enum
import struct
import sys
import tracemalloc
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pauseflow.codec import Marker, decode, decode_items, encode, encode_items, register
from pauseflow.errors import MalformedData


@register(name="hostile:Node")
@dataclass(frozen=True)
class Node:
    value: object
    below: object = None


@register(name="hostile:Kind")
class Kind(enum.Enum):
    A = 1


@register(name="hostile:Mode")
class Mode(enum.Flag):
    R = 1


EVERYTHING = [
    [None, True, 1, -5, 2**63, 2**70, 1.5, "text", "\ud800", b"bytes", {"a": [1, {2: 3}]}],
    (1, (2, (3, [4, {5}]))),
    {(1, 2): frozenset({"a", (1,)}), frozenset({frozenset()}): {1, "b"}},
    dt.datetime(2024, 1, 1, 12, tzinfo=ZoneInfo("Europe/Rome")),
    dt.datetime(2024, 1, 1, 12, tzinfo=dt.timezone(dt.timedelta(hours=2), "here")),
    [dt.date(2024, 1, 1), dt.time(1, 2, 3, tzinfo=dt.UTC), dt.timedelta(days=-1, seconds=5)],
    [Decimal("1.50"), UUID(int=7), Kind.A, Mode.R, Node(1, Node((2,)))],
    Marker("pages", 4, [1, (2,)]),
]


def malformed(data: bytes, message: str | None = None) -> None:
    with pytest.raises(MalformedData, match=message):
        decode(data)


def ext(code: int, body: bytes) -> bytes:
    return b"\xc9" + len(body).to_bytes(4, "big") + bytes([code]) + body


TAG = b"\xd4\x01"
TUPLE = TAG + b"t"
INSTANCE = TAG + b"r"
MARKER = TAG + b"m"


def try_to_decode(count: int, data: bytes) -> None:
    try:
        values = decode_items(count, data)
    except MalformedData:
        return
    assert len(values) == count


@settings(max_examples=500, deadline=None)
@given(st.integers(0, 3), st.binary(max_size=60))
def test_any_bytes(count, data):
    try_to_decode(count, data)


PIECES = st.sampled_from(
    [
        *[bytes([first]) for first in range(0xC0, 0xE0)],
        *[bytes([first]) for first in (0x00, 0x01, 0x05, 0x80, 0x81, 0x90, 0x91, 0x92, 0x93)],
        *[b"\xc7" + bytes([size, code]) for size in (0, 1, 4, 12) for code in range(11)],
        TUPLE,
        INSTANCE,
        MARKER,
        TAG + b"?",
        encode("hostile:Node"),
        encode("hostile:Kind"),
        encode("value"),
        b"\xdd\x00\x00\x00\x02",
        b"\xa1",
    ]
)


@settings(max_examples=500, deadline=None)
@given(st.lists(PIECES, max_size=20).map(b"".join))
def test_pieces_of_the_format_in_any_order(data):
    try_to_decode(1, data)


@settings(max_examples=500, deadline=None)
@given(
    st.sampled_from(EVERYTHING).map(encode),
    st.lists(st.tuples(st.integers(0, 500), st.integers(0, 255)), min_size=1, max_size=4),
)
def test_changed_bytes(data, changes):
    damaged = bytearray(data)
    for place, byte in changes:
        damaged[place % len(damaged)] = byte
    try_to_decode(1, bytes(damaged))


@pytest.mark.parametrize("value", EVERYTHING, ids=range(len(EVERYTHING)))
def test_truncated_at_every_place(value):
    data = encode(value)
    for end in range(len(data)):
        malformed(data[:end])


def test_more_or_fewer_values_than_said():
    data = encode_items([1, (2,), "a"])
    malformed(data)
    for count in (-1, 0, 2, 4, len(data) + 1, 2**32, 2**80):
        with pytest.raises(MalformedData):
            decode_items(count, data)
    assert decode_items(0, b"") == []


@pytest.mark.parametrize(
    "level",
    [
        b"\x91",
        b"\x81\x01",
        b"\x81",
        b"\x92" + TUPLE,
        b"\x93" + INSTANCE + encode("hostile:Node") + b"\x81" + encode("value"),
        b"\x94" + MARKER + b"\xa1a\x01",
        b"\xdd\x00\x00\x00\x01",
    ],
)
@pytest.mark.parametrize("depth", [1_500, 200_000])
def test_deep_nesting(level, depth):
    malformed(level * depth + b"\x01")
    malformed(level * depth)


def test_sets_in_sets_are_bounded_before_they_are_read():
    data = b"\x01"
    for _ in range(2_000):
        data = ext(4, b"\xdd\x00\x00\x00\x01" + data)
    malformed(data, "sets stand inside each other")


@pytest.mark.parametrize(
    "claim",
    [
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\xc9\xff\xff\xff\xff\x02",
        ext(3, b"\xdd\xff\xff\xff\xff"),
        b"\xdc\xff\xff",
        b"\xdd\x00\x10\x00\x00" * 20,
    ],
)
def test_a_claimed_length_reserves_no_memory(claim):
    tracemalloc.start()
    try:
        malformed(claim)
        malformed(claim + b"\x01" * 100)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "0 bytes"),
        (b"\xc1", "no value"),
        (b"\x81\x90\x01", "unhashable"),
        (b"\x81\x80\x01", "unhashable"),
        (b"\xa2\xff\xff", "utf-8"),
        (ext(99, b""), "extension type 99"),
        (TAG + b"?", "no value"),
        (TUPLE, "tag"),
        (b"\x92\x01" + TUPLE, "tag"),
        (b"\x81\xa1a" + TUPLE, "tag"),
        (b"\x81" + TUPLE + b"\x01", "tag"),
        (b"\x92" + TUPLE + TUPLE, "tag"),
        (ext(3, b"\x91" + TUPLE), "no value"),
        (ext(3, b"\x92" + TUPLE + b"\x01"), "no value|tag"),
        (ext(3, b"\x92\x01\x01"), "twice"),
        (ext(3, b"\x91\x90"), "unhashable"),
        (ext(4, b"\x01"), "no value"),
        (b"\x91" + INSTANCE, "no class name"),
        (b"\x93" + INSTANCE + b"\x01\x02", "no class name"),
        (b"\x94" + INSTANCE + b"\xa1a\x02\x03", "no class name"),
        (b"\x93" + INSTANCE + b"\xa4os:x\x80", "no class is registered as 'os:x'"),
        (b"\x93" + INSTANCE + encode("hostile:Node") + b"\x01", "not a map"),
        (b"\x93" + INSTANCE + encode("hostile:Node") + b"\x81\x01\x02", "has no field 1"),
        (b"\x93" + INSTANCE + encode("hostile:Node") + b"\x80", "has no field 'value'"),
        (b"\x93" + INSTANCE + encode("hostile:Kind") + b"\xa1B", "has no member 'B'"),
        (b"\x93" + INSTANCE + encode("hostile:Kind") + b"\x90", "has no member"),
        (b"\x93" + INSTANCE + encode("hostile:Mode") + b"\xcd\x10\x00", "has no member 4096"),
        (b"\x93" + INSTANCE + encode("hostile:Mode") + b"\xc3", "has no member True"),
        (b"\x91" + MARKER, "marker"),
        (b"\x94" + MARKER + b"\x01\x02\x03", "marker"),
        (b"\x94" + MARKER + b"\xa1a\xc3\x03", "marker"),
        (ext(5, b""), "struct.error|error"),
        (ext(5, struct.pack(">H5BIB", 2024, 13, 1, 0, 0, 0, 0, 0)), "month"),
        (ext(5, struct.pack(">H5BIB", 2024, 1, 1, 0, 0, 0, 0, 250)), "time zone"),
        (ext(5, struct.pack(">H5BIB", 2024, 1, 1, 0, 0, 0, 0, 0) + b"x"), "time zone"),
        (ext(5, struct.pack(">H5BIBq", 2024, 1, 1, 0, 0, 0, 0, 2, 10**14)), "timedelta|offset"),
        (ext(6, b"\x00\x00\x01\x01"), "year"),
        (ext(7, struct.pack(">3BIB", 25, 0, 0, 0, 0)), "hour"),
        (ext(8, struct.pack(">iII", 2**31 - 1, 0, 0)), "days"),
        (ext(9, b"one"), "no value"),
        (ext(9, b"1_000"), "no value"),
        (ext(9, b" 1 "), "no value"),
        (ext(9, b"\xff"), "ascii"),
        (ext(10, b"short"), "16"),
    ],
)
def test_what_is_wrong_is_said(data, message):
    malformed(data, message)
    malformed(b"\x92\x01" + data)


@pytest.mark.parametrize(
    "key",
    [
        "../../etc/passwd",
        "/etc/passwd",
        "No/Such_Zone",
        "Europe",
        "",
        "a.b",
        "tzdata.x/y",
        "x" * 999,
    ],
)
def test_a_time_zone_is_never_a_path_or_a_module(key):
    before = set(sys.modules)
    malformed(ext(5, struct.pack(">H5BIB", 2024, 1, 1, 0, 0, 0, 0, 6) + key.encode()))
    new = {name.partition(".")[0] for name in set(sys.modules) - before}
    # zoneinfo itself looks into the tzdata package, by way of importlib.
    assert new <= sys.stdlib_module_names | {"tzdata"}


def test_nothing_is_imported_for_a_name():
    assert "antigravity" not in sys.modules
    malformed(b"\x93" + INSTANCE + encode("antigravity:x") + b"\x80", "antigravity:x")
    assert "antigravity" not in sys.modules


def test_a_hash_that_raises():
    @register(name="hostile:Unhashable")
    @dataclass(frozen=True)
    class Unhashable:
        value: object

        def __hash__(self):
            raise RuntimeError("no hash today")

    malformed(b"\x81" + encode(Unhashable(1)) + b"\x01", "no hash today")


def test_what_is_no_bytes_is_refused_too():
    with pytest.raises(MalformedData):
        decode("text")  # type: ignore[arg-type] # what is tested
