"""The processes that are hurt: workers of two versions of an app, coordinators, the server."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from chaos.proxy import Proxy

from pauseflow.embedded.server import _binary
from pauseflow.errors import StoreError
from pauseflow.store.server import Server
from support.waiting import wait_until

HERE = Path(__file__).parent
WORKERS = ("worker.1", "worker.2", "worker.3")
COORDINATORS = ("coordinator.1", "coordinator.2")
ROLLOUT = (("one",), ("one", "two"), ("two",), ("two", "one"))
"""The versions that run beside each other, one phase after the other."""


class Crew:
    """Starts processes again that have ended.

    Args:
        folder: for the server's data, the effects' log and the output of all.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "valkey.sock"
        self.log = folder / "effects"
        self.log.touch()
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.phase = 0
        self._frozen: dict[str, float] = {}
        self._editions: dict[str, str] = {}
        self._output: IO[bytes] = (folder / "output").open("wb")
        self._server = self._start_server()
        self.proxy = Proxy(self.socket)
        self._ports = {name: self.proxy.port_for(name) for name in (*WORKERS, *COORDINATORS)}

    @property
    def url(self) -> str:
        """Of the server itself."""
        return f"unix://{self.socket}"

    def url_through_the_proxy(self, owner: str) -> str:
        """A way to the server that can be hurt."""
        if owner not in self._ports:
            self._ports[owner] = self.proxy.port_for(owner)
        return f"redis://127.0.0.1:{self._ports[owner]}"

    def revive(self) -> None:
        """Starts what has ended, and lets go on what was frozen long enough."""
        for name in (*WORKERS, *COORDINATORS):
            if name not in self.processes or self.processes[name].poll() is not None:
                self._start(name)
        self.thaw()

    def thaw(self, *, everything: bool = False) -> None:
        """Lets frozen processes go on."""
        for name, until in list(self._frozen.items()):
            if everything or time.monotonic() > until:
                del self._frozen[name]
                self.processes[name].send_signal(signal.SIGCONT)

    def at_work(self, name: str) -> bool:
        """Whether a process runs, is not frozen, and talks to the server."""
        runs = self.processes[name].poll() is None and name not in self._frozen
        return runs and self.proxy.healthy(name)

    def coordinated(self) -> bool:
        """Whether a coordinator is at work."""
        return any(map(self.at_work, COORDINATORS))

    def kill(self, name: str) -> int:
        """SIGKILL. Returns the process id that was."""
        process = self.processes[name]
        process.kill()
        process.wait()
        return process.pid

    def freeze(self, name: str, seconds: float) -> None:
        """SIGSTOP, and after so long SIGCONT."""
        self.processes[name].send_signal(signal.SIGSTOP)
        self._frozen[name] = time.monotonic() + seconds

    def stop(self, name: str) -> None:
        """SIGTERM."""
        self.processes[name].terminate()

    def roll(self, phase: int) -> int:
        """Goes on to a phase of the rollout. Returns how many workers are stopped for it."""
        self.phase = phase
        rolled = 0
        for name in WORKERS:
            if self._editions[name] != self._edition(name):
                self.stop(name)
                rolled += 1
        return rolled

    def restart_server(self, number: int) -> None:
        """Ends the server, by SIGTERM or SIGKILL, and starts it again with what it has on disk."""
        self._server.send_signal(number)
        self._server.wait()
        self._server = self._start_server()

    def end(self, names: Sequence[str]) -> None:
        """Stops these processes, and waits until they have ended."""
        for name in names:
            self.processes[name].terminate()
        for name in names:
            self.processes[name].wait(20)

    def close(self) -> None:
        """Ends every process, however."""
        for process in (*self.processes.values(), self._server):
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.wait()
        self.proxy.close()
        self._output.close()

    def said(self) -> str:
        """The last of what the processes have said."""
        return (self.folder / "output").read_text(errors="replace")[-8_000:]

    def _edition(self, name: str) -> str:
        editions = ROLLOUT[self.phase % len(ROLLOUT)]
        return editions[WORKERS.index(name) % len(editions)]

    def _start(self, name: str) -> None:
        command = [sys.executable, "-m", "pauseflow.cli", name.partition(".")[0]]
        if name in WORKERS:
            self._editions[name] = self._edition(name)
            command += ["--app", f"chaos.edition_{self._editions[name]}"]
        self.processes[name] = subprocess.Popen(
            command,
            env={
                **os.environ,
                "REDIS_URL": self.url_through_the_proxy(name),
                "CHAOS_LOG": str(self.log),
                "PYTHONPATH": os.pathsep.join(
                    filter(None, (str(HERE.parent), os.environ.get("PYTHONPATH")))
                ),
            },
            stdout=self._output,
            stderr=self._output,
        )

    def _start_server(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [
                str(_binary()), "--port", "0", "--unixsocket", str(self.socket),
                "--dir", str(self.folder), "--appendonly", "yes", "--save", "",
                "--maxmemory-policy", "noeviction",
            ],
            stdout=self._output,
        )  # fmt: skip
        wait_until(self._answers, "the server answers", seconds=60)
        return process

    def _answers(self) -> bool:
        wire = Server.at(self.url).wire()
        try:
            return bool(wire.call(("PING",)) == b"PONG")
        except StoreError:
            return False
        finally:
            wire.close()
