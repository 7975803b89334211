"""Janitor: done runs leave the list when they have expired."""

from __future__ import annotations

from pauseflow.store.upkeep import Upkeep


class Janitor:
    """Forgets runs that were done long enough ago.

    Args:
        upkeep: the store.
    """

    name = "janitor"
    every = 5.0

    def __init__(self, upkeep: Upkeep) -> None:
        self._upkeep = upkeep

    def run_once(self) -> int:
        """Forgets some. Returns how many."""
        return self._upkeep.forget_expired()
