"""`flowctl retry`."""

from __future__ import annotations

import click

from pauseflow.cli.invocation import Invocation, common_options


@click.command()
@click.argument("run_id", metavar="RUN")
@common_options("url", "namespace")
@click.pass_obj
def retry(invocation: Invocation, run_id: str) -> None:
    """Let a halted run go on from the record that it halted at, after you have mended the cause."""
    with invocation.client() as client:
        count = client.retry(run_id)
    if count:
        click.echo(f"Run {run_id} goes on where it halted.", err=True)
    else:
        click.echo(f"Run {run_id} has nothing that failed: there is nothing to retry.", err=True)
