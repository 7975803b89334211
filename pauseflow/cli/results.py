"""`flowctl results`."""

from __future__ import annotations

import sys

import click

from pauseflow.cli.invocation import Invocation, common_options
from pauseflow.cli.jsonlines import encode_line


@click.command()
@click.argument("run_id", metavar="RUN")
@click.option("--follow", is_flag=True, help="Wait for more, until the run is done.")
@click.option(
    "--start",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Skip the first N results.",
)
@common_options("url", "namespace")
@click.pass_obj
def results(invocation: Invocation, run_id: str, start: int, *, follow: bool) -> None:
    """Print a run's results as JSON lines, in order.

    A run keeps a bounded amount of results that nobody has read, and waits for a reader when it
    has that many. What was read is kept for other readers for as long as the run does not need
    its room.
    """
    out = sys.stdout.buffer
    with invocation.client() as client:
        for value in client.results(run_id, follow=follow, start=start):
            out.write(encode_line(value))
            if follow:
                out.flush()
