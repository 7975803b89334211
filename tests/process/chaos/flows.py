"""The flows that run while everything is killed: every kind of stage, pauses everywhere."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator

from pauseflow import Flow, PauseFlow, current

LOG = os.environ.get("CHAOS_LOG", os.devnull)


def note(value: object) -> None:
    """An effect outside: one line, with the key that makes it idempotent."""
    line = f"{current().key}\t{value}\n".encode()
    descriptor = os.open(LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(descriptor, line)
    finally:
        os.close(descriptor)


def count(n: int) -> Iterator[object]:
    for number in range(n):
        yield number
        if number % 997 == 500:
            yield PauseFlow()
        if number % 5_000 == 2_500:
            yield PauseFlow(after=0.05)


def triple(number: int) -> int:
    return 3 * number


def is_odd(number: int) -> bool:
    return number % 2 == 1


lines = Flow("lines")
lines.branch(count).map(triple).filter(is_odd)


class Countdown:
    def __init__(self, start: int) -> None:
        self.left = start

    def __iter__(self) -> Countdown:
        return self

    def __next__(self) -> int:
        if self.left == 0:
            raise StopIteration
        self.left -= 1
        if self.left % 50 == 49:
            raise PauseFlow(after=0.02)
        return self.left


async def later(number: int) -> int:
    await asyncio.sleep(0.001)
    return number + 1


countdown = Flow("countdown")
countdown.branch(Countdown).map(later, concurrency=20)


async def ticks(n: int) -> AsyncIterator[object]:
    for number in range(n):
        if number % 300 == 100:
            await asyncio.sleep(0)
            yield PauseFlow(after=0.01)
        yield number


def negate(number: int) -> int:
    return -number


mixed = Flow("mixed")
mixed.branch(ticks).map(negate, threads=4)


def scatter(n: int) -> range:
    return range(n)


def square(number: int) -> Iterator[object]:
    if number % 40 == 7:
        yield PauseFlow(after=0.03)
    yield number * number


unordered = Flow("unordered")
unordered.branch(scatter).branch(square, ordered=False)


def families(n: int) -> Iterator[tuple[str, int]]:
    for family in range(n):
        yield (current().run_id, family)


def members(family: tuple[str, int]) -> Iterator[object]:
    for member in range(family[1] % 5):
        yield (*family, member)
        if member == 2:
            yield PauseFlow()


def tell(member: tuple[str, int, int]) -> tuple[str, int, int]:
    note(f"member {member[0]} {member[1]} {member[2]}")
    return member


def family_told(family: tuple[str, int]) -> None:
    note(f"family {family[0]} {family[1]}")


scopes = Flow("scopes")
scopes.branch(families).branch(members, finished=family_told).map(tell)
