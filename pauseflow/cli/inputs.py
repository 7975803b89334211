"""Inputs: what `run` and `submit` are given, as arguments, in a file, or on stdin."""

from __future__ import annotations

import contextlib
import difflib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import click

from pauseflow.cli.exits import BadInput

STDIN = "-"

file_option = click.option(
    "--file",
    "-f",
    "file",
    metavar="FILE",
    help="JSON lines, one record a line; - for stdin.",
)


@contextlib.contextmanager
def opened(file: str) -> Iterator[tuple[BinaryIO, str, int | None]]:
    """Open a file of JSON lines, unbuffered.

    Args:
        file: its path, or `-` for stdin.

    Yields:
        The stream, what to call it, and its size in bytes if it has one.

    Raises:
        BadInput: it can't be opened.
    """
    if file == STDIN:
        stream = sys.stdin.buffer
        yield getattr(stream, "raw", stream), "stdin", None
        return
    try:
        with Path(file).open("rb", buffering=0) as stream:
            yield stream, file, os.fstat(stream.fileno()).st_size or None
    except OSError as error:
        if error.filename is None:
            raise
        raise BadInput(f"{file} can't be read: {error.strerror}") from None


def options_taken_for_inputs(context: click.Context, inputs: tuple[str, ...]) -> None:
    """Refuse a misspelled option among inputs, which may begin with a `-` as negative numbers do.

    Raises:
        click.NoSuchOption: an input looks like an option.
    """
    known = [name for parameter in context.command.params for name in parameter.opts]
    for text in inputs:
        if len(text) > 1 and text[0] == "-" and not text[1].isdecimal():
            near = difflib.get_close_matches(text, known, n=2)
            raise click.NoSuchOption(text, possibilities=near, ctx=context)
