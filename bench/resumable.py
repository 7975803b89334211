"""Resumable generators beside plain ones, and their frames beside pickle, in one process.

Iterating: the rewritten generator and the plain one take turns, and the median of their ratios is
told. Frames: capture, encode, decode and restore of a generator with ten small locals, as a
multiple of one `pickle.dumps` and `pickle.loads` of the dict of those locals, and the frame's size
beyond one and a half times what msgpack makes of them.
"""

from __future__ import annotations

import collections
import pickle
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgpack
from harness import spread, tell

from pauseflow.resumable import Frame, capture, prepare, restore

ROUNDS = 15
ITEMS = 200_000
FRAMES = 3_000


def bare(n: int) -> Iterator[int]:
    for i in range(n):  # noqa: UP028 (the loop is what is measured)
        yield i


def arithmetic(n: int) -> Iterator[int]:
    for i in range(n):
        a = i * 3
        b = a + 7
        c = b - i
        yield c


def guarded(n: int) -> Iterator[int]:
    total = 0
    for i in range(n):
        try:
            if i % 2:
                total += i
            else:
                total -= 1
            yield total
        except ValueError:
            total = 0


def delegating(n: int) -> Iterator[int]:
    yield from arithmetic(n)


def ten_locals(n: int) -> Iterator[int]:
    first, second, third, name, city = 1, -2, 3_000_000_000, "Ada", "Lyon"
    price, share, is_new, note, token = 12.5, 0.25, True, None, b"\x00\x01"
    while n:
        yield n
        n -= 1
    print(first, second, third, name, city, price, share, is_new, note, token)


def seconds(make: Callable[[int], Iterator[int]]) -> float:
    began = time.perf_counter()
    collections.deque(make(ITEMS), maxlen=0)
    return time.perf_counter() - began


def iterating(name: str, plain: Callable[[int], Iterator[int]], limit: float | None) -> None:
    rewritten = prepare(plain).start
    ratios = [seconds(rewritten) / seconds(plain) for _ in range(ROUNDS)]
    tell(f"iterating, rewritten / plain: {name}", statistics.median(ratios), most=limit)
    print(f"    of {ROUNDS} rounds: {spread(ratios)}")


def suspended() -> list[Any]:
    generators = [prepare(ten_locals).start(5) for _ in range(FRAMES)]
    for generator in generators:
        next(generator)
    return generators


def frames() -> None:
    generator = suspended()[0]
    kept = dict(capture(generator).locals)
    del kept["n"]
    assert len(kept) == 10
    ratios: list[float] = []
    for _ in range(ROUNDS):
        generators = suspended()
        began = time.perf_counter()
        for _ in range(FRAMES):
            pickle.loads(pickle.dumps(kept))
        pickled = time.perf_counter()
        for generator in generators:
            restore(Frame.decode(capture(generator).encode()))
        ratios.append((time.perf_counter() - pickled) / (pickled - began))
    tell("ten locals: capture .. restore / pickle", statistics.median(ratios), most=8)
    print(f"    of {ROUNDS} rounds: {spread(ratios)}")
    frame = capture(suspended()[0])
    size = len(frame.encode())
    tell("ten locals: bytes of a frame", size, most=1.5 * len(msgpack.packb(frame.locals)) + 200)


if __name__ == "__main__":
    iterating("for i in range(n): yield i", bare, 2.0)
    iterating("three arithmetic operations a yield", arithmetic, 1.5)
    iterating("if, else and try around a yield", guarded, None)
    iterating("yield from another", delegating, None)
    frames()
