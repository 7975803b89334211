"""A worker that is told to stop, or that one record holds up: its other work goes to others."""

import asyncio
import threading
import time

import pytest

from pauseflow import Flow
from pauseflow.client import Client, RunState
from support.hands import Hands
from support.threads import coordinating, running, worker_of
from support.waiting import wait_until

BUSY = threading.Event()
"""A stage is at work."""

LET_GO = threading.Event()
"""What is stuck may go on."""


@pytest.fixture(autouse=True)
def events():
    BUSY.clear()
    LET_GO.clear()
    yield
    LET_GO.set()


def short(x):
    BUSY.set()
    LET_GO.wait(0.005)
    return x


def endless(x):
    for number in range(10_000_000):
        BUSY.set()
        LET_GO.wait(0.001)
        yield number


async def sleepy(x):
    BUSY.set()
    while not LET_GO.is_set():
        await asyncio.sleep(0.01)
    return x


def stuck(x):
    BUSY.set()
    LET_GO.wait(60)
    return x


def many(n):
    return list(range(n))


KINDS = {
    "function": ("map", short, {}),
    "generator": ("branch", endless, {}),
    "async": ("map", sleepy, {"concurrency": 3}),
    "threads": ("map", short, {"threads": 3}),
    "stuck": ("map", stuck, {}),
    "stuck threads": ("map", stuck, {"threads": 2}),
}


def flow_of(kind, fn, options):
    flow = Flow("f")
    getattr(flow.branch(many), kind)(fn, name="work", **options)
    return flow


@pytest.mark.parametrize("kind", KINDS)
def test_a_stop_takes_a_second_at_most_and_leaves_nothing_behind(real, kind):
    flow = flow_of(*KINDS[kind])
    left = threading.Event()
    worker = worker_of(real, flow, on_stuck=left.set)
    with Client(real) as client:
        client.submit(flow, 500, run_id="r")
        thread = threading.Thread(target=worker.run, daemon=True)
        thread.start()
        assert BUSY.wait(10)
        began = time.monotonic()
        worker.stop()
        wait_until(lambda: left.is_set() or not thread.is_alive(), "the worker leaves")
        assert time.monotonic() - began < 1.0
        assert client.workers() == []
        hands = Hands(real, flow)
        entries = hands.take()
        assert entries, "its work is back in the streams"
        for entry in entries:
            assert entry.envelope.crashes == 0
        for stage in ("many", "work"):
            assert all(delivered == (hands.name, 1) for delivered in hands.pending(stage))
        LET_GO.set()
        thread.join(10)
        assert not thread.is_alive()
        # what the thread did after it was left counts for nothing
        assert len(hands.pending("work")) == len(
            [entry for entry in entries if entry.stage == "work"]
        )


def test_a_run_goes_on_after_each_stop_as_if_nothing_had_been(real):
    flow = flow_of("map", short, {})
    with Client(real) as client:
        client.submit(flow, 60, run_id="r")
        while client.run("r").state is not RunState.DONE:
            BUSY.clear()
            with running(worker_of(real, flow)):
                wait_until(
                    lambda: BUSY.is_set() or client.run("r").state is RunState.DONE, "it works"
                )
        assert list(client.results("r")) == list(range(60))


def test_a_worker_that_waits_for_work_stops_at_once(real):
    flow = flow_of("map", short, {})
    worker = worker_of(real, flow)
    thread = threading.Thread(target=worker.run, daemon=True)
    with Client(real) as client:
        thread.start()
        wait_until(client.workers, "the worker is there")
        wait_until(lambda: b"blocked_clients:1" in client._wire.call(("INFO", "clients")), "waits")
        began = time.monotonic()
        worker.stop()
        thread.join(10)
        assert time.monotonic() - began < 0.5
        assert client.workers() == []


def test_a_record_that_holds_its_worker_up_holds_up_no_other(real, monkeypatch):
    monkeypatch.setattr("pauseflow_workers.heartbeat.RENEW_SECONDS", 0.05)
    monkeypatch.setattr("pauseflow_workers.heartbeat.HELD_UP_SECONDS", 0.1)
    done = []

    def work(x):
        if x == 50:
            stuck(x)
        done.append(x)
        return x

    flow = Flow("f")
    flow.map(work)
    with Client(real) as client:
        for number in range(100):
            client.submit(flow, number, run_id=f"r{number}")
        first, second = worker_of(real, flow), worker_of(real, flow)
        with running(first):
            assert BUSY.wait(10)
            with running(second):
                wait_until(lambda: len(set(done)) == 99, "all others are done")
                assert client.run("r50").state is RunState.RUNNING
                LET_GO.set()
                client.wait("r50", timeout=10)
        assert sorted(done) == list(range(100)), "each of them once"
        assert all(client.run(f"r{number}").state is RunState.DONE for number in range(100))


def test_a_held_up_worker_keeps_its_lease(real, monkeypatch):
    monkeypatch.setattr("pauseflow.store.fleet.LEASE_MS", 300)
    monkeypatch.setattr("pauseflow_workers.heartbeat.RENEW_SECONDS", 0.05)
    flow = Flow("f")
    flow.map(stuck)
    with Client(real) as client, coordinating(real), running(worker_of(real, flow)):
        client.submit(flow, 1, run_id="r")
        assert BUSY.wait(10)
        renewed = [client.workers()[0].lease_left]
        begun = time.monotonic()
        while time.monotonic() - begun < 1.0:
            renewed.append(client.workers()[0].lease_left)
        LET_GO.set()
        client.wait("r", timeout=10)
        hands = Hands(real, flow)
        assert hands.take() == []


def test_a_feeder_a_reader_and_workers_keep_each_other_going(real, monkeypatch):
    for module in ("runs", "chunks", "books"):
        monkeypatch.setattr(f"pauseflow.store.{module}.RESULTS_BYTES", 800_000)
    flow = Flow("f")
    flow.map(lambda x: x, name="a").map(lambda x: x, name="b")
    values = []

    def feed():
        with Client(real) as client, client.open(flow, run_id="r") as run:
            run.extend(range(20_000))

    def read():
        with Client(real) as client:
            wait_until(client.runs, "the run is there")
            values.extend(client.results("r", follow=True))

    threads = [threading.Thread(target=each, daemon=True) for each in (feed, read)]
    with running(worker_of(real, flow), worker_of(real, flow)):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive()
    assert values == list(range(20_000))
