"""The Procfile's processes, under honcho: killed, stopped and frozen in the midst of work."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pauseflow import app as apps
from pauseflow.client import Client, RunState
from pauseflow.store.server import Server
from support.hands import Hands
from support.servers import bare_valkey
from support.waiting import wait_until

pytestmark = pytest.mark.process

REPOSITORY = Path(__file__).parent.parent.parent

LEAVE_SECONDS = 3.0
"""A second, and what a process takes to end on a busy machine; `test_shutdown` measures it."""

APP = """
import os
import time

from pauseflow import Flow, PauseFlow, current


def note(what):
    with open("notes", "a") as notes:
        notes.write(f"{os.getpid()} {what}\\n")


def spread(n):
    yield from range(n)


def slow(x):
    note(x)
    time.sleep(0.01)
    return x


def ticks(n):
    for number in range(n):
        note(number)
        time.sleep(0.002)
        yield number
        if number % 10 == 5:
            yield PauseFlow(after=0.01)


def nap(x):
    note("nap")
    while not os.path.exists("wake"):
        time.sleep(0.01)
    return x


slowly = Flow("slowly").branch(spread).map(slow)
ticking = Flow("ticking").branch(ticks)
napping = Flow("napping").map(nap)
"""


class Crew:
    """Processes of a Procfile in a folder of their own."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url
        self.environ = {**os.environ, "REDIS_URL": url, "FLOWCTL_APP": "engine_flows.py"}
        path = str(Path(sys.executable).parent)
        self.environ["PATH"] = path + os.pathsep + self.environ["PATH"]
        (folder / "engine_flows.py").write_text(APP)
        (folder / "Procfile").write_text((REPOSITORY / "Procfile").read_text())
        self.flows = apps.load(str(folder / "engine_flows.py")).flows
        self.client = Client.connect(url)
        self.server = Server.at(url)

    def start(self, *formation: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "honcho", "start", "--no-colour", *formation],
            cwd=self.folder,
            env=self.environ,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )

    def worker(self) -> "subprocess.Popen[str]":
        """One worker by itself, so that it is known which it is."""
        known = {each.name for each in self.client.workers()}
        process = subprocess.Popen(
            [str(Path(sys.executable).parent / "flowctl"), "worker"],
            cwd=self.folder,
            env=self.environ,
            start_new_session=True,
        )
        wait_until(
            lambda: {each.name for each in self.client.workers()} - known, "the worker is there"
        )
        return process

    def notes(self) -> list[str]:
        with contextlib.suppress(FileNotFoundError):
            return (self.folder / "notes").read_text().splitlines()
        return []

    def busy(self) -> list[int]:
        """The processes that have run a stage."""
        return sorted({int(line.split()[0]) for line in self.notes()})


def end(process: "subprocess.Popen[str]") -> None:
    """Ends a process that may be frozen, and, if it is honcho, those that it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGCONT)
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture
def crew(tmp_path: Path) -> Iterator[Crew]:
    (tmp_path / "work").mkdir()
    started: list[subprocess.Popen[str]] = []
    with bare_valkey(tmp_path) as url:
        crew = Crew(tmp_path / "work", url)

        def remembered(start):
            def begin(*arguments):
                started.append(start(*arguments))
                return started[-1]

            return begin

        crew.start, crew.worker = remembered(crew.start), remembered(crew.worker)  # type: ignore[method-assign]
        try:
            yield crew
        finally:
            sys.modules.pop("engine_flows", None)
            (crew.folder / "wake").touch()
            crew.client.close()
            for process in started:
                end(process)


def ended_once(crew: Crew, run_id: str, expected: list[int]) -> None:
    results = list(crew.client.results(run_id, follow=True))
    assert results == expected
    assert crew.client.run(run_id).state is RunState.DONE
    (*_, last) = crew.client._wire.call(
        ("XRANGE", f"pauseflow:{{default:0}}:run:{run_id}:results", "-", "+")
    )
    assert last[1] == [b"end", b"done"]


def test_the_procfile_runs_flows_and_stops_on_sigterm(crew: Crew) -> None:
    honcho = crew.start("-f", "Procfile", "-c", "worker=2,coordinator=1")
    crew.client.submit(crew.flows["ticking"], 50, run_id="t")
    crew.client.submit(crew.flows["slowly"], 200, run_id="s")
    ended_once(crew, "t", list(range(50)))
    ended_once(crew, "s", list(range(200)))
    assert len(crew.busy()) == 2, "both have worked"
    began = time.monotonic()
    honcho.terminate()
    honcho.wait(10)
    assert time.monotonic() - began < 3
    wait_until(lambda: crew.client.workers() == [], "no worker is left")


def test_a_killed_workers_work_is_running_again_within_five_seconds(crew: Crew) -> None:
    crew.start("coordinator")
    first, second = crew.worker(), crew.worker()
    crew.client.submit(crew.flows["slowly"], 500, run_id="s")
    wait_until(lambda: set(crew.busy()) == {first.pid, second.pid}, "both are at work")
    os.killpg(first.pid, signal.SIGKILL)
    killed = time.monotonic()
    hands = Hands(crew.server, crew.flows["slowly"])
    wait_until(
        lambda: not any(f".{first.pid}." in owner for owner, _ in hands.pending("slow")),
        "its work is put back",
    )
    assert time.monotonic() - killed < 5
    ended_once(crew, "s", list(range(500)))
    crashed = len(crew.notes()) - 500
    assert crashed < 200, "only what was in its hands is done again"


def test_a_series_goes_on_where_its_killed_worker_had_committed(crew: Crew) -> None:
    crew.start("coordinator")
    first = crew.worker()
    crew.client.submit(crew.flows["ticking"], 400, run_id="t")
    wait_until(lambda: crew.client.run("t").results.count > 50, "some of it is committed")
    os.killpg(first.pid, signal.SIGKILL)
    crew.worker()
    ended_once(crew, "t", list(range(400)))
    done = [int(line.split()[1]) for line in crew.notes()]
    assert sorted(set(done)) == list(range(400))
    assert len(done) < 400 + 100, "it did not begin again"


def test_sigterm_puts_everything_back_within_a_second(crew: Crew) -> None:
    worker = crew.worker()
    crew.client.submit(crew.flows["slowly"], 300, run_id="s")
    crew.client.submit(crew.flows["ticking"], 300, run_id="t")
    wait_until(
        lambda: crew.client.run("s").results.count and crew.client.run("t").results.count, "runs go"
    )
    began = time.monotonic()
    worker.terminate()
    assert worker.wait(10) == 0
    assert time.monotonic() - began < LEAVE_SECONDS
    assert crew.client.workers() == []
    for name, flow in crew.flows.items():
        hands = Hands(crew.server, flow)
        for stage in flow.graph.stages:
            assert hands.pending(stage.name) == [], name
            entries = hands.at(stage.name)
            assert {entry.envelope.crashes for entry in entries} <= {0}
            assert {count for _, count in hands.pending(stage.name)} <= {1}
            hands.wire.exchange(hands.chunks.give_back(entries))
    crew.start("coordinator")
    crew.worker()
    ended_once(crew, "s", list(range(300)))
    ended_once(crew, "t", list(range(300)))
    assert {int(line.split()[1]) for line in crew.notes()} == set(range(300))


def test_a_record_that_never_ends_does_not_hold_up_a_stop(crew: Crew) -> None:
    worker = crew.worker()
    crew.client.submit(crew.flows["napping"], 7, run_id="n")
    wait_until(crew.notes, "it naps")
    began = time.monotonic()
    worker.terminate()
    worker.wait(10)
    assert time.monotonic() - began < LEAVE_SECONDS
    (entry,) = Hands(crew.server, crew.flows["napping"]).take()
    assert entry.envelope.crashes == 0


def test_a_frozen_worker_is_fenced_when_it_wakes(crew: Crew) -> None:
    crew.start("coordinator")
    frozen = crew.worker()
    crew.client.submit(crew.flows["napping"], 7, run_id="n")
    wait_until(crew.notes, "it naps")
    frozen.send_signal(signal.SIGSTOP)
    crew.worker()
    wait_until(lambda: len(crew.busy()) == 2, "another one has taken its work up")
    (crew.folder / "wake").touch()
    ended_once(crew, "n", [7])
    before = crew.client.run("n")
    frozen.send_signal(signal.SIGCONT)
    wait_until(lambda: len(crew.client.workers()) == 2, "it has its lease again")
    crew.client.submit(crew.flows["napping"], 8, run_id="m")
    ended_once(crew, "m", [8])
    frozen.terminate()
    assert frozen.wait(10) == 0
    assert crew.client.run("n") == before
    assert list(crew.client.results("n")) == [7]
