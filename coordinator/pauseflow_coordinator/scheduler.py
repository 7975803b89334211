"""Scheduler: runs start when their flow's schedules say so."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime

from pauseflow.errors import (
    MalformedData,
    ServerFull,
    ServerRefused,
    ServerUnreachable,
    StoreError,
)
from pauseflow.graph import Graph
from pauseflow.schedule import LATE, Schedule
from pauseflow.store.books import moment
from pauseflow.store.commands import Ticked
from pauseflow.store.schedules import Noted, Schedules
from pauseflow.store.upkeep import Upkeep

EVERY_SECONDS = 1.0
SOONEST_SECONDS = 0.001
TOLD_KEPT = 1_000

log = logging.getLogger(__name__)


class Scheduler:
    """Starts the runs of ticks that have come. Any number may do it: it is one run a tick.

    A schedule that is seen for the first time, or whose rule is another one by now, begins with
    its next tick. What can't be read or started is told once and stops nothing else.

    Args:
        upkeep: for the time, which is the server's.
        schedules: the store.
    """

    name = "scheduler"
    every = EVERY_SECONDS

    def __init__(self, upkeep: Upkeep, schedules: Schedules) -> None:
        self._upkeep = upkeep
        self._schedules = schedules
        self._told: set[str] = set()
        self._next: dict[Schedule, tuple[datetime, datetime]] = {}

    def run_once(self) -> int:
        """Starts what is due. Returns how many runs it has started."""
        graphs, notes = self._schedules.look()
        now = moment(self._upkeep.now())
        started = 0
        upcoming: dict[Schedule, tuple[datetime, datetime]] = {}
        for flow, graph in graphs.items():
            if isinstance(graph, MalformedData):
                self._tell_once(f"flow {flow!r}: {graph}")
                continue
            for schedule in graph.schedules:
                noted = notes.get(schedule.full_name, b"")
                try:
                    started += self._see_to(graph, schedule, noted, now, upcoming)
                except (ServerUnreachable, ServerRefused, ServerFull):
                    raise
                except StoreError as error:
                    self._tell_once(f"schedule {schedule.full_name}: {error}")
        self._next = upcoming
        self._schedules.drop_notes(_gone(graphs, notes))
        soonest = min((tick for _, tick in upcoming.values()), default=None)
        self.every = EVERY_SECONDS
        if soonest is not None:
            self.every = min(max((soonest - now).total_seconds(), SOONEST_SECONDS), EVERY_SECONDS)
        return started

    def _see_to(
        self,
        graph: Graph,
        schedule: Schedule,
        noted: Noted | bytes,
        now: datetime,
        upcoming: dict[Schedule, tuple[datetime, datetime]],
    ) -> int:
        if isinstance(noted, bytes) or noted.spec != schedule.rule.spec:
            raw = noted if isinstance(noted, bytes) else noted.raw
            self._schedules.note(schedule, raw, Noted(now, None, schedule.rule.spec))
            return 0  # with its next tick, in a round to come
        upto, tick = self._next.get(schedule, (None, now))
        if upto != noted.upto:
            tick = schedule.rule.after(noted.upto)
        upcoming[schedule] = (noted.upto, tick)
        if tick > now:
            return 0
        if now - tick > LATE:
            self._tell_once(
                f"schedule {schedule.full_name}: ticks since {tick:%Y-%m-%d %H:%M:%SZ} were missed "
                f"(missed={schedule.missed!r})"
            )
        due = schedule.due(noted.upto, now)
        if not due:
            self._schedules.note(schedule, noted.raw, Noted(now, noted.last, noted.spec))
        return self._start(graph, schedule, due, noted)

    def _start(self, graph: Graph, schedule: Schedule, due: list[datetime], noted: Noted) -> int:
        started = 0
        for tick in due:
            match self._schedules.start(graph, schedule, tick, noted):
                case Ticked.STARTED:
                    started += 1
                case Ticked.THERE:
                    pass
                case Ticked.OTHER_FLOW | Ticked.OTHER_INPUT:
                    self._tell_once(
                        f"schedule {schedule.full_name}: there was a run "
                        f"{schedule.run_id(tick)!r} already, of another flow or input, so this "
                        f"tick has none of its own"
                    )
                case Ticked.TOO_LATE:
                    break  # another coordinator goes on from here
            noted = noted.at(tick)
        return started

    def _tell_once(self, text: str) -> None:
        if text not in self._told:
            if len(self._told) >= TOLD_KEPT:
                self._told.clear()
            self._told.add(text)
            log.warning("%s", text)


def _gone(graphs: Mapping[str, Graph | MalformedData], notes: Mapping[str, object]) -> list[str]:
    """The schedules that are noted and no more there: should they come back, they begin anew."""
    there = {
        schedule.full_name
        for graph in graphs.values()
        if isinstance(graph, Graph)
        for schedule in graph.schedules
    }
    unreadable = [f"{flow}." for flow, graph in graphs.items() if not isinstance(graph, Graph)]
    return [name for name in notes if name not in there and not name.startswith(tuple(unreadable))]
