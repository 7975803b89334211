"""`flowctl resume`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pauseflow.cli.invocation import Invocation, common_options
from pauseflow.cli.target import Kind, Target, find_target

if TYPE_CHECKING:
    from pauseflow.client import Client


@click.command()
@click.argument("name", metavar="RUN|FLOW")
@click.argument("stage", metavar="[STAGE]", required=False)
@click.option("--run", "kind", flag_value="run", help="It is the run of this name that is meant.")
@click.option("--flow", "kind", flag_value="flow", help="It is the flow of this name.")
@common_options("app", "url", "namespace")
@click.pass_obj
def resume(invocation: Invocation, name: str, stage: str | None, kind: Kind | None) -> None:
    """Let a run, a flow or a stage that was paused go on, exactly where it stands."""
    with invocation.client() as client:
        target = find_target(invocation, client, name, stage, kind)
        news = client.resume(name) if target.kind == "run" else client.resume_flow(name, stage)
        how = "goes on" if news else "was not paused"
        said = [f"{target} {how}.", *_still(client, target)]
    said[0] = said[0][0].upper() + said[0][1:]
    for line in said:
        click.echo(line, err=True)


def _still(client: Client, target: Target) -> list[str]:
    """What stands still all the same, and why."""
    held = client.held()
    said = []
    flow = target.name
    if target.kind == "run":
        info = client.run(target.name)
        flow = info.flow
        if info.error:
            said.append(
                f"It has halted: {info.error}. To go on from there: flowctl retry {info.id}"
            )
    if flow in held.flows and (target.kind == "run" or target.stage is not None):
        said.append(f"Its flow {flow} is paused: flowctl resume {flow}")
    if target.stage is None:
        said += [
            f"Stage {stage} of flow {flow} is paused by itself: flowctl resume {flow} {stage}"
            for stage in held.stages_of(flow)
        ]
    return said
