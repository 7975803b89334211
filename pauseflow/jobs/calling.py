"""Where jobs of ours meet the runs that they are of, from inside a process of RQ."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from pauseflow.errors import StoreError, UnknownRun
from pauseflow.jobs.call import Call
from pauseflow.store.books import RunState
from pauseflow.store.jobs import server_of
from pauseflow.store.keys import Keys
from pauseflow.store.runs import Runs
from pauseflow.store.tuning import Tuning

SECONDS = 20.0


@contextlib.contextmanager
def runs_of(call: Call, connection: Any) -> Iterator[Runs]:
    """The runs that the call's is one of, over a connection of its own.

    Args:
        call: what a job is asked to do.
        connection: RQ's, to the same server.
    """
    wire = server_of(connection).wire(SECONDS)
    try:
        yield Runs(Keys(call.namespace), wire, Tuning())
    finally:
        wire.close()


def is_wanted(call: Call, connection: Any) -> bool:
    """Whether anybody waits for what the call will give; True if that can't be found out now."""
    with runs_of(call, connection) as runs:
        try:
            return runs.info(call.run, parked=False).state is not RunState.CANCELLED
        except UnknownRun:
            return False
        except StoreError:
            return True
