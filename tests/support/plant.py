"""Plant: an app in a folder, and the real processes that work on its runs."""

import contextlib
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from pauseflow import app as apps
from pauseflow.client import Client
from pauseflow.errors import StoreError
from pauseflow.store.server import Server
from support.waiting import wait_until

_NUMBERS = itertools.count(1)


class Plant:
    """Starts workers and coordinators, each with its output in a file of its own.

    Args:
        folder: an empty one; becomes the processes' current directory.
        url: of the server that they use.
        app: the text of the app.
        client_url: of the server as the test sees it, if that is another.
    """

    def __init__(self, folder: Path, url: str, app: str, client_url: str = "") -> None:
        self.folder = folder
        name = f"plant_{next(_NUMBERS)}"
        path = folder / f"{name}.py"
        path.write_text(app)
        self.environ = {**os.environ, "REDIS_URL": url, "FLOWCTL_APP": path.name}
        with contextlib.chdir(folder):  # where its processes run, and leave what they write
            self.flows = apps.load(str(path)).flows
        sys.modules.pop(name, None)
        self.client = Client.connect(client_url or url)
        self.server = Server.at(client_url or url)
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, *arguments: str, shell: str = "") -> "subprocess.Popen[bytes]":
        """A flowctl process, in a process group of its own.

        Args:
            arguments: of flowctl.
            shell: what the shell does before, `ulimit` for instance.
        """
        command = [sys.executable, "-m", "pauseflow.cli", *arguments]
        if shell:
            command = ["/bin/sh", "-c", f'{shell}; exec "$@"', "sh", *command]
        with (self.folder / f"output.{len(self.processes)}").open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def worker(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """One worker, which has its lease."""
        process = self.start("worker", *arguments)
        wait_until(lambda: self.has_lease(process), "the worker is there")
        return process

    def coordinator(self) -> "subprocess.Popen[bytes]":
        return self.start("coordinator")

    def has_lease(self, process: "subprocess.Popen[bytes]") -> bool:
        try:
            return any(f".{process.pid}." in each.name for each in self.client.workers())
        except StoreError:
            return False

    def output(self, process: "subprocess.Popen[bytes]") -> str:
        """What a process has said so far."""
        number = self.processes.index(process)
        return (self.folder / f"output.{number}").read_text(errors="replace")

    def notes(self, name: str = "notes") -> list[str]:
        """The lines of a file that the app writes into its folder."""
        with contextlib.suppress(FileNotFoundError):
            return (self.folder / name).read_text().splitlines()
        return []

    def reaches(self, notes: int, name: str = "notes") -> None:
        """Waits until the app has written so many lines."""
        wait_until(lambda: len(self.notes(name)) >= notes, f"there are {notes} {name}")

    def close(self) -> None:
        """Ends what still runs, and the children of it."""
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGCONT)
                os.killpg(process.pid, signal.SIGTERM)
        deadline = time.monotonic() + 8
        for process in self.processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(deadline - time.monotonic(), 0.1))
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.client.close()


@contextlib.contextmanager
def plant(folder: Path, url: str, app: str, client_url: str = "") -> Iterator[Plant]:
    """A plant inside the block."""
    (folder / "plant").mkdir()
    made = Plant(folder / "plant", url, app, client_url)
    try:
        yield made
    finally:
        made.close()
        for process in made.processes:
            print(f"-- {process.args}\n{made.output(process)[-3_000:]}")


def cpu_seconds(process: "subprocess.Popen[bytes]") -> float:
    """The processor time that a process has used so far."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
