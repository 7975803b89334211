"""What a worker has emitted lately is taken as it was, or not at all."""

import pytest

from pauseflow import codec
from pauseflow.store.envelope import piece
from pauseflow_workers.lately import KEPT, Lately

MANY = 300


def noted(lately, values):
    items = codec.encode_items(values)
    lately.note(piece(len(values), 0, items, outlet=1), values)
    return items


@pytest.mark.parametrize(
    "values", [list(range(MANY)), [x / 7 for x in range(MANY)], [str(x) for x in range(MANY)]]
)
def test_plain_values_come_back_once(values):
    lately = Lately()
    items = noted(lately, values)
    assert lately.take(MANY, items) is values
    assert lately.take(MANY, items) is None


@pytest.mark.parametrize("value", [[1], {"a": 1}, (1,), None])
def test_what_could_be_changed_or_is_not_plain_is_decoded(value):
    lately = Lately()
    assert lately.take(MANY, noted(lately, [1] * (MANY - 1) + [value])) is None


def test_other_items_of_the_same_end_and_length_are_not_taken_for_it():
    lately = Lately()
    ours, theirs = list(range(MANY)), [7, *range(1, MANY)]
    noted(lately, ours)
    assert lately.take(MANY, codec.encode_items(theirs)) is None
    items = noted(lately, ours)
    assert lately.take(MANY, items[1:]) is None


def test_few_values_and_old_ones_are_forgotten():
    lately = Lately()
    assert lately.take(3, noted(lately, [1, 2, 3])) is None
    first = noted(lately, list(range(MANY)))
    for number in range(KEPT):
        noted(lately, list(range(number + 1, number + 1 + MANY)))
    assert lately.take(MANY, first) is None
