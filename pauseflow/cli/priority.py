"""`flowctl priority`."""

from __future__ import annotations

import click

from pauseflow.cli.invocation import Invocation, common_options
from pauseflow.store.lanes import PRIORITIES


@click.command()
@click.argument("run_id", metavar="RUN")
@click.argument("priority", metavar="high|normal|low", type=click.Choice(PRIORITIES))
@common_options("url", "namespace")
@click.pass_obj
def priority(invocation: Invocation, run_id: str, priority: str) -> None:
    """Give a run another priority.

    Workers take up what urgent runs have ready before anything else, and one chunk in eight of what
    is less urgent, so that nothing waits for ever. What is on its way already keeps its place.
    """
    with invocation.client() as client:
        changed = client.prioritize(run_id, priority)
    click.echo(f"Run {run_id} {'has' if changed else 'had already'} {priority} priority.", err=True)
