"""flowctl: pauseflow on the command line. One command a file; what they share stands beside them.

Imports stay inside functions where they are costly, so that `flowctl --help` is quick.
"""

from __future__ import annotations

import sys


def main() -> None:
    """The entry point of `flowctl`. Ends the process with one of `exits.Exit`."""
    try:
        from pauseflow.cli.lifeline import hold  # noqa: PLC0415 - Ctrl-C while importing is caught
        from pauseflow.cli.root import flowctl  # noqa: PLC0415 - the same

        hold()
        flowctl.main(prog_name="flowctl")
    except KeyboardInterrupt:
        sys.exit(130)
