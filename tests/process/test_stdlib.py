"""The standard library's facts are the same from this process and from two workers."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

STDLIB = Path(__file__).parents[2] / "examples" / "stdlib.py"
DISTRIBUTED = ["-m", "pauseflow.cli", "run", "--app", str(STDLIB), "stdlib", "null"]
ALONE = """
import json, sys
from pauseflow.app import load
for facts in load(sys.argv[1]).flow("stdlib").iter(None):
    print(json.dumps(facts))
"""
# Measuring what is covered would make both several times as slow, and shows nothing new.
NOT_INHERITED = ("REDIS_URL", "FLOWCTL_APP", "PAUSEFLOW_", "COVERAGE_", "COV_")


def started(folder, *arguments):
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=folder,
        env={k: v for k, v in os.environ.items() if not k.startswith(NOT_INHERITED)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def facts_of(process):
    printed, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    return [json.loads(line) for line in printed.splitlines()]


def test_workers_find_what_one_process_finds(tmp_path):
    with (
        started(tmp_path, *DISTRIBUTED, "--workers", "2") as workers,
        started(tmp_path, "-c", ALONE, str(STDLIB)) as one,
    ):
        alone = facts_of(one)
        distributed = facts_of(workers)
    assert distributed == alone
    assert len(alone) > 500  # some distributions leave the library's own tests out
