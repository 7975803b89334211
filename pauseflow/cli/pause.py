"""`flowctl pause`."""

from __future__ import annotations

import click

from pauseflow.cli.invocation import Invocation, common_options
from pauseflow.cli.target import Kind, find_target


@click.command()
@click.argument("name", metavar="RUN|FLOW")
@click.argument("stage", metavar="[STAGE]", required=False)
@click.option("--run", "kind", flag_value="run", help="It is the run of this name that is meant.")
@click.option("--flow", "kind", flag_value="flow", help="It is the flow of this name.")
@common_options("app", "url", "namespace")
@click.pass_obj
def pause(invocation: Invocation, name: str, stage: str | None, kind: Kind | None) -> None:
    """Pause a run, or a flow or one of its stages with all runs, until flowctl resume.

    Within a second no worker is at it any more: what it has at work stops at the next record or
    yield, and keeps its place. Signals, records that are fed and times that come meanwhile are
    kept. No time limit, retry or result is lost.
    """
    with invocation.client() as client:
        target = find_target(invocation, client, name, stage, kind)
        if target.kind == "run":
            news = client.pause(name)
            error = client.run(name).error
        else:
            news, error = client.pause_flow(name, stage), ""
    how = "is paused" if news else "was paused already"
    click.echo(f"{_capital(str(target))} {how}. To go on: flowctl resume {target.words}", err=True)
    if error:
        click.echo(f"It had halted, and will be halted again then: {error}", err=True)


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
