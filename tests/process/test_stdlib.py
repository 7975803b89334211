"""The standard library's facts are the same from this process and from two workers."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pauseflow.app import load

pytestmark = pytest.mark.process

STDLIB = Path(__file__).parents[2] / "examples" / "stdlib.py"
SETTINGS = ("REDIS_URL", "FLOWCTL_APP", "PAUSEFLOW_NAMESPACE")


def test_workers_find_what_one_process_finds(tmp_path):
    command = ["-m", "pauseflow.cli", "run", "--app", str(STDLIB), "stdlib", "null"]
    with subprocess.Popen(
        [sys.executable, *command, "--workers", "2"],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name not in SETTINGS},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as distributed:
        alone = load(str(STDLIB)).flow("stdlib").run(None)
        printed, said = distributed.communicate(timeout=300)
    assert distributed.returncode == 0, said
    assert [json.loads(line) for line in printed.splitlines()] == alone
    assert len(alone) > 500  # some distributions leave the library's own tests out
