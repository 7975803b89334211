"""Timers: parked work goes on when its time has come."""

from __future__ import annotations

from pauseflow.store.upkeep import Upkeep

EVERY_SECONDS = 0.1


class Timers:
    """Puts back continuations that are due.

    Args:
        upkeep: the store.
    """

    name = "timers"
    every = EVERY_SECONDS

    def __init__(self, upkeep: Upkeep) -> None:
        self._upkeep = upkeep

    def run_once(self) -> int:
        """Puts back what is due. Returns how many."""
        woken = self._upkeep.fire_due()
        self.every = EVERY_SECONDS if woken else self._until_next()
        return woken

    def _until_next(self) -> float:
        """How long until the next one is due, if that is sooner than the next round."""
        first = self._upkeep.next_timer()
        if first is None:
            return EVERY_SECONDS
        return min(max((first - self._upkeep.now()) / 1000, 0.001), EVERY_SECONDS)
