"""Syncing: what the embedded server has written reaches the disk within a second.

The guardian does it, not the server: Valkey, while its own sync is under way, keeps what it has to
write in memory, megabytes of it, and a crash of the server then loses what it had acknowledged.

Imports nothing but the standard library: the guardian runs this file without any package.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pauseflow.embedded.folder import Folder

PERIOD = 1.0


class Syncing:
    """Syncs the append-only files of one embedded server.

    Args:
        folder: the server's. It, and every file in it, may go at any time.
    """

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._synced: dict[str, tuple[int, int]] = {}

    def run(self) -> None:
        """Sync every second. Ends only when it can't, and the server does it instead.

        What the server writes while a sync is under way waits for the next one: a disk that takes
        longer than a second to sync has that much less.
        """
        said = False
        while True:
            time.sleep(PERIOD)
            try:
                self.run_once()
            except OSError as error:
                if not said:
                    said = True
                    sys.stderr.write(
                        f"pauseflow: {error}: what the server writes can't be synced to disk. It "
                        f"is told to sync by itself; if it can't either, it refuses writes\n"
                    )
                if self._folder.let_server_sync():
                    return

    def run_once(self) -> None:
        """Sync every append-only file that has grown since the last time, or is new.

        A file that the server has just left for another one, in rewriting, is synced as well, for
        as long as it is there.

        Raises:
            OSError: a file can't be synced. It, and those after it, are left for the next time.
        """
        before, self._synced = self._synced, {}
        try:
            files = sorted(self._folder.append_only.iterdir())
        except FileNotFoundError:
            return
        for path in files:
            if path.name.endswith(".incr.aof"):
                with contextlib.suppress(FileNotFoundError):
                    self._synced[path.name] = _sync(path, before.get(path.name))


def _sync(path: Path, before: tuple[int, int] | None) -> tuple[int, int]:
    """Sync the file unless it is as it was before. Gives what it is now: its inode and size."""
    if _extent(path.stat()) == before:
        return before
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        # Looked at before it is synced: what comes later may not be in it.
        extent = _extent(os.fstat(file))
        _sync_data(file)
    finally:
        os.close(file)
    return extent


def _extent(status: os.stat_result) -> tuple[int, int]:
    return status.st_ino, status.st_size


def _sync_data(file: int) -> None:
    if sys.platform == "darwin":
        # What fsync() does there is not enough, and there is no fdatasync().
        fcntl.fcntl(file, fcntl.F_FULLFSYNC)
    else:
        os.fdatasync(file)
