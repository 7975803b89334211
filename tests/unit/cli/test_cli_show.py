"""`flowctl show` of runs that are not as they should be."""

import json

import pytest

from pauseflow import Flow, PauseFlow
from pauseflow.client import Client
from support.cluster import Cluster
from support.servers import fake_server


def nap(number):
    raise PauseFlow(after=600)


FLOW = Flow("f")
FLOW.map(nap, ordered=False)


@pytest.fixture
def cluster(monkeypatch):
    monkeypatch.setenv("REDIS_URL", "redis://nowhere:1/0")
    server = fake_server()
    with Cluster(server, FLOW) as made:
        monkeypatch.setattr(Client, "connect", lambda url, *, namespace: Client(server))
        with made.client.open(FLOW, run_id="r") as feed:
            feed.extend(range(3))
        made.settle()
        yield made


@pytest.mark.parametrize("spoilt", [b"", b"\xff\x00", b"pause x 1 0\n", b"pause 1 9 0\nrubbish"])
def test_what_is_parked_and_damaged_is_shown_among_the_rest(cluster, call, spoilt):
    cluster.wire.call(("HSET", cluster.keys.run("r").parked, "nap:1", spoilt))
    lines = call("show", "r").stdout.splitlines()
    first, second, third = sorted(line for line in lines if " r:nap:" in line)
    assert [line.split()[:3] for line in (first, second, third)] == [
        ["nap", "r:nap:0", "pause"],
        ["nap", "r:nap:1", "damaged"],
        ["nap", "r:nap:2", "pause"],
    ]
    assert "never" in second
    told = json.loads(call("show", "r", "--json").stdout)["parked"]
    (damaged,) = [each for each in told if each["why"] == "damaged"]
    assert (damaged["since"], damaged["wake"]) == (None, None)
    assert damaged["note"]


def test_names_that_are_none_are_shown_without_obeying_them(cluster, call):
    cluster.wire.call(("HSET", cluster.keys.run("r").parked, b"\xff\x1b[2J", b"x"))
    assert "r:\ufffd\\x1b[2J" in call("show", "r").stdout


def test_a_server_that_is_full_is_told_of(client, call):
    assert "stands still" not in call("show", "r1").stdout
    assert json.loads(call("show", "r1", "--json").stdout)["server_full"] == ""
    client.full_server = "redis://nowhere:1/0 has reached its maxmemory"
    assert "stands still: redis://nowhere:1/0 has reached its max" in call("show", "r1").stdout
    assert json.loads(call("show", "r1", "--json").stdout)["server_full"] == client.full_server
