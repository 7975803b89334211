"""Records out of pieces of bytes."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stops import frame_after, stopped_after_each

from pauseflow import Flow, PauseFlow, sources
from pauseflow.testing import assert_resumable


def records(given: tuple[list[bytes], bytes]) -> Iterator[bytes]:
    pieces, delimiter = given
    yield from sources.split(pieces, delimiter)


@given(st.lists(st.binary(max_size=6).map(lambda b: bytes(x % 3 for x in b))), st.integers(1, 3))
def test_it_is_bytes_split_wherever_pieces_were_cut(pieces: list[bytes], length: int) -> None:
    delimiter = bytes([0, 1, 0][:length])
    expected = b"".join(pieces).split(delimiter)
    if not expected[-1]:
        expected.pop()
    assert list(sources.split(pieces, delimiter)) == expected
    if expected:
        assert stopped_after_each(records, (pieces, delimiter)) == expected


def slow(pieces: list[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        if piece == b"?":
            raise PauseFlow(after=60)
        else:
            yield piece


def lines_of(pieces: list[bytes]) -> Iterator[bytes]:
    received = slow(pieces)
    yield from sources.split(received, b"\r\n")


def test_the_pieces_may_come_of_a_generator_that_pauses() -> None:
    flow = Flow("wire")
    flow.branch(lines_of, strict=True)
    pieces = [b"one\r", b"?", b"\ntw", b"o\r\n", b"?", b"three"]
    assert flow.run(pieces, sleep=lambda _: None) == [b"one", b"two", b"three"]
    assert_resumable(flow, pieces, seconds=0.2)


def test_what_was_split_off_is_not_kept() -> None:
    pieces = [b"x" * 1000 + b"\n" + b"y" * 10, b"\n"]
    _, frame = frame_after(records, (pieces, b"\n"), 1)
    assert len(frame) < 400


def test_what_can_t_be_split_says_so() -> None:
    with pytest.raises(ValueError, match="what stands between"):
        sources.split([b"x"], b"")
    with pytest.raises(TypeError, match="pieces of bytes, and got a str"):
        next(sources.split(["x"]))  # type: ignore[list-item]
    with pytest.raises(ValueError, match=r"record 2 is longer than 10 bytes"):
        list(sources.split([b"a\n", b"x" * 8, b"x" * 8, b"x"], longest=10))
