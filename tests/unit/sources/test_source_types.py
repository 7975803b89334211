"""A type checker knows what each source gives to the stage after it."""

import subprocess
import sys
from pathlib import Path

import pytest

WRITTEN = """
from functools import partial
from typing import Any, assert_type

from pauseflow import Flow, sources
from pauseflow.flow import Stream

flow = Flow("typed")
assert_type(flow.branch(sources.glob).branch(sources.lines), Stream[str])
assert_type(flow.branch(sources.chunks), Stream[bytes])
assert_type(flow.branch(partial(sources.csv, delimiter=";")), Stream[dict[str, str]])
assert_type(flow.branch(partial(sources.sql, query="t", key="id")), Stream[dict[str, Any]])
assert_type(flow.branch(sources.pages), Stream[sources.Page])
clicks = flow.branch(partial(sources.redis_stream, name="x"))
assert_type(clicks, Stream[tuple[str, dict[Any, Any]]])
for record in sources.split(sources.chunks("x")):
    assert_type(record, bytes)
"""


def test_the_types_of_what_sources_give(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    written = tmp_path / "written.py"
    written.write_text(WRITTEN)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", str(written)],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
