"""A flowctl to call, and a client that answers without a server."""

import dataclasses
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import pytest
from click.testing import CliRunner, Result

from pauseflow import errors
from pauseflow.cli.root import flowctl
from pauseflow.client import (
    Client,
    Held,
    ParkedInfo,
    ResultsInfo,
    RunInfo,
    RunState,
    SetAsideInfo,
    StageInfo,
)

THEN = datetime(2024, 1, 2, tzinfo=UTC)
STAGE = StageInfo(
    name="double",
    arrived=10,
    done=7,
    emitted=6,
    cursor=3,
    in_flight=2,
    backlog=1,
    held=4,
    parked=1,
    ended=False,
    busy=1.25,
    rate=2500.0,
)
INFO = RunInfo(
    id="r1",
    flow="doubling",
    state=RunState.RUNNING,
    created=THEN,
    finished=None,
    error="",
    position=10,
    stages=(STAGE,),
    results=ResultsInfo(count=6, bytes=60, read=2, dropped=1, waiting_for_reader=False),
    parked=(ParkedInfo("double", "r1:double:7", "pause", THEN, None, "until tea"),),
)
HALTED = dataclasses.replace(
    INFO,
    id="r2",
    state=RunState.HALTED,
    error="stage 'double' failed on record r1:double:7: ValueError: no",
    parked=(ParkedInfo("double", "r1:double:7", "failed", THEN, None, "ValueError: no"),),
)
FULL = dataclasses.replace(
    INFO, id="r3", results=dataclasses.replace(INFO.results, waiting_for_reader=True), parked=()
)


class FakeClient:
    """Answers as a client does, from what the test gives it."""

    def __init__(self) -> None:
        self.infos = {"r1": INFO, "r2": HALTED, "r3": FULL}
        self.values: list[object] = [1, "zwei", b"3"]
        self.aside: list[SetAsideInfo] = []
        self.holds = Held()
        self.full_server = ""
        self.failure: Exception | None = None
        self.after: Exception | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def run(self, run_id: str) -> RunInfo:
        self.may_fail()
        if run_id not in self.infos:
            raise errors.UnknownRun(f"there is no run {run_id!r}")
        return self.infos[run_id]

    def runs(self, *, flow: str | None = None, limit: int = 100) -> list[RunInfo]:
        self.may_fail()
        return [i for i in self.infos.values() if flow in (None, i.flow)][:limit]

    def held(self) -> Held:
        return self.holds

    @property
    def inspection(self) -> Self:
        return self

    def full(self) -> str:
        return self.full_server

    def set_aside(self, *, limit: int = 100) -> tuple[int, list[SetAsideInfo]]:
        return len(self.aside), self.aside[:limit]

    def results(self, run_id: str, *, follow: bool = False, start: int = 0) -> Iterator[object]:
        self.run(run_id)
        yield from self.values[start:]
        if self.after is not None:
            raise self.after

    def retry(self, run_id: str) -> int:
        return 1 if self.run(run_id).state is RunState.HALTED else 0

    def may_fail(self) -> None:
        if self.failure is not None:
            raise self.failure


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> FakeClient:
    fake = FakeClient()
    monkeypatch.setattr(Client, "connect", lambda url, *, namespace: fake)
    monkeypatch.setenv("REDIS_URL", "redis://:hunter2@nowhere:1/0")
    return fake


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty current directory for an app, with nothing in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delenv("REDIS_URL", raising=False)
    monkeypatch.delenv("FLOWCTL_APP", raising=False)
    yield tmp_path
    for name, module in list(sys.modules.items()):
        if str(tmp_path) in str(getattr(module, "__file__", "")):
            del sys.modules[name]


@pytest.fixture
def call() -> Callable[..., Result]:
    """Call flowctl; whatever happens, it never shows a traceback."""

    def call(*arguments: str, stdin: str | bytes | None = None) -> Result:
        result = CliRunner().invoke(flowctl, arguments, input=stdin)
        assert "Traceback" not in result.stderr
        return result

    return call
