"""A project folder with an app, and flowctl processes in it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pauseflow.embedded.folder import Folder

APP = """
import pathlib
import time

from pauseflow.flow import Flow


def source(n):
    for i in range(n):
        yield i


def add_one(x):
    return x + 1


def tell(x):
    print("saw", x)


def finished():
    print("finished")


def slow(x):
    time.sleep(0.02)
    return x


def picky(x):
    if x == 3 and not pathlib.Path("mended").exists():
        raise ValueError("three is bad")
    return x


numbers = Flow("numbers").branch(source, finished=finished).map(add_one)
printing = Flow("printing").branch(source, finished=finished).map(add_one).each(tell)
slowly = Flow("slowly").branch(source).map(slow)
failing = Flow("failing").branch(source).map(picky)
plus = Flow("plus").map(add_one)
"""


class Project:
    """A folder with an app, and flowctl in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.folder = Folder(path / ".pauseflow")
        self.started: list[subprocess.Popen[str]] = []
        unwanted = {"REDIS_URL", "FLOWCTL_APP", "PAUSEFLOW_NAMESPACE", "WEB_CONCURRENCY"}
        self.environ = {k: v for k, v in os.environ.items() if k not in unwanted}

    def start(self, *arguments: str, **environ: str) -> "subprocess.Popen[str]":
        """Start flowctl, in a process group of its own, as a shell does."""
        process = subprocess.Popen(
            [sys.executable, "-m", "pauseflow.cli", *arguments],
            cwd=self.path,
            env={**self.environ, **environ},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def flowctl(self, *arguments: str, stdin: str = "", **environ: str) -> "Ended":
        """Run flowctl to its end."""
        return Ended(self.start(*arguments, **environ), stdin)

    def processes(self) -> dict[int, str]:
        """The processes that work in this folder: their ids and command lines."""
        found = {}
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdecimal() and (entry / "cwd").readlink() == self.path:
                    found[int(entry.name)] = (entry / "cmdline").read_text().replace("\0", " ")
            except OSError:
                continue  # ended meanwhile, or another user's
        return found

    def all_gone(self) -> bool:
        serving = self.folder.path.exists() and self.folder.server_runs()
        return not self.processes() and not serving


class Ended:
    """What a flowctl left behind: exit code and output. It never shows a traceback."""

    def __init__(self, process: "subprocess.Popen[str]", stdin: str = "") -> None:
        self.stdout, self.stderr = process.communicate(stdin, timeout=60)
        self.code = process.returncode
        self.lines = self.stdout.splitlines()

    def __repr__(self) -> str:
        return f"exit code {self.code}\n{self.stdout}\n{self.stderr}"


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    (tmp_path / "shop.py").write_text(APP)
    (tmp_path / "pyproject.toml").write_text('[tool.pauseflow]\napp = "shop"\n')
    project = Project(tmp_path)
    yield project
    for process in project.started:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.communicate()
    until(project.all_gone, "every process of the test is gone")


@pytest.fixture
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that is no project's."""
    return tmp_path_factory.mktemp("bare")


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, f"waited 20 s until {what}"
        time.sleep(0.005)


@pytest.fixture(name="until")
def until_fixture() -> Callable[[Callable[[], bool], str], None]:
    return until
