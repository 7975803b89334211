"""Replicas: whether the server's copies keep up."""

from __future__ import annotations

from collections.abc import Iterator

from pauseflow.checks.finding import Finding, ok, warning
from pauseflow.checks.installation import Installation

SUBJECT = "replicas"
LATE_SECONDS = 10
FAR_BYTES = 1 << 20


def check_replicas(installation: Installation) -> Iterator[Finding]:
    """What a failover to one of them would lose."""
    replicas = installation.server.replicas
    if replicas is None:
        yield ok(SUBJECT, "can't be looked at here (INFO is denied, or does not tell)")
        return
    late = 0
    for replica in replicas:
        if replica.state != "online":
            said = f"{replica.address} is {replica.state}: it does not get what is written"
        elif replica.lag is not None and replica.lag > LATE_SECONDS:
            said = f"{replica.address} has not answered for {replica.lag:,} s"
        elif replica.behind is not None and replica.behind > FAR_BYTES:
            said = f"{replica.address} is {replica.behind:,} bytes behind"
        else:
            continue
        late += 1
        advice = "A failover to it goes back to where it is: see to it first"
        yield warning(SUBJECT, said, advice)
    if not replicas:
        yield ok(SUBJECT, "none")
    elif not late:
        yield ok(SUBJECT, f"{len(replicas)}, and up to date")
