"""Ties: what a run has parked against the timers, waits and jobs that wake it."""

from __future__ import annotations

from collections.abc import Iterator

from pauseflow.store.books import RunState
from pauseflow.store.envelope import SIGNAL
from pauseflow.store.held import PAUSED
from pauseflow.store.survey import SeenParked, Survey
from pauseflow.store.wrong import DropWait, SetTimer, SetWait, Unpause, WatchJob, Wrong

TIMED = frozenset({"pause", "retry", "rate", "limit", "turn", "code"})
"""Why something is parked that a timer wakes."""

_LONGEST_NAME = 399
"""Of a wait whose name is known to its end."""


def ties(survey: Survey) -> Iterator[Wrong]:
    """What of a run waits for nothing that will come, and what waits in the name of nothing.

    Args:
        survey: the run, seen at one moment.
    """
    expected: dict[bytes, SeenParked] = {}
    for parked in survey.parked.values():
        if parked.chunk is None:
            continue
        yield from _timer(parked)
        if parked.why == SIGNAL and len(parked.note) < _LONGEST_NAME:
            member = f"{parked.note}\n{parked.since:016d}\n{parked.field}"
            expected[member.encode("utf-8", "replace")] = parked
    there = {wait.member for wait in survey.waits}
    for wait, parked in expected.items():
        if wait not in there:
            yield Wrong(
                f"what is parked as {parked.field} waits for {parked.note!r}, and is not listed "
                f"among what does: no answer reaches it",
                SetWait(parked.field, wait.decode("utf-8", "replace"), _head(parked)),
            )
    yield from _waits(survey, expected)
    yield from _paused(survey)


def _timer(parked: SeenParked) -> Iterator[Wrong]:
    if parked.timed or not (parked.wake or parked.why in TIMED):
        return
    yield Wrong(
        f"what is parked as {parked.field} ({parked.why}) has no timer: nothing wakes it",
        SetTimer(parked.field, parked.wake or parked.since, _head(parked)),
    )


def _waits(survey: Survey, expected: dict[bytes, SeenParked]) -> Iterator[Wrong]:
    answered = set()
    for wait in survey.waits:
        long = len(wait.name) >= _LONGEST_NAME
        if wait.member not in expected and not long:
            since = wait.member.split(b"\n")[1:2]
            number = int(since[0]) if since and since[0].isdigit() else 0
            yield Wrong(
                f"{wait.field!r} is listed as waiting for {wait.name!r}, and is not parked for it",
                DropWait(wait.member, wait.field, f"{SIGNAL} {number} "),
                harmless=True,
            )
        elif wait.answered and wait.name not in answered:
            answered.add(wait.name)
            yield Wrong(
                f"an answer to {wait.name!r} is kept, although something waits for it",
                advice="Send it again: the first that waits gets it",
            )
        elif not wait.looked_at:
            yield Wrong(
                f"what is parked as {wait.field} waits for {wait.name}, which nobody looks at",
                WatchJob(wait.name),
                passing=True,
            )


def _paused(survey: Survey) -> Iterator[Wrong]:
    if survey.info.state is RunState.PAUSED:
        return
    fields = tuple(sorted(each.field for each in survey.parked.values() if each.why == PAUSED))
    if fields:
        said = f"what is parked as {fields[0]} is" if len(fields) == 1 else f"{len(fields):,} are"
        yield Wrong(
            f"{said} parked because the run was paused, and it is not any more",
            Unpause(fields),
            passing=True,
        )


def _head(parked: SeenParked) -> str:
    return f"{parked.why} {parked.since} {parked.wake} "
