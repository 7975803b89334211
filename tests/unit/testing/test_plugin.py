"""The pytest plugin: seeds, what a failure shows, and what it costs those who don't use it."""

import subprocess
import sys

import pytest

from pauseflow.errors import SettingsError
from pauseflow.testing import FlowEngine

pytest_plugins = ["pytester"]

FLOW = """
from pauseflow import Flow, PauseFlow

def ask(order):
    yield PauseFlow(until="approval")
    yield order

flow = Flow("orders")
flow.branch(ask)

def test_fails(flow_engine):
    flow_engine.submit(flow, 1)
    assert flow_engine.results == [1], f"seed {flow_engine.seed}"

def test_does_not_use_it(flow_engine):
    assert not flow_engine

def test_another(flow_engine):
    other = flow_engine(flow, workers=2)
    other.submit(flow, 1)
    assert other.seed == -1
"""


@pytest.fixture
def run(pytester):
    """What pytest says of the tests, with these options."""
    pytester.makepyfile(test_orders=FLOW)

    def run(*options):
        return "\n".join(pytester.runpytest_inprocess("-q", *options).outlines)

    return run


def test_a_failure_shows_how_things_stood_and_how_to_repeat_it(run):
    said = run("--flow-seed=4711")
    assert "seed 4711" in said
    assert "flow engine: seed 4711, the time is 20" in said
    assert "run orders-1: running" in said
    assert "record orders-1:ask:0 waits for signal 'approval'" in said
    assert "repeat it with: pytest --flow-seed=4711 'test_orders.py::test_fails'" in said
    assert "repeat it with: pytest --flow-seed=4711 'test_orders.py::test_another'" in said
    assert "'test_orders.py::test_does_not_use_it'" not in said


def test_a_test_has_the_same_seed_each_time_and_another_if_one_wants(run):
    def seed(*options):
        said = run("-k", "test_fails", *options)
        return said.partition("flow engine: seed ")[2].partition(",")[0]

    assert seed() == seed()
    assert seed("--flow-seed=random") != seed("--flow-seed=random")


def test_a_seed_that_is_none_is_refused(pytester):
    pytester.makepyfile(test_orders=FLOW)
    result = pytester.runpytest_inprocess("-q", "--flow-seed=often")
    assert "give a number, or 'random'" in result.stdout.str() + result.stderr.str()


def imported_by(statement):
    code = f"import sys; {statement}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_pauseflow_needs_neither_pytest_nor_fakeredis():
    assert not {"pytest", "fakeredis"} & imported_by("import pauseflow, pauseflow.client")
    assert not {"pytest", "fakeredis"} & imported_by("import pauseflow.testing.engine")


def test_the_plugin_costs_little_where_nobody_uses_it():
    loaded = imported_by("import pauseflow.testing.plugin")
    assert not {"redis", "msgpack", "pauseflow.flow", "pauseflow_workers"} & loaded


def test_without_fakeredis_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "fakeredis", None)
    with pytest.raises(SettingsError, match=r"pip install 'pauseflow\[test\]'"), FlowEngine():
        pass
