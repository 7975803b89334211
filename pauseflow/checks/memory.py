"""Memory: what the server does when it is full, and how far it is from it."""

from __future__ import annotations

from collections.abc import Iterator

from pauseflow.checks.finding import Finding, error, ok, warning
from pauseflow.checks.installation import Installation

SUBJECT = "memory"
NEARLY_FULL = 0.9
_MIB = 1 << 20


def check_memory(installation: Installation) -> Iterator[Finding]:
    """Whether the server would evict keys, which are work."""
    facts = installation.server
    if facts.policy is None or facts.maxmemory is None:
        yield ok(SUBJECT, "can't be looked at here (INFO is denied, or does not tell)")
        return
    limit = f"{facts.maxmemory // _MIB:,} MiB" if facts.maxmemory else "no limit"
    used = f"{(facts.used or 0) / _MIB:,.1f} MiB used of {limit}"
    advice = "Set maxmemory-policy noeviction: a full server then refuses writes, and workers wait"
    if facts.policy == "noeviction":
        yield ok(SUBJECT, f"{used}, maxmemory-policy noeviction")
    elif not facts.maxmemory:
        yield warning(SUBJECT, f"{used}; with one, {facts.policy} would evict work", advice)
    elif facts.policy.startswith("volatile-"):
        yield warning(
            SUBJECT,
            f"{used}; when it is full, {facts.policy} evicts the results of done runs",
            advice,
        )
    else:
        yield error(
            SUBJECT, f"{used}; when it is full, {facts.policy} evicts work, which is lost", advice
        )
    if facts.maxmemory and (facts.used or 0) > NEARLY_FULL * facts.maxmemory:
        yield warning(
            SUBJECT,
            f"{(facts.used or 0) / facts.maxmemory:.0%} of maxmemory is used",
            "Read results that wait, or raise maxmemory; bounds are in docs/operations.md",
        )
