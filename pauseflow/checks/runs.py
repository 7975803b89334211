"""Runs: those that have halted, and those that wait for a reader."""

from __future__ import annotations

from collections.abc import Iterator

from pauseflow.checks.finding import Finding, error, ok, warning
from pauseflow.checks.installation import RUNS_LOOKED_AT, Installation

SUBJECT = "runs"
NAMED = 10


def check_runs(installation: Installation) -> Iterator[Finding]:
    """Which runs a person has to see to."""
    going = installation.going
    halted = [run for run in going if run.error]
    for run in halted[:NAMED]:
        yield error(
            SUBJECT,
            f"run {run.id} of flow {run.flow} halted: {run.error.splitlines()[0]}",
            f"Mend the cause, then flowctl retry {run.id}",
        )
    if len(halted) > NAMED:
        yield error(SUBJECT, f"{len(halted) - NAMED:,} more runs halted", "See flowctl runs")
    unread = [run for run in going if run.results.waiting_for_reader]
    for run in unread[:NAMED]:
        yield warning(
            SUBJECT,
            f"run {run.id} of flow {run.flow} waits for a reader of its results",
            f"flowctl results {run.id} --follow",
        )
    if not halted:
        at_least = "at least " if len(installation.runs) == RUNS_LOOKED_AT else ""
        yield ok(SUBJECT, f"{at_least}{len(going):,} are going, and none has halted")
