"""What something in a run waits for, in words."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from pauseflow.cli.table import age

if TYPE_CHECKING:
    from pauseflow.stack import StandInfo

OVERDUE_SECONDS = 5.0
"""So long after its time, a coordinator should have seen to it."""

JOB = "job:"


def waiting(stand: StandInfo, run_id: str, now: datetime) -> str:  # noqa: C901 (a case a reason)
    """Why it stands there, since when, and what makes it go on: one line."""
    since = f" for {age(stand.since, now)}" if stand.since else ""
    ago = f" {age(stand.since, now)} ago" if stand.since else ""
    then = _then(stand, now)
    match stand.why:
        case "pause":
            text = f"paused{ago}, goes on {then}" if then else f"paused{ago}"
        case "signal":
            text = _for_answer(stand.note, since, run_id) + (f", gives up {then}" if then else "")
        case "retry":
            again = f", tried again {then}" if then else ""
            text = f"failed{ago}{_times(stand.failures)}{again}: {last_line(stand.note)}"
        case "failed":
            text = f"failed{ago}; when the cause is mended: flowctl retry {run_id}"
        case "code":
            text = f"{stand.note or 'waits for other code'}; offered to a worker{ago}"
            text += f", and again {then}" if then else ""
        case "rate" | "limit":
            text = f"waits{since} for its turn under the stage's {stand.why}="
            text += f", asks again {then}" if then else ""
        case "paused":
            text = f"stopped{ago} with its run, flow or stage; flowctl resume lets it go on"
        case "taken":
            text = f"in the hands of worker {stand.worker}{since}"
        case "ready":
            text = f"half done, waits{since} for a worker"
        case "held":
            text = "half done, waits until what comes before it in the run is done"
        case "damaged":
            text = f"can't be read: {last_line(stand.note)}"
        case _:
            text = f"{stand.why}{since}: {last_line(stand.note)}"
    return text


def last_line(text: str) -> str:
    """The last line of an error, which says what it is."""
    return next((line for line in reversed(text.splitlines()) if line.strip()), "").strip()


def _for_answer(name: str, since: str, run_id: str) -> str:
    if name.startswith(JOB):
        return f"waits for job {name.removeprefix(JOB)!r}{since}"
    return f"waits for signal {name!r}{since} (flowctl signal {run_id} {name})"


def _times(failures: int) -> str:
    return f" for the {failures}{_ordinal(failures)} time" if failures > 1 else ""


def _ordinal(number: int) -> str:
    if number % 100 in (11, 12, 13):
        return "th"
    return {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")


def _then(stand: StandInfo, now: datetime) -> str:
    """When it goes on by itself; empty if it does not."""
    if stand.wake is None:
        return ""
    late = (now - stand.wake).total_seconds()
    if late > OVERDUE_SECONDS:
        return f"since {age(stand.wake, now)} at the latest (is a coordinator running?)"
    return "now" if late >= 0 else f"in {age(stand.wake, now)}"
