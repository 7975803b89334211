"""The guardian: the embedded server's parent process, which syncs its files and sees to its end.

The last user stops the server on its way out. The guardian is for users that are killed: it sleeps
in the kernel until no lock on users.lock is left. Another thread syncs what the server has written,
every second. The guardian is run as a file of its own, without
site-packages, to start in a few milliseconds and stay small:

    python -I -S guardian.py FOLDER BINARY DESCRIPTOR

DESCRIPTOR is the lock on server.lock that the server is to inherit.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING or __name__ != "__main__":
    from pauseflow.embedded.folder import Folder, open_lock
    from pauseflow.embedded.syncing import Syncing
else:
    sys.path.insert(0, str(Path(__file__).parent))
    from folder import Folder, open_lock
    from syncing import Syncing

STOP_PATIENCE = 30.0


def guard(folder: Folder, binary: str, server_lock: int) -> NoReturn:
    """Start the server and see to its end. The process ends with it, from a signal handler."""

    def ended(_signal: int, _frame: FrameType | None) -> None:
        _server_ended(folder)

    signal.signal(signal.SIGCHLD, ended)
    server = _start(folder, binary, server_lock)
    os.close(server_lock)
    _sync_beside(folder)
    users = open_lock(folder.users_lock)
    while True:
        fcntl.flock(users, fcntl.LOCK_EX)
        fcntl.flock(users, fcntl.LOCK_UN)
        try:
            with folder.changing():
                if not folder.stop_if_unused(users, STOP_PATIENCE):
                    continue
        except FileNotFoundError:
            pass  # the folder was removed
        # Only a server whose folder was removed is still there. It has nothing left to save, and
        # in stopping by itself it would remove the socket of the folder's next server.
        os.kill(server, signal.SIGKILL)
        while True:
            signal.pause()


def _start(folder: Folder, binary: str, server_lock: int) -> int:
    # From its standard input: a file name with a wildcard in it would be expanded, and a server
    # that finds no file then serves the world with its defaults.
    config = os.open(folder.config, os.O_RDONLY)
    log = os.open(folder.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.set_inheritable(server_lock, True)  # noqa: FBT003 - the parameter has no name
    return os.posix_spawn(
        binary,
        [binary, "-"],
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_DUP2, config, 0),
            (os.POSIX_SPAWN_DUP2, log, 1),
            (os.POSIX_SPAWN_DUP2, log, 2),
        ],
    )


def _sync_beside(folder: Folder) -> None:
    # The signal must find the main thread, whose sleep it is to end; a thread inherits the mask.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    threading.Thread(target=Syncing(folder).run, daemon=True).start()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})


def _server_ended(folder: Folder) -> None:
    # Also called when the server is merely stopped, or goes on after it was.
    ended, _ = os.waitpid(-1, os.WNOHANG)
    if ended:
        # One that was stopped has synced everything; one that crashed has not.
        with contextlib.suppress(OSError):
            Syncing(folder).run_once()
        os._exit(0)


def main() -> None:
    """Leave the starter's process group and its terminal, then guard."""
    path, binary, descriptor = sys.argv[1:]
    folder = Folder(Path(path))
    # Before the starter goes on. It is kept until the process ends, and the server does not get it.
    fcntl.flock(open_lock(folder.guardian_lock), fcntl.LOCK_SH)
    if os.fork():
        os._exit(0)
    os.setsid()
    guard(folder, binary, int(descriptor))


if __name__ == "__main__":
    main()
