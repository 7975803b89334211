"""`flowctl stack`."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias

import click

from pauseflow.cli.invocation import Invocation, common_options
from pauseflow.cli.table import age, clean
from pauseflow.cli.waiting import waiting

if TYPE_CHECKING:
    from pauseflow.flow import Flow
    from pauseflow.resumable.showing import FrameView
    from pauseflow.stack import RecordStack, RunStack, StandInfo

Line: TypeAlias = "tuple[tuple[str, str], ...]"
"""Pieces of a line, each with its style."""

URGENT = {"failed": "bold red", "damaged": "bold red", "code": "bold yellow", "retry": "yellow"}

VALUE, INDENT = ("    record ", "dim"), ("        ", "")
CUT = (VALUE, INDENT)
"""Lines that begin so end where the terminal does."""


@click.command()
@click.argument("run_id", metavar="RUN")
@click.option(
    "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="At most so many."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for programs.")
@common_options("app", "url", "namespace")
@click.pass_obj
def stack(invocation: Invocation, run_id: str, *, limit: int, as_json: bool) -> None:
    """Show where everything in a run stands, like a traceback.

    For whatever is parked or half done: the stage, what it waits for and since when, the record,
    and, of a series, the source line and the live locals. Source lines are shown where the app is
    there and its code is that which made the frame.
    """
    flows = _flows(invocation)
    with invocation.client() as client:
        found = client.stack(run_id, flows=flows, limit=limit)
    if as_json:
        click.echo(json.dumps(_as_object(found)))
        return
    _print(_lines(found, run_id))


def _flows(invocation: Invocation) -> Mapping[str, Flow]:
    """The app's flows; none, and why is said, if it can't be had."""
    from pauseflow.errors import AppError  # noqa: PLC0415 - not for --help

    if invocation.settings().app is None:
        return {}
    try:
        return invocation.load_app().flows
    except AppError as error:
        click.echo(f"Without source lines: {error}", err=True)
        return {}


def _as_object(found: RunStack) -> dict[str, object]:
    told: dict[str, object] = dataclasses.asdict(found, dict_factory=_plain)
    run = found.run
    return told | {"run": {"id": run.id, "flow": run.flow, "state": run.state.value}}


def _plain(pairs: list[tuple[str, object]]) -> dict[str, object]:
    return {
        name: value.isoformat() if isinstance(value, datetime) else value for name, value in pairs
    }


def _print(lines: Iterator[Line]) -> None:
    if not sys.stdout.isatty():
        for line in lines:
            click.echo(clean("".join(text for text, _ in line)))
        return
    from rich.console import Console  # noqa: PLC0415 - slow to import, and for terminals only
    from rich.text import Text  # noqa: PLC0415 - the same

    console = Console(highlight=False)
    for line in lines:
        text = Text.assemble(*((clean(text), style) for text, style in line))
        if line and line[0] in CUT:
            console.print(text, no_wrap=True, overflow="ellipsis", crop=True)
        else:
            console.print(text)


def _lines(found: RunStack, run_id: str) -> Iterator[Line]:
    run, now = found.run, found.now
    head = f"run {run.id} of flow {run.flow}: "
    yield (head, "bold"), (f"{run.state.value}, submitted {age(run.created, now)} ago", "")
    if run.error:
        yield ((f"halted: {run.error.splitlines()[0]}", "bold red"),)
    shown = {stand.stage for stand in found.stands}
    stages = [stage.name for stage in run.stages]
    for stage in [*stages, *sorted(shown.difference(stages))]:
        about = _about(found, stage)
        if stage not in shown and not about:
            continue
        yield ()
        yield (stage, "bold cyan"), (f"  {about}" if about else "", "dim")
        for stand in found.stands:
            if stand.stage == stage:
                yield from _stand_lines(stand, run_id, now)
    if not found.stands:
        yield ()
        yield (("Nothing in it is parked or half done.", ""),)
    if found.more:
        yield ()
        yield ((f"{found.more:,} more are parked or half done: --limit shows them.", "dim"),)


def _about(found: RunStack, stage: str) -> str:
    """What else there is at a stage, in numbers."""
    parts = []
    info = next((each for each in found.run.stages if each.name == stage), None)
    if stage in found.ready:
        count = found.ready[stage]
        parts.append(f"{count:,} chunk{'s' if count > 1 else ''} ready for a worker")
    if info is not None and info.backlog:
        parts.append(f"{info.backlog:,} records wait behind")
    if info is not None and info.held:
        parts.append(f"{info.held:,} outputs wait for their turn")
    if stage in found.unseen:
        parts.append("its stream is long, and not all of it was looked at")
    return ", ".join(parts)


def _stand_lines(stand: StandInfo, run_id: str, now: datetime) -> Iterator[Line]:
    style = URGENT.get(stand.why, "green")
    yield ("  ", ""), (stand.key or "?", "bold"), ("  ", ""), (waiting(stand, run_id, now), style)
    if stand.why == "failed":
        for line in stand.note.splitlines():
            yield ((f"    {line}", "red"),)
    for at, record in enumerate(stand.records):
        if at:
            yield ("  ", ""), (record.key, "bold"), ("  half done in the same chunk", "dim")
        yield from _record_lines(record)
    if stand.behind:
        records = "record" if stand.behind == 1 else "records"
        yield ((f"    and {stand.behind:,} more {records} behind it in its chunk", "dim"),)


def _record_lines(record: RecordStack) -> Iterator[Line]:
    yield VALUE, (record.record, "")
    if record.note:
        yield ((f"    {record.note}", "dim"),)
    if record.emitted:
        values = "value" if record.emitted == 1 else "values"
        yield ((f"    gave {record.emitted:,} {values} so far", "dim"),)
    for frame in record.frames:
        yield from _frame_lines(frame)


def _frame_lines(frame: FrameView) -> Iterator[Line]:
    module, _, function = frame.function.rpartition(":")
    if frame.file == "?":
        place, where = f"    in {module or '?'}, line {frame.line}, in ", function or "?"
        if not frame.line:
            place = f"    in {module or '?'}, in "
    else:
        place, where = f'    File "{frame.file}", line {frame.line}, in ', function
    yield (place, "dim"), (where, "bold")
    if frame.source:
        yield ((f"      {frame.source}", ""),)
    width = max(map(len, frame.locals), default=0)
    for name, value in frame.locals.items():
        yield INDENT, (name.ljust(min(width, 24)), "magenta"), (" = ", "dim"), (value, "")
    if frame.note:
        yield ((f"      ({frame.note})", "yellow"),)
