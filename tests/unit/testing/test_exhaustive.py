"""How many places assert_resumable throws workers away at: a few by default, each on request."""

import itertools

import pytest

from pauseflow import Flow, PauseFlow
from pauseflow.testing import assert_resumable
from pauseflow.testing.cuts import AtRandom, EveryCommit, Fault, Once
from pauseflow.testing.trial import Trial


def numbers(count):
    for number in range(count):
        yield number
        yield PauseFlow(after=60)


FLOW = Flow("f")
FLOW.branch(numbers).map(str, name="text")


@pytest.fixture
def trials(monkeypatch):
    """All trials that are made, in order."""
    made = []
    run = Trial.run

    def noted(trial):
        made.append(trial)
        return run(trial)

    monkeypatch.setattr(Trial, "run", noted)
    return made


def test_on_request_each_call_is_lost_on_its_way_there_and_back(trials):
    assert_resumable(FLOW, 1, exhaustive=True)
    calls = trials[0].plan.calls
    assert calls > 10
    once = [trial for trial in trials if isinstance(trial.plan, Once)]
    lost = [(call.number, fault) for trial in once for call, fault in trial.plan.cuts]
    assert sorted(lost, key=str) == sorted(
        itertools.product(range(1, calls + 1), Fault), key=str
    ), "each of them, in a run of its own, and in no run more than one"
    assert all(len(trial.steps) == 1 for trial in once), "a worker was thrown away each time"


def test_by_default_every_commit_is_lost_and_done_again_and_others_at_random(trials):
    assert_resumable(FLOW, 2, seconds=0)
    assert not any(isinstance(trial.plan, Once) for trial in trials)
    assert sum(isinstance(trial.plan, AtRandom) for trial in trials) == 1
    each = [trial for trial in trials if isinstance(trial.plan, EveryCommit)]
    assert len(each) == 3
    for trial in each:
        lost = [fault for call, fault in trial.plan.cuts if call.commits]
        assert lost[0::2] == [Fault.BEFORE] * len(lost[0::2])
        assert lost[1::2] == [Fault.AFTER] * len(lost[1::2])
        assert len(lost) >= 2 * 2, "before and after each of the pauses, at least"


def test_more_seconds_are_more_runs_with_other_seeds(trials, monkeypatch):
    monkeypatch.setattr("pauseflow.testing.resumable.perf_counter", lambda: float(len(trials)))
    assert_resumable(FLOW, 2, seconds=12, seed=5)
    seeds = [trial.seed for trial in trials if isinstance(trial.plan, AtRandom)]
    assert seeds == list(range(5, 5 + len(seeds)))
    assert len(seeds) > 1
