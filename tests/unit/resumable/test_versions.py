"""Frames of older code: labels, migrations, and what is said when there is none."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from pauseflow import Flow, codec
from pauseflow.errors import FlowDefinitionError, ForeignFrame, MigrationFailed
from pauseflow.resumable import Series


def counts(n: int) -> Iterator[int]:
    done = 0
    while done < n:
        done += 1
        yield done


def tens(n: int, first: int = 0) -> Iterator[int]:
    for i in range(first, n):
        yield (i + 1) * 10


def walks(n: int) -> Iterator[Any]:
    seen = deque([0])
    twice = seen
    for item in [*range(n)]:
        seen.append(item)
        yield item
        assert twice is seen


def refused(n: int) -> Iterator[int]:
    try:
        for i in range(n):
            yield i
        raise ValueError
    except ValueError:
        yield -1


def refused_too(n: int, first: int = 0) -> Iterator[int]:
    try:
        for i in range(first, n):
            yield i * 10
        raise ValueError
    except ValueError:
        yield -2


class Count:
    def __init__(self, n: int) -> None:
        self.n, self.i = n, 0

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        if self.i == self.n:
            raise StopIteration
        self.i += 1
        return self.i


class Tens(Count):
    def __init__(self, n: int, first: int = 0) -> None:
        self.n, self.i = n, first

    def __next__(self) -> int:
        return super().__next__() * 10


class Steps:
    def __init__(self, n: int, first: int = 0) -> None:
        self.n, self.first = n, first

    def __iter__(self) -> Iterator[int]:
        for i in range(self.first, self.n):
            yield (i + 1) * 10


def some(n: int) -> list[int]:
    return [*range(n)]


def lazy(n: int, first: int = 0) -> Iterator[int]:
    return ((i + 1) * 10 for i in range(first, n))


async def later(n: int, first: int = 0) -> list[int]:
    await asyncio.sleep(0)
    return [(i + 1) * 10 for i in range(first, n)]


async def ticks(n: int, first: int = 0) -> AsyncIterator[int]:
    for i in range(first, n):
        await asyncio.sleep(0)
        yield (i + 1) * 10


def paused(series: Series, record: Any, taken: int) -> bytes:
    it = series.open(record)
    for _ in range(taken):
        next(it)
    return series.capture(it, emitted=taken)


def go_on(kept: dict[str, Any]) -> Any:
    return (5, kept["done"])


def test_a_label_leads_to_its_migration() -> None:
    frame = paused(Series(counts, version="v1"), 5, 2)
    assert len(frame) < 150
    series = Series(tens, version="v2", migrate={"v1": go_on})
    assert list(series.reopen(5, frame)) == [30, 40, 50]
    again = series.reopen(5, frame)
    next(again)
    frame = series.capture(again, emitted=3)
    assert series.describe(frame).version == "v2"
    assert list(series.reopen(5, frame)) == [40, 50]


def test_a_label_is_no_part_of_the_code() -> None:
    frame = paused(Series(counts, version="v1"), 3, 1)
    assert list(Series(counts, version="v2").reopen(3, frame)) == [2, 3]
    assert list(Series(counts).reopen(3, frame)) == [2, 3]
    unlabelled = paused(Series(counts), 3, 1)
    assert list(Series(counts, version="v1").reopen(3, unlabelled)) == [2, 3]
    migrating = Series(counts, version="v2", migrate={"v1": lambda kept: pytest.fail("not asked")})
    assert list(migrating.reopen(3, frame)) == [2, 3]


def test_a_fingerprint_is_more_exact_than_a_label() -> None:
    old = Series(counts, version="v1")
    exact = {"v1": lambda kept: pytest.fail("the wrong one"), old.fingerprint: go_on}
    assert list(Series(tens, migrate=exact).reopen(5, paused(old, 5, 4))) == [50]


def test_without_a_migration_the_labels_are_named() -> None:
    old, new = Series(counts, version="v1"), Series(tens, version="v2", migrate={"v0": go_on})
    frame = paused(old, 5, 2)
    with pytest.raises(ForeignFrame) as caught:
        new.reopen(5, frame)
    told = str(caught.value)
    assert f"made by code {old.fingerprint} (version 'v1')" in told
    assert f"this code is {new.fingerprint} (version 'v2')" in told
    assert "Run a worker with that code, or declare migrate={'v1': ...}" in told
    with pytest.raises(ForeignFrame, match=rf"migrate=\{{'{old.fingerprint}': ...\}}"):
        new.reopen(5, paused(Series(counts), 5, 2))


def test_an_operator_sees_the_label() -> None:
    frame = paused(Series(counts, version="v1"), 5, 2)
    own = Series(counts, version="v1").describe(frame)
    assert (own.version, own.note, own.locals) == ("v1", "", {"n": "5", "done": "2"})
    other = Series(tens, version="v2").describe(frame)
    assert other.version == "v1"
    assert "made by other code" in other.note
    assert "'v2'" in other.note
    replayed = Series(refused, version="r1").describe(paused(Series(refused, version="r1"), 3, 2))
    assert (replayed.version, replayed.note) == (
        "r1",
        "run again from the beginning, 2 values are skipped",
    )


def test_a_function_that_returns_a_generator_is_not_told_to_be_other_code() -> None:
    def picks(n: int) -> Iterator[int]:
        return counts(n)

    series = Series(picks)
    assert series.describe(paused(series, 3, 1)).note == ""


def test_locals_come_as_the_values_that_they_were() -> None:
    seen: dict[str, Any] = {}

    def look(kept: dict[str, Any]) -> Any:
        seen.update(kept)
        return 2

    frame = paused(Series(walks, version="v1"), 4, 2)
    assert list(Series(tens, migrate={"v1": look}).reopen(4, frame)) == [10, 20]
    assert seen["seen"] == deque([0, 0, 1])
    assert seen["twice"] is seen["seen"]
    assert [*seen["_pf_it1"]] == [2, 3]


MIGRATED: list[tuple[str, Callable[..., Any], Callable[..., Any], Any]] = [
    ("attributes", Count, tens, lambda kept: (kept["n"], kept["i"])),
    ("to a class", counts, Tens, lambda kept: {"n": 5, "first": kept["done"]}),
    ("between classes", Count, Tens, lambda kept: (kept["n"], kept["i"])),
    ("to a class of generators", Count, Steps, lambda kept: (kept["n"], kept["i"])),
    ("run again", refused, tens, lambda kept: (5, kept["taken"])),
    ("an iterator", some, tens, lambda kept: (5, 5 - len(list(kept["iterator"])))),
    ("to a function", counts, lazy, lambda kept: (5, kept["done"])),
]


@pytest.mark.parametrize(
    ("old", "new", "fn"), [m[1:] for m in MIGRATED], ids=[m[0] for m in MIGRATED]
)
def test_every_kind(old: Any, new: Any, fn: Callable[..., Any]) -> None:
    series = Series(new, version="v2", migrate={"v1": fn})
    it = series.reopen(5, paused(Series(old, version="v1"), 5, 2))
    taken = [next(it)]
    it = series.reopen(5, series.capture(it, emitted=3))  # with the new call's arguments
    assert [*taken, *it] == [30, 40, 50]


def test_what_is_run_again_begins_with_the_new_arguments_each_time() -> None:
    series = Series(refused_too, version="v2", migrate={"v1": lambda kept: (3, kept["taken"])})
    it = series.reopen(3, paused(Series(refused, version="v1"), 3, 1))
    assert next(it) == 10
    it = series.reopen(3, series.capture(it, emitted=2))
    assert next(it) == 20
    it = series.reopen(3, series.capture(it, emitted=3))
    assert list(it) == [-2]


@pytest.mark.parametrize("fn", [later, ticks])
def test_asynchronous_kinds(fn: Callable[..., Any]) -> None:
    series = Series(fn, version="v2", migrate={"v1": go_on})
    it = series.reopen(5, paused(Series(counts, version="v1"), 5, 2))

    async def run() -> list[int]:
        before = series.capture(it, emitted=2)  # before anything was asked of it
        await it.aclose()
        return [value async for value in series.reopen(5, before)]

    assert asyncio.run(run()) == [30, 40, 50]


@pytest.mark.parametrize(
    ("fn", "told"),
    [
        (lambda kept: kept["nothing"], "raised KeyError('nothing')"),
        (lambda kept: None, "returned None"),
        (lambda kept: (1, 2, 3), "too many positional arguments"),
        (lambda kept: kept, "unexpected keyword argument 'done'"),
        (lambda kept: (), "missing a required argument: 'n'"),
    ],
)
def test_a_migration_that_does_not_work_says_what_it_was_given(
    fn: Callable[..., Any], told: str
) -> None:
    series = Series(tens, version="v2", migrate={"v1": fn})
    with pytest.raises(MigrationFailed) as caught:
        series.reopen(5, paused(Series(counts, version="v1"), 5, 2))
    message = str(caught.value)
    assert told in message
    assert f"migrate={{'v1': ...}} of {__name__ + ':tens'!r}" in message
    assert "n, done" in message or "done, n" in message
    assert "a tuple, a dict of keyword arguments" in message


def holds(n: int) -> Iterator[int]:
    inner = counts(n)
    for value in inner:
        yield value


def holding_other_code() -> bytes:
    """A frame of `holds` whose inner generator is of code that nobody has."""
    frame = codec.decode(paused(Series(holds, version="v1"), 5, 2))
    assert isinstance(frame, list)
    inner = Series(counts).fingerprint.encode()
    return codec.encode([*frame[:2], frame[2].replace(inner, b"0" * len(inner))])


def test_a_local_that_the_new_code_does_not_know_is_named() -> None:
    series = Series(tens, migrate={"v1": lambda kept: kept["_pf_it1"]})
    with pytest.raises(MigrationFailed, match="without '_pf_it1': a generator of other code"):
        series.reopen(5, holding_other_code())


def test_other_code_inside_a_frame_goes_through_the_migration_too() -> None:
    with pytest.raises(ForeignFrame, match=r":counts.*version 'v1'"):
        Series(holds, version="v2").reopen(5, holding_other_code())
    series = Series(holds, version="v2", migrate={"v1": lambda kept: 3})
    assert list(series.reopen(5, holding_other_code())) == [1, 2, 3]


@pytest.mark.parametrize("version", ["", " ", " v1", "v\n1", "v" * 65, 1, b"v1"])
def test_a_label_is_a_short_text(version: Any) -> None:
    with pytest.raises(FlowDefinitionError, match=r"stage 'counts': version="):
        Flow("f").branch(counts, version=version)
    with pytest.raises(ValueError, match="version="):
        Series(counts, version=version)


async def waits(kept: dict[str, Any]) -> Any:
    return kept


@pytest.mark.parametrize("migrate", [{1: go_on}, {"": go_on}, {"v1": "v2"}, [go_on], {"v1": waits}])
def test_migrations_are_functions_by_label(migrate: Any) -> None:
    with pytest.raises(FlowDefinitionError, match=r"stage 'counts': migrate= takes a dict"):
        Flow("f").branch(counts, migrate=migrate)


def test_a_label_is_given_anew_with_each_migration() -> None:
    with pytest.raises(FlowDefinitionError, match="give this code a new label"):
        Flow("f").branch(tens, version="v1", migrate={"v1": go_on})
