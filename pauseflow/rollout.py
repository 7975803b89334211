"""The rollout: which code the living workers have, for frames that wait for theirs."""

from __future__ import annotations

from collections.abc import Iterable

from pauseflow.origin import Origin
from pauseflow.store.fleet import WorkerInfo

NAMED = 3
"""Versions and workers that a message names."""


class Rollout:
    """What workers announce that they can run.

    Args:
        workers: those that live.
    """

    def __init__(self, workers: Iterable[WorkerInfo]) -> None:
        self._workers = tuple(workers)

    def having(self, flow: str, stage: str, origin: Origin) -> list[str]:
        """The labels of the workers that can take up a frame of this origin."""
        place = f"{flow}:{stage}"
        return [
            worker.label
            for worker in self._workers
            if place in worker.code and worker.code[place].can_enter(origin)
        ]

    def told(self, flow: str, stage: str, origin: Origin) -> str:
        """What a frame waits for, and whether anybody has it, for a person."""
        having = self.having(flow, stage, origin)
        if having:
            return f"waits for code {origin}, which {_some(having, 'worker')} has"
        place = f"{flow}:{stage}"
        running = [worker for worker in self._workers if place in worker.stages]
        if not running:
            return f"waits for code {origin}, and no live worker runs stage {stage}"
        codes = {str(worker.code[place]) for worker in running if place in worker.code}
        if not codes:
            return (
                f"waits for code {origin} that no worker has: for live workers the stage is no "
                f"branch any more"
            )
        return f"waits for code {origin} that no worker has; live workers have {_some(codes)}"


def _some(names: Iterable[str], what: str = "") -> str:
    """`worker a`, or `a, b, c and 4 more`."""
    known = sorted(set(names))
    more = f" and {len(known) - NAMED} more" if len(known) > NAMED else ""
    return f"{what} {', '.join(known[:NAMED])}{more}".lstrip()
