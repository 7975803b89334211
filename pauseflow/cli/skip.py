"""`flowctl skip`."""

from __future__ import annotations

import click

from pauseflow.cli.invocation import Invocation, common_options


@click.command()
@click.argument("run_id", metavar="RUN")
@common_options("url", "namespace")
@click.pass_obj
def skip(invocation: Invocation, run_id: str) -> None:
    """Set aside the record that a run halted at, and let it go on behind it.

    Prints the keys of the dead letters that it makes: one, or several where records of an unordered
    stage have failed. Nothing is lost: flowctl dead retry KEY takes one up where it stood.
    """
    with invocation.client() as client:
        keys = client.skip(run_id)
    for key in keys:
        click.echo(key)
    if keys:
        click.echo(f"Run {run_id} goes on without them: see flowctl dead show KEY.", err=True)
    else:
        click.echo(f"Run {run_id} has nothing that failed: there is nothing to skip.", err=True)
