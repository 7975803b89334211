"""Colleagues: what the other workers can run, for frames that this one can't."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from pauseflow.origin import Origin
from pauseflow.rollout import Rollout
from pauseflow.store.fleet import WorkerInfo

FOREIGN_SECONDS = 10.0
"""A frame that no living worker can take up is offered again after so long, to whichever."""

SOON_SECONDS = 0.2
"""One that another worker can take up, so that this one does not wait long to meet it."""

UNKNOWN_SECONDS = 1.0
"""While it is not known yet what the others can run: after the next heartbeat it is."""

WANTED_SECONDS = 60.0
"""After the last foreign frame, the others' announcements are read for so long."""

OFFERS_A_SECOND = 200.0
"""More foreign frames than that wait longer, so that workers have time for their own."""


class Colleagues:
    """Says when a frame of other code should be offered again.

    The heartbeat's thread brings what is known, the worker's thread asks.

    Args:
        clock: seconds, from any beginning.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._alone = True
        self._counted = False
        self._rollout: Rollout | None = None
        self._wanted_until = 0.0
        self._next_offer = 0.0

    @property
    def wanted(self) -> bool:
        """Whether this worker has met foreign frames lately, so that the others' code matters."""
        return self._clock() < self._wanted_until

    def count(self, living: int) -> None:
        """Notes how many workers live, this one included."""
        self._alone = living < 2
        self._counted = True
        if not self.wanted:
            self._rollout = None

    def learn(self, others: list[WorkerInfo]) -> None:
        """Notes what the other workers that live have announced."""
        self._rollout = Rollout(others)

    def offer_in(self, flow: str, stage: str, origin: Origin | None) -> float:
        """Seconds until a frame that this worker can't take up should be offered again.

        Args:
            flow: the flow's name.
            stage: the stage's name.
            origin: the code that made it; None if that can't be told.
        """
        now = self._clock()
        if now >= self._wanted_until:
            self._counted = False  # somebody may have come since the last heartbeat
        self._wanted_until = now + WANTED_SECONDS
        if origin is None:
            return FOREIGN_SECONDS
        if not self._counted:
            return UNKNOWN_SECONDS
        if self._alone:
            return FOREIGN_SECONDS
        if self._rollout is None:
            return UNKNOWN_SECONDS
        if not self._rollout.having(flow, stage, origin):
            return FOREIGN_SECONDS
        self._next_offer = max(self._next_offer + 1 / OFFERS_A_SECOND, now)
        jitter = random.uniform(0.75, 1.5)  # noqa: S311 (spreads load; no secret)
        return min(self._next_offer - now + SOON_SECONDS * jitter, FOREIGN_SECONDS)
