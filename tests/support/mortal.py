"""MortalServer: a Valkey on a TCP port that a test may stop, kill and start again."""

import contextlib
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

from pauseflow.embedded.server import _binary
from pauseflow.errors import StoreError
from pauseflow.store.server import Reply, Server
from support.servers import answers
from support.waiting import wait_until


class MortalServer:
    """One server with its data in a folder.

    Args:
        folder: made if it is not there.
        options: of valkey-server, beside port and folder.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.options = options
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Starts it, and waits until it answers."""
        command = [str(_binary()), "--port", str(self.port), "--bind", "127.0.0.1"]
        command += ["--dir", str(self.folder), "--save", "", *self.options]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        wait_until(lambda: answers(self.url), "the server answers")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Stops it by a signal, and waits for its end."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait()
            self.process = None

    def call(self, *words: object) -> Reply:
        """Sends one command over a connection of its own."""
        wire = Server.at(self.url).wire()
        try:
            return wire.call(words)
        finally:
            wire.close()

    def info(self, section: str) -> dict[str, str]:
        """What INFO tells in one section."""
        lines = self.call("INFO", section).decode().splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)


@contextlib.contextmanager
def mortal(folder: Path, *options: str) -> Iterator[MortalServer]:
    """A server inside the block."""
    made = MortalServer(folder, *options)
    try:
        yield made
    finally:
        with contextlib.suppress(StoreError):
            made.stop(signal.SIGKILL)
