"""Runs that are held while workers, a feeder and a coordinator run by themselves."""

import asyncio
import threading

import pytest

from pauseflow import Flow, PauseFlow
from pauseflow.client import Client, RunState
from pauseflow.errors import RunCancelled, ServerFull
from support.threads import coordinating, running, worker_of
from support.waiting import wait_until

LET_GO = threading.Event()


@pytest.fixture(autouse=True)
def let_go():
    LET_GO.clear()
    yield
    LET_GO.set()


def spread(n):
    yield from range(n)


def held_up(x):
    LET_GO.wait(0.002)
    return x


class Feeding(threading.Thread):
    """Feeds a run with numbers, for as long as it takes them."""

    def __init__(self, server, flow, count):
        super().__init__(daemon=True)
        self.server, self.flow, self.count = server, flow, count
        self.position = 0
        self.error = None

    def run(self):
        try:
            with Client(self.server) as client, client.open(self.flow, run_id="r") as feed:
                for number in range(self.count):
                    self.position = feed.append(number)
        except Exception as error:  # noqa: BLE001 - the test looks at it
            self.error = error


def stands(client, feeding):
    """The feeder waits for room, and nothing is in flight any more."""

    def position():
        taken, info = feeding.position, client.run("r")
        waits = client._wire.call(("HEXISTS", client._keys.run("r").base, "feeder"))
        stage = info.stages[0]
        still = waits and stage.in_flight == 0 and taken == feeding.position
        return taken if still else 0

    return wait_until(position, "the feeder waits and nothing is in flight", seconds=30)


def test_a_feeder_waits_with_its_run_and_goes_on_with_it(real):
    flow = Flow("f")
    flow.map(held_up)
    with Client(real) as client, running(worker_of(real, flow)):
        feeding = Feeding(real, flow, 800)
        feeding.start()
        wait_until(lambda: feeding.position > 20, "the run takes records")
        client.pause("r")
        taken = stands(client, feeding)
        assert taken < 800
        assert client.run("r").state is RunState.PAUSED
        client.resume("r")
        assert list(client.results("r", follow=True)) == list(range(800))
        feeding.join(20)
        assert feeding.error is None


def test_a_feeder_that_waits_is_told_of_the_cancelling(real):
    flow = Flow("f")
    flow.map(held_up)
    with Client(real) as client, running(worker_of(real, flow)):
        feeding = Feeding(real, flow, 10_000)
        feeding.start()
        wait_until(lambda: feeding.position > 20, "the run takes records")
        client.pause("r")
        stands(client, feeding)
        client.cancel("r")
        feeding.join(20)
        assert isinstance(feeding.error, RunCancelled)


def test_workers_of_a_flow_that_is_held_wait_and_go_on(real):
    flow, other = Flow("f"), Flow("g")
    flow.map(held_up)
    other.map(held_up)
    with Client(real) as client:
        client.pause_flow("f")
        client.pause_flow("g")
        for number in range(5):
            client.submit(flow, number, run_id=f"f{number}")
            client.submit(other, number, run_id=f"g{number}")
        with running(worker_of(real, flow, other)):
            wait_until(client.workers, "the worker lives")
            client.resume_flow("g")
            for number in range(5):
                assert client.wait(f"g{number}", timeout=20).state is RunState.DONE
            assert client.run("f0").state is RunState.RUNNING
            client.resume_flow("f")
            for number in range(5):
                assert client.wait(f"f{number}", timeout=20).state is RunState.DONE


@pytest.mark.parametrize("options", [{"threads": 3}, {"concurrency": 3}, {}])
def test_a_record_that_takes_long_is_not_interrupted_and_not_done_again(real, options):
    seen = []

    def slow(x):
        seen.append(x)
        LET_GO.wait(20)
        return x

    async def awaited(x):
        seen.append(x)
        while not LET_GO.is_set():
            await asyncio.sleep(0.01)
        return x

    flow = Flow("f")
    stage = awaited if "concurrency" in options else slow
    flow.branch(spread).map(stage, ordered=False, **options)
    with Client(real) as client, running(worker_of(real, flow)):
        client.submit(flow, 20, run_id="r")
        wait_until(lambda: seen, "a record is at work")
        client.pause("r")
        client.pause_flow("f")
        heard = client.workers()[0].lease_left
        wait_until(lambda: client.workers()[0].lease_left > heard, "a heartbeat")
        LET_GO.set()
        client.resume_flow("f")
        client.resume("r")
        assert sorted(client.results("r", follow=True)) == list(range(20))
    assert sorted(seen) == list(range(20))


def test_a_hundred_pauses_change_no_result(real):
    def pausing(n):
        for number in range(n):
            yield number
            if number % 10 == 3:
                yield PauseFlow(after=0.001)

    flow = Flow("f")
    flow.branch(pausing).map(held_up)
    workers = [worker_of(real, flow), worker_of(real, flow)]
    with Client(real) as client, coordinating(real), running(*workers):
        client.submit(flow, 500, run_id="r")
        for _ in range(100):
            if client.run("r").state.over:
                break
            client.pause("r")
            client.resume("r")
        assert list(client.results("r", follow=True)) == list(range(500))


def test_a_full_server_lets_what_fills_it_be_held(real, wire_of):
    flow = Flow("f", on_cancel=lambda _: None)
    flow.map(held_up)
    with Client(real) as client:
        client.submit(flow, 1, run_id="r")
        wire_of(real).call(("CONFIG", "SET", "maxmemory", 1))
        try:
            with pytest.raises(ServerFull):
                client.submit(flow, 2, run_id="s")
            assert client.pause("r")
            assert client.pause_flow("f")
            assert client.resume("r")
            assert client.cancel("r")
            assert client.resume_flow("f")
        finally:
            wire_of(real).call(("CONFIG", "SET", "maxmemory", 0))
        assert client.run("r").state is RunState.CANCELLED
        with running(worker_of(real, flow)):
            assert client.wait("r.on_cancel", timeout=20).state is RunState.DONE


@pytest.fixture
def wire_of():
    wires = []

    def open_wire(server):
        wires.append(server.wire())
        return wires[-1]

    yield open_wire
    for wire in wires:
        wire.close()
