"""A table and packed files, read by workers that are killed while they read."""

import contextlib
import gzip
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pauseflow import app as apps
from pauseflow.client import Client, RunState
from support.waiting import wait_until

pytestmark = pytest.mark.process

APP = """
from functools import partial

from pauseflow import Flow, sources


def number(row):
    return row["id"]


table = Flow("table")
table.branch(partial(sources.sql, query="readings", key="id")).map(number)

logs = Flow("logs")
logs.branch(sources.glob).branch(sources.lines)
"""
ROWS = 30_000
KILLED_AT = (2_000, 9_000)


@pytest.fixture
def start(tmp_path: Path, valkey_url: str) -> Iterator[Callable[[str], "subprocess.Popen[bytes]"]]:
    """Starts a worker or the coordinator of the app."""
    (tmp_path / "source_flows.py").write_text(APP)
    environ = {**os.environ, "REDIS_URL": valkey_url, "FLOWCTL_APP": "source_flows.py"}
    with contextlib.ExitStack() as started:

        def process(command: str) -> "subprocess.Popen[bytes]":
            running = subprocess.Popen(
                [sys.executable, "-m", "pauseflow.cli", command], cwd=tmp_path, env=environ
            )
            started.callback(running.wait, 30)
            started.callback(running.terminate)
            return running

        yield process


def test_what_is_read_is_neither_lost_nor_doubled(
    tmp_path: Path, valkey_url: str, start: Callable[[str], "subprocess.Popen[bytes]"]
) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "readings.db")) as connection:
        connection.execute("CREATE TABLE readings (id INTEGER PRIMARY KEY)")
        connection.executemany("INSERT INTO readings VALUES (?)", ((n,) for n in range(ROWS)))
        connection.commit()
    expected = [f"{n}: line {line}" for n in range(3) for line in range(ROWS // 3)]
    for n in range(3):
        mine = [line for line in expected if line.startswith(f"{n}:")]
        (tmp_path / f"{n}.log.gz").write_bytes(gzip.compress("\n".join(mine).encode()))
    start("coordinator")
    workers = [start("worker"), start("worker")]
    flows = apps.load(str(tmp_path / "source_flows.py")).flows
    with Client.connect(valkey_url) as client:
        wait_until(lambda: len(client.workers()) == 2, "both workers are there")
        table = client.submit(flows["table"], str(tmp_path / "readings.db"))
        logs = client.submit(flows["logs"], str(tmp_path / "*.log.gz"))
        found = []
        for result in client.results(table, follow=True):
            found.append(result)
            if len(found) in KILLED_AT:
                assert client.run(table).state is RunState.RUNNING
                worker = workers.pop(0)
                worker.send_signal(signal.SIGKILL)
                worker.wait()
                workers.append(start("worker"))
        assert found == list(range(ROWS))
        assert list(client.results(logs, follow=True)) == expected
