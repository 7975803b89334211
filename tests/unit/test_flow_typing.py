"""A type checker follows the records down the flow."""

import subprocess
import sys

import pytest

WRITTEN = """
from collections.abc import AsyncIterator, Iterator
from typing import assert_type

from pauseflow import Flow, PauseFlow
from pauseflow.flow import End, Stream


class Order: ...


def pages(url: str) -> Iterator[bytes | PauseFlow]:
    yield PauseFlow()
    yield url.encode()


async def stream(url: str) -> AsyncIterator[bytes]:
    yield url.encode()


def parse(page: bytes) -> Order:
    return Order()


async def price(order: Order) -> float:
    return 1.0


def is_dear(price: float) -> bool:
    return price > 10


def over(url: str) -> None: ...


flow = Flow("typed")
got = flow.branch(pages, finished=over)
assert_type(got, Stream[bytes])
parsed = got.map(parse)
assert_type(parsed, Stream[Order])
priced = parsed.map(price, concurrency=4)
assert_type(priced, Stream[float])
assert_type(priced.filter(is_dear), Stream[float])
assert_type(priced.each(is_dear), End)
assert_type(flow.branch(stream), Stream[bytes])
assert_type(flow.branch(str.split), Stream[str])
"""

MISTAKES = [
    ("got.map(price)", "incompatible type"),
    ("got.filter(parse, ordred=True)", 'Unexpected keyword argument "ordred"'),
    ("got.filter(is_dear)", "incompatible type"),
    ("got.map(parse, ordred=True)", "No overload variant"),
    ("got.map(parse, threads='4')", "No overload variant"),
    ("got.each(parse).map(parse)", '"End" has no attribute "map"'),
    ("got.branch(pages)", "incompatible type"),
]


def test_record_types_are_followed_and_mistakes_are_found(tmp_path):
    pytest.importorskip("mypy")
    written = tmp_path / "written.py"
    lines = WRITTEN.splitlines()
    written.write_text("\n".join([*lines, *(mistake for mistake, _ in MISTAKES)]) + "\n")
    told = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", str(written)],
        check=False, capture_output=True, text=True,
    ).stdout.splitlines()  # fmt: skip
    errors = [line for line in told if " error: " in line]
    for number, (_, message) in enumerate(MISTAKES, start=len(lines) + 1):
        mine = [line for line in errors if f"written.py:{number}:" in line]
        assert any(message in line for line in mine), told
        errors = [line for line in errors if line not in mine]
    assert errors == []
