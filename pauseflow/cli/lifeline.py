"""The lifeline: how a child process of flowctl notices that its parent was killed.

The parent keeps the writing end of a pipe, which nothing is ever written to. When the parent is
gone, however it went, the child's read ends, and the child stops as on SIGTERM.

The other way round, the child tells its parent by a second pipe that its app is loaded: what
happens to it later is not a mistake in the app or on the command line.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading

VARIABLE = "FLOWCTL_LIFELINE"
READY_VARIABLE = "FLOWCTL_READY"


def hold() -> None:
    """In a child: watch the lifeline, if the environment names one. Returns at once."""
    descriptor = os.environ.pop(VARIABLE, "")
    if not descriptor.isdecimal():
        return

    def watch() -> None:
        try:
            while os.read(int(descriptor), 1):
                pass
        except OSError:
            return  # not a descriptor of ours: inherited by name only
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="lifeline", daemon=True).start()


def ready() -> None:
    """In a child: tell the parent, if it wants to know, that the app is loaded."""
    descriptor = os.environ.pop(READY_VARIABLE, "")
    if descriptor.isdecimal():
        with contextlib.suppress(OSError):
            os.write(int(descriptor), b".")
            os.close(int(descriptor))
