"""`flowctl runs`."""

from __future__ import annotations

import json

import click

from pauseflow.cli.invocation import Invocation, common_options
from pauseflow.cli.table import age, print_table


@click.command()
@click.option("--flow", metavar="FLOW", help="Only runs of this flow.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most so many."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for programs.")
@common_options("url", "namespace")
@click.pass_obj
def runs(invocation: Invocation, flow: str | None, limit: int, *, as_json: bool) -> None:
    """List runs, the newest first."""
    from pauseflow.cli.report import as_object, condition  # noqa: PLC0415 - brings in redis

    with invocation.client() as client:
        found = client.runs(flow=flow, limit=limit)
        set_aside, newest = client.set_aside(limit=1)
        held = client.held()
    if as_json:
        for info in found:
            click.echo(json.dumps(as_object(info)))
        return
    rows = [
        (
            info.id,
            info.flow,
            info.state.value,
            f"{info.position:,}",
            f"{info.results.count:,}",
            age(info.created),
            condition(info, held),
        )
        for info in found
    ]
    headings = ("RUN", "FLOW", "STATE", "TAKEN", "RESULTS", "AGE", "")
    if rows:
        print_table(headings, rows, right=("TAKEN", "RESULTS", "AGE"))
    else:
        click.echo("There are no runs.", err=True)
    if newest:
        click.echo(
            f"Set aside, since they can't be read: {set_aside:,} entries (flowctl quarantine). The "
            f"newest, {age(newest[0].since)} ago, from {newest[0].stream}: {newest[0].reason}",
            err=True,
        )
