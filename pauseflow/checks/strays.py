"""Strays: what is kept and belongs to nothing, and what nobody looks after."""

from __future__ import annotations

import time
from collections.abc import Iterator

from pauseflow.checks.finding import Finding, error, ok, warning
from pauseflow.checks.installation import Installation
from pauseflow.errors import ServerRefused, ServerUnreachable, StoreError
from pauseflow.store.wrong import Wrong

SUBJECT = "strays"
NAMED = 50
PASSES_SECONDS = 0.2
"""What may be so for a moment is gone after it."""


def check_strays(installation: Installation) -> Iterator[Finding]:
    """Looks through the namespace twice if the first look finds something."""
    if installation.run is not None:
        return
    try:
        found = list(_look(installation))
        if any(wrong.passing for wrong in found):
            time.sleep(PASSES_SECONDS)
            still = {wrong.what for wrong in _look(installation.anew())}
            found = [wrong for wrong in found if not wrong.passing or wrong.what in still]
    except (ServerRefused, ServerUnreachable):
        raise
    except StoreError as refused:
        yield error(SUBJECT, f"can't be looked for: {refused}")
        return
    for wrong in found[:NAMED]:
        yield _finding(installation, wrong)
    if len(found) > NAMED:
        yield warning(SUBJECT, f"and {len(found) - NAMED:,} more", "See to these first")
    if not found:
        yield ok(SUBJECT, "nothing is kept that belongs to nothing")
    if installation.every_key:
        yield from _unowned(installation)


def _look(installation: Installation) -> Iterator[Wrong]:
    inspection = installation.client.inspection
    strays, now = inspection.strays, inspection.now()
    manned = frozenset(stage for worker in installation.workers for stage in worker.stages)
    yield from strays.timers()
    yield from strays.jobs(now)
    yield from strays.runs(now, installation.runs)
    yield from strays.letters()
    yield from strays.consumers(now, installation.places, manned)
    if manned:
        flows = frozenset(stage.partition(":")[0] for stage in manned)
        yield from strays.schedules(flows)


def _unowned(installation: Installation) -> Iterator[Finding]:
    strays = installation.client.inspection.strays
    try:
        found = list(strays.unowned())
        if any(wrong.passing for wrong in found):
            time.sleep(PASSES_SECONDS)
            still = {wrong.what for wrong in strays.unowned()}
            found = [wrong for wrong in found if wrong.what in still]
    except ServerRefused as refused:
        yield ok(SUBJECT, f"keys can't be gone through: {refused}")
        return
    for wrong in found[:NAMED]:
        yield _finding(installation, wrong)
    if len(found) > NAMED:
        yield warning(SUBJECT, f"and {len(found) - NAMED:,} more", "See to these first")
    if not found:
        yield ok(SUBJECT, "each key is something's")


def _finding(installation: Installation, wrong: Wrong) -> Finding:
    level = warning if wrong.harmless else error
    remedy = wrong.remedy
    if remedy is None:
        return level(SUBJECT, wrong.text, wrong.advice)
    mending = installation.client.inspection.mending
    advice = "flowctl doctor --repair mends it"
    return level(SUBJECT, wrong.text, advice).mended_by(lambda: mending.apply(remedy))
