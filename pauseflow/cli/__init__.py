"""flowctl: pauseflow on the command line. One command a file; what they share stands beside them.

Imports stay inside functions where they are costly, so that `flowctl --help` is quick.
"""

from __future__ import annotations

import sys
from signal import SIG_IGN, SIGINT
from signal import signal as on_signal  # the command `signal` is a module of this package


def main() -> None:
    """The entry point of `flowctl`. Ends the process with one of `exits.Exit`."""
    try:
        from pauseflow.cli.lifeline import hold  # noqa: PLC0415 - Ctrl-C while importing is caught
        from pauseflow.cli.root import flowctl  # noqa: PLC0415 - the same

        hold()
        try:
            flowctl.main(prog_name="flowctl")
        finally:
            # All is said and stopped: what is left is Python's own end, with nothing to interrupt.
            on_signal(SIGINT, SIG_IGN)
    except KeyboardInterrupt:
        sys.exit(130)
