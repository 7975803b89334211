"""Held: flows, stages and runs that a person has paused, and may have forgotten."""

from __future__ import annotations

from collections.abc import Iterator

from pauseflow.checks.finding import Finding, warning
from pauseflow.checks.installation import Installation
from pauseflow.client import RunState

SUBJECT = "held"
NAMED = 10


def check_held(installation: Installation) -> Iterator[Finding]:
    """What stands still because somebody wanted it so. Says nothing if nothing does."""
    held = installation.client.held()
    for flow in sorted(held.flows):
        yield warning(SUBJECT, f"flow {flow} is paused", f"To go on: flowctl resume {flow}")
    for flow, stage in sorted(held.stages):
        advice = f"To go on: flowctl resume {flow} {stage}"
        yield warning(SUBJECT, f"stage {stage} of flow {flow} is paused", advice)
    paused = [run for run in installation.going if run.state is RunState.PAUSED]
    for run in paused[:NAMED]:
        advice = f"To go on: flowctl resume {run.id}"
        yield warning(SUBJECT, f"run {run.id} of flow {run.flow} is paused", advice)
    if len(paused) > NAMED:
        yield warning(SUBJECT, f"{len(paused) - NAMED:,} more runs are paused", "See flowctl runs")
