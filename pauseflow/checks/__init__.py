"""What `flowctl doctor` looks at. Each check is a function from an installation to findings.

To add one: write it in a file of its own, and name it in `CHECKS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from pauseflow.checks.books import check_books
from pauseflow.checks.clock import check_clock
from pauseflow.checks.code import check_code, check_versions
from pauseflow.checks.durability import check_durability
from pauseflow.checks.finding import Finding, Level
from pauseflow.checks.held import check_held
from pauseflow.checks.installation import Installation
from pauseflow.checks.latency import check_latency
from pauseflow.checks.memory import check_memory
from pauseflow.checks.replicas import check_replicas
from pauseflow.checks.rights import check_rights
from pauseflow.checks.runs import check_runs
from pauseflow.checks.server import check_server
from pauseflow.checks.strays import check_strays
from pauseflow.checks.tls import check_tls
from pauseflow.checks.workers import check_coordinator, check_workers

Check = Callable[[Installation], Iterator[Finding]]

CHECKS: tuple[Check, ...] = (
    check_server,
    check_rights,
    check_tls,
    check_clock,
    check_latency,
    check_durability,
    check_replicas,
    check_memory,
    check_workers,
    check_coordinator,
    check_runs,
    check_held,
    check_code,
    check_versions,
    check_books,
    check_strays,
)
"""In the order in which they are told."""


MENDABLE: tuple[Check, ...] = (check_books, check_strays)
"""Those that find what can be put right."""

ROUNDS = 5
"""Of mending: what is put right may show what else is wrong."""


def examine(installation: Installation, *, repair: bool = False) -> Iterator[Finding]:
    """What all checks find, as they find it.

    Args:
        installation: what to look at.
        repair: put right what can be; what was is told as mended.

    Raises:
        StoreError: the server is gone, or denies what every client of pauseflow needs.
        UnknownRun: there is no such run as the installation names.
    """
    for check in CHECKS:
        if repair and check in MENDABLE:
            yield from _mend(check, installation)
        else:
            yield from check(installation)


def _mend(check: Check, installation: Installation) -> Iterator[Finding]:
    for _ in range(ROUNDS):
        found = list(check(installation.anew()))
        mended = False
        for finding in found:
            done = finding.mend() if finding.mend is not None else ""
            if done:
                mended = True
                yield replace(finding, level=Level.MENDED, advice=done, mend=None)
        if not mended:
            break
    yield from found


__all__ = ["CHECKS", "Check", "Finding", "Installation", "Level", "examine"]
