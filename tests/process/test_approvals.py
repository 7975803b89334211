"""examples/approvals.py: every document waits for a person, who is played by the test."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from pauseflow.client import Client, RunState
from pauseflow.store.server import Server
from support.servers import bare_valkey
from support.waiting import wait_until

pytestmark = pytest.mark.process

EXAMPLE = Path(__file__).parents[2] / "examples" / "approvals.py"

TEXTS = {
    "alone.md": "no heading\n",
    "long.md": "# Long\n" + "word " * 1_200,
    "short.md": "# Short\nenough\n",
    "other.txt": "no text of this kind",
}


@pytest.fixture
def texts(tmp_path):
    folder = tmp_path / "texts"
    folder.mkdir()
    for name, text in TEXTS.items():
        (folder / name).write_text(text)
    return str(folder)


@pytest.fixture
def flowctl(tmp_path):
    """Starts commands of an installation of its own. They end with the test."""
    running = []
    with bare_valkey(tmp_path) as url:
        environ = {**os.environ, "REDIS_URL": url, "FLOWCTL_APP": str(EXAMPLE)}

        def start(*arguments):
            command = [sys.executable, "-m", "pauseflow.cli", *arguments]
            running.append(subprocess.Popen(command, env=environ, cwd=tmp_path))
            return running[-1]

        start.url = url
        yield start
        for process in running:
            process.terminate()
        for process in running:
            process.wait(20)


def test_decisions_make_it_what_a_local_run_with_the_same_person_is(flowctl, texts):
    example = runpy.run_path(str(EXAMPLE))
    expected = example["flow"].run(texts, signals=example["Person"](texts).decide)
    assert {each["name"]: each["verdict"] for each in expected} == {
        "alone.md": "rejected",
        "long.md": "approve",
        "short.md": "approve",
    }
    flowctl("coordinator")
    worker = flowctl("worker")
    person = example["Person"](texts)
    with Client(Server.at(flowctl.url)) as client:
        client.submit(example["flow"], texts, run_id="monday")
        wait_until(lambda: len(client.run("monday").parked) == 3, "all documents wait")
        # Nobody needs to be there meanwhile, and whoever goes on may be somebody else.
        worker.kill()
        worker.wait()
        flowctl("worker")
        while client.run("monday").state is RunState.RUNNING:
            for parked in client.run("monday").parked:
                client.signal("monday", parked.note, person.decide(parked.note))
            wait_until(
                lambda: (run := client.run("monday")).parked or run.state is RunState.DONE,
                "what was decided goes on",
            )
        assert by_name(client.results("monday")) == by_name(expected)


def by_name(documents):
    return sorted(documents, key=lambda document: document["name"])
