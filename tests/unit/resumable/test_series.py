from __future__ import annotations

import asyncio
import functools
import itertools
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any

import pytest
from corpus.objects import Down, Pages
from corpus.world import WORLD, tick

from pauseflow import codec
from pauseflow.errors import CaptureError, ForeignFrame, MalformedData, NotResumable
from pauseflow.pause import PauseFlow
from pauseflow.resumable import Series


@pytest.fixture(autouse=True)
def _clean() -> None:
    WORLD.clear()


def everywhere(series: Series, record: Any, answers: Iterable[Any] = ()) -> list[Any]:
    """All outputs, the series written down and taken up again after each value."""
    it = series.open(record)
    waiting = iter(answers)
    outputs: list[Any] = []
    for _ in range(1000):
        value = None
        try:
            item = next(it)
        except StopIteration:
            return outputs
        except PauseFlow as raised:
            it = series.reopen(record, series.capture(it, emitted=len(outputs), raised=raised))
            continue
        if isinstance(item, PauseFlow):
            value = next(waiting, None)
        else:
            outputs.append(item)
        it = series.reopen(record, series.capture(it, emitted=len(outputs)), value)
    raise AssertionError("it does not end")


def ask(n: int) -> Iterator[Any]:
    first = yield PauseFlow()
    yield n, first
    second = yield PauseFlow()
    yield n, second


def unruly(n: int) -> Iterator[Any]:
    try:
        first = yield PauseFlow()
        yield n, first
        second = yield PauseFlow()
        yield tick(second)
    except ZeroDivisionError:
        yield "never"


def letters(n: int) -> Iterator[str]:
    for letter in "abcdef"[:n]:
        yield letter


def picks(n: int) -> Iterator[str]:
    return letters(n)


class Scaled:
    def __init__(self, factor: int) -> None:
        self.factor = factor
        self.client = object()

    def values(self, n: int) -> Iterator[int]:
        for i in range(n):
            yield i * self.factor


def scaled(factor: int, n: int, *, plus: int = 0) -> Iterator[int]:
    for i in range(n):
        yield i * factor + plus


class Rows:
    def __init__(self, n: int) -> None:
        self.n = n

    def __iter__(self) -> Iterator[str]:
        return map(str, range(self.n))


class Walked(Rows):
    def __iter__(self) -> Any:
        return self.walk(0)

    def walk(self, first: int) -> Iterator[int]:
        yield from range(first, self.n)


@pytest.mark.parametrize(
    ("fn", "kind", "expected"),
    [
        (letters, "generator", ["a", "b", "c"]),
        (Scaled(2).values, "generator", [0, 2, 4]),
        (functools.partial(scaled, 3, plus=1), "generator", [1, 4, 7]),
        (functools.partial(Scaled(2).values), "generator", [0, 2, 4]),
        (Pages, "iterator class", [(0, []), (1, [0]), (2, [0, 1])]),
        (picks, "function", ["a", "b", "c"]),
        (lambda n: [n, n + 1], "function", [3, 4]),
        (lambda n: {n: 1, n + 1: 2}, "function", [3, 4]),
        (lambda n: range(n), "function", [0, 1, 2]),  # noqa: PLW0108
        (lambda n: enumerate("xyz"[:n]), "function", [(0, "x"), (1, "y"), (2, "z")]),
        (lambda n: (i * i for i in range(n)), "function", [0, 1, 4]),
        (range, "iterator class", [0, 1, 2]),
        (lambda n: Rows(n), "function", ["0", "1", "2"]),  # noqa: PLW0108
        (Rows, "iterator class", ["0", "1", "2"]),
        (Walked, "iterator class", [0, 1, 2]),
    ],
)
def test_kinds(fn: Callable[[int], Any], kind: str, expected: list[Any]) -> None:
    series = Series(fn)
    assert series.kind == kind
    assert series.warnings == ()
    assert list(series.open(3)) == expected
    assert everywhere(series, 3) == expected


def test_the_iterator_class_of_the_mail() -> None:
    series = Series(Down, strict=True)
    assert everywhere(series, 5) == [4, 2, 0]
    assert WORLD.effects == [5, 4, 3, 2, 1]


def test_answers_go_to_their_pauses() -> None:
    for fn in (ask, unruly):
        assert everywhere(Series(fn), 1, ["x", "y"])[0] == (1, "x")
    assert everywhere(Series(ask), 1, ["x", "y"]) == [(1, "x"), (1, "y")]


def test_a_generator_that_is_run_again_skips_what_it_gave_pauses_too() -> None:
    def refused(n: int) -> Iterator[Any]:
        try:
            for i in range(n):
                yield i, (yield PauseFlow())
            raise ValueError
        except ValueError:
            yield "end"

    series = Series(refused)
    assert series.kind == "replay"
    assert everywhere(series, 3, "abc") == [(0, "a"), (1, "b"), (2, "c"), "end"]


def test_an_iterator_without_a_state_is_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    series = Series(lambda n: (i for i in range(n)))
    with caplog.at_level(logging.WARNING, "pauseflow.resumable"):
        assert everywhere(series, 4) == [0, 1, 2, 3]
    assert len(caplog.records) == 1
    strict = Series(lambda n: (i for i in range(n)), strict=True)
    it = strict.open(3)
    next(it)
    with pytest.raises(CaptureError, match="strict"):
        strict.capture(it, emitted=1)


def test_a_pause_of_the_function_itself_comes_out_of_open() -> None:
    def pausing(n: int) -> list[int]:
        return [tick(n)]

    WORLD.clear(pause_at=1)
    series = Series(pausing)
    with pytest.raises(PauseFlow):
        series.open(1)
    assert list(series.open(1)) == [1]


def test_frames_of_other_code_wait_or_migrate() -> None:
    old, new = Series(letters), Series(scaled_letters)
    it = old.open(3)
    next(it)
    frame = old.capture(it, emitted=1)
    with pytest.raises(ForeignFrame) as caught:
        new.reopen(3, frame)
    assert old.fingerprint in str(caught.value)
    assert new.fingerprint in str(caught.value)

    seen: list[dict[str, Any]] = []

    def go_on(kept: dict[str, Any]) -> Any:
        seen.append(kept)
        return {"n": 2}

    migrating = Series(scaled_letters, migrate={old.fingerprint: go_on})
    assert list(migrating.reopen(3, frame)) == ["aa", "bb"]
    assert len(seen) == 1


def scaled_letters(n: int) -> Iterator[str]:
    for letter in "abcdef"[:n]:
        yield letter * 2


def test_describe_shows_where_it_stands() -> None:
    series = Series(ask)
    it = series.open(7)
    next(it)
    view = series.describe(series.capture(it, emitted=0))
    assert view.function.endswith(":ask")
    assert view.file == __file__
    assert view.line == ask.__code__.co_firstlineno + 1
    assert view.locals == {"n": "7"}
    assert view.note == ""
    sharing = Series(shares)
    it = sharing.open(2)
    next(it)
    view = sharing.describe(sharing.capture(it, emitted=1))
    assert view.locals["rows"] == "[[0], [0]]"
    line = letters.__code__.co_firstlineno + 2
    assert view.locals["inner"].endswith(f":letters, at line {line}>")
    assert view.locals["the iterator of the loop or `yield from`"].startswith("<range iterator")
    other = Series(letters).describe(codec.encode(["?"]))
    assert "can't be read" in other.note


def shares(n: int) -> Iterator[Any]:
    row = [0]
    rows = [row, row]
    inner = letters(n)
    next(inner)
    for _ in range(n):
        yield rows
        yield next(inner), row


@pytest.mark.parametrize(
    "frame",
    [
        b"", b"\xff\xff", codec.encode(None), codec.encode([]), codec.encode("x"),
        codec.encode(["replay", "f", "", -1, {}]), codec.encode(["replay", "f", "", 1, {}]),
        codec.encode([1, "a", "b", 0, 0, {"": 1}]), b"\x91" * 2000,
    ],
)  # fmt: skip
@pytest.mark.parametrize("fn", [ask, Down, lambda n: [n]])
def test_odd_frames_are_errors_and_can_be_described(fn: Callable[[int], Any], frame: bytes) -> None:
    series = Series(fn)
    if not (series.kind == "function" and b"replay" in frame and b"\xff" not in frame):
        with pytest.raises((MalformedData, ForeignFrame)):
            series.reopen(1, frame)
    series.describe(frame)


def test_a_class_of_iterators_in_c_is_told_of_when_it_is_built() -> None:
    series = Series(itertools.permutations)
    assert series.kind == "replay"
    assert "permutations: its iterators do not tell their state" in series.warnings[0]
    assert everywhere(series, "abc") == list(itertools.permutations("abc"))
    assert everywhere(Series(functools.partial(map, str)), [1, 2]) == ["1", "2"]
    with pytest.raises(NotResumable, match="inside replayable"):
        Series(itertools.permutations, strict=True)
    assert Series(functools.partial(zip, "ab"), strict=True).warnings == ()


async def counted(n: int) -> AsyncIterator[Any]:
    for i in range(n):
        await asyncio.sleep(0)
        yield i, (yield PauseFlow())


async def returned(n: int) -> list[int]:
    await asyncio.sleep(0)
    return list(range(n))


async def expressed(n: int) -> Iterator[int]:
    return (i for i in range(n))


async def streamed(n: int) -> AsyncIterator[Any]:
    return counted(n)


async def picked(n: int) -> Iterator[Any]:
    return ask(n)


async def refused(n: int) -> AsyncIterator[int]:
    try:
        for i in range(n):
            yield i
        raise ValueError
    except ValueError:
        yield -1


@pytest.mark.parametrize(
    ("fn", "kind", "expected"),
    [
        (counted, "async generator", [(0, "x"), (1, "x"), (2, "x")]),
        (returned, "function", [0, 1, 2]),
        (refused, "replay", [0, 1, 2, -1]),
        (expressed, "function", [0, 1, 2]),
        (streamed, "function", [(0, "x"), (1, "x"), (2, "x")]),
        (picked, "function", [(3, "x"), (3, "x")]),
    ],
)
def test_async_kinds(fn: Callable[[int], Any], kind: str, expected: list[Any]) -> None:
    async def run() -> list[Any]:
        it = series.open(3)
        outputs: list[Any] = []
        while True:
            try:
                item = await anext(it)
            except StopAsyncIteration:
                return outputs
            paused = isinstance(item, PauseFlow)
            if not paused:
                outputs.append(item)
            frame = series.capture(it, emitted=len(outputs))
            if series.kind != "replay":
                await it.aclose()
            it = series.reopen(3, frame, "x" if paused else None)

    series = Series(fn)
    assert series.kind == kind
    assert series.is_async
    assert asyncio.run(run()) == expected
