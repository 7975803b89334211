"""Standstill: what a test is told when a run can't go on by itself."""

from __future__ import annotations

from collections.abc import Sequence

from pauseflow.testing.parked import Parked, told


class Standstill(AssertionError):
    """A run waits for something that does not come by itself; the message says for what.

    Args:
        text: why.
        parked: what waits in the run.
    """

    def __init__(self, text: str, parked: Sequence[Parked] = ()) -> None:
        self.parked = tuple(parked)
        super().__init__(f"{text}:\n{told(parked)}" if parked else text)
