"""Pieces: values cut for the next stage, by number and by size."""

import pytest

from pauseflow import codec
from pauseflow.errors import NotSerializable
from pauseflow.store.pieces import cut, item_bytes
from pauseflow.store.tuning import CHUNK_BYTES


def opened(pieces):
    """Of each piece its header's numbers, and its values."""
    found = []
    for each in pieces:
        head, _, items = each.partition(b"\n")
        numbers = tuple(map(int, head.split()))
        found.append((numbers, codec.decode_items(numbers[0], items)))
    return found


def test_values_are_cut_by_number_and_the_last_piece_tells_the_end():
    assert opened(cut([1, 2, 3], target=2, outlet=1, ended=True)) == [
        ((2, 0, 0, 1), [1, 2]),
        ((1, 0, 1, 1), [3]),
    ]
    assert opened(cut([], target=2, outlet=1, ended=True)) == [((0, 0, 1, 1), [])]
    assert cut([], target=2, outlet=1) == []


@pytest.mark.parametrize("size", [CHUNK_BYTES // 40, CHUNK_BYTES // 3, 2 * CHUNK_BYTES])
def test_large_values_make_small_pieces_and_one_alone_may_be_larger(size):
    values = [bytes([number]) * size for number in range(60)]
    pieces = cut(values, target=1000, outlet=0, ended=True)
    found = opened(pieces)
    assert [value for _, some in found for value in some] == values
    assert [numbers[2] for numbers, _ in found] == [0] * (len(found) - 1) + [1]
    for (count, *_), piece in zip((numbers for numbers, _ in found), pieces, strict=True):
        assert count == 1 or len(piece) <= CHUNK_BYTES + 20


def test_a_value_without_an_encoding_is_named_by_its_place_among_all():
    with pytest.raises(NotSerializable) as caught:
        cut([1, 2, 3, 4, object()], target=2, outlet=0)
    assert caught.value.index == 4


def test_items_are_taken_out_as_they_came():
    items = codec.encode_items([1, "two", [3]])
    assert item_bytes(items, 0) == items
    assert codec.decode_items(2, item_bytes(items, 1)) == ["two", [3]]
    assert codec.decode_items(1, item_bytes(items, 1, 1)) == ["two"]
