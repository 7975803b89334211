"""Progress: bars on a terminal's stderr, and the lines that go above them."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self

import click

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID


@dataclass(frozen=True)
class Row:
    """One bar.

    Args:
        label: what is counted; a bar keeps its place by it.
        done: how many are done.
        total: of how many, if that is known.
        text: shown in place of the two numbers.
    """

    label: str
    done: int
    total: int | None
    text: str = ""


class Progress:
    """What a person sees while a command works. A context manager.

    Results go to stdout, one line each, as they are. Notes go to stderr. If stderr is a terminal,
    bars stay below both; otherwise `show` does nothing. Every method may be called from any thread.

    Args:
        enabled: False for no bars even on a terminal.
    """

    def __init__(self, *, enabled: bool = True) -> None:
        self.enabled = enabled and sys.stderr.isatty()
        self._lock = threading.RLock()
        self._bars: Bars | None = None
        self._tasks: dict[str, TaskID] = {}
        self._shared_screen = self.enabled and sys.stdout.isatty()

    def __enter__(self) -> Self:
        if self.enabled:
            self._bars = _bars()
            self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._lock:
            if self._bars is not None:
                self._bars.stop()
                self._bars = None

    def note(self, text: str) -> None:
        """A line for the person, to stderr."""
        with self._lock:
            if self._bars is not None:
                self._above(text)
            else:
                click.echo(text, err=True)

    def result(self, line: bytes) -> None:
        """A line, with its newline, to stdout, at once.

        Raises:
            BrokenPipeError: nobody reads it any more.
        """
        with self._lock:
            if self._shared_screen and self._bars is not None:
                self._above(line.decode().rstrip("\n"))
                return
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()

    def show(self, rows: Sequence[Row]) -> None:
        """Draw these bars, and no others."""
        with self._lock:
            if self._bars is None:
                return
            for label in set(self._tasks) - {row.label for row in rows}:
                self._bars.remove_task(self._tasks.pop(label))
            for row in rows:
                if row.label not in self._tasks:
                    self._tasks[row.label] = self._bars.add_task(row.label, total=None, count="")
                task = self._tasks[row.label]
                count = f"{row.done:,}" + ("" if row.total is None else f" / {row.total:,}")
                self._bars.update(
                    task, completed=row.done, total=row.total, count=row.text or count
                )

    def _above(self, text: str) -> None:
        from rich.text import Text  # noqa: PLC0415 - imported already: there are bars

        if self._bars is not None:
            self._bars.console.print(Text.from_ansi(text), soft_wrap=True)


def _bars() -> Bars:
    from rich.console import Console  # noqa: PLC0415 - slow to import, and for terminals only
    from rich.progress import (  # noqa: PLC0415 - the same
        BarColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
    )

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=30),
        TextColumn("{task.fields[count]}", markup=False),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
