"""Code: frames that wait for code that no live worker has, and workers with other code."""

from __future__ import annotations

from collections.abc import Iterator

from pauseflow.checks.finding import Finding, error, ok, warning
from pauseflow.checks.installation import Installation

SUBJECT = "code"
NAMED = 20
LOOKED_AT = 20_000
"""Parked continuations of all runs together."""


def check_code(installation: Installation) -> Iterator[Finding]:
    """For each run and stage, which code its frames wait for."""
    left, orphaned, served = LOOKED_AT, 0, 0
    for run in installation.going:
        if left <= 0:
            break
        if not any(stage.parked for stage in run.stages):
            continue
        found = installation.client.inspection.waiting_for_code(run.id, limit=left)
        left -= found.looked_at
        for (stage, origin), count in found.frames.items():
            if origin is not None and installation.rollout.having(run.flow, stage, origin):
                served += count
                continue
            orphaned += 1
            if orphaned > NAMED:
                continue
            frames = f"{count:,} frames" if count > 1 else "a frame"
            what = (
                "waits for code that can't be told"
                if origin is None
                else installation.rollout.told(run.flow, stage, origin)
            )
            key = "" if origin is None else origin.version or origin.fingerprint
            yield error(
                SUBJECT,
                f"run {run.id}, stage {stage}: {frames} {what if count == 1 else _plural(what)}",
                f"Run a worker with that code, or declare migrate={{{key!r}: ...}} on the stage",
            )
    if orphaned > NAMED:
        yield error(SUBJECT, f"so do frames of {orphaned - NAMED:,} more stages of runs")
    if left <= 0:
        yield warning(SUBJECT, f"only {LOOKED_AT:,} of what is parked was looked at")
    if not orphaned:
        also = f"; {served:,} wait for a worker that has it" if served else ""
        yield ok(SUBJECT, f"no frame waits for code that no worker has{also}")


def _plural(text: str) -> str:
    return text.replace("waits for", "wait for", 1)


def check_versions(installation: Installation) -> Iterator[Finding]:
    """Which workers run other code than the app that is here."""
    for name, flow in sorted((installation.flows or {}).items()):
        for stage in flow.graph.stages:
            if stage.series is None:
                continue
            place, own = f"{name}:{stage.name}", stage.series.code
            others = sorted(
                (worker.label, str(worker.code[place]))
                for worker in installation.workers
                if place in worker.code and worker.code[place].fingerprint != own.fingerprint
            )
            if others:
                label, code = others[0]
                more = f" (and {len(others) - 1} more)" if len(others) > 1 else ""
                yield warning(
                    SUBJECT,
                    f"worker {label}{more} has code {code} for {place}, and the app here {own}",
                )
