"""Which functions a `map` or `filter` may hold over a pause, and what is said of the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pauseflow.errors import CaptureError
from pauseflow.resumable import Frame, capture, restore, start


class Item:
    def __init__(self, price: int) -> None:
        self.price = price

    @staticmethod
    def doubled(price: int) -> int:
        return price * 2


def methods(words: list[str]) -> Iterator[Any]:
    yield from map(str.upper, words)
    for word in filter(str.isdigit, words):
        yield from map(Item.doubled, [int(word)])


def with_a_lambda(words: list[str]) -> Iterator[Any]:
    for word in map(lambda word: word + "!", words):  # noqa: C417 (as users write it)
        yield word


def with_an_expression(words: list[str]) -> Iterator[Any]:
    for word in (word + "!" for word in words):
        yield word


def with_a_file(words: list[str]) -> Iterator[Any]:
    with open(__file__) as file:  # noqa: PTH123 (as users write it)
        for line in file:
            yield words, line


def test_methods_are_found_by_their_class() -> None:
    it = start(methods, ["a", "2"])
    taken: list[Any] = []
    for value in it:
        taken.append(value)
        break
    while len(taken) < 3:
        it = restore(Frame.decode(capture(it).encode()))
        taken.append(next(it))
    assert taken == ["A", "2", 4]


@pytest.mark.parametrize(
    ("fn", "told"),
    [
        (with_a_lambda, "a lambda has no name"),
        (with_an_expression, "a generator expression stays here: make it a list"),
        (with_a_file, "read a file with pauseflow.sources"),
    ],
)
def test_what_can_not_be_held_is_named_at_its_line_with_a_way_out(
    fn: Callable[..., Any], told: str
) -> None:
    it = start(fn, ["a", "b"])
    next(it)
    with pytest.raises(CaptureError) as caught:
        capture(it)
    assert told in str(caught.value)
    assert "the iterator of the loop" in str(caught.value)
    assert caught.value.file == __file__
    lines = range(fn.__code__.co_firstlineno, fn.__code__.co_firstlineno + 5)
    assert caught.value.line in lines
    next(it)  # it goes on here
