"""Rights: whether the user may send every command that pauseflow does."""

from __future__ import annotations

from collections.abc import Iterator

from pauseflow.checks.finding import Finding, error, ok
from pauseflow.checks.installation import Installation

SUBJECT = "rights"


def check_rights(installation: Installation) -> Iterator[Finding]:
    """Which commands the server denies us."""
    denied = installation.client.inspection.denied()
    if denied:
        words = " ".join(f"+{right}" for right in denied)
        yield error(
            SUBJECT,
            f"the server denies this user {len(denied)} of the commands that are needed",
            f"ACL SETUSER <user> {words}, on keys ~pauseflow:*; docs/operations.md has the list",
        )
    else:
        yield ok(SUBJECT, "the user may send every command that is needed")
