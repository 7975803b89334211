"""How soon real workers obey: each command, while a generator runs and while small records do."""

import os
import subprocess
import sys
import time

import pytest

from pauseflow import app as apps
from pauseflow.client import Client, RunState
from pauseflow.store.keys import Keys
from pauseflow.store.server import Server
from support.servers import bare_valkey
from support.waiting import wait_until

pytestmark = pytest.mark.process

SECONDS = 1.0
"""What is promised, from the moment that the command is done."""

QUIET_SECONDS = 1.0
"""Whatever runs begins something more often."""

APP = """
import os
import time

from pauseflow import Flow


def note(what):
    with open("notes", "a") as notes:
        notes.write(f"{time.time():.6f} {what}\\n")


def endless(_):
    number = 0
    while True:
        note("endless")
        time.sleep(0.002)
        number += 1
        yield number


def spread(n):
    yield from range(n)


def small(x):
    note("small")
    time.sleep(0.001)
    return x


def slow(x):
    note("slow")
    time.sleep(0.15)
    return x


def told(run_id):
    with open("told", "a") as notes:
        notes.write(run_id + "\\n")


generating = Flow("generating", on_cancel=told).branch(endless)
looping = Flow("looping", on_cancel=told).branch(spread).map(small)
waiting = Flow("waiting", on_cancel=told).branch(spread).map(slow)
"""

INPUTS = {"generating": None, "looping": 10_000, "waiting": 100}
LAST = {"generating": "endless", "looping": "small", "waiting": "slow"}


class Place:
    """A folder with an app, a server, and one worker."""

    def __init__(self, folder, url):
        (folder / "held_app.py").write_text(APP)
        self.folder = folder
        self.environ = {**os.environ, "REDIS_URL": url, "FLOWCTL_APP": "held_app"}
        self.environ.pop("WEB_CONCURRENCY", None)
        self.client = Client(Server.at(url))
        self.wire = Server.at(url).wire()
        self.flows = apps.load(str(folder / "held_app.py")).flows
        self.worker = self._start("worker")
        wait_until(self.client.workers, "the worker lives")

    def _start(self, *arguments):
        return subprocess.Popen(
            [sys.executable, "-m", "pauseflow.cli", *arguments],
            cwd=self.folder,
            env=self.environ,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def flowctl(self, *arguments):
        """Runs a command. Returns when it was done, seconds since the epoch."""
        assert self._start(*arguments).wait(60) == 0
        return time.time()

    def close(self):
        sys.modules.pop("held_app", None)
        self.worker.terminate()
        self.worker.wait(10)
        self.client.close()
        self.wire.close()

    def notes(self):
        """When each record was begun, seconds since the epoch."""
        file = self.folder / "notes"
        lines = file.read_text().splitlines() if file.exists() else []
        return [float(line.split()[0]) for line in lines]

    def run(self, flow):
        """A run that is in full swing."""
        self.client.submit(self.flows[flow], INPUTS[flow], run_id="r")
        wait_until(lambda: len(self.notes()) > 10, "the run gets on")

    def in_hand(self, flow):
        """How many chunks the worker has."""
        streams = [Keys().stream(flow, stage.name) for stage in self.flows[flow].graph.stages]
        return sum(self.wire.call(("XPENDING", stream, "workers"))[0] for stream in streams)

    def stood_after(self, flow, since):
        """Waits until the worker has nothing of the flow and has begun nothing for a while; how
        long after `since` it began its last record. Between two slices it has nothing, either.
        """
        wait_until(
            lambda: time.time() - self.notes()[-1] > QUIET_SECONDS and not self.in_hand(flow),
            "the worker has nothing in hand",
        )
        return self.notes()[-1] - since

    def moved_after(self, since):
        """Waits for the next record that is begun; how long after `since` that was."""
        later = wait_until(
            lambda: [at for at in self.notes() if at > since], "something is begun again"
        )
        return later[0] - since


@pytest.fixture
def place(tmp_path):
    with bare_valkey(tmp_path) as url:
        place = Place(tmp_path, url)
        try:
            yield place
        finally:
            place.close()


@pytest.mark.parametrize(
    ("what", "flow"),
    [
        ("run", "generating"),
        ("run", "looping"),
        ("run", "waiting"),
        ("flow", "generating"),
        ("flow", "waiting"),
        ("stage", "looping"),
    ],
)
def test_what_is_paused_stands_within_a_second_and_moves_within_another(place, flow, what):
    place.run(flow)
    names = {"run": ("r",), "flow": (flow,), "stage": (flow, LAST[flow])}[what]
    stood = place.stood_after(flow, place.flowctl("pause", *names))
    print(f"stood after {stood:.3f} s")
    assert stood < SECONDS
    resumed = place.flowctl("resume", *names)
    moved = place.moved_after(resumed)
    print(f"moved after {moved:.3f} s")
    assert moved < SECONDS
    assert not place.client.run("r").state.over


@pytest.mark.parametrize("flow", INPUTS)
def test_what_is_cancelled_stops_within_a_second_and_is_told(place, flow):
    place.run(flow)
    stood = place.stood_after(flow, place.flowctl("cancel", "r"))
    print(f"stood after {stood:.3f} s")
    assert stood < SECONDS
    assert place.client.run("r").state is RunState.CANCELLED
    wait_until((place.folder / "told").exists, "on_cancel is told")
    wait_until(lambda: place.client.run("r.on_cancel").state is RunState.DONE, "it is over")
    assert (place.folder / "told").read_text() == "r\n"
