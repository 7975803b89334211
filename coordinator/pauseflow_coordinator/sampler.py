"""Sampler: how fast the stages of the runs that are going go."""

from __future__ import annotations

import time
from collections.abc import Callable

from pauseflow.store.upkeep import Upkeep

EVERY_SECONDS = 1.0
SMOOTHING = 0.5


class Sampler:
    """Notes items a second for each stage of the newest runs.

    Args:
        upkeep: the store.
        clock: seconds, never going back.
    """

    name = "sampler"
    every = EVERY_SECONDS

    def __init__(self, upkeep: Upkeep, clock: Callable[[], float] = time.monotonic) -> None:
        self._upkeep = upkeep
        self._clock = clock
        self._last: dict[str, tuple[float, dict[str, int]]] = {}

    def run_once(self) -> None:
        """Takes one sample. What two samples differ by, by the time between them, is the rate."""
        now = self._clock()
        rates: dict[str, dict[str, float]] = {}
        seen: dict[str, tuple[float, dict[str, int]]] = {}
        for run in self._upkeep.going_runs():
            done = {stage.name: stage.done for stage in run.stages}
            seen[run.id] = (now, done)
            if run.id in self._last:
                before, was = self._last[run.id]
                passed = max(now - before, 0.001)
                rates[run.id] = {
                    stage.name: round(
                        stage.rate
                        + SMOOTHING * ((stage.done - was.get(stage.name, 0)) / passed - stage.rate),
                        1,
                    )
                    for stage in run.stages
                }
        self._last = seen
        self._upkeep.note_rates(rates)
