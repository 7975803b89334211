"""Tables: drawn with rich on a terminal, plain columns for a pipe or a file."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime

import click


def print_table(
    headings: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[str] = ()
) -> None:
    """Print rows under headings to stdout.

    Args:
        headings: one a column.
        rows: of the cells' texts.
        right: the headings of columns that are aligned to the right.
    """
    rows = [[clean(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        from rich.console import Console  # noqa: PLC0415 - slow to import, and for terminals only
        from rich.table import Table  # noqa: PLC0415 - the same
        from rich.text import Text  # noqa: PLC0415 - the same

        table = Table(box=None, pad_edge=False, header_style="bold")
        for heading in headings:
            table.add_column(heading, justify="right" if heading in right else "left")
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))
        Console().print(table)
        return
    columns = list(zip(headings, *rows, strict=True))
    widths = [max(map(len, column)) for column in columns]
    for row in (headings, *rows):
        cells = [
            cell.rjust(width) if heading in right else cell.ljust(width)
            for cell, width, heading in zip(row, widths, headings, strict=True)
        ]
        click.echo("  ".join(cells).rstrip())


def clean(text: str) -> str:
    """The text without what a terminal would obey: it may come from anywhere."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )


def age(moment: datetime, now: datetime | None = None) -> str:
    """How long ago, or how far ahead, in its largest unit: `12 s`, `5 min`, `3 h`, `9 d`."""
    seconds = abs(((now or datetime.now(UTC)) - moment).total_seconds())
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{int(seconds // length)} {unit}"
    return f"{int(seconds)} s"
