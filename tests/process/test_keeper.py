"""Who is taken for dead: the killed and the frozen, not the busy, whatever they are busy with.

HOLD_SECONDS=60 KILLS=20 is the long form.
"""

import itertools
import os
import signal
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pauseflow.client import RunState
from pauseflow.store.fleet import LEASE_MS
from support.hands import Hands
from support.plant import Plant, plant
from support.servers import bare_valkey
from support.waiting import wait_until

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="keepers need /proc"),
]

KILLS = int(os.environ.get("KILLS") or 2)
HOLD_SECONDS = float(os.environ.get("HOLD_SECONDS") or LEASE_MS / 1000 + 1.5)
"""Longer than a lease and a coordinator's look."""

GRIP_SECONDS = max(HOLD_SECONDS, 10.0)
"""Of a call that lets no other thread run: several leases, which the keeper alone renews."""

APP = """
import ctypes
import os
import time

from pauseflow import Flow

LIBC = ctypes.PyDLL(None)  # its functions are called without releasing the interpreter's lock


def note(kind):
    with open("notes", "a") as notes:
        notes.write(f"{os.getpid()} {kind}\\n")


def grip(seconds):
    note("grip")
    until = time.monotonic() + seconds
    LIBC.sleep(int(seconds))
    while time.monotonic() < until:
        LIBC.usleep(100_000)
    return "gripped"


def spin(seconds):
    note("spin")
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass
    return "spun"


def nap(seconds):
    note("nap")
    time.sleep(seconds)
    return "napped"


def wait(name):
    note(f"wait {name}")
    while not os.path.exists(name):
        time.sleep(0.05)
    return name


def fork(seconds):
    if os.fork() == 0:
        time.sleep(seconds)
        os._exit(0)
    return grip(seconds)


gripping = Flow("gripping").map(grip)
spinning = Flow("spinning").map(spin)
napping = Flow("napping").map(nap)
forking = Flow("forking").map(fork)
waiting = Flow("waiting").map(wait)
"""


@pytest.fixture
def works(tmp_path: Path) -> Iterator[Plant]:
    with bare_valkey(tmp_path) as url, plant(tmp_path, url, APP) as made:
        yield made


def watched(works: Plant, run_id: str, seconds: float) -> float:
    """Waits for a run that takes so long; the least that was left of a worker's lease meanwhile."""
    least = LEASE_MS / 1000
    until = time.monotonic() + seconds + 15
    while works.client.run(run_id).state is not RunState.DONE:
        assert time.monotonic() < until, works.client.run(run_id)
        least = min([least, *(each.lease_left for each in works.client.workers())])
        time.sleep(0.02)
    return least


@pytest.mark.parametrize(
    ("kind", "seconds"),
    [("gripping", GRIP_SECONDS), ("spinning", HOLD_SECONDS), ("napping", HOLD_SECONDS)],
)
def test_a_busy_worker_is_never_robbed(works: Plant, kind: str, seconds: float) -> None:
    works.coordinator()
    works.worker("--flow", kind)
    works.worker("--flow", kind)
    works.client.submit(works.flows[kind], seconds, run_id="r")
    assert watched(works, "r", seconds) > 0.2
    assert len(works.notes()) == 1, "nobody else has begun it"
    assert len(list(works.client.results("r"))) == 1


def test_a_killed_workers_record_is_begun_again_in_less_than_five_seconds(works: Plant) -> None:
    works.coordinator()
    took = []
    spare = works.worker()
    for number in range(KILLS):
        workers = {each.pid: each for each in (spare, works.worker())}
        works.client.submit(works.flows["waiting"], f"go{number}", run_id=f"r{number}")
        works.reaches(2 * number + 1)
        victim = workers.pop(int(works.notes()[-1].split()[0]))
        victim.kill()
        killed = time.monotonic()
        works.reaches(2 * number + 2)
        took.append(time.monotonic() - killed)
        (spare,) = workers.values()
        (works.folder / f"go{number}").touch()
        assert works.client.wait(f"r{number}", timeout=15).state is RunState.DONE
    print(f"begun again after {statistics.median(took):.2f} s (median of {KILLS}), {max(took):.2f}")
    assert statistics.median(took) < 3 + (0.5 if KILLS < 10 else 0)
    assert max(took) < 5


def test_a_worker_that_is_killed_in_such_a_call_is_missed(works: Plant) -> None:
    works.coordinator()
    first = works.worker()
    works.client.submit(works.flows["gripping"], 60, run_id="r")
    wait_until(works.notes, "it is at work")
    works.worker()
    # The keeper has to have stepped in: this is later than the lease that the thread left.
    began = time.monotonic()
    wait_until(lambda: time.monotonic() - began > LEASE_MS / 1000, "a lease has passed")
    assert len(works.notes()) == 1
    first.kill()
    killed = time.monotonic()
    wait_until(lambda: len(works.notes()) == 2, "another worker has begun it")
    assert time.monotonic() - killed < 5


def test_what_a_killed_worker_has_forked_does_not_keep_its_lease(works: Plant) -> None:
    works.coordinator()
    first = works.worker()
    works.client.submit(works.flows["forking"], 60, run_id="r")
    wait_until(works.notes, "it is at work")
    works.worker()
    first.kill()
    wait_until(lambda: len(works.notes()) == 2, "another worker has begun it", seconds=5)


def test_a_frozen_worker_loses_its_lease_and_commits_nothing_afterwards(works: Plant) -> None:
    works.coordinator()
    frozen = works.worker()
    works.client.submit(works.flows["gripping"], 2, run_id="r")
    wait_until(works.notes, "it is at work")
    os.kill(frozen.pid, signal.SIGSTOP)  # the worker alone: its keeper goes on
    works.worker()
    wait_until(lambda: len(works.notes()) == 2, "another worker has begun it")
    assert works.client.wait("r", timeout=15).state is RunState.DONE
    before = works.client.run("r")
    os.kill(frozen.pid, signal.SIGCONT)
    wait_until(lambda: works.has_lease(frozen), "it lives again")
    wait_until(lambda: "was taken from us" in works.output(frozen), "its commit is refused")
    assert works.client.run("r") == before
    assert list(works.client.results("r")) == ["gripped"]


def test_the_keeper_leaves_no_trace_and_ends_with_its_worker(works: Plant) -> None:
    worker = works.worker()
    keepers = children(worker.pid)
    assert len(keepers) == 1
    worker.terminate()
    assert worker.wait(5) == 0
    assert works.client.workers() == []
    assert not Path(f"/proc/{keepers[0]}").exists()
    other = works.worker()
    keepers = children(other.pid)
    other.kill()
    wait_until(lambda: not Path(f"/proc/{keepers[0]}").exists(), "it ends by itself")


def test_a_keeper_that_dies_is_replaced(works: Plant) -> None:
    works.coordinator()
    worker = works.worker()
    (keeper,) = children(worker.pid)
    os.kill(keeper, signal.SIGKILL)
    wait_until(lambda: children(worker.pid) not in ([], [keeper]), "there is another")
    wait_for_beats(works, 3)  # it keeps nothing before it has heard of the first
    works.client.submit(works.flows["gripping"], HOLD_SECONDS, run_id="r")
    assert watched(works, "r", HOLD_SECONDS) > 0.2
    hands = Hands(works.server, works.flows["gripping"])
    assert hands.pending("grip") == []
    assert len(works.notes()) == 1


def wait_for_beats(works: Plant, count: int) -> None:
    """Waits until the only worker has renewed its lease so often."""
    left = [lease_left(works)]

    def beat() -> bool:
        left.append(lease_left(works))
        return sum(after > before for before, after in itertools.pairwise(left)) >= count

    wait_until(beat, f"its heart beats {count} times")


def lease_left(works: Plant) -> float:
    (worker,) = works.client.workers()
    return worker.lease_left


def children(parent: int) -> list[int]:
    lists = Path(f"/proc/{parent}/task").glob("*/children")
    return [int(child) for each in lists for child in each.read_text().split()]
