"""Workers that are told to stop at random moments: they leave within a second, and nothing is
done twice.

STOPS=200 is the long form. The seed is printed; what a stop meets is not drawn by it alone.
"""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from pauseflow.client import RunState
from pauseflow.store.envelope import Envelope
from support.hands import Hands
from support.plant import Plant, plant
from support.servers import bare_valkey
from support.waiting import wait_until

pytestmark = pytest.mark.process

STOPS = int(os.environ.get("STOPS") or 9)
LIMIT_SECONDS = 1.0
LIMIT_OF_FEW_SECONDS = 3.0
"""Of the slowest of a few stops on a busy machine, which also has other processes to end."""

APP = """
import asyncio
import os
import time

from pauseflow import Flow, PauseFlow

NOTES = os.open("notes", os.O_WRONLY | os.O_APPEND | os.O_CREAT)


def note(kind, x):
    os.write(NOTES, f"{kind} {x}\\n".encode())
    return x


def numbers(n):
    yield from range(n)


def function(x):
    note("function", x)
    time.sleep(0.004)
    return x


def parallel(x):
    note("parallel", x)
    time.sleep(0.01)
    return x


def generator(n):
    for number in range(n):
        note("generator", number)
        time.sleep(0.003)
        yield number
        if number % 50 == 25:
            yield PauseFlow()


async def coroutine(x):
    note("coroutine", x)
    await asyncio.sleep(0.01)
    return x


async def series(n):
    for number in range(n):
        note("series", number)
        await asyncio.sleep(0.003)
        yield number


def slow(x):
    note("slow", x)
    time.sleep(0.3)
    return x


function_flow = Flow("function").branch(numbers).map(function)
parallel_flow = Flow("parallel").branch(numbers).map(parallel, threads=4)
generator_flow = Flow("generator").branch(generator)
coroutine_flow = Flow("coroutine").branch(numbers).map(coroutine, concurrency=5)
series_flow = Flow("series").branch(series)
slow_flow = Flow("slow").branch(numbers).map(slow)
"""

KINDS = ("function", "parallel", "generator", "coroutine", "series", "slow")


@pytest.fixture
def works(tmp_path: Path) -> Iterator[Plant]:
    with bare_valkey(tmp_path) as url, plant(tmp_path, url, APP) as made:
        yield made


def hands_of(works: Plant, kind: str) -> Hands:
    return Hands(works.server, works.flows[kind])


def nothing_in_hand(works: Plant, kind: str) -> None:
    """All is back in the streams, as it was: not pending, and no crash against it."""
    hands = hands_of(works, kind)
    for stage in hands.graph.stages:
        assert hands.pending(stage.name) == []
        stream = hands.keys.stream(kind, stage.name)
        for _, fields in hands.wire.call(("XRANGE", stream, "-", "+")):
            envelope = Envelope.parse(fields[1], fields[3] if fields[2:] else None)
            assert envelope.crashes == 0
    hands.wire.close()


def left_out(notes: list[str]) -> set[str]:
    """What is not noted, although something that comes after it is."""
    last: Counter[str] = Counter()
    for kind, number in map(str.split, notes):
        last[kind] = max(last[kind], int(number))
    return {f"{kind} {number}" for kind in last for number in range(last[kind])} - set(notes)


def test_a_stop_takes_less_than_a_second_and_nothing_is_done_twice(works: Plant) -> None:
    seed = int(os.environ.get("STOPS_SEED") or random.randrange(10**9))
    print(f"STOPS_SEED={seed}")
    chance = random.Random(seed)
    took = []
    for number in range(STOPS):
        kind = KINDS[number % len(KINDS)]
        if number < len(KINDS):
            works.client.submit(works.flows[kind], 100_000, run_id=kind)
        noted = len(works.notes())
        worker = works.start("worker", "--flow", kind)
        at_least = noted + chance.randrange(1, 3 if kind == "slow" else 60)
        works.reaches(at_least)
        time.sleep(chance.uniform(0, 0.02))  # into the midst of a record
        began = time.monotonic()
        worker.send_signal(signal.SIGTERM)
        assert worker.wait() == 0
        took.append(time.monotonic() - began)
        assert works.client.workers() == []
        nothing_in_hand(works, kind)
    took.sort()
    middle, last = took[len(took) // 2], took[int(len(took) * 0.99)]
    print(f"{STOPS} stops: median {middle:.3f} s, 99 of 100 {last:.3f} s, at most {took[-1]:.3f} s")
    missing = left_out(works.notes())
    if missing:  # chunks that were read and not begun went back behind those that waited
        works.start("worker")
        wait_until(lambda: not missing - set(works.notes()), f"{len(missing)} records are done")
    twice = [line for line, times in Counter(works.notes()).items() if times > 1]
    assert twice == []
    assert middle < LIMIT_SECONDS
    assert last < (LIMIT_SECONDS if STOPS >= 100 else LIMIT_OF_FEW_SECONDS)


@pytest.mark.parametrize("kind", ["function", "generator", "coroutine"])
def test_a_second_sigterm_changes_nothing(works: Plant, kind: str) -> None:
    works.client.submit(works.flows[kind], 100, run_id=kind)
    for _ in range(2):
        noted = len(works.notes())
        worker = works.start("worker", "--flow", kind)
        works.reaches(noted + 1)
        for _ in range(20):
            worker.send_signal(signal.SIGTERM)
        assert worker.wait() == 0
        nothing_in_hand(works, kind)
    works.start("worker", "--flow", kind)
    assert works.client.wait(kind, timeout=20).state is RunState.DONE
    assert list(works.client.results(kind)) == list(range(100))
    assert max(Counter(works.notes()).values()) == 1


def test_sigkill_after_sigterm_loses_nothing(works: Plant) -> None:
    works.coordinator()
    chance = random.Random(7)
    for kind in ("function", "generator", "coroutine"):
        works.client.submit(works.flows[kind], 200, run_id=kind)
    for _ in range(2):
        noted = len(works.notes())
        worker = works.start("worker")
        works.reaches(noted + 4)
        worker.send_signal(signal.SIGTERM)
        time.sleep(chance.uniform(0, 0.03))  # into the midst of its leaving
        worker.kill()
        worker.wait()
    works.start("worker")
    for kind in ("function", "generator", "coroutine"):
        assert works.client.wait(kind, timeout=30).state is RunState.DONE
        assert list(works.client.results(kind)) == list(range(200))
