"""docs/operations.md: its numbers are the code's, and its rights are enough and not too many."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pauseflow.embedded import EmbeddedServer
from pauseflow.store import tuning
from pauseflow.store.rights import PROBES, right_of
from pauseflow.store.server import Server

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operations.md").read_text()
ACL = re.search(r"ACL SETUSER.*?(?=\n```)", PAGE, re.DOTALL)[0].split()
# Sent by the client library when it connects.
LIBRARY = {"client|setinfo"}
# What `flowctl doctor` asks for, and does without.
OPTIONAL = {
    "info", "config|get", "slowlog|get", "scan", "acl|whoami", "acl|getuser", "acl|dryrun",
}  # fmt: skip
SOURCES = [
    file
    for folder in ("pauseflow", "workers", "coordinator")
    for file in (ROOT / folder).rglob("*")
    if file.suffix in (".py", ".lua")
]
SENT = re.compile(r"""(?:\(|redis\.call\()\s*["']([A-Z]{3,})["']\s*,?\s*(?:["']([A-Z]+)["'])?""")
WITH_SUBCOMMAND = {"ACL", "CLIENT", "CONFIG", "SCRIPT", "SLOWLOG", "XGROUP", "XINFO"}
# Words in capitals at the beginning of a tuple that are not commands.
NOT_SENT = {
    "AGE", "ATTEMPTS", "BLOCK", "DYNO", "KEY", "MATCH", "NOGROUP", "PARKED", "RUN", "SCHEDULE",
    "STAGE", "TAKEN",
}  # fmt: skip


def test_the_bounds_are_those_of_the_code():
    rows = re.findall(r"^\|[^|]*\| `([A-Z_]+)` \| ([\d,]+) \|$", PAGE, re.MULTILINE)
    assert len(rows) >= 8
    for name, value in rows:
        assert int(value.replace(",", "")) == getattr(tuning, name), name


def test_the_rights_are_what_the_code_sends():
    sent = set(LIBRARY)
    for file in SOURCES:
        for command, subcommand in SENT.findall(file.read_text()):
            if command not in NOT_SENT:
                with_it = f"{command}|{subcommand}" if command in WITH_SUBCOMMAND else command
                sent.add(with_it.lower())
    assert {word[1:] for word in ACL if word.startswith("+")} == sent - OPTIONAL


def test_the_rights_that_doctor_asks_for_are_those():
    asked = {right_of(probe) for probe in PROBES} | {"set"}
    assert asked | LIBRARY == {word[1:] for word in ACL if word.startswith("+")}


@pytest.fixture
def restricted_url(tmp_path):
    with EmbeddedServer(tmp_path) as server:
        wire = Server.at(server.url).wire()
        wire.call(tuple(ACL))
        wire.close()
        yield f"unix://pauseflow@{server.url.removeprefix('unix://')}?password=secret"


@pytest.mark.process
def test_the_rights_are_enough(tmp_path, restricted_url):
    """A run with a pause and a file that is fed, and every command that looks."""
    (tmp_path / "app.py").write_text(
        "from pauseflow import Flow, PauseFlow\n"
        "def twice(n):\n    yield n\n    yield PauseFlow(after=0.05)\n    yield n\n"
        "flow = Flow('twice')\nflow.branch(twice)\nflow.every('1d')\n"
    )
    (tmp_path / "input.jsonl").write_text("1\n2\n")
    inherited = {k: v for k, v in os.environ.items() if k != "PAUSEFLOW_NAMESPACE"}
    environ = {**inherited, "REDIS_URL": restricted_url, "FLOWCTL_APP": "app.py"}

    def flowctl(*arguments, code=0):
        done = subprocess.run(
            [sys.executable, "-m", "pauseflow.cli", *arguments],
            cwd=tmp_path,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == code, done.stderr
        assert "denies" not in done.stderr
        return done.stdout

    assert flowctl("run", "twice", "7", "--run-id", "seven").split() == ["7", "7"]
    flowctl("submit", "twice", "--file", "input.jsonl", "--run-id", "fed")
    assert {json.loads(line)["id"] for line in flowctl("runs", "--json").splitlines()} == {
        "seven",
        "fed",
    }
    flowctl("show", "fed")
    flowctl("schedules")
    flowctl("retry", "fed")
    assert flowctl("results", "seven").split() == ["7", "7"]
    said = flowctl("doctor", "--all", code=1)  # no worker lives
    assert "rights: the user may send every command that is needed" in said
    assert "keys can't be gone through" in said
