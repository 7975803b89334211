"""`flowctl quarantine`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from pauseflow.cli.invocation import Invocation, common_options
from pauseflow.cli.table import age, print_table

if TYPE_CHECKING:
    from pauseflow.client import SetAsideInfo

BODY_SHOWN = 40
"""Bytes; with --json all that is kept is given."""


@click.command()
@click.option(
    "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="At most so many."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for programs.")
@common_options("url", "namespace")
@click.pass_obj
def quarantine(invocation: Invocation, limit: int, *, as_json: bool) -> None:
    """List what was found on the server and can't be read, the newest first.

    Damaged, foreign and forged entries are set aside: they stop nothing but a run that they were
    a part of. The newest 1,000 are kept, 4 KiB of each, and all are counted.
    """
    with invocation.client() as client:
        total, newest = client.set_aside(limit=limit)
    if as_json:
        click.echo(json.dumps({"total": total, "entries": [_as_object(each) for each in newest]}))
        return
    if newest:
        rows = [(age(each.since), _place(each), each.reason, _body(each)) for each in newest]
        print_table(("AGE", "FOUND IN", "REASON", "IT BEGINS WITH"), rows, right=("AGE",))
    click.echo(f"Set aside so far: {total:,}.", err=True)


def _as_object(found: SetAsideInfo) -> dict[str, object]:
    return {
        "since": found.since.isoformat(),
        "stream": found.stream,
        "entry": found.entry,
        "reason": found.reason,
        "body": found.body.hex(),
    }


def _place(found: SetAsideInfo) -> str:
    """Where it was, without what all keys begin with."""
    return f"{found.stream.rpartition('}:')[2]} {found.entry}"


def _body(found: SetAsideInfo) -> str:
    cut = "…" if len(found.body) > BODY_SHOWN else ""
    return repr(found.body[:BODY_SHOWN])[2:-1] + cut
