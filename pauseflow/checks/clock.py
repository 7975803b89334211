"""Clock: the server's against this machine's."""

from __future__ import annotations

from collections.abc import Iterator

from pauseflow.checks.finding import Finding, ok, warning
from pauseflow.checks.installation import Installation

SUBJECT = "clock"
FAR_SECONDS = 1.0


def check_clock(installation: Installation) -> Iterator[Finding]:
    """Whether a time that this machine names comes when it should."""
    ahead = installation.client.inspection.clock_ahead()
    if abs(ahead) <= FAR_SECONDS:
        yield ok(SUBJECT, "the server's agrees with this machine's")
        return
    way = "ahead of" if ahead > 0 else "behind"
    yield warning(
        SUBJECT,
        f"the server's is {abs(ahead):,.1f} s {way} this machine's; leases and timers go by the "
        f"server's, at= and after= name times of the machine that the stage runs on",
        "Have both set their clocks by NTP",
    )
