"""Latency: what keeps the server from answering at once."""

from __future__ import annotations

from collections.abc import Iterator

from pauseflow.checks.finding import Finding, warning
from pauseflow.checks.installation import Installation

SUBJECT = "latency"


def check_latency(installation: Installation) -> Iterator[Finding]:
    """Whether a command has kept everybody waiting lately. Says nothing if none has."""
    slowest = installation.client.inspection.slowest()
    if slowest is not None:
        name, seconds = slowest
        yield warning(
            SUBJECT,
            f"within the last hour a {name} took {seconds * 1000:,.0f} ms, while nobody else was "
            f"served",
            "SLOWLOG GET tells which commands do; KEYS and large SCANs are not pauseflow's",
        )
