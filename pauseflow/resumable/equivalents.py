"""Python's iterator builders, written as generators, so that they can be resumed.

In a loop's header, rewritten code calls these in place of the builtins that do not tell their
state, or that would lose an item if a pause came out of the middle of them.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pauseflow.resumable.iterators import PLAIN_SOURCES
from pauseflow.resumable.prepared import EQUIVALENTS, prepare
from pauseflow.resumable.replay import replayable


def mapped(function: Callable[..., Any], *iterables: Iterable[Any]) -> Iterator[Any]:
    """As `map`."""
    if len(iterables) == 1:
        for item in iterables[0]:
            yield function(item)
    else:
        for items in zip(*iterables):  # noqa: B905 (as `map` does)
            yield function(*items)


def filtered(function: Callable[[Any], Any] | None, iterable: Iterable[Any]) -> Iterator[Any]:
    """As `filter`."""
    for item in iterable:
        if item if function is None else function(item):
            yield item


def filtered_false(function: Callable[[Any], Any] | None, iterable: Iterable[Any]) -> Iterator[Any]:
    """As `itertools.filterfalse`."""
    for item in iterable:
        if not (item if function is None else function(item)):
            yield item


def zipped(strict: bool, iterators: list[Iterator[Any]]) -> Iterator[Any]:  # noqa: FBT001 (internal)
    """As `zip`."""
    while iterators:
        items: list[Any] = []
        for iterator in iterators:
            try:
                items.append(next(iterator))
            except StopIteration:
                break
        if len(items) < len(iterators):
            if strict:
                _check_lengths(items, iterators)
            return
        yield tuple(items)


def _check_lengths(items: list[Any], iterators: list[Iterator[Any]]) -> None:
    place, length = len(items), "shorter"
    if not items:
        over = object()
        later = enumerate(iterators[1:], 1)
        place = next((i for i, iterator in later if next(iterator, over) is not over), 0)
        length = "longer"
        if not place:
            return
    others = "argument 1" if place == 1 else f"arguments 1-{place}"
    raise ValueError(f"zip() argument {place + 1} is {length} than {others}")


def zipped_longest(fill: Any, iterators: list[Iterator[Any] | None]) -> Iterator[Any]:
    """As `itertools.zip_longest`."""
    active = len(iterators)
    while True:
        items: list[Any] = []
        for place, iterator in enumerate(iterators):
            item = fill
            if iterator is not None:
                try:
                    item = next(iterator)
                except StopIteration:
                    iterators[place] = None
                    active -= 1
            items.append(item)
        if not active:
            return
        yield tuple(items)


def counted(start: Any = 0, step: Any = 1) -> Iterator[Any]:
    """As `itertools.count`."""
    while True:
        yield start
        start += step


def repeated(item: Any, times: int) -> Iterator[Any]:
    """As `itertools.repeat` with a number of times."""
    for _ in range(times):
        yield item


def always(item: Any) -> Iterator[Any]:
    """As `itertools.repeat` without one."""
    while True:
        yield item


def cycled(iterable: Iterable[Any]) -> Iterator[Any]:
    """As `itertools.cycle`."""
    seen: list[Any] = []
    for item in iterable:
        yield item
        seen.append(item)
    while seen:
        yield from seen


def chained(iterables: Iterable[Iterable[Any]]) -> Iterator[Any]:
    """As `itertools.chain.from_iterable`."""
    for iterable in iterables:
        yield from iterable


def sliced(iterator: Iterator[Any], start: int, stop: int | None, step: int) -> Iterator[Any]:
    """As `itertools.islice`."""
    place = 0
    while stop is None or place < stop:
        try:
            item = next(iterator)
        except StopIteration:
            return
        place += 1
        if place > start:
            yield item
            start += step


def accumulated(
    iterable: Iterable[Any],
    func: Callable[[Any, Any], Any] | None = None,
    *,
    initial: Any = None,
) -> Iterator[Any]:
    """As `itertools.accumulate`."""
    iterator = iter(iterable)
    total = initial
    if total is None:
        try:
            total = next(iterator)
        except StopIteration:
            return
    yield total
    for item in iterator:
        total = operator.add(total, item) if func is None else func(total, item)
        yield total


def paired(iterable: Iterable[Any]) -> Iterator[Any]:
    """As `itertools.pairwise`."""
    iterator = iter(iterable)
    try:
        before = next(iterator)
    except StopIteration:
        return
    for item in iterator:
        yield before, item
        before = item


def starred(function: Callable[..., Any], iterable: Iterable[Any]) -> Iterator[Any]:
    """As `itertools.starmap`."""
    for items in iterable:
        yield function(*items)


def taken_while(predicate: Callable[[Any], Any], iterable: Iterable[Any]) -> Iterator[Any]:
    """As `itertools.takewhile`."""
    for item in iterable:
        if not predicate(item):
            return
        yield item


def dropped_while(predicate: Callable[[Any], Any], iterable: Iterable[Any]) -> Iterator[Any]:
    """As `itertools.dropwhile`."""
    dropping = True
    for item in iterable:
        if dropping:
            dropping = bool(predicate(item))
        if not dropping:
            yield item


def compressed(data: Iterable[Any], selectors: Iterable[Any]) -> Iterator[Any]:
    """As `itertools.compress`."""
    for item, selector in zip(data, selectors):  # noqa: B905 (as `compress` does)
        if selector:
            yield item


def batches(iterator: Iterator[Any], n: int, strict: bool) -> Iterator[Any]:  # noqa: FBT001 (internal)
    """As `itertools.batched`."""
    batch: list[Any] = []
    for item in iterator:
        batch.append(item)
        if len(batch) == n:
            yield tuple(batch)
            batch = []
    if batch:
        if strict:
            raise ValueError("batched(): incomplete batch")
        yield tuple(batch)


def products(repeat: int, *pools: Any) -> Iterator[Any]:
    """As `itertools.product`."""
    return itertools.product(*pools, repeat=repeat)


FUNCTIONS: list[Callable[..., Any]] = [
    mapped, filtered, filtered_false, zipped, zipped_longest, counted, repeated, always, cycled,
    chained, sliced, accumulated, paired, starred, taken_while, dropped_while, compressed, batches,
    products, replayable,
]  # fmt: skip
"""What the builders below make; a frame may name them whatever its function is."""


FACTORIES: list[Callable[..., Any]] = [
    products, itertools.permutations, itertools.combinations,
    itertools.combinations_with_replacement,
]  # fmt: skip
"""What they hand on to `replayable`."""


def _held(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args, **kwargs: prepare(function).held(*args, **kwargs)


def _map(function: Any, *iterables: Any) -> Any:
    if not iterables:
        return map(function, *iterables)  # says what is wrong
    return prepare(mapped).held(function, *map(iter, iterables))


def _zip(*iterables: Any, strict: bool = False) -> Any:
    if all(isinstance(iterable, PLAIN_SOURCES) for iterable in iterables):
        return zip(*iterables, strict=strict)
    return prepare(zipped).held(strict, list(map(iter, iterables)))


def _zip_longest(*iterables: Any, fillvalue: Any = None) -> Any:
    return prepare(zipped_longest).held(fillvalue, list(map(iter, iterables)))


def _count(start: Any = 0, step: Any = 1) -> Any:
    itertools.count(start, step)  # checks them
    return prepare(counted).held(start, step)


def _repeat(object: Any, times: int | None = None) -> Any:  # noqa: A002 (its name in itertools)
    if times is None:
        return prepare(always).held(object)
    return prepare(repeated).held(object, operator.index(times))


def _chain(*iterables: Any) -> Any:
    return prepare(chained).held(iterables)


def _islice(iterable: Any, *bounds: Any) -> Any:
    itertools.islice((), *bounds)  # checks them
    chosen = slice(*bounds)
    step = 1 if chosen.step is None else operator.index(chosen.step)
    stop = None if chosen.stop is None else operator.index(chosen.stop)
    return prepare(sliced).held(iter(iterable), operator.index(chosen.start or 0), stop, step)


def _batched(iterable: Any, n: int, *, strict: bool = False) -> Any:
    if n < 1:
        raise ValueError("n must be at least one")
    return prepare(batches).held(iter(iterable), operator.index(n), strict)


def _product(*iterables: Any, repeat: int = 1) -> Any:
    return replayable(products, repeat, *map(tuple, iterables))


def _again(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda iterable, *args: replayable(function, tuple(iterable), *args)


EQUIVALENTS.update(
    {
        map: _map,
        filter: _held(filtered),
        zip: _zip,
        itertools.accumulate: _held(accumulated),
        itertools.chain: _chain,
        itertools.chain.from_iterable: _held(chained),
        itertools.combinations: _again(itertools.combinations),
        itertools.combinations_with_replacement: _again(itertools.combinations_with_replacement),
        itertools.compress: _held(compressed),
        itertools.count: _count,
        itertools.cycle: _held(cycled),
        itertools.dropwhile: _held(dropped_while),
        itertools.filterfalse: _held(filtered_false),
        itertools.islice: _islice,
        itertools.pairwise: _held(paired),
        itertools.permutations: _again(itertools.permutations),
        itertools.product: _product,
        itertools.repeat: _repeat,
        itertools.starmap: _held(starred),
        itertools.takewhile: _held(taken_while),
        itertools.zip_longest: _zip_longest,
    }
)
if hasattr(itertools, "batched"):
    EQUIVALENTS[itertools.batched] = _batched
