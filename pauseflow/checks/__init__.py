"""What `flowctl doctor` looks at. Each check is a function from an installation to findings.

To add one: write it in a file of its own, and name it in `CHECKS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pauseflow.checks.code import check_code, check_versions
from pauseflow.checks.durability import check_durability
from pauseflow.checks.finding import Finding, Level
from pauseflow.checks.held import check_held
from pauseflow.checks.installation import Installation
from pauseflow.checks.memory import check_memory
from pauseflow.checks.runs import check_runs
from pauseflow.checks.server import check_server
from pauseflow.checks.workers import check_coordinator, check_workers

Check = Callable[[Installation], Iterator[Finding]]

CHECKS: tuple[Check, ...] = (
    check_server,
    check_durability,
    check_memory,
    check_workers,
    check_coordinator,
    check_runs,
    check_held,
    check_code,
    check_versions,
)
"""In the order in which they are told."""


def examine(installation: Installation) -> Iterator[Finding]:
    """What all checks find, as they find it.

    Raises:
        StoreError: the server is gone, or denies what every client of pauseflow needs.
    """
    for check in CHECKS:
        yield from check(installation)


__all__ = ["CHECKS", "Check", "Finding", "Installation", "Level", "examine"]
