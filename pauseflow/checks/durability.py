"""Durability: what the server loses when it stops."""

from __future__ import annotations

from collections.abc import Iterator

from pauseflow.checks.finding import Finding, ok, warning
from pauseflow.checks.installation import Installation

SUBJECT = "disk"
_LOSES = {"always": "a crash loses nothing", "everysec": "a crash loses its last second at most"}


def check_durability(installation: Installation) -> Iterator[Finding]:
    """Whether what was committed is on disk."""
    facts = installation.server
    if facts.appendonly is None:
        yield ok(SUBJECT, "can't be looked at here (INFO is denied, or does not tell)")
    elif not facts.appendonly:
        yield warning(
            SUBJECT,
            "appendonly is off: what was committed since the last snapshot is lost when the "
            "server stops",
            "Set appendonly yes and appendfsync everysec, as deploy/redis.conf does",
        )
    elif installation.embedded:
        yield ok(SUBJECT, "the embedded server's files are synced every second by flowctl")
    elif facts.appendfsync is None:
        yield ok(SUBJECT, "appendonly is on; how often it is synced can't be asked")
    elif facts.appendfsync in _LOSES:
        told = f"appendonly is on, appendfsync {facts.appendfsync}: {_LOSES[facts.appendfsync]}"
        yield ok(SUBJECT, told)
    else:
        yield warning(
            SUBJECT,
            f"appendfsync is {facts.appendfsync}: a crash of the machine loses what the operating "
            f"system has not written yet",
            "Set appendfsync everysec",
        )
