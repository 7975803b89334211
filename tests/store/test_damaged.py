"""Damage in what a run has written down of its waits: each is set aside, counted and told."""

import json

import pytest
from click.testing import CliRunner

from pauseflow import Flow, PauseFlow
from pauseflow.cli.root import flowctl
from pauseflow.client import Client, RunState
from support.cluster import Cluster


def nap(number):
    yield PauseFlow(after=60)
    yield number


def ask(number):
    answer = yield PauseFlow(until="go", timeout=3600)
    yield (number, answer)


NAPPING = Flow("napping")
NAPPING.branch(nap)
ASKING = Flow("asking")
ASKING.branch(ask)

SPOILT = [b"", b"\xff\x00", b"signal x 1 0\n", b"\n" * 50]


@pytest.fixture
def cluster(server):
    with Cluster(server, NAPPING, ASKING) as made:
        yield made


def set_aside(cluster, key, reason):
    """There is one thing in the quarantine, which was found under this key."""
    total, (found,) = cluster.client.set_aside()
    assert total == 1
    assert found.stream == key
    assert reason in found.reason
    return found


def spoil(cluster, run, value):
    """Damages what the run has parked. Returns its name."""
    parked = cluster.keys.run(run).parked
    (name,) = cluster.wire.call(("HKEYS", parked))
    cluster.wire.call(("HSET", parked, name, value))
    return name.decode()


def ends(cluster):
    """The run has halted, and can be cancelled. Nothing of it stays."""
    assert cluster.client.run("r").state is RunState.HALTED
    assert "is damaged" in cluster.client.run("r").error
    assert cluster.client.run("r").parked == ()
    cluster.client.cancel("r")
    cluster.settle()
    assert cluster.wire.call(("ZCARD", cluster.keys.timers)) == 0


@pytest.mark.parametrize("value", SPOILT)
def test_what_waits_for_a_time(cluster, value):
    cluster.client.submit(NAPPING, 1, run_id="r")
    cluster.client.submit(NAPPING, 2, run_id="other")
    cluster.settle()
    name = spoil(cluster, "r", value)
    cluster.advance(61)
    cluster.settle()
    found = set_aside(cluster, cluster.keys.run("r").parked, "what was parked is damaged")
    assert (found.entry, found.body) == (name, value)
    assert cluster.finish("other") == [2]
    ends(cluster)


@pytest.mark.parametrize("value", SPOILT)
def test_what_waits_for_a_signal(cluster, value):
    for number, run in enumerate(("r", "other")):
        cluster.client.submit(ASKING, number, run_id=run)
    cluster.settle()
    name = spoil(cluster, "r", value)
    cluster.client.signal("r", "go", "yes")
    cluster.settle()
    found = set_aside(cluster, cluster.keys.run("r").parked, "what was parked is damaged")
    assert (found.entry, found.body) == (name, value)
    cluster.client.signal("other", "go", "yes")
    assert cluster.finish("other") == [(1, "yes")]
    ends(cluster)


@pytest.mark.parametrize("rest", [b"", b" rubbish", b"\n\xff", b"0\nno stage"])
def test_a_wait_for_a_signal(cluster, rest):
    cluster.client.submit(ASKING, 1, run_id="r")
    cluster.settle()
    waits = cluster.keys.run("r").waits
    cluster.wire.call(("ZADD", waits, 0, b"go\n" + rest))
    cluster.client.signal("r", "go", "yes")
    cluster.settle()
    assert set_aside(cluster, waits, "a wait that is damaged").body == b"go\n" + rest
    assert list(cluster.client.results("r")) == [(1, "yes")]


@pytest.mark.parametrize("rest", [b"", b"rubbish", b"\xff\n\xff"])
def test_a_signal_that_nobody_has_waited_for_yet(cluster, rest):
    signals = cluster.keys.run("r").signals
    cluster.client.submit(ASKING, 1, run_id="r")
    cluster.wire.call(("ZADD", signals, 0, b"go\n" + rest))
    cluster.settle()
    assert set_aside(cluster, signals, "a signal that is damaged").body == b"go\n" + rest
    assert cluster.client.run("r").state is RunState.RUNNING
    cluster.client.signal("r", "go", "yes")
    assert cluster.finish("r") == [(1, "yes")]


def test_flowctl_shows_it(cluster, monkeypatch):
    cluster.client.submit(NAPPING, 1, run_id="r")
    cluster.settle()
    name = spoil(cluster, "r", b"rubbish")
    cluster.advance(61)
    cluster.settle()
    monkeypatch.setattr(Client, "connect", lambda url, *, namespace: Client(cluster.server))
    monkeypatch.setenv("REDIS_URL", "redis://nowhere:1/0")
    told = json.loads(CliRunner().invoke(flowctl, ["quarantine", "--json"]).stdout)
    assert told["total"] == 1
    (entry,) = told["entries"]
    assert (entry["entry"], bytes.fromhex(entry["body"])) == (name, b"rubbish")
    said = CliRunner().invoke(flowctl, ["quarantine"])
    assert f"run:r:parked {name}" in said.stdout
    assert "what was parked is damaged" in said.stdout
    cluster.client.cancel("r")
