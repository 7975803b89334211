"""`flowctl cancel`."""

from __future__ import annotations

import click

from pauseflow.cli.invocation import Invocation, common_options


@click.command()
@click.argument("run_id", metavar="RUN")
@common_options("url", "namespace")
@click.pass_obj
def cancel(invocation: Invocation, run_id: str) -> None:
    """End a run where it stands, for good.

    Within a second no worker is at it any more. What it has parked or waiting is dropped, its
    results so far can be read for an hour, and its flow's on_cancel, if it has one, is told.
    """
    with invocation.client() as client:
        news = client.cancel(run_id)
        count = client.run(run_id).results.count
    if not news:
        click.echo(f"Run {run_id} was cancelled before.", err=True)
        return
    results = f" Its {count:,} results: flowctl results {run_id}" if count else ""
    click.echo(f"Run {run_id} is cancelled.{results}", err=True)
