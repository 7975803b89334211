"""Records that take their workers down: they are found and set aside, and the rest is done."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pauseflow.client import RunState
from support.plant import Plant, plant
from support.servers import bare_valkey
from support.waiting import wait_until

pytestmark = pytest.mark.process

MEMORY_KB = 1_000_000

APP = """
import os

from pauseflow import Flow

HOARD = []


def died(how):
    with open("notes", "a") as notes:
        notes.write(f"{os.getpid()} {how}\\n")


def numbers(n):
    yield from range(n)


def brittle(x):
    if x == 23:
        died("abort")
        os.abort()
    return x


def leaving(x):
    if x == 23:
        died("exit")
        os._exit(3)
    return x


def hungry(x):
    if x == 23:
        died("memory")
        while True:
            HOARD.append(bytes(2_000))
    return x


def series(x):
    for number in range(8):
        if (x, number) == (3, 5):
            died("series")
            os.abort()
        yield 10 * x + number


aborting = Flow("aborting").branch(numbers).map(brittle)
exiting = Flow("exiting").branch(numbers).map(leaving, threads=4)
starving = Flow("starving").branch(numbers).map(hungry)
breaking = Flow("breaking").branch(numbers).branch(series)
"""


@pytest.fixture
def works(tmp_path: Path) -> Iterator[Plant]:
    with bare_valkey(tmp_path) as url, plant(tmp_path, url, APP) as made:
        yield made


def set_aside(works: Plant, run_id: str) -> tuple[str, int, str]:
    """Waits for the end of the run; its one dead letter."""
    assert works.client.wait(run_id, timeout=60).state is RunState.DONE
    (letter,) = works.client.dead(run=run_id)
    return letter.key, letter.crashes, letter.error


@pytest.mark.parametrize(
    ("flow", "stage", "shell"),
    [
        ("aborting", "brittle", ""),
        ("exiting", "leaving", ""),
        ("starving", "hungry", f"ulimit -v {MEMORY_KB}"),
    ],
)
def test_a_record_that_kills_its_workers_is_set_aside_by_those_after_it(
    works: Plant, flow: str, stage: str, shell: str
) -> None:
    works.coordinator()
    supervisor = works.start("worker", "--processes", "2", shell=shell)
    works.client.submit(works.flows[flow], 60, run_id="r")
    works.client.submit(works.flows["aborting"], 10, run_id="other")
    assert set_aside(works, "r") == (f"r:{stage}:23", 3, "it crashed its worker 3 times")
    assert list(works.client.results("r")) == [x for x in range(60) if x != 23]
    assert list(works.client.results("other", follow=True)) == list(range(10))
    assert len(works.notes()) == 3, "it took three workers down and no more"
    assert supervisor.poll() is None
    assert works.output(supervisor).count("starting it again in") == 3
    wait_until(lambda: len(works.client.workers()) == 2, "both work again")


def test_a_series_that_kills_its_workers_is_set_aside_where_it_was_written_down_last(
    works: Plant,
) -> None:
    works.coordinator()
    works.start("worker", "--processes", "2")
    works.client.submit(works.flows["breaking"], 6, run_id="r")
    assert set_aside(works, "r") == ("r:series:3", 3, "it crashed its worker 3 times")
    results = list(works.client.results("r"))
    others = [10 * x + number for x in range(6) for number in range(8) if x != 3]
    assert [value for value in results if value // 10 != 3] == others
    given = [value for value in results if value // 10 == 3]
    assert given == list(range(30, 35))[: len(given)], "none, if it was not written down in between"
    assert len(works.notes()) == 3


def test_flowctl_run_gets_over_it_with_one_worker(works: Plant) -> None:
    command = works.start(
        "run", "--workers", "1", "--run-id", "r", "--no-progress", "aborting", "40"
    )
    assert command.wait(60) == 0
    said = works.output(command)
    printed = [int(line) for line in said.splitlines() if line.isdecimal()]
    assert printed == [x for x in range(40) if x != 23]
    assert set_aside(works, "r")[0] == "r:brittle:23"
    assert [line for line in said.splitlines() if "starting it again" in line] == [
        f"worker.1 was killed by signal {signal.SIGABRT:d}; starting it again in {delay} s"
        for delay in ("0.5", "1", "2")
    ], "later each time"


def test_what_never_gets_to_work_is_given_up(tmp_path: Path) -> None:
    broken = "import os\nfrom pauseflow import Flow\nf = Flow('f').map(abs)\n"
    dies = "if os.environ.get('DIE'): os.abort()\n"
    with bare_valkey(tmp_path) as url, plant(tmp_path, url, broken + dies) as works:
        # flowctl itself loads the app, too: only its children are to die
        (works.folder / "sitecustomize.py").write_text(
            "import os, sys\nif '--processes=1' in sys.argv or 'FLOWCTL_LIFELINE' in os.environ: "
            "os.environ['DIE'] = '1'\n"
        )
        works.environ["PYTHONPATH"] = os.pathsep.join([str(works.folder), *sys.path])
        supervisor = works.start("worker", "--processes", "2")
        assert supervisor.wait(30) != 0
        assert f"was killed by signal {signal.SIGABRT:d}" in works.output(supervisor)
