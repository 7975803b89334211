"""flowctl priority, and submit --priority."""

import pytest

from pauseflow import Flow
from pauseflow.client import Client
from support.cluster import Cluster

FLOW = Flow("f")
FLOW.map(lambda x: x, name="keep")


@pytest.fixture
def cluster(fake, monkeypatch):
    with Cluster(fake, FLOW) as cluster:
        monkeypatch.setattr(Client, "connect", lambda url, *, namespace: Client(fake))
        monkeypatch.setenv("REDIS_URL", "redis://nowhere:1/0")
        yield cluster


def test_a_run_gets_another_priority_and_shows_it(cluster, call):
    cluster.client.submit(FLOW, 1, run_id="r")
    assert "Run r has high priority." in call("priority", "r", "high").output
    assert "Run r had already high priority." in call("priority", "r", "high").output
    assert ", high priority" in call("show", "r").output
    assert '"priority": "high"' in call("show", "r", "--json").output
    assert cluster.finish("r") == [1]


def test_what_makes_no_sense_is_said_once(cluster, call):
    unknown = call("priority", "nobody", "low")
    assert unknown.exit_code == 3
    assert "there is no run 'nobody'" in unknown.output
    wrong = call("priority", "nobody", "urgent")
    assert wrong.exit_code == 2
    assert "high" in wrong.output
