"""Watch: keeps the progress bars true while a command waits for something else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from pauseflow.cli.progress import Progress, Row
from pauseflow.client import Client
from pauseflow.errors import StoreError

EVERY = 0.2


class Watch:
    """Asks the server how things stand a few times a second, in a thread. A context manager.

    Without a terminal to draw on it does nothing.

    Args:
        connect: makes the thread's own client.
        progress: where the bars are.
        rows: the bars, from what the client says; called from the thread.
    """

    def __init__(
        self,
        connect: Callable[[], Client],
        progress: Progress,
        rows: Callable[[Client], Sequence[Row]],
    ) -> None:
        self._connect = connect
        self._progress = progress
        self._rows = rows
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watch", daemon=True)

    def __enter__(self) -> Self:
        if self._progress.enabled:
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()

    def _watch(self) -> None:
        try:
            with self._connect() as client:
                while not self._over.wait(EVERY):
                    self._progress.show(self._rows(client))
        except StoreError:
            return  # the command itself meets the same error, and says so
