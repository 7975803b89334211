"""The keeper's own process: when it renews, and when it ends."""

import itertools
import json
import os
import signal
import sys
import threading
from contextlib import suppress

import pytest

from pauseflow_workers import keeping
from pauseflow_workers.keeper import Keeper
from support.waiting import wait_until

WORKER = 4711


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(keeping, "SILENCE_SECONDS", 0.02)
    monkeypatch.setattr(keeping, "AGAIN_SECONDS", 0.01)


class Renewals:
    """Counts; ends the pipe after so many."""

    def __init__(self, pipe, enough):
        self.pipe, self.left, self.times = pipe, enough, 0

    def __call__(self):
        self.times += 1
        self.left -= 1
        if self.left == 0:
            os.close(self.pipe)


@pytest.fixture
def pipe():
    reads, writes = os.pipe()
    yield reads, writes
    for end in (reads, writes):
        with suppress(OSError):
            os.close(end)


def test_renews_as_long_as_no_beat_comes(pipe):
    renewals = Renewals(pipe[1], 3)
    os.write(pipe[1], b".")
    keeping.listen(pipe[0], WORKER, renewals, parent=lambda: WORKER, running=lambda _: True)
    assert renewals.times == 3


def test_before_the_first_beat_there_is_no_lease_to_keep(pipe):
    asked = []

    def parent():
        asked.append(1)
        if len(asked) == 3:
            os.close(pipe[1])
        return WORKER

    renewals = Renewals(pipe[1], 1)
    keeping.listen(pipe[0], WORKER, renewals, parent=parent, running=lambda _: True)
    assert renewals.times == 0


def test_does_not_renew_for_a_worker_that_is_stopped_and_ends_with_its_parent(pipe):
    parents = itertools.chain([WORKER] * 3, itertools.repeat(1))
    renewals = Renewals(pipe[1], 99)
    os.write(pipe[1], b".")
    keeping.listen(pipe[0], WORKER, renewals, parent=lambda: next(parents), running=lambda _: False)
    assert renewals.times == 0


def test_says_once_that_a_stage_lets_nothing_else_run(pipe, monkeypatch, capsys):
    monkeypatch.setattr(keeping, "SAY_SECONDS", 0.03)
    renewals = Renewals(pipe[1], 8)
    os.write(pipe[1], b".")
    keeping.listen(pipe[0], WORKER, renewals, parent=lambda: WORKER, running=lambda _: True)
    assert capsys.readouterr().err.count("let no other thread") == 1


@pytest.mark.parametrize(
    ("state", "expected"), [(s, True) for s in "RSDI"] + [(s, False) for s in "TtZX"]
)
def test_who_runs(tmp_path, state, expected):
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "stat").write_bytes(b"7 (a ) T (b) " + state.encode() + b" 1 7 7 0 -1")
    assert keeping.runs(7, str(tmp_path)) is expected
    assert keeping.runs(8, str(tmp_path)) is False


def test_what_the_worker_tells_is_read_to_the_end_of_its_line_and_no_further(pipe):
    os.write(pipe[1], b'{"a": 1}\n.')
    assert keeping.read_told(pipe[0]) == b'{"a": 1}\n'
    os.close(pipe[1])
    assert os.read(pipe[0], 9) == b"."
    assert keeping.read_told(pipe[0]) == b""


def test_a_server_that_is_gone_is_said_once(capsys):
    told = {"url": "unix:///nowhere", "namespace": "d", "worker": "w", "path": sys.path}
    renewing = keeping.Renewing(json.dumps(told).encode())
    renewing()
    renewing()
    assert capsys.readouterr().err.count("can't keep the lease") == 1


def test_a_keeper_that_dies_again_and_again_is_given_up(caplog):
    keeper = Keeper("unix:///nowhere", "d")
    keeper.start("w")
    for _ in range(3):
        process = keeper._process
        process.kill()
        process.wait()
        keeper.beat()
    assert "a thread alone keeps the lease" in caplog.text
    keeper.beat()
    keeper.end()


def test_without_a_python_to_start_there_is_no_keeper(monkeypatch, caplog):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    keeper = Keeper("unix:///nowhere", "d")
    keeper.start("w")
    keeper.beat()
    keeper.end()
    assert "a thread alone keeps the lease" in caplog.text


def test_a_keeper_that_is_stopped_never_makes_the_worker_wait():
    keeper = Keeper("unix:///nowhere", "d")
    keeper.start("w")
    os.kill(keeper._process.pid, signal.SIGSTOP)
    beats = threading.Thread(target=lambda: [keeper.beat() for _ in range(100_000)], daemon=True)
    beats.start()
    beats.join(10)
    assert not beats.is_alive()
    wait_until(lambda: not keeping.runs(keeper._process.pid), "it is stopped")
    keeper.end()
