"""Workers: that somebody runs the stages of the runs that are going."""

from __future__ import annotations

from collections.abc import Iterator

from pauseflow.checks.finding import Finding, error, ok, warning
from pauseflow.checks.installation import Installation

SUBJECT = "workers"
NAMED = 5
LATE_SECONDS = 5.0
"""A pause that should have ended so long ago has no coordinator to end it."""


def check_workers(installation: Installation) -> Iterator[Finding]:
    """Who lives, and which stages of going runs nobody runs."""
    workers = installation.workers
    going = installation.going
    if workers:
        named = ", ".join(sorted(worker.label for worker in workers)[:NAMED])
        more = f" and {len(workers) - NAMED} more" if len(workers) > NAMED else ""
        yield ok(SUBJECT, f"{len(workers)} live: {named}{more}")
        yield from _unmanned(installation)
    elif going:
        count = f"{len(going):,} runs are" if len(going) > 1 else "a run is"
        yield error(SUBJECT, f"none lives, and {count} not done", "Start some: flowctl worker")
    else:
        yield warning(SUBJECT, "none lives; nothing waits for one", "Start some: flowctl worker")


def _unmanned(installation: Installation) -> Iterator[Finding]:
    run_by_somebody = {stage for worker in installation.workers for stage in worker.stages}
    waiting: dict[str, int] = {}
    for run in installation.going:
        for stage in run.stages:
            place = f"{run.flow}:{stage.name}"
            if place not in run_by_somebody and (stage.backlog or stage.in_flight or stage.parked):
                waiting[place] = waiting.get(place, 0) + 1
    for place, count in sorted(waiting.items()):
        runs = f"{count:,} runs wait" if count > 1 else "a run waits"
        yield error(
            SUBJECT,
            f"{runs} at {place}, which no live worker runs",
            "Start a worker with the app that has it, or one without --flow and --stage",
        )


def check_coordinator(installation: Installation) -> Iterator[Finding]:
    """Whether pauses end when they should."""
    late = installation.client.inspection.overdue()
    if late > LATE_SECONDS:
        yield error(
            "coordinator",
            f"a pause should have ended {late:,.0f} s ago: none seems to be running",
            "Start one: flowctl coordinator",
        )
    else:
        yield ok("coordinator", "no pause is overdue")
