"""The flows that run while everything is killed: every kind of stage, pauses everywhere.

What each gives is worked out once more, by itself, in `checker`.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path

from pauseflow import Backoff, Flow, PauseFlow, SignalTimeout, current, merge

LOG = os.environ.get("CHAOS_LOG", os.devnull)
SOON = Backoff(0.01, most=0.05)


def note(value: object) -> None:
    """An effect outside: one line, with the key that makes it idempotent."""
    line = f"{current().key}\t{value}\n".encode()
    descriptor = os.open(LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(descriptor, line)
    finally:
        os.close(descriptor)


def count(n: int) -> Iterator[int | PauseFlow]:
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
    await asyncio.sleep(0.004)
    note(f"later {number}")
    return number + 1


countdown = Flow("countdown")
countdown.branch(Countdown).map(later, concurrency=20)


async def ticks(n: int) -> AsyncIterator[int | PauseFlow]:
    for number in range(n):
        if number % 300 == 100:
            await asyncio.sleep(0)
            yield PauseFlow(after=0.01)
        yield number


def negate(number: int) -> int:
    time.sleep(0.0004)
    if number % 100 == 0:
        note(f"negate {number}")
    return -number


mixed = Flow("mixed")
mixed.branch(ticks).map(negate, threads=4)


def scatter(n: int) -> range:
    return range(n)


def square(number: int) -> Iterator[int | PauseFlow]:
    if number % 40 == 7:
        yield PauseFlow(after=0.03)
    yield number * number


unordered = Flow("unordered")
unordered.branch(scatter).branch(square, ordered=False)


def families(n: int) -> Iterator[tuple[str, int]]:
    for family in range(n):
        yield (current().run_id, family)


def members(family: tuple[str, int]) -> Iterator[tuple[str, int, int] | PauseFlow]:
    for member in range(family[1] % 5):
        yield (*family, member)
        if member == 2:
            yield PauseFlow()


def tell(member: tuple[str, int, int]) -> tuple[str, int, int]:
    time.sleep(0.0004)
    note(f"member {member[0]} {member[1]} {member[2]}")
    return member


def family_told(family: tuple[str, int]) -> None:
    note(f"family {family[0]} {family[1]}")


scopes = Flow("scopes")
scopes.branch(families).branch(members, finished=family_told).map(tell)


def approve(number: int) -> Generator[tuple[int, str] | PauseFlow, str, None]:
    """Every tenth waits in vain, the others for a person, who may have answered before."""
    try:
        answer = yield PauseFlow(until=f"ok-{number}", timeout=0.2 if number % 10 == 3 else 3_600)
    except SignalTimeout:
        answer = "nobody"
    yield (number, answer)


def stamp(approved: tuple[int, str]) -> tuple[int, str, str]:
    """A function that waits, and in order, so that what comes after it stands."""
    if approved[0] % 20 == 19 and current().signalled is None:
        raise PauseFlow(until=f"stamp-{approved[0]}")
    return (*approved, current().signal or "")


approvals = Flow("approvals")
approvals.branch(scatter).branch(approve, ordered=False).map(stamp)


def pages(n: int) -> Iterator[int]:
    for number in range(n):
        if random.random() < 0.01:
            raise ConnectionError("the line dropped")
        yield number


def shaky(number: int) -> int:
    if number % 13 == 5:
        raise ValueError("never")
    if random.random() < 0.05:
        raise ConnectionError("the line dropped again")
    return number


def instead(_: Exception, number: int) -> int:
    return -number


def picky(number: int) -> int:
    time.sleep(0.001)
    if number % 17 == 4:
        raise LookupError("not this one")
    return number


flaky = Flow("flaky")
flaky.branch(pages, retries=100, backoff=SOON).map(
    shaky, retries=100, backoff=SOON, give_up_on=ValueError, fallback=instead
).map(picky, retries=1, backoff=SOON, on_error="dead")


def third(number: int) -> int:
    return number % 3


def asked(number: int) -> int:
    return number


async def held(number: int) -> int:
    await asyncio.sleep(0.005)
    return number


limited = Flow("limited")
limited.branch(scatter).map(asked, rate=("100/s", third), ordered=False).map(
    held, limit=2, concurrency=4
)


def dawdle(number: int) -> int:
    if number % 25 == 7 and current().attempt == 0:
        for _ in range(1_000):
            time.sleep(0.01)
    return number


async def stall(number: int) -> int:
    if number % 30 == 11 and current().attempt == 0:
        await asyncio.sleep(30)
    return number


late = Flow("late")
late.branch(scatter).map(dawdle, timeout=0.3, retries=50, backoff=SOON).map(
    stall, timeout=0.3, retries=50, backoff=SOON, concurrency=10
)


def brittle(number: int) -> int:
    """Halts its run until somebody has mended the cause."""
    if number == 30 and not Path(f"{LOG}.{current().run_id}").exists():
        raise RuntimeError("out of paper")
    time.sleep(0.002)
    return number


halting = Flow("halting")
halting.branch(scatter).map(brittle)


def ever(start: int) -> Iterator[int | PauseFlow]:
    number = start
    while True:
        yield number
        number += 1
        if number % 200 == 0:
            yield PauseFlow(after=0.02)


def take_back(run_id: str) -> None:
    note(f"cancelled {run_id}")


endless = Flow("endless", on_cancel=take_back)
endless.branch(ever).map(triple).filter(is_odd)


def both_ways(number: int) -> Iterator[int | PauseFlow]:
    yield number
    if number % 100 == 50:
        yield PauseFlow()
    yield -number


fed = Flow("fed")
fed.branch(both_ways).map(triple)


def groups(n: int) -> Iterator[int | PauseFlow]:
    for group in range(n // 40):
        yield group
        if group % 10 == 3:
            yield PauseFlow()


def forty(group: int) -> Iterator[int | PauseFlow]:
    for number in range(40 * group, 40 * group + 40):
        yield number
        if number % 130 == 77:
            yield PauseFlow(after=0.02)


def gather(total: dict[str, int], number: int) -> dict[str, int]:
    """Changes what it is given, and pauses in the middle of that now and then."""
    residue = f"{number % 7}"
    total[residue] = total.get(residue, 0) + number
    if number % 311 == 100 and random.random() < 0.5:
        raise PauseFlow(after=0.01)
    return total


def group_told(group: int) -> None:
    note(f"group {current().run_id} {group}")


woven = Flow("woven")
each = woven.branch(groups).branch(forty, finished=group_told)
each.count().map(lambda count: ("group", count), name="group_count").collect(per=woven).map(
    lambda counts: ("groups", len(counts), sum(count for _, count in counts)), name="counts"
)
each.fold(gather, dict, per=woven).map(
    lambda total: ("residues", *(total.get(f"{n}", 0) for n in range(7))), name="residues"
)
parity = each.route(is_odd, {True: lambda odd: odd.map(triple, ordered=True)}, otherwise=True)
merge(parity[True], parity.otherwise).sum().map(lambda total: ("sum", total), name="total")
