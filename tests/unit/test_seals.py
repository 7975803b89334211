"""Seals that were cut, moved or put on something else, one byte string at a time."""

from dataclasses import replace

import pytest

from pauseflow import codec
from pauseflow.answer import Answer
from pauseflow.errors import MalformedData
from pauseflow.signing import SIGNED, Signing
from pauseflow.store.envelope import Envelope, piece
from pauseflow.store.seals import Seals

KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def seals():
    return Seals(Signing([KEY.encode()]))


def sealed_items(seals, *values, target="s"):
    """The items of one piece for a stage, as they lie on the server."""
    made = piece(len(values), 0, codec.encode_items(values), outlet=0)
    (sealed,) = seals.pieces("r", [target], [made])
    return sealed.partition(b"\n")[2]


def chunk(items, *, count, frames=b"", answer=b""):
    return Envelope("r", 0, 0, 0, count, 0, False, frames, items, answer)


def test_pieces_are_joined_by_joining_their_bytes(seals):
    items = sealed_items(seals, 1, 2) + sealed_items(seals, 3)
    opened = seals.open("s", chunk(items, count=3))
    assert codec.decode_items(3, opened.items) == [1, 2, 3]


@pytest.mark.parametrize("cut", [1, 5])
def test_a_piece_that_lost_its_end_is_not_opened(seals, cut):
    items = sealed_items(seals, b"abcdef")
    with pytest.raises(MalformedData, match="not signed"):
        seals.open("s", chunk(items[:-cut], count=1))


def test_what_ends_in_a_signature_is_not_opened(seals):
    items = sealed_items(seals, 1)
    with pytest.raises(MalformedData, match="in the middle of a signature"):
        seals.open("s", chunk(items + items[:10], count=2))


def test_the_seal_of_a_rest_does_not_stand_for_a_piece(seals):
    rest = seals.envelope("s", chunk(codec.encode_items([1]), count=1))
    assert codec.decode_items(1, seals.open("s", rest).items) == [1]
    with pytest.raises(MalformedData, match="not signed"):
        seals.open_items("r", "s", rest.items)


def test_a_chunk_with_frames_of_which_only_the_items_are_signed_is_not_opened(seals):
    with pytest.raises(MalformedData, match="not signed"):
        seals.open("s", chunk(sealed_items(seals, 1), count=1, frames=b"frame"))


def test_counts_are_part_of_what_is_signed(seals):
    items = sealed_items(seals, 1, 2)
    with pytest.raises(MalformedData, match="counts are not what was signed"):
        seals.open("s", chunk(items, count=1))
    results = sealed_items(seals, 1, 2, target="")
    assert codec.decode_items(2, seals.open_results("r", 2, results)) == [1, 2]
    with pytest.raises(MalformedData, match="count is not what was signed"):
        seals.open_results("r", 1, results)


def test_a_rest_that_lost_some_bytes_is_not_opened(seals):
    rest = seals.envelope("s", chunk(codec.encode_items([b"abc"]), count=1))
    with pytest.raises(MalformedData, match="not as many bytes as were signed"):
        seals.open("s", replace(rest, items=rest.items[:-1]))


def test_only_the_timeout_of_a_wait_needs_no_signature(seals):
    told = Answer("signal", "go", codec.encode("yes"))
    assert Answer.parse(seals.open_answer("r", seals.answer("r", told))) == told
    timeout = Answer("timeout", "go", b"").pack()
    assert seals.open_answer("r", timeout) == timeout
    for kind, data in (("signal", told.data), ("timeout", told.data), ("signal", SIGNED + b"S")):
        with pytest.raises(MalformedData, match="signed"):
            seals.open_answer("r", Answer(kind, "go", data).pack())
