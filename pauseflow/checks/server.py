"""The server: that it answers, and that its version will do."""

from __future__ import annotations

from collections.abc import Iterator

from pauseflow.checks.finding import Finding, error, ok, warning
from pauseflow.checks.installation import Installation

SUBJECT = "server"
OLDEST = {"Redis": (6, 2), "Valkey": (7, 2)}
SLOW_MS = 20.0
"""A round trip that takes longer limits what one worker can do."""


def check_server(installation: Installation) -> Iterator[Finding]:
    """Its version, its role, and how quickly it answers."""
    facts = installation.server
    if facts.product is None or facts.version is None:
        yield ok(SUBJECT, "answers; which version it is can't be asked (INFO is denied)")
    else:
        version = ".".join(map(str, facts.version))
        oldest = OLDEST[facts.product]
        if facts.version < oldest:
            yield error(
                SUBJECT,
                f"{facts.product} {version} is too old",
                "Use Redis 6.2 or Valkey 7.2, or a later one",
            )
        else:
            yield ok(SUBJECT, f"{facts.product} {version} answers in {facts.milliseconds:.1f} ms")
    if facts.replica:
        yield error(SUBJECT, "is a copy of another server", "Give the URL of the primary")
    if facts.milliseconds > SLOW_MS:
        yield warning(
            SUBJECT,
            f"a round trip takes {facts.milliseconds:.0f} ms",
            "Run workers close to the server: each has a few round trips under way at once",
        )
