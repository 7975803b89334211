"""What a person is told of the run that a command waits for."""

import queue
from dataclasses import replace

import pytest

from pauseflow.cli import bystander
from pauseflow.cli.bystander import Bystander
from pauseflow.client import RunState, WorkerInfo


class Notes:
    """A progress that keeps its notes."""

    def __init__(self):
        self.told = queue.SimpleQueue()

    def note(self, text):
        self.told.put(text)


@pytest.mark.parametrize(
    ("stages", "said"),
    [
        (None, "run r1 waits for workers: start some with flowctl up, or flowctl worker"),
        (
            ("doubling:other", "tripling:double"),
            (
                "run r1 waits for a worker that runs stage 'double': "
                "flowctl worker --flow doubling --stage double"
            ),
        ),
    ],
)
def test_a_run_that_no_worker_works_for_is_told_of(client, monkeypatch, stages, said):
    workers = [] if stages is None else [WorkerInfo("w.1", "w", 2.0, stages)]
    monkeypatch.setattr(client, "workers", lambda: workers, raising=False)
    monkeypatch.setattr(bystander, "LOOK_EVERY", 0.001)
    notes = Notes()
    with Bystander(lambda: client, "r1", notes):
        assert notes.told.get(timeout=10) == said
    assert notes.told.empty()


def test_a_run_that_is_paused_is_told_of(client, monkeypatch):
    client.infos["r1"] = replace(client.infos["r1"], state=RunState.PAUSED)
    workers = [WorkerInfo("w.1", "w", 2.0, ("doubling:double",))]
    monkeypatch.setattr(client, "workers", lambda: workers, raising=False)
    monkeypatch.setattr(bystander, "LOOK_EVERY", 0.001)
    notes = Notes()
    with Bystander(lambda: client, "r1", notes):
        assert notes.told.get(timeout=10) == "run r1 is paused: flowctl resume r1"
    assert notes.told.empty()


def test_a_run_that_has_its_workers_is_left_alone(client, monkeypatch):
    looked = queue.SimpleQueue()

    def workers():
        looked.put(True)
        return [WorkerInfo("w.1", "w", 2.0, ("doubling:double",))]

    monkeypatch.setattr(client, "workers", workers, raising=False)
    monkeypatch.setattr(bystander, "LOOK_EVERY", 0.001)
    notes = Notes()
    with Bystander(lambda: client, "r1", notes):
        for _ in range(3):
            looked.get(timeout=10)
    assert notes.told.empty()
