"""`flowctl show`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from pauseflow.cli.invocation import Invocation, common_options
from pauseflow.cli.table import age, print_table
from pauseflow.cli.waiting import last_line

if TYPE_CHECKING:
    from pauseflow.client import Held, ParkedInfo, RunInfo, StageInfo
    from pauseflow.rollout import Rollout


@click.command()
@click.argument("run_id", metavar="RUN")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for programs.")
@common_options("url", "namespace")
@click.pass_obj
def show(invocation: Invocation, run_id: str, *, as_json: bool) -> None:
    """Show where a run stands, stage by stage.

    ARRIVED, DONE, BACKLOG and HELD count records; CURSOR and FLYING count chunks of them. The
    cursor is how many chunks went on to the next stage in order; what is done but waits for its
    turn is held.
    """
    from pauseflow.cli.report import as_object  # noqa: PLC0415 - brings in redis
    from pauseflow.rollout import Rollout  # noqa: PLC0415 - the same

    with invocation.client() as client:
        info = client.run(run_id)
        held = client.held()
        foreign = any(parked.code for parked in info.parked)
        rollout = Rollout(client.workers() if foreign else ())
        full = "" if info.state.over else client.inspection.full()
    if as_json:
        told = as_object(info)
        told["server_full"] = full
        told["orphaned"] = [
            parked.key for parked in info.parked if _orphaned(parked, info, rollout)
        ]
        click.echo(json.dumps(told))
        return
    for line in _summary(info, held):
        click.echo(line)
    if full:
        click.echo(f"stands still: {full}")
    click.echo()
    _print_stages(info, held)
    if info.parked:
        click.echo()
        _print_parked(info, rollout)


def _summary(info: RunInfo, held: Held) -> list[str]:
    results = info.results
    since = f"submitted {age(info.created)} ago"
    if info.finished:
        how = "finished" if info.state.value == "done" else info.state.value
        since += f", {how} {age(info.finished)} ago"
    if info.priority != "normal":
        since += f", {info.priority} priority"
    kept = f" ({results.bytes:,} bytes kept, {results.read:,} read, {results.dropped:,} dropped)"
    lines = [
        f"run {info.id} of flow {info.flow}: {info.state.value}, {since}",
        f"{info.position:,} taken in, {results.count:,} results{kept}",
    ]
    if info.state.value == "paused":
        lines.append(f"paused. To go on: flowctl resume {info.id}")
    if info.flow in held.flows and not info.state.over:
        lines.append(f"its flow is paused. To go on: flowctl resume {info.flow}")
    if info.error:
        lines.append(f"halted: {info.error}. To go on from there: flowctl retry {info.id}")
    if info.dead:
        lines.append(f"{info.dead:,} set aside: flowctl dead list --flow {info.flow}")
    if results.waiting_for_reader:
        lines.append(
            f"waits for a reader of its results: flowctl results {info.id} --follow",
        )
    return lines


def _print_stages(info: RunInfo, held: Held) -> None:
    rows = [
        (
            stage.name,
            _condition(info, stage, held),
            f"{stage.arrived:,}",
            f"{stage.done:,}",
            f"{stage.cursor:,}",
            f"{stage.in_flight:,}",
            f"{stage.backlog:,}",
            f"{stage.held:,}",
            f"{stage.parked:,}",
            f"{stage.rate:,.0f}/s" if stage.rate else "",
            f"{stage.busy:,.1f} s",
        )
        for stage in info.stages
    ]
    numbers = ["ARRIVED", "DONE", "CURSOR", "FLYING", "BACKLOG", "HELD", "PARKED", "RATE", "BUSY"]
    print_table(("STAGE", "", *numbers), rows, right=numbers)


def _condition(info: RunInfo, stage: StageInfo, held: Held) -> str:
    if stage.ended:
        return "ended"
    return "paused" if (info.flow, stage.name) in held.stages and not info.state.over else ""


def _orphaned(parked: ParkedInfo, info: RunInfo, rollout: Rollout) -> bool:
    """Whether it waits for code that no live worker has."""
    code = parked.code
    return code is not None and not rollout.having(info.flow, parked.stage, code)


def _print_parked(info: RunInfo, rollout: Rollout) -> None:
    rows = []
    for parked in info.parked:
        wake = f"in {age(parked.wake)}" if parked.wake else ""
        if parked.why == "failed":
            wake = "after flowctl retry"
        if parked.why == "paused":
            wake = "after flowctl resume"
        if parked.why == "damaged":
            wake = "never"
        note = last_line(parked.note)
        if parked.code is not None:
            note = rollout.told(info.flow, parked.stage, parked.code)
        since = age(parked.since) if parked.since else ""
        rows.append((parked.stage, parked.key, parked.why, since, wake, note))
    print_table(("PARKED AT", "RECORD", "WHY", "SINCE", "GOES ON", ""), rows)
