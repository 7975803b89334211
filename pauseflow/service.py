"""Services: small steps that a process repeats, each with all its logic in `run_once`."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from pauseflow.errors import ServerReadOnly, ServerRefused, StoreError

log = logging.getLogger(__name__)

FIRST_DELAY = 0.1
LONGEST_DELAY = 5.0


class Service(Protocol):
    """Something that is done again and again."""

    name: str
    """For messages."""

    every: float
    """Seconds between two rounds."""

    def run_once(self) -> object:
        """One round. Returns a report of what it did, which is falsy if it did nothing.

        A round that did something is followed by another at once.
        """


@dataclass(slots=True)
class _Due:
    service: Service
    at: float
    failures: int = 0


def run_services(
    services: Sequence[Service],
    stopping: threading.Event,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Runs services in turn, in this thread, until `stopping` is set.

    A service whose server is gone, or has become a replica, is tried again, with growing delays;
    the others go on.

    Args:
        services: what to run.
        stopping: ends the loop, at the latest when the round at work is over.
        clock: seconds, never going back.

    Raises:
        ServerRefused: the server does not accept us; not if it has become a replica meanwhile.
    """
    welcome = False
    plan = [_Due(service, clock()) for service in services]
    while not stopping.is_set():
        due = min(plan, key=lambda each: each.at)
        wait = due.at - clock()
        if wait > 0 and stopping.wait(wait):
            return
        try:
            busy = bool(due.service.run_once())
        except StoreError as error:
            demoted = welcome and isinstance(error, ServerReadOnly)
            if isinstance(error, ServerRefused) and not demoted:
                raise
            # Said once, until all go on: a full server still lets some of them do their work.
            if not any(each.failures for each in plan):
                log.warning("%s: %s; trying again", due.service.name, error)
            due.failures += 1
            due.at = clock() + min(FIRST_DELAY * 2 ** min(due.failures, 10), LONGEST_DELAY)
            continue
        welcome = welcome or busy
        if due.failures:
            due.failures = 0
            if not any(each.failures for each in plan):
                log.info("%s: the server is back", due.service.name)
        due.at = clock() if busy else clock() + due.service.every
