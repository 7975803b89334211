from __future__ import annotations

import functools
from dataclasses import dataclass, field

from corpus.world import case, tick
from pauseflow import codec
from pauseflow.pause import PauseFlow


class Down:
    """As in the mail: an iterator that raises PauseFlow on odd numbers."""

    def __init__(self, n):
        self.n = n

    def __iter__(self):
        return self

    def __next__(self):
        if self.n < 1:
            raise StopIteration
        tick(self.n)
        self.n -= 1
        if self.n % 2:
            raise PauseFlow
        return self.n


class Slots:
    __slots__ = ("_n", "seen")

    def __init__(self, n):
        self._n = n
        self.seen = []

    def __iter__(self):
        return self

    def __next__(self):
        if len(self.seen) == self._n:
            raise StopIteration
        value = tick(len(self.seen))
        self.seen.append(value)
        return value


class Pages:
    def __init__(self, n):
        self.n = n
        self.done = []

    def __iter__(self):
        for i in range(self.n):
            yield i, list(self.done)
            self.done.append(tick(i))


class Own:
    """An iterator over another, with a state of its own making."""

    def __init__(self, n):
        self._items = iter(range(n))
        self._unkept = object()

    def __iter__(self):
        return self

    def __next__(self):
        tick("before")
        return next(self._items)

    def __getstate__(self):
        return {"items": self._items}

    def __setstate__(self, state):
        self._items = state["items"]
        self._unkept = object()


case(5)(Down)
case(3)(Slots)
case(3)(Pages)
case(3)(Own)


@case(3)
def over_iterator_class(n):
    for value in Slots(n):
        yield value
    down = Own(n)
    yield next(down)
    for value in down:
        yield value


@codec.register
@dataclass
class Node:
    value: int
    children: list = field(default_factory=list)

    def walk(self):
        yield tick(self.value)
        for child in self.children:
            yield from child.walk()

    def __private(self, n):
        for i in range(n):
            __hidden = i * 2
            yield __hidden
            tick(__hidden)

    def through(self, n):
        yield from self.__private(n)
        yield self.value


@case(2)
def tree_of_objects(n):
    root = Node(0, [Node(1, [Node(2)]), Node(3)])
    yield from root.walk()
    for value in root.through(n):
        yield value


class Base:
    def items(self, n):
        for i in range(n):
            yield "base", tick(i)


class Derived(Base):
    def __init__(self, factor):
        self.factor = factor
        self._client = object()

    def items(self, n):
        for item in super().items(n):
            yield self.factor, item
        yield tick("end")


case(2)(Derived(5).items)


def scaled(factor, n):
    for i in range(n):
        yield tick(i) * factor


case(3)(functools.partial(scaled, 4))


@case(3)
def two_names_for_one(n):
    a = Node(n)
    b = a
    yield a.value
    b.value += tick(1)
    yield a.value
    yield a is b


class Bag:
    def __init__(self):
        self.items = []

    def __iter__(self):
        return iter(self.items)


@case(2)
def own_container(n):
    bag = Bag()
    for i in range(n):
        bag.items.append(tick(i))
        for item in bag:
            yield item
