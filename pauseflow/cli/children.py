"""Children: the worker and coordinator processes that `run` and `up` start, watch and stop."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import IO, Self

from pauseflow.cli.exits import Exit
from pauseflow.cli.lifeline import READY_VARIABLE, VARIABLE

# A worker puts its work back and exits within a second; one that is stuck gets no more than this.
STOP_PATIENCE = 5.0
# A child that lived this long was fine: the next one starts without waiting longer than the first.
PROVED = 10.0
FIRST_DELAY = 0.5
LONGEST_DELAY = 15.0
# The command line or the app is wrong, so that starting again can't help.
HOPELESS = (Exit.USAGE, Exit.NOT_FOUND)
# So many deaths in a row that no record can be to blame for: before the app was loaded, or because
# of the server.
GIVE_UP = 3


class Children:
    """A set of flowctl processes, each started again when it dies, all stopped on leaving.

    A context manager. A child's output, both streams of it, is given to `say` line by line.
    Children are not in the terminal's process group: Ctrl-C reaches them as a stop, in order. If
    this process is killed, they notice by their lifeline and stop.

    Args:
        environ: for the children, beside this process's own environment.
        say: called with a child's label and a line, from a thread of that child.
        give_up: called with a reason and the exit code when a child can't be kept alive; None to
            go on trying for ever, with ever longer delays. A worker that dies of its work is always
            started again: the record that does it is found and set aside.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        say: Callable[[str, str], None],
        give_up: Callable[[str, int], None] | None = None,
    ) -> None:
        self._environ = dict(environ)
        self._say = say
        self._give_up = give_up
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._alive: set[subprocess.Popen[bytes]] = set()
        self._keepers: list[threading.Thread] = []
        self._lifeline, self._lifeline_end = os.pipe()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self, label: str, arguments: Sequence[str]) -> None:
        """Start a child, and keep it running.

        Args:
            label: what its output and its death are said under.
            arguments: of flowctl.
        """
        keeper = threading.Thread(
            target=self._keep, args=(label, list(arguments)), name=label, daemon=True
        )
        self._keepers.append(keeper)
        keeper.start()

    def stop(self) -> None:
        """Ask every child to stop, wait, and kill what is left. May be called twice."""
        self._stopping.set()
        try:
            with self._lock:
                alive = list(self._alive)
            for process in alive:
                process.terminate()
            deadline = time.monotonic() + STOP_PATIENCE
            for process in alive:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(max(0.0, deadline - time.monotonic()))
        finally:
            with self._lock:
                for process in self._alive:
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)
            for keeper in self._keepers:
                if keeper.ident is not None:  # else the stop came before it began
                    keeper.join(STOP_PATIENCE)
            for descriptor in (self._lifeline, self._lifeline_end):
                with contextlib.suppress(OSError):
                    os.close(descriptor)

    def _keep(self, label: str, arguments: list[str]) -> None:
        delay, deaths, hopeless = 0.0, 0, 0
        while not self._stopping.wait(delay):
            started = time.monotonic()
            code, ready = self._live(label, arguments)
            if self._stopping.is_set():
                return
            proved = time.monotonic() - started >= PROVED
            deaths = 1 if proved else deaths + 1
            at_work = ready and code != Exit.SERVER
            hopeless = 0 if at_work else 1 if proved else hopeless + 1
            delay = FIRST_DELAY if deaths == 1 else min(2 * delay, LONGEST_DELAY)
            how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
            wrong = code in HOPELESS and not at_work
            if self._give_up and (wrong or hopeless == GIVE_UP):
                self._give_up(f"{label} {how}", code)
                return
            self._say("flowctl", f"{label} {how}; starting it again in {delay:g} s")

    def _live(self, label: str, arguments: list[str]) -> tuple[int, bool]:
        """One life of a child: its exit code, and whether it had come so far as to work."""
        ready, ready_end = os.pipe()
        try:
            code = self._run(label, arguments, ready_end)
            os.set_blocking(ready, False)
            with contextlib.suppress(BlockingIOError):  # a process that it left behind has the pipe
                return code, bool(os.read(ready, 1))
            return code, False
        finally:
            os.close(ready)

    def _run(self, label: str, arguments: list[str], ready_end: int) -> int:
        process = self._spawn(arguments, ready_end)
        if process is None:
            return 0
        assert process.stdout is not None  # noqa: S101 - for the type checker: it is a pipe
        # A thread of its own: a process that the child left behind may hold the pipe open.
        reader = threading.Thread(
            target=self._relay, args=(label, process.stdout), name=f"{label} output", daemon=True
        )
        reader.start()
        code = process.wait()
        reader.join(1.0)
        with self._lock:
            self._alive.discard(process)
        return code

    def _spawn(self, arguments: list[str], ready_end: int) -> subprocess.Popen[bytes] | None:
        """Starts a process, unless all are to stop. Closes the end of the pipe that it is given."""
        with self._lock:
            if self._stopping.is_set():
                os.close(ready_end)
                return None
            process = subprocess.Popen(  # noqa: S603 - flowctl itself
                [sys.executable, "-m", "pauseflow.cli", *arguments],
                env={
                    **os.environ,
                    **self._environ,
                    "PYTHONUNBUFFERED": "1",
                    VARIABLE: str(self._lifeline),
                    READY_VARIABLE: str(ready_end),
                },
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=[self._lifeline, ready_end],
                start_new_session=True,
            )
            self._alive.add(process)
        os.close(ready_end)
        return process

    def _relay(self, label: str, output: IO[bytes]) -> None:
        with output:
            for line in output:
                self._say(label, line.decode("utf-8", "replace").rstrip("\r\n"))
