"""What a client says when something is wrong, and how it waits."""

import socket
import threading

import pytest
from redis import exceptions as redis_errors

from pauseflow import Flow
from pauseflow.client import Client, RunState
from pauseflow.errors import (
    RunFailed,
    ServerFull,
    ServerReadOnly,
    ServerRefused,
    ServerUnreachable,
    SettingsError,
    StoreError,
)
from pauseflow.store.keys import Keys
from pauseflow.store.server import in_our_words
from pauseflow_workers.worker import Worker
from support.cluster import Cluster
from support.hands import FixedTuning

FLOW = Flow("f")
FLOW.map(lambda x: x + 1, name="inc")


def test_a_server_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ServerUnreachable, match=r"no Redis answers at unix://.*nothing\.sock"):
        Client.connect(f"unix://{tmp_path}/nothing.sock")


@pytest.mark.parametrize("url", ["http://host", "", "host:6379", "redis://host:port"])
def test_an_address_that_makes_no_sense_is_refused(url):
    with pytest.raises(SettingsError, match="Write redis://"):
        Client.connect(url)


def test_a_password_is_never_shown():
    with pytest.raises(ServerUnreachable) as caught:
        Client.connect("redis://user:secret@127.0.0.1:1/0")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("namespace", ["", "a b", "a:b", "{x}", "x" * 65])
def test_a_namespace_that_makes_no_sense_is_refused(fake, namespace):
    with pytest.raises(SettingsError, match="namespace"):
        Client(fake, namespace=namespace)


def test_what_answers_but_is_not_redis_is_refused():
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer():
            with listener.accept()[0] as connection:
                connection.recv(100)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        with pytest.raises(StoreError) as caught:
            Client.connect(f"redis://127.0.0.1:{listener.getsockname()[1]}")
        thread.join(5)
    assert isinstance(caught.value, ServerRefused)
    assert "not Redis" in str(caught.value)


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (redis_errors.AuthenticationError("invalid password"), ServerRefused, "credentials"),
        (redis_errors.ResponseError("WRONGPASS no"), ServerRefused, "credentials"),
        (redis_errors.NoPermissionError("NOPERM x"), ServerRefused, "ACL"),
        (redis_errors.ReadOnlyError("READONLY x"), ServerReadOnly, "read-only replica"),
        (redis_errors.OutOfMemoryError("OOM command not allowed"), ServerFull, "maxmemory"),
        (redis_errors.ResponseError("x OOM command not allowed y"), ServerFull, "maxmemory"),
        (redis_errors.ResponseError("MISCONF x"), ServerFull, "disk"),
        (redis_errors.BusyLoadingError("LOADING"), ServerUnreachable, "loading"),
        (redis_errors.InvalidResponse("Protocol Error"), ServerRefused, "not Redis"),
        (redis_errors.ConnectionError("CERTIFICATE_VERIFY_FAILED"), ServerRefused, "TLS_VERIFY"),
        (redis_errors.ConnectionError("refused"), ServerUnreachable, "Is it running"),
        (redis_errors.ResponseError("ERR odd"), StoreError, "answered with an error: ERR odd"),
    ],
)
def test_each_error_says_what_to_do(error, kind, said):
    told = in_our_words(error, "somewhere")
    assert type(told) is kind
    assert said in str(told)
    assert "somewhere" in str(told)


def test_a_feeder_of_a_halted_run_is_told(fake, monkeypatch):
    monkeypatch.setattr("pauseflow.feed.ROOM_SECONDS", 0.01, raising=False)
    monkeypatch.setattr("pauseflow.client.Tuning", lambda: FixedTuning(limit=2, window=1))
    flow = Flow("f")
    flow.map(lambda x: 1 // x, name="divide")
    with Cluster(fake, flow) as cluster:
        feed = cluster.client.open(flow, run_id="local")
        feed.append(0)
        cluster.settle()
        with pytest.raises(RunFailed, match="flowctl retry"):
            feed.extend(range(1, 10_000))
        cluster.wire.call(("FLUSHALL",))


def test_two_namespaces_do_not_see_each_other(fake):
    one, other = Client(fake, namespace="one"), Client(fake, namespace="other")
    one.submit(FLOW, 1, run_id="r")
    other.submit(FLOW, 2, run_id="r")
    assert one.run("r").id == other.run("r").id
    worker_stages = [(FLOW.graph, "inc")]
    worker = Worker(fake, "one", worker_stages)
    while worker.run_once():
        pass
    assert one.run("r").state is RunState.DONE
    assert other.run("r").state is RunState.RUNNING
    assert [info.name for info in one.workers()] == [worker.name]
    assert other.workers() == []


def test_keys_know_which_of_them_are_permanent():
    keys = Keys("ns")
    assert all(
        map(
            keys.permanent, [keys.runs, keys.leases, keys.costs, keys.stream("f", "s"), keys.timers]
        )
    )
    run = keys.run("r")
    of_a_run = [run.base, run.results, run.parked, run.room, run.backlog("s"), run.reorder("s")]
    assert not any(map(keys.permanent, of_a_run))
    assert not keys.permanent(Keys("other").runs)


def test_an_empty_run_id_is_refused_rather_than_made_up(fake):
    with Client(fake) as client:
        with pytest.raises(SettingsError, match="run id ''"):
            client.submit(FLOW, 1, run_id="")
        with pytest.raises(SettingsError, match="run id ''"):
            client.open(FLOW, run_id="")
        assert client.runs() == []
