"""Keeper: a small process beside a worker, which keeps its lease when its own threads can't run."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

log = logging.getLogger(__name__)

MOST_STARTS = 3
END_SECONDS = 1.0

_PROGRAM = Path(__file__).with_name("keeping.py")
_BLOCKED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Keeper:
    """Starts the keeper's process and tells it of each beat of the worker's heart.

    A call into C that does not release the interpreter's lock stops every thread of a worker, its
    heartbeat too. The process renews the lease when no beat comes and the worker's process runs
    all the same: not when it is stopped (SIGSTOP, a debugger), and not when it is dead. It ends
    with the worker. Without `/proc`, which tells it that, there is none.

    Args:
        url: of the server.
        namespace: of the runs.
    """

    def __init__(self, url: str, namespace: str) -> None:
        self._url = url
        self._namespace = namespace
        self._worker = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe = -1
        self._starts = 0

    def start(self, worker: str) -> None:
        """Starts the process.

        Args:
            worker: whose lease it keeps.
        """
        self._worker = worker
        if not Path(f"/proc/{os.getpid()}/stat").exists():
            return
        self._starts += 1
        # It ends when this process does, and not before: signals to the whole group are not for it.
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, _BLOCKED)
        try:
            self._process = subprocess.Popen(  # noqa: S603 # this package's own file
                [sys.executable, "-I", "-S", str(_PROGRAM), str(os.getpid())],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
            )
        except OSError as error:
            log.warning("no keeper: %s; a thread alone keeps the lease", error)
            return
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        assert self._process.stdin is not None  # noqa: S101 # it is a pipe; tells mypy
        self._pipe = self._process.stdin.fileno()
        with suppress(BrokenPipeError):
            os.write(self._pipe, self._about())
        os.set_blocking(self._pipe, False)

    def beat(self) -> None:
        """Tells that the worker's heart beats. Never waits."""
        if self._process is None:
            return
        try:
            os.write(self._pipe, b".")
        except BlockingIOError:
            pass  # it is stopped
        except BrokenPipeError:
            self.end()
            if self._starts < MOST_STARTS:
                self.start(self._worker)
                self.beat()
            else:
                log.warning("the keeper dies again and again; a thread alone keeps the lease")

    def end(self) -> None:
        """Ends the process, and waits for it."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None  # noqa: S101 # as above
        process.stdin.close()
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _about(self) -> bytes:
        about = {
            "url": self._url,
            "namespace": self._namespace,
            "worker": self._worker,
            "path": [str(Path(folder).absolute()) for folder in sys.path],
        }
        return json.dumps(about).encode() + b"\n"
