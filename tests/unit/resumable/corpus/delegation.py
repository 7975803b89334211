from __future__ import annotations

from corpus.world import Opened, case, tick


def count(n):
    for i in range(n):
        yield tick(i)
    return n


def down(n):
    if n:
        yield n
        yield from down(tick(n - 1))


def guarded(n):
    with Opened("guarded") as g:
        try:
            for i in range(n):
                yield g.read(tick(i))
        finally:
            n = 0


@case(3)
def flat(n):
    yield from count(n)


@case(3)
def result_used(n):
    total = yield from count(n)
    yield total
    yield (yield from count(1)) + (yield from count(2))


@case(4)
def recursive(n):
    yield from down(n)
    tick("end")


@case([1, [2, [3, []], 4], [[5]]])
def tree(node):
    if isinstance(node, int):
        yield tick(node)
    else:
        for child in node:
            yield from tree(child)


@case([1, [2, [3]], 4])
def tree_by_loops(node):
    for child in node:
        if isinstance(child, int):
            yield child
            tick(child)
        else:
            for deeper in tree_by_loops(child):
                yield deeper


@case(3)
def for_over_generator(n):
    for i in count(n):
        yield i
        for j in count(i):
            yield i, j


@case(2)
def from_list(n):
    yield from [n, n + 1]
    yield from range(tick(n))
    yield from "ab"
    result = yield from ()
    yield result


@case(2)
def with_guard(n):
    yield from guarded(n)
    for item in guarded(n):
        yield item
        tick("outside")


@case(3)
def held_in_local(n):
    numbers = count(n)
    yield next(numbers)
    tick("between")
    for i in numbers:
        yield i
    yield next(numbers, "over")


@case(3)
def two_at_once(n):
    left, right = [], []
    a = count(n)
    b = count(n + 1)
    for i in a:
        left.append(i)
        right.append(next(b))
        yield left, right
    yield list(b)


@case(2)
def in_a_conditional(n):
    for i in range(n):
        if i:
            yield from count(i)
        else:
            yield from down(2)
    else:
        yield from count(1)


@case(2)
def caught_from_delegate(n):
    try:
        yield from failing(n)
    except ValueError:
        tick("caught")
    yield "on"


def failing(n):
    yield n
    raise ValueError(tick("failing"))


@case(2)
def passed_on(n):
    yield from wrapped(count(n))


def wrapped(items):
    for item in items:
        yield "<"
        yield item
        yield tick(">")
