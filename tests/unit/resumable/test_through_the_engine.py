"""The corpus as stages of runs whose worker is replaced at every pause, or at every yield."""

from __future__ import annotations

import logging
from copy import deepcopy
from typing import Any

import pytest
from corpus import CASES, Case
from corpus.world import WORLD

from pauseflow import Flow
from pauseflow.client import RunState
from pauseflow.errors import PauseflowError
from pauseflow.stages import Budget
from support.cluster import Cluster
from support.servers import fake_server

Outcome = tuple[list[Any], list[Any], bool]
"""The results, what was done to the world, and whether it failed."""

STEPS = 500


def flow_of(case: Case) -> Flow:
    flow = Flow("corpus")
    flow.branch(case.fn, name="series", strict=True)
    return flow


def in_this_process(case: Case) -> Outcome:
    results: list[Any] = []
    failed = False
    WORLD.clear()
    try:
        for value in flow_of(case).iter(deepcopy(case.argument), sleep=lambda _: None):
            results.append(value)  # noqa: PERF402 - what came before an error counts
    except PauseflowError:
        failed = True
    return results, list(WORLD.effects), failed


def through_the_engine(case: Case, pause_at: int) -> Outcome:
    flow = flow_of(case)
    with Cluster(fake_server(), flow) as cluster:
        cluster.client.submit(flow, deepcopy(case.argument), run_id="r")
        WORLD.clear(pause_at)
        for _ in range(STEPS):
            worked = cluster.step(cluster.workers[0])
            cluster.lose(cluster.workers[0])
            assert cluster.bury() == 0, "it had committed all that it did"
            cluster.hire()
            state = cluster.client.run("r").state
            if state in (RunState.DONE, RunState.HALTED):
                results = list(cluster.client.results("r"))
                return results, list(WORLD.effects), state is RunState.HALTED
            if not worked:
                cluster.advance(60)
                cluster.timers.run_once()
    raise AssertionError("it does not come to an end")


def check(case: Case, pauses: range) -> None:
    expected = in_this_process(case)
    for pause_at in pauses or range(WORLD.calls + 1):
        outcome = through_the_engine(case, pause_at)
        if not expected[2]:
            assert outcome == expected, f"paused at call {pause_at}"
            continue
        # a slice that fails keeps nothing, so it may be that not all that came before is there
        assert outcome[2], f"paused at call {pause_at}"
        assert outcome[0] == expected[0][: len(outcome[0])]


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, logger="pauseflow_workers")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_worker_replaced_at_every_pause(case: Case) -> None:
    check(case, range(0))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_worker_replaced_at_every_yield(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "pauseflow_workers.station.Budget", lambda *_, **__: Budget(0.0, max_outputs=1, stride=1)
    )
    check(case, range(1))
