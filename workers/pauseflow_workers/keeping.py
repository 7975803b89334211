"""The keeper's process: renews a worker's lease while the worker lets none of its own threads run.

`keeper.py` starts this file by its path, without site-packages and with only what is needed to
listen to a pipe, so that it takes little memory. What speaks to the server is imported when it is
needed for the first time.
"""

from __future__ import annotations

import os
import select
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

SILENCE_SECONDS = 1.2
"""After so long without a beat the keeper renews: a beat and a half, with as long again until the
lease ends."""

AGAIN_SECONDS = 0.8
SAY_SECONDS = 30.0

_RUNS_NOT = frozenset("TtZX")
"""States of a process that is stopped or dead, see proc(5)."""


def runs(worker: int, where: str = "/proc") -> bool:
    """Whether a process lives and isn't stopped."""
    try:
        with open(f"{where}/{worker}/stat", "rb") as file:  # noqa: PTH123 # pathlib takes memory
            told = file.read()
    except OSError:
        return False
    # The name before it may hold anything, brackets and blanks too.
    return told[told.rindex(b")") + 2 :][:1].decode() not in _RUNS_NOT


def listen(
    pipe: int,
    worker: int,
    renew: Callable[[], None],
    *,
    parent: Callable[[], int] = os.getppid,
    running: Callable[[int], bool] = runs,
) -> None:
    """Listens for beats until the pipe ends or the worker is gone.

    Args:
        pipe: a byte comes for each beat.
        worker: the worker's process.
        renew: called while the worker is silent, and runs all the same.
        parent: tells whose child this process is: a process that the worker has forked may hold
            the pipe open for longer than the worker lives.
        running: whether a process runs.
    """
    poll = select.poll()
    poll.register(pipe, select.POLLIN | select.POLLHUP)
    patience, beaten = SILENCE_SECONDS, 0.0
    while True:
        if poll.poll(patience * 1000):
            if not os.read(pipe, 4096):
                return
            patience, beaten = SILENCE_SECONDS, time.monotonic()
            continue
        if parent() != worker:
            return
        # Before its first beat it has no lease.
        if beaten and running(worker):
            silent = time.monotonic() - beaten
            if silent - AGAIN_SECONDS < SAY_SECONDS <= silent:
                _say(
                    f"a stage has let no other thread of its worker run for {SAY_SECONDS:g} s; "
                    "the worker's lease is kept meanwhile"
                )
            renew()
            patience = AGAIN_SECONDS


class Renewing:
    """Renews the lease.

    Args:
        told: what the worker has told about itself and the server, in JSON.
    """

    def __init__(self, told: bytes) -> None:
        self._told = told
        self._renew: Callable[[], None] | None = None
        self._failed = False

    def __call__(self) -> None:
        """Renews once. A failure is said once."""
        if self._renew is None:
            self._renew = _connected(self._told)
        try:
            self._renew()
        except Exception as error:  # noqa: BLE001 # whatever it is, the next try may succeed
            if not self._failed:
                _say(f"can't keep the lease of a busy worker: {error}")
            self._failed = True
        else:
            self._failed = False


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _connected(told: bytes) -> Callable[[], None]:
    import json  # noqa: PLC0415 # takes memory, as the rest does

    about = json.loads(told)
    sys.path[:] = about["path"]
    from pauseflow.store.fleet import Fleet  # noqa: PLC0415
    from pauseflow.store.keys import Keys  # noqa: PLC0415
    from pauseflow.store.server import Server  # noqa: PLC0415

    wire = Server.at(about["url"]).wire(timeout=SILENCE_SECONDS)
    fleet = Fleet(Keys(about["namespace"]))
    return lambda: fleet.keep(wire, about["worker"])


def read_told(pipe: int) -> bytes:
    """The first line from the pipe: what the worker tells. Beats come only after it."""
    told = b""
    while not told.endswith(b"\n"):
        some = os.read(pipe, 1)
        if not some:
            break
        told += some
    return told


if __name__ == "__main__":
    first = read_told(0)
    if first:
        listen(0, int(sys.argv[1]), Renewing(first))
