"""A worker whose connection breaks at the worst moments, and a server that forgets."""

import pytest

from pauseflow import Flow
from pauseflow.client import Client, RunState
from pauseflow.errors import ServerRefused, ServerUnreachable
from pauseflow.store.keys import Keys
from support.faults import Faults, ShakyServer
from support.threads import running, worker_of
from support.waiting import wait_until

CALLS = []


def note(x):
    CALLS.append(x)
    return x + 1


@pytest.fixture(autouse=True)
def no_calls():
    CALLS.clear()


def flow_of(*functions):
    flow = Flow("f")
    handle = flow
    for number, function in enumerate(functions):
        handle = handle.map(function, name=f"s{number}")
    return flow


@pytest.mark.parametrize("fault", ["lost", "reply"])
@pytest.mark.parametrize("after", range(6))
def test_a_connection_that_breaks_at_any_moment_loses_and_doubles_nothing(real, fault, after):
    flow = flow_of(note, note)
    server = ShakyServer(real, Faults([""] * (after + 4) + [fault]))
    worker = worker_of(server, flow)
    with Client(real) as client, running(worker):
        with client.open(flow, run_id="r") as feed:
            for value in range(5):
                feed.append(value)
        assert client.wait("r", timeout=10).state is RunState.DONE
        assert list(client.results("r")) == [2, 3, 4, 5, 6]


@pytest.mark.parametrize("fault", ["lost", "reply"])
def test_a_read_that_breaks_is_made_good(real, fault):
    flow = flow_of(note)
    server = ShakyServer(real, Faults([fault], match="XREADGROUP"))
    with Client(real) as client:
        client.submit(flow, 1, run_id="r")
        with running(worker_of(server, flow)):
            assert client.wait("r", timeout=5).state is RunState.DONE
    assert server.faults.happened == [fault]
    assert CALLS == [1]


def test_scripts_that_the_server_has_forgotten_are_loaded_again(real):
    flow = flow_of(note)
    with Client(real) as client, running(worker_of(real, flow)):
        client.wait(client.submit(flow, 1), timeout=5)
        client._wire.call(("SCRIPT", "FLUSH"))
        client.wait(client.submit(flow, 2), timeout=5)
    assert CALLS == [1, 2]


def test_a_group_that_was_destroyed_is_made_again(real):
    flow = flow_of(note)
    stream = Keys().stream("f", "s0")
    with Client(real) as client, running(worker_of(real, flow)):
        client.wait(client.submit(flow, 1), timeout=5)
        client._wire.call(("XGROUP", "DESTROY", stream, "workers"))
        client.wait(client.submit(flow, 2), timeout=5)
    assert CALLS == [1, 2]


def test_a_group_that_is_destroyed_under_a_chunk_runs_it_again_and_counts_it_once(real):
    def slow(x):
        CALLS.append(x)
        if len(CALLS) == 1:
            client._wire.call(("XGROUP", "DESTROY", Keys().stream("f", "s0"), "workers"))
        return x

    flow = flow_of(slow)
    with Client(real) as client:
        client.submit(flow, 1, run_id="r")
        with running(worker_of(real, flow)), Client(real) as watcher:
            assert watcher.wait("r", timeout=10).state is RunState.DONE
            assert list(watcher.results("r")) == [1]
    assert CALLS == [1, 1]


def test_a_server_that_was_emptied_says_so_and_new_work_goes_on(real):
    flow = flow_of(note)
    with Client(real) as client, running(worker_of(real, flow)):
        client.wait(client.submit(flow, 1, run_id="old"), timeout=5)
        client._wire.call(("FLUSHALL",))
        assert client.runs() == []
        client.wait(client.submit(flow, 2, run_id="new"), timeout=5)
        assert list(client.results("new")) == [3]


def test_an_emptied_server_does_not_make_an_idle_worker_spin(real):
    flow = flow_of(note)
    with Client(real) as client, running(worker_of(real, flow)):
        client.wait(client.submit(flow, 1), timeout=5)
        client._wire.call(("FLUSHALL",))
        client.wait(client.submit(flow, 2), timeout=5)
        client._wire.call(("CONFIG", "RESETSTAT"))
        wait_until(lambda: reads(client) > 0, "the worker reads again")
        assert reads(client) < 20


def reads(client):
    text = client._wire.call(("INFO", "commandstats"))
    for line in text.decode().splitlines():
        if line.startswith("cmdstat_xreadgroup:calls="):
            return int(line.split("=")[1].split(",")[0])
    return 0


def test_a_worker_waits_for_a_server_that_comes_back(real):
    flow = flow_of(note)
    server = ShakyServer(real, Faults(["lost"] * 3))
    with Client(real) as client, running(worker_of(server, flow)):
        client.wait(client.submit(flow, 1, run_id="r"), timeout=10)
    assert CALLS == [1]


def test_stepping_a_worker_without_a_server_says_so(fake):
    worker = worker_of(ShakyServer(fake, Faults(["lost"])), flow_of(note))
    with pytest.raises(ServerUnreachable):
        worker.run_once()
    assert worker.run_once() == 0


def test_a_worker_that_may_not_make_its_groups_says_so(fake):
    worker = worker_of(fake, flow_of(note))
    wire = fake.wire()
    wire.exchange = lambda commands: [ServerRefused("denies a command")] * len(commands)
    with pytest.raises(ServerRefused, match="denies a command"):
        worker._chunks.ensure_groups(wire)


def test_a_read_that_is_refused_is_told(fake):
    worker = worker_of(fake, flow_of(note))
    with pytest.raises(ServerRefused):
        worker._chunks.entries(ServerRefused("denies a command"))
