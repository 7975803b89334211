from __future__ import annotations

import itertools
import operator
from itertools import count as counting

from corpus.world import case, tick
from pauseflow.resumable import replayable


def double(x):
    return tick(x * 2)


def even(x):
    return tick(x) % 2 == 0


def small(x):
    return tick(x) < 2


def numbers(n):
    for i in range(n):
        yield tick(i)


def quiet(n):
    for i in range(n):
        yield i


@case(3)
def enumerated(n):
    for i, letter in enumerate("abc"[:n], start=5):
        yield i, letter
        tick(i)


@case(3)
def enumerated_generator(n):
    for i, value in enumerate(numbers(n)):
        yield i, value


@case(3)
def zipped(n):
    for a, b in zip(range(n), "abcdef", strict=False):
        yield a, b


@case(3)
def zipped_generators(n):
    for a, b in zip(numbers(n), numbers(n + 2)):  # noqa: B905
        yield a, b


@case(2)
def zipped_strictly(n):
    try:
        for pair in zip(numbers(n), numbers(n + 1), strict=True):
            yield pair
    except ValueError as error:
        text = str(error)
    yield text


@case(3)
def mapped(n):
    for value in map(double, range(n)):
        yield value


@case(3)
def mapped_twice(n):
    for value in map(operator.add, numbers(n), map(double, range(n))):
        yield value


@case(4)
def filtered(n):
    for value in filter(even, range(n)):
        yield value
    for value in filter(None, [0, 1, "", "a"]):
        yield value


@case(3)
def over_reversed(n):
    for value in reversed(range(n)):
        yield tick(value)
    for value in reversed([1, 2, n]):
        yield value
    for value in reversed({"a": 1, "b": n}):
        yield value


@case(3)
def over_dict(n):
    table = {i: str(i) for i in range(n)}
    for key in table:
        yield tick(key)
    for key in table.keys():  # noqa: SIM118
        yield key
    for value in table.values():
        yield value
    for item in table.items():
        yield item
    view = table.items()
    yield len(view)
    yield sorted(view)


@case(1)
def over_set(n):
    for value in {n}:
        yield tick(value)
    yield n


@case(3)
def over_bytes(n):
    for value in b"abc":
        yield tick(value)
    for value in bytearray(b"de"):
        yield value
    for value in range(1 << 70, (1 << 70) + n):
        yield value
    for value in range(n, -n, -2):
        yield value


@case(3)
def counted(n):
    for i in counting(n, 2):
        if i > 9:
            break
        yield tick(i)
    for i in itertools.count(0.5, 0.25):
        if i > 1:
            break
        yield i


@case(3)
def chained(n):
    for value in itertools.chain(numbers(n), "ab", [1]):
        yield value
    for value in itertools.chain.from_iterable([range(n), "cd"]):
        yield tick(value)


@case(7)
def sliced(n):
    for value in itertools.islice(numbers(n), 1, 6, 2):
        yield value
    it = itertools.islice(range(n), 3)
    yield next(it)
    yield list(it)


@case(2)
def repeated(n):
    for value in itertools.repeat("r", n):
        yield tick(value)
    taken = 0
    for value in itertools.repeat("s"):
        yield value
        taken += 1
        if taken == n:
            break


@case(7)
def cycled(n):
    for i, value in enumerate(itertools.cycle(numbers(3))):
        if i == n:
            break
        yield value


@case(3)
def more_itertools(n):
    for value in itertools.accumulate(numbers(n)):
        yield value
    for value in itertools.accumulate([1, 2, 3], operator.mul, initial=n):
        yield value
    for pair in itertools.pairwise(numbers(n)):
        yield pair
    for value in itertools.starmap(operator.sub, [(n, 1), (n, 2)]):
        yield value
    for value in itertools.takewhile(small, range(n)):
        yield value
    for value in itertools.dropwhile(small, range(n + 1)):
        yield value
    for value in itertools.filterfalse(even, range(n)):
        yield value
    for value in itertools.compress("abc", numbers(n)):
        yield value


@case(2)
def longest(n):
    for pair in itertools.zip_longest(numbers(n), "abc", fillvalue="-"):
        yield pair


@case(2)
def combined(n):
    for pair in itertools.product("ab", range(n)):
        yield tick(pair)
    for pair in itertools.product("a", repeat=n):
        yield pair
    for pair in itertools.permutations("abc", n):
        yield pair
    for pair in itertools.combinations([1, 2, 3], n):
        yield pair


@case(4)
def built_again(n):
    for value in replayable(quiet, n):
        yield value
    rows = replayable(range, n)
    yield next(rows)
    for value in rows:
        yield tick(value)


@case(3)
def by_hand(n):
    it = iter(range(n))
    yield next(it)
    tick("between")
    for value in it:
        yield value
    letters = iter("xyz")
    for a, b in zip(letters, letters):  # noqa: B905
        yield a, b
    yield next(letters, "none")
