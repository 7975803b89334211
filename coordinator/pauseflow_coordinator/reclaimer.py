"""Reclaimer: the work of workers that died goes to others."""

from __future__ import annotations

import logging
import time

from pauseflow.store.fleet import Fleet
from pauseflow.store.server import Wire

EVERY_SECONDS = 0.5
ORPHANS_SECONDS = 10.0

log = logging.getLogger(__name__)


class Reclaimer:
    """Puts back what workers had in hand whose lease has ended.

    Args:
        fleet: the store.
        wire: a connection of this thread.
    """

    name = "reclaimer"
    every = EVERY_SECONDS

    def __init__(self, fleet: Fleet, wire: Wire) -> None:
        self._fleet = fleet
        self._wire = wire
        self._orphans_at = 0.0

    def run_once(self) -> int:
        """Puts back the work of the dead. Returns how many chunks."""
        moved = 0
        for worker in self._fleet.dead(self._wire):
            chunks = self._fleet.reclaim(self._wire, worker)
            log.warning("worker %s is gone; %d chunks of its work were put back", worker, chunks)
            moved += chunks
        now = time.monotonic()
        if now >= self._orphans_at:
            self._orphans_at = now + ORPHANS_SECONDS
            for stage, worker in self._fleet.orphans(self._wire):
                moved += self._fleet.reclaim_orphan(self._wire, stage, worker)
        return moved
