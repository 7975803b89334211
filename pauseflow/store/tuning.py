"""How large chunks are, and how many are in flight: from what records were measured to cost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from time import perf_counter

from pauseflow.graph import Stage

CHUNK_MICROSECONDS = 5_000
"""How much work a chunk should be: so much that its two round trips don't matter, so little that a
run of one
record, waiting behind a window of them, does not notice."""

CHUNK_RECORDS = 8_192
CHUNK_BYTES = 262_144

WINDOW = 4
"""Chunks of one run in flight at one stage, for one worker."""

WINDOW_A_WORKER = 4
MAX_WINDOW = 256

UNKNOWN_SINGLY = 64
UNKNOWN_TOGETHER = 16
"""Of a stage that nobody has measured yet: so many records come one by one, then so many a
piece."""

RESULTS_BYTES = 8 * 1024 * 1024
"""Unread results of one run that are kept before the run waits for a reader."""

READ_BYTES = 128 * 1024
"""Results that a reader has taken are kept for others until there are more than so many bytes."""

KEEP_MS = 3_600_000
"""How long a run that is done, and its results, are kept."""


QUARANTINE_ENTRIES = 1_000
"""Of what was set aside, the newest are kept."""

DEAREST_MICROSECONDS = 1e12
"""More than any record takes; what is told beyond it is no cost."""


class Tuning:
    """What is known of the stages' costs and of the fleet, shared through the server.

    It is a hint: two workers may differ in it, and nothing but speed depends on it.

    Attributes:
        clock: by which work is measured and cut into slices, in seconds; another one in tests.
    """

    clock: Callable[[], float] = staticmethod(perf_counter)

    def __init__(self) -> None:
        self.workers = 1
        self.version = 0
        self._costs: dict[str, float] = {}
        self._measured: dict[str, float] = {}
        self.news = False

    def cost(self, flow: str, stage: str) -> float | None:
        """Microseconds a record takes at a stage, or None if nobody has measured it yet."""
        return self._costs.get(f"{flow}:{stage}")

    def measured(self, flow: str, stage: str, records: int, seconds: float) -> None:
        """Takes in what a chunk has cost."""
        name = f"{flow}:{stage}"
        cost = max(seconds * 1e6 / records, 0.01)
        before = self._costs.get(name)
        if before is None:
            after = cost
            self.news = True
        else:
            # A chunk of many records says more than one of a single record.
            weight = 0.3 if records > 8 else 0.1
            after = before + weight * (cost - before)
        self._costs[name] = after
        self._measured[name] = after
        if (
            before is None
            or not 0.5 < after / before < 2
            or self.target_of(before) != self.target_of(after)
        ):
            self.version += 1

    def to_share(self) -> dict[str, float]:
        """What was measured here since the last call."""
        measured, self._measured = self._measured, {}
        self.news = False
        return measured

    def learn(self, costs: Mapping[str, float], workers: int) -> None:
        """Takes in what other workers have measured, and how many workers there are."""
        for name, cost in costs.items():
            if name not in self._measured and self._costs.get(name) != cost:
                self._costs[name] = cost
                self.version += 1
        if workers != self.workers:
            self.workers = max(workers, 1)
            self.version += 1

    @staticmethod
    def target_of(cost: float | None) -> int:
        """How many records of this cost make up a chunk; a power of two, to change seldom."""
        if cost is None:
            return 1
        records = min(max(int(CHUNK_MICROSECONDS / cost), 1), CHUNK_RECORDS)
        return 1 << (records.bit_length() - 1)

    def target(self, flow: str, stage: str) -> int:
        """How many records a chunk for this stage should have."""
        return self.target_of(self._costs.get(f"{flow}:{stage}"))

    def piece(self, flow: str, stage: str, arrived: int) -> int:
        """How many records a piece for this stage should have.

        While the cost is unknown the first ones come singly, so that it is known soon; then a few
        together, for pieces can be joined later, but not cut.

        Args:
            flow: the flow's name.
            stage: the stage that will get them.
            arrived: about how many records it has been sent before.
        """
        cost = self._costs.get(f"{flow}:{stage}")
        if cost is None:
            return 1 if arrived < UNKNOWN_SINGLY else UNKNOWN_TOGETHER
        return self.target_of(cost)

    def window(self, stage: Stage) -> int:
        """How many chunks of one run may be in flight at the stage."""
        if stage.sequential:
            return 1
        if stage.window is not None:
            return stage.window
        return min(WINDOW + WINDOW_A_WORKER * (self.workers - 1), MAX_WINDOW)

    def limit(self, flow: str, stage: Stage) -> int:
        """The high-water mark: how many records wait here before the stages above stop.

        Less than a window, but two chunks: while the stage works on those in flight it can be sent
        more, and what waits takes memory.
        """
        return max(64, self.target(flow, stage.name) * max(self.window(stage) - 2, 2))


def read_costs(names: Iterable[str], values: Iterable[bytes | None]) -> dict[str, float]:
    """What the server has to say of costs, without what is no cost.

    Args:
        names: stages, as `<flow>:<stage>`.
        values: microseconds a record of each, as text; None of a stage that nobody has measured.
    """
    costs = {}
    for name, value in zip(names, values, strict=True):
        try:
            cost = float(value or b"")
        except ValueError:
            continue
        if 0 < cost < DEAREST_MICROSECONDS:
            costs[name] = max(cost, 0.01)
    return costs
