"""What is told at the end."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field


@dataclass
class Figures:
    """Counts of what was done and survived.

    Attributes:
        recoveries: seconds from a worker's death until nothing was left in its hands, where a
            coordinator lived all the time.
        at_least: for each of them, after how many seconds something was last seen there.
        alone: the same, where for some of the time none did.
        crashed: records that were set aside since their workers were killed three times.
    """

    kills: int = 0
    freezes: int = 0
    stops: int = 0
    restarts: int = 0
    delays: int = 0
    swallows: int = 0
    cuts: int = 0
    rolls: int = 0
    holds: int = 0
    signals: int = 0
    halts: int = 0
    cancels: int = 0
    runs: int = 0
    records: int = 0
    letters: int = 0
    crashed: int = 0
    foreign: set[str] = field(default_factory=set)
    recoveries: list[float] = field(default_factory=list)
    at_least: list[float] = field(default_factory=list)
    alone: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """Of the recoveries; 0 without any."""
        return statistics.median(self.recoveries) if self.recoveries else 0.0

    def __str__(self) -> str:
        lines = [
            (
                f"{self.runs} runs, {self.records:,} results, {self.letters} dead letters, "
                f"{self.cancels} runs cancelled, {self.halts} halted and retried, "
                f"{self.signals:,} signals, {self.holds} holds"
            ),
            (
                f"{self.kills} kills, {self.freezes} freezes, {self.stops} stops, "
                f"{self.restarts} server restarts; connections: {self.delays} delayed, "
                f"{self.swallows} half-open, {self.cuts} cut in a reply"
            ),
            (
                f"{self.rolls} workers rolled to another version of the code; "
                f"{len(self.foreign)} runs seen waiting for the other version"
            ),
        ]
        if self.crashed:
            lines.append(
                f"{self.crashed} records were at work in three kills, and are dead letters"
            )
        if self.recoveries:
            lines.append(
                f"a killed worker's chunks were back after {self.median:.2f} s "
                f"(median of {len(self.recoveries)}; 90 %: {share(self.recoveries, 0.9):.2f} s, "
                f"99 %: {share(self.recoveries, 0.99):.2f} s, most {max(self.recoveries):.2f} s)"
            )
        if self.alone:
            lines.append(
                f"and after {max(self.alone):.2f} s at most in {len(self.alone)} cases where no "
                f"coordinator lived for some of the time"
            )
        return "\n".join(lines)


def share(times: list[float], part: float) -> float:
    """The time that this part of them did not exceed."""
    ordered = sorted(times)
    return ordered[min(int(part * len(ordered)), len(ordered) - 1)]
