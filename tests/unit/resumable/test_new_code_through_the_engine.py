"""Runs that wait under old code while workers have new code."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pauseflow import Flow, PauseFlow
from pauseflow.client import RunState
from support.cluster import Cluster
from support.servers import fake_server

WAIT = 60.0


def flow_of(fn: Callable[..., Any], **options: Any) -> Flow:
    flow = Flow("deploys")
    flow.branch(fn, name="series", strict=True, **options)
    return flow


def old(n: int) -> Iterator[Any]:
    done = 0
    while done < n:
        if done == 2:
            yield PauseFlow(after=WAIT)
        done += 1
        yield f"old {done}"


def new(n: int, first: int = 0) -> Iterator[Any]:
    for i in range(first, n):
        yield f"new {i + 1}"


def go_on(kept: dict[str, Any]) -> Any:
    return {"n": kept["n"], "first": kept["done"]}


OLD = flow_of(old, version="v1")


def paused_under_old_code(cluster: Cluster) -> None:
    cluster.client.submit(OLD, 4, run_id="r")
    cluster.settle()
    assert list(cluster.client.results("r")) == ["old 1", "old 2"]
    assert [parked.why for parked in cluster.client.run("r").parked] == ["pause"]


def deploy(cluster: Cluster, flow: Flow) -> None:
    """All workers are replaced by one that has this code."""
    for worker in list(cluster.workers):
        cluster.lose(worker)
    cluster.bury()
    cluster.flows = (flow,)
    cluster.hire()


def results_after(cluster: Cluster, seconds: float) -> list[Any]:
    cluster.advance(seconds)
    cluster.settle()
    return list(cluster.client.results("r"))


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with Cluster(fake_server(), OLD) as made:
        yield made


def test_a_label_takes_a_run_to_the_new_code(cluster: Cluster) -> None:
    paused_under_old_code(cluster)
    deploy(cluster, flow_of(new, version="v2", migrate={"v1": go_on}))
    assert results_after(cluster, WAIT) == ["old 1", "old 2", "new 3", "new 4"]
    assert cluster.client.run("r").state is RunState.DONE


def test_without_a_migration_it_waits_for_the_old_code(cluster: Cluster) -> None:
    paused_under_old_code(cluster)
    deploy(cluster, flow_of(new, version="v2"))
    for _ in range(3):
        assert results_after(cluster, WAIT) == ["old 1", "old 2"]
        run = cluster.client.run("r")
        assert run.state is RunState.RUNNING
        assert [parked.why for parked in run.parked] == ["code"]
    note = run.parked[0].note
    assert "version 'v1'" in note
    assert "version 'v2'" in note
    assert "Run a worker with that code, or declare migrate={'v1': ...}" in note
    deploy(cluster, OLD)
    assert results_after(cluster, WAIT) == ["old 1", "old 2", "old 3", "old 4"]
    assert cluster.client.run("r").state is RunState.DONE


def test_it_waits_until_a_migration_is_declared(cluster: Cluster) -> None:
    paused_under_old_code(cluster)
    deploy(cluster, flow_of(new, version="v2"))
    results_after(cluster, WAIT)
    deploy(cluster, flow_of(new, version="v2", migrate={"v1": go_on}))
    assert results_after(cluster, WAIT) == ["old 1", "old 2", "new 3", "new 4"]


def test_a_migration_that_fails_halts_the_run_and_keeps_the_frame(cluster: Cluster) -> None:
    paused_under_old_code(cluster)
    deploy(cluster, flow_of(new, version="v2", migrate={"v1": lambda kept: kept["url"]}))
    results_after(cluster, WAIT)
    run = cluster.client.run("r")
    assert run.state is RunState.HALTED
    assert "stage 'series'" in run.error
    assert "migrate={'v1': ...}" in run.error
    assert "raised KeyError('url')" in run.error
    deploy(cluster, flow_of(new, version="v3", migrate={"v1": go_on}))
    cluster.client.retry("r")
    assert results_after(cluster, 0) == ["old 1", "old 2", "new 3", "new 4"]
