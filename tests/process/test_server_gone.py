"""The server is stopped, killed, emptied, full, replaced: runs end with what they had to give."""

import contextlib
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pauseflow.client import RunState
from pauseflow.errors import ServerFull, StoreError, UnknownRun
from pauseflow.store.keys import Keys
from pauseflow.store.scripts import SOURCES, assemble
from pauseflow.store.server import Server
from support.hands import Hands
from support.mortal import MortalServer, mortal
from support.plant import Plant, cpu_seconds, plant
from support.switch import Switch, switch
from support.waiting import wait_until

pytestmark = pytest.mark.process

RECORDS = 1_500
WRITES_DOWN = ("--appendonly", "yes", "--appendfsync", "everysec")

APP = """
import os
import time

from pauseflow import Flow, PauseFlow


def numbers(n):
    for number in range(n):
        yield number
        if number % 100 == 50:
            yield PauseFlow(after=0.02)


def tenfold(x):
    time.sleep(0.001)
    return 10 * x


def odd(x):
    return x % 20 != 0


def padded(x):
    return [x, "." * 4_000]


flow = Flow("load").branch(numbers).map(tenfold).filter(odd)
large = Flow("large").branch(numbers).map(padded, window=2)
"""

EXPECTED = [10 * x for x in range(RECORDS) if x % 2]


class Works:
    """A server behind a switch, and a plant on it.

    Args:
        server: the server.
        plant: two workers and a coordinator.
        switch: between them.
    """

    def __init__(self, server: MortalServer, plant: Plant, switch: Switch) -> None:
        self.server, self.plant, self.switch = server, plant, switch
        self.client = plant.client
        self.coordinator = plant.coordinator()
        self.workers = [plant.worker(), plant.worker()]

    def submit(self, run_id: str) -> None:
        self.client.submit(self.plant.flows["load"], RECORDS, run_id=run_id)

    def is_submitted(self, run_id: str) -> bool:
        try:
            self.submit(run_id)
        except StoreError:
            return False
        return True

    def done(self, run_id: str) -> int:
        """How many results there are; those of a run that is not there are none."""
        try:
            return self.client.run(run_id).results.count
        except StoreError:
            return 0

    def reaches(self, run_id: str, count: int) -> None:
        wait_until(lambda: self.done(run_id) >= count, f"{run_id} has {count} results")

    def ends_well(self, run_id: str) -> None:
        """The run ends, once, with every result in its place."""
        wait_until(lambda: self.is_done(run_id), f"{run_id} is done", seconds=30)
        assert list(self.client.results(run_id)) == EXPECTED
        results = f"pauseflow:{{default:0}}:run:{run_id}:results"
        entries = self.server.call("XRANGE", results, "-", "+")
        assert [fields for _, fields in entries if b"end" in fields] == [[b"end", b"done"]]

    def is_refused(self) -> bool:
        """Whether the server is too full for another run, and the error says so."""
        try:
            self.client.submit(self.plant.flows["large"], 1)
        except ServerFull as error:
            return "has reached its maxmemory" in str(error)
        return False

    def shown(self, run_id: str) -> str:
        """Why a run stands still, as `flowctl show` has it; empty if it does not."""
        show = self.plant.start("show", run_id)
        assert show.wait(30) == 0
        return self.plant.output(show).partition("stands still: ")[2]

    def is_done(self, run_id: str) -> bool:
        try:
            return self.client.run(run_id).state is RunState.DONE
        except StoreError:
            return False

    def nothing_is_left(self) -> None:
        """No stream has an entry, nobody has anything in hand, nothing is parked."""
        hands = Hands(self.address(), self.plant.flows["load"])
        for stage in self.plant.flows["load"].graph.stages:
            assert hands.pending(stage.name) == []
            assert self.server.call("XLEN", hands.keys.stream("load", stage.name)) == 0
        assert self.server.call("ZCARD", hands.keys.timers) == 0

    def address(self) -> Server:
        return Server.at(self.server.url)

    def all_run(self) -> None:
        assert [each.poll() for each in (*self.workers, self.coordinator)] == [None] * 3


@contextlib.contextmanager
def works_on(tmp_path: Path, server: MortalServer) -> Iterator[Works]:
    with switch(server.port) as between, plant(tmp_path, between.url, APP) as made:
        yield Works(server, made, between)


@pytest.fixture
def works(tmp_path: Path) -> Iterator[Works]:
    with mortal(tmp_path / "data", *WRITES_DOWN) as server, works_on(tmp_path, server) as made:
        yield made


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_server_that_comes_back_with_its_data(works: Works, how: signal.Signals) -> None:
    works.submit("r")
    works.reaches("r", 200)
    works.server.stop(how)
    works.server.start()
    if how is signal.SIGKILL and not works.is_done("r"):
        # The last second may be lost, the submission in it.
        wait_until(lambda: works.is_submitted("r"), "it is taken again")
    works.ends_well("r")
    works.nothing_is_left()
    works.all_run()


def test_connections_cut_in_the_midst_of_the_replies_to_commits(works: Works) -> None:
    commit = sha_of("commit")
    works.submit("r")
    works.reaches("r", 50)
    works.switch.spoil_replies(commit, every=7)
    wait_until(lambda: works.switch.cuts >= 8 or works.is_done("r"), "connections break")
    works.switch.spoil_replies(b"", 1)
    assert works.switch.cuts >= 4
    works.ends_well("r")
    works.nothing_is_left()
    works.all_run()


def sha_of(name: str) -> bytes:
    """By which a script is called."""
    text, _, _ = assemble(name)
    return next(sha for sha, source in SOURCES.items() if source == text).encode()


@pytest.mark.parametrize(
    "blow",
    [
        ("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"),
        ("SCRIPT", "FLUSH"),
        ("XGROUP", "DESTROY", Keys().stream("load", "tenfold"), "workers"),
        ("DEL", Keys().leases, Keys().workers),
    ],
    ids=["client kill", "script flush", "lost group", "lost leases"],
)
def test_blows_in_the_midst_of_work(works: Works, blow: tuple[str, ...]) -> None:
    works.submit("r")
    for count in range(50, 350, 50):
        works.reaches("r", count)
        with contextlib.suppress(StoreError):  # the group may not be back yet
            works.server.call(*blow)
    works.ends_well("r")
    works.nothing_is_left()
    works.all_run()


def test_flushall_by_mistake(works: Works) -> None:
    works.submit("old")
    works.reaches("old", 100)
    works.server.call("FLUSHALL")
    with pytest.raises(UnknownRun, match="there is no run 'old'"):
        works.client.run("old")
    wait_until(
        lambda: any(
            "consumer group was lost" in works.plant.output(each) for each in works.workers
        ),
        "a worker has noticed",
    )
    everyone = [*works.workers, works.coordinator]
    before = [cpu_seconds(each) for each in everyone]
    began = time.monotonic()
    wait_until(lambda: time.monotonic() - began > 2, "two seconds have passed")
    used = [after - then for after, then in zip(map(cpu_seconds, everyone), before, strict=True)]
    print(f"processor seconds of two: {', '.join(f'{each:.2f}' for each in used)}")
    assert max(used) < 0.4
    for each in everyone:
        assert len(works.plant.output(each).splitlines()) < 20
    works.submit("new")
    works.ends_well("new")
    works.all_run()


def test_a_full_server_holds_everyone_up_until_there_is_room(works: Works) -> None:
    used = int(works.server.info("memory")["used_memory"])
    works.server.call("CONFIG", "SET", "maxmemory", used + 3_000_000)
    works.client.submit(works.plant.flows["large"], 1_200, run_id="r")

    wait_until(lambda: is_full(works.server), "the server is full")
    # Now and then a buffer is freed, and for a moment there is room.
    wait_until(works.is_refused, "a submission is refused")
    at_first = works.done("r")
    wait_until(lambda: "has reached its maxmemory" in works.shown("r"), "it is shown")
    began = time.monotonic()
    wait_until(lambda: time.monotonic() - began > 4, "leases would have ended")
    assert works.client.run("r").state is RunState.RUNNING
    assert len(works.client.workers()) == 2, "they live, and keep their leases"
    assert works.done("r") < 1_200, f"{at_first} when it was full"
    for each in (*works.workers, works.coordinator):
        assert works.plant.output(each).count("has reached its maxmemory") <= 2
        assert "is gone" not in works.plant.output(each)
    works.server.call("CONFIG", "SET", "maxmemory", 0)
    wait_until(lambda: works.is_done("r"), "the run is done", seconds=30)
    assert [value[0] for value in works.client.results("r")] == list(range(1_200))
    assert list(works.client.dead()) == []
    works.all_run()


def is_full(server: MortalServer) -> bool:
    """Whether it refuses to take anything."""
    try:
        server.call("SET", "probe", "")
    except ServerFull:
        return True
    server.call("DEL", "probe")
    return False


def test_failing_over_to_a_replica(tmp_path: Path) -> None:
    with (
        mortal(tmp_path / "first", "--repl-diskless-sync-delay", "0") as first,
        mortal(tmp_path / "second") as second,
        works_on(tmp_path, first) as works,
    ):
        second.call("REPLICAOF", "127.0.0.1", first.port)
        wait_until(
            lambda: second.info("replication").get("master_link_status") == "up", "it follows"
        )
        works.submit("before")
        works.ends_well("before")
        works.submit("r")
        works.reaches("r", 200)
        # What the replica has not got yet is lost: it lags behind a little.
        second.process.send_signal(signal.SIGSTOP)
        then = works.done("r")
        works.reaches("r", then + 100)
        first.stop(signal.SIGKILL)
        second.process.send_signal(signal.SIGCONT)
        second.call("REPLICAOF", "NO", "ONE")
        works.server = second
        works.switch.turn(second.port)
        # As a client would that does not know whether it was taken.
        wait_until(lambda: works.is_submitted("r"), "it is taken again")
        works.ends_well("r")
        works.ends_well("before")
        works.nothing_is_left()
        works.all_run()


def test_a_failover_that_cuts_no_connection(tmp_path: Path) -> None:
    with (
        mortal(tmp_path / "first", "--repl-diskless-sync-delay", "0") as first,
        mortal(tmp_path / "second", "--repl-diskless-sync-delay", "0") as second,
        works_on(tmp_path, first) as works,
    ):
        second.call("REPLICAOF", "127.0.0.1", first.port)
        wait_until(
            lambda: second.info("replication").get("master_link_status") == "up", "it follows"
        )
        works.submit("r")
        works.reaches("r", 200)
        second.call("REPLICAOF", "NO", "ONE")
        first.call("REPLICAOF", "127.0.0.1", second.port)
        wait_until(
            lambda: all("read-only replica" in works.plant.output(each) for each in works.workers),
            "the workers have noticed",
        )
        works.server = second
        works.switch.target = second.port
        works.client.close()
        works.ends_well("r")
        works.nothing_is_left()
        works.all_run()
