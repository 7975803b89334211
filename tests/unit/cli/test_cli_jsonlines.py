import datetime as dt
import io
import json
import shlex
from collections import namedtuple
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pauseflow.cli.exits import BadInput
from pauseflow.cli.jsonlines import argument, batches, encode, encode_line

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("abc"), inner),
    max_leaves=10,
)


class Colour(Enum):
    RED = "red"


@dataclass
class Point:
    x: int
    y: object


Pair = namedtuple("Pair", "a b")  # noqa: PYI024 - how values of such a type are written


@given(plain)
def test_what_json_has_a_word_for_comes_out_as_it_is(value):
    assert json.loads(encode_line(value)) == value
    assert encode_line(value).count(b"\n") == 1


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (b"\x00\xff", {"$bytes": "AP8="}),
        ((1, (2,)), [1, [2]]),
        ({3, 1, 2}, [1, 2, 3]),
        (frozenset([1]), [1]),
        (dt.datetime(2024, 1, 2, 3, tzinfo=dt.UTC), "2024-01-02T03:00:00+00:00"),
        (dt.date(2024, 1, 2), "2024-01-02"),
        (dt.time(3, 4), "03:04:00"),
        (dt.timedelta(minutes=1.5), 90.0),
        (Decimal("1.10"), "1.10"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Colour.RED, "red"),
        (Point(1, b"a"), {"x": 1, "y": {"$bytes": "YQ=="}}),
        (Pair(1, 2), [1, 2]),
        (float("nan"), {"$float": "nan"}),
        ([float("-inf")], [{"$float": "-inf"}]),
        ({1: "a", None: "b"}, {"1": "a", "null": "b"}),
        ({True: "a", 1.5: float("nan")}, {"true": "a", "1.5": {"$float": "nan"}}),
        ({(1, 2): {b"k": float("inf")}}, None),
        (2**70, 2**70),
    ],
)
def test_other_values_are_written_as_documented(value, written):
    if written is None:
        written = {"$dict": [[[1, 2], {"$dict": [[{"$bytes": "aw=="}, {"$float": "inf"}]]}]]}
    assert json.loads(encode(value)) == written


def test_a_set_without_an_order_is_an_array_all_the_same():
    assert sorted(json.loads(encode({1, "a"})), key=str) == [1, "a"]


def test_text_stays_readable_and_a_lone_surrogate_is_escaped():
    assert encode_line("größe") == '"größe"\n'.encode()
    assert json.loads(encode_line("\udc80")) == "\udc80"


def test_an_argument_is_json():
    assert argument('{"a": [1, null]}') == {"a": [1, None]}
    assert argument("-1.5") == -1.5


@pytest.mark.parametrize("text", ["hello", "it's", "{'a': 1}", "", "NaN", '"open', "[" * 100_000])
def test_what_is_not_json_is_refused_with_the_way_to_quote_a_string(text):
    with pytest.raises(BadInput, match="is not JSON") as caught:
        argument(text)
    assert len(caught.value.message) < 400
    if len(text) > 60:
        return
    advice = caught.value.message.split("write ", 1)[1].rsplit(", with both", 1)[0]
    assert argument(shlex.split(advice)[0]) == text


def read(data: bytes) -> tuple[list[object], str | None]:
    found = list(batches(io.BytesIO(data), "in.jsonl"))
    bad = [batch.bad.message for batch in found if batch.bad is not None]
    values = [value for batch in found for value in batch.values]
    return values, bad[0] if bad else None


def test_lines_are_read_with_or_without_a_last_newline():
    assert read(b"1\n2\n") == ([1, 2], None)
    assert read(b"1\n2") == ([1, 2], None)
    assert read(b'1\r\n\n  \n"a"\r\n') == ([1, "a"], None)
    assert read(b"\xef\xbb\xbf1\n2\n") == ([1, 2], None)
    assert read(b"") == ([], None)


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b'1\n2\n{"a\n4\n', "in.jsonl:3: this line is not JSON: Unterminated string starting at"),
        (b"1\n2\n\nhello", "in.jsonl:4: this line is not JSON"),
        (b"1\n2\n\xff\n", "in.jsonl:3: this line is not JSON: 'utf-8' codec can't decode"),
        (b"1\n2\n1 2\n", "in.jsonl:3: this line is not JSON: Extra data at character 3"),
        (b"1\n2\nInfinity\n", "in.jsonl:3: this line is not JSON: JSON has no Infinity"),
        (b"1\n2\n" + b"9" * 5000, "in.jsonl:3: this line is not JSON"),
    ],
)
def test_a_line_that_is_not_json_is_named_and_what_came_before_is_kept(data, place):
    values, bad = read(data)
    assert values == [1, 2]
    assert bad is not None
    assert bad.startswith(place)


def test_a_slow_pipe_is_not_waited_for():
    parts = [b"1\n2\n", b'"lo', b'ng"\n']

    class Pipe(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            return parts.pop(0) if parts else b""

    found = [batch.values for batch in batches(Pipe(), "stdin")]
    assert found == [[1, 2], [], ["long"], []]
