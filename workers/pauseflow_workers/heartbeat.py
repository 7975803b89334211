"""The worker's second thread: keeps the lease, and helps when the first is held up in a stage."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol

from pauseflow.errors import StoreError
from pauseflow.store.fleet import RENEW_SECONDS

log = logging.getLogger(__name__)

HELD_UP_SECONDS = 1.0
"""A stage that takes so long holds up what this worker has read ahead: it is given back to
others."""

STOP_SECONDS = 0.6
"""How long a record may go on after a stop before its chunk is given back as it was."""

NUDGE_SECONDS = 0.02


class Beating(Protocol):
    """What the heartbeat needs of a worker. Called from the heartbeat's thread."""

    stopping: threading.Event
    attempt_began: float
    """When the record or slice at work began, `time.monotonic`; 0.0 between two."""

    def renew(self) -> None:
        """Renews the lease and exchanges what is known of costs."""

    def tell(self) -> None:
        """Tells whoever keeps the lease besides that the heart beats."""

    def help(self) -> None:
        """Commits what is done and gives back what is not begun."""

    def unblock(self) -> None:
        """Ends a blocking read."""

    def abandon(self) -> None:
        """Gives back what is at work, for the process is about to be left."""


class Heartbeat(threading.Thread):
    """Beats until it is told to end.

    Args:
        worker: whose lease it keeps.
    """

    def __init__(self, worker: Beating) -> None:
        super().__init__(name="pauseflow-heartbeat", daemon=True)
        self._worker = worker
        self._ended = threading.Event()
        self._failing = False

    def end(self) -> None:
        """Stops beating, and waits for the thread."""
        self._ended.set()
        self._worker.stopping.set()
        if self.is_alive() and threading.current_thread() is not self:
            self.join()

    def run(self) -> None:
        """The thread's loop."""
        worker = self._worker
        while not worker.stopping.wait(RENEW_SECONDS):
            self._renew()
            began = worker.attempt_began
            if began and time.monotonic() - began > HELD_UP_SECONDS:
                self._carefully(worker.help)
        told = time.monotonic()
        renewed = told
        while not self._ended.wait(NUDGE_SECONDS):
            now = time.monotonic()
            if not worker.attempt_began:
                self._carefully(worker.unblock)
            elif now - told > STOP_SECONDS:
                self._carefully(worker.help)
                self._carefully(worker.abandon)
            if now - renewed > RENEW_SECONDS:
                self._renew()
                renewed = now

    def _renew(self) -> None:
        went_well = self._carefully(self._worker.renew)
        self._failing = not went_well
        self._worker.tell()

    def _carefully(self, step: Callable[[], None]) -> bool:
        """Does a step; whether it went well. What goes wrong again and again is said once."""
        try:
            step()
        except StoreError as error:
            # The lease may end meanwhile; then our commits are fenced, and nothing is lost.
            if not self._failing:
                log.warning("heartbeat: %s", error)
        except Exception:
            # For want of memory, say. Without this thread the worker could not be stopped.
            if not self._failing:
                log.exception("heartbeat: it goes on")
        else:
            return True
        return False
