"""The crew: server, coordinator and workers, for as long as a command like `run` or `up` works."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from types import FrameType, TracebackType
from typing import Self

from pauseflow.cli.children import Children
from pauseflow.cli.exits import Ended, Exit
from pauseflow.cli.invocation import Invocation
from pauseflow.client import Client
from pauseflow.embedded import EmbeddedServer
from pauseflow.settings import APP_VARIABLE, NAMESPACE_VARIABLE, URL_VARIABLE

JOBS_AT_ONCE = 2
JOBS_PATIENCE = "3"
"""Seconds; less than children get to stop in."""


class Crew:
    """What a flow needs to run. A context manager, in the main thread: SIGTERM ends it cleanly.

    Args:
        invocation: what the command line says about app and server.
        say: called with a child's label and a line of its output, from any thread.
        patient: keep on starting a child that dies at once, rather than giving up.
    """

    def __init__(
        self, invocation: Invocation, say: Callable[[str, str], None], *, patient: bool = False
    ) -> None:
        self._settings = invocation.settings()
        self._say = say
        self._patient = patient
        self._stack = contextlib.ExitStack()
        self._embedded: EmbeddedServer | None = None
        self._failure: Exit | None = None
        self.url = ""

    def __enter__(self) -> Self:
        with self._stack:
            self._stack.enter_context(_on_sigterm(self._end))
            if self._settings.url is None:
                self._embedded = self._stack.enter_context(EmbeddedServer(self._settings.project))
            self.url = self._settings.url or (self._embedded.url if self._embedded else "")
            self._stack = self._stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def connect(self) -> Client:
        """A new connection, for one thread."""
        return Client.connect(self.url, namespace=self._settings.namespace)

    def start(self, workers: int, flow: str | None = None, queues: Sequence[str] = ()) -> None:
        """Start a coordinator and workers. Leaving the context stops them before the server.

        Args:
            workers: how many worker processes.
            flow: the one flow that they work for, or None for all of the app's.
            queues: where jobs wait for workers of RQ; some are started if there are any.
        """
        environ = {
            URL_VARIABLE: self.url,
            NAMESPACE_VARIABLE: self._settings.namespace,
            APP_VARIABLE: self._settings.app or "",
        }
        children = Children(environ, self._say, None if self._patient else self._give_up)
        self._stack.enter_context(children)
        children.start("coordinator", ["coordinator"])
        for number in range(1, workers + 1):
            only = ["--flow", flow] if flow else []
            children.start(f"worker.{number}", ["worker", "--processes", "1", *only])
        for number in range(1, min(workers, JOBS_AT_ONCE) + 1 if queues else 1):
            children.start(f"jobs.{number}", ["jobs", "--patience", JOBS_PATIENCE, *queues])

    def revive(self) -> bool:
        """Start the embedded server again if it has died. True if it had to be."""
        return self._embedded is not None and self._embedded.ensure()

    def _give_up(self, reason: str, code: int) -> None:
        """From a child's thread: end the command, which waits for something in the main thread."""
        if self._failure is None:
            self._failure = Exit(code) if code in set(Exit) else Exit.FAILED
            self._say("flowctl", f"flowctl: {reason}; what it said is above")
            os.kill(os.getpid(), signal.SIGTERM)

    def _end(self) -> None:
        raise Ended(self._failure or Exit.TERMINATED)


def processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextlib.contextmanager
def _on_sigterm(act: Callable[[], None]) -> Iterator[None]:
    def handle(_signal: int, _frame: FrameType | None) -> None:
        act()

    before = signal.signal(signal.SIGTERM, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
