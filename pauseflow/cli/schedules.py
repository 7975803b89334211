"""`flowctl schedules`."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from pauseflow.cli.invocation import Invocation, common_options
from pauseflow.cli.table import age, print_table

if TYPE_CHECKING:
    from pauseflow.schedule import Schedule
    from pauseflow.store.schedules import Noted, Schedules


@click.command()
@click.option(
    "--forget",
    metavar="FLOW",
    help="Drop the schedules of a flow that no worker has any more.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for programs.")
@common_options("url", "namespace")
@click.pass_obj
def schedules(invocation: Invocation, forget: str | None, *, as_json: bool) -> None:
    """List when runs start by themselves: the schedules of the flows that workers have.

    A schedule is known from when a worker of its flow first started, and until one starts whose
    flow does not have it. Of ticks that no coordinator was there for, `once` runs the latest, `all`
    runs each, and `skip` runs none that is more than a minute late.
    """
    from pauseflow.embedded import server_url  # noqa: PLC0415 - for commands that connect
    from pauseflow.store.keys import Keys  # noqa: PLC0415 - the same
    from pauseflow.store.schedules import Schedules  # noqa: PLC0415 - the same
    from pauseflow.store.server import Server  # noqa: PLC0415 - brings in redis

    settings = invocation.settings()
    with server_url(settings) as url:
        wire = Server.at(url).wire()
        try:
            known = Schedules(Keys(settings.namespace), wire)
            if forget is not None:
                _forget(known, forget)
            else:
                _list(known, as_json=as_json)
        finally:
            wire.close()


def _forget(known: Schedules, flow: str) -> None:
    from pauseflow.errors import UnknownName  # noqa: PLC0415 - as above

    if known.forget(flow):
        click.echo(
            f"The schedules of flow {flow!r} are dropped, until a worker that has it starts."
        )
        return
    near = difflib.get_close_matches(flow, known.look()[0], n=1)
    hint = f": did you mean {near[0]!r}?" if near else ": see flowctl schedules"
    raise UnknownName(f"no schedules are known of a flow {flow!r}{hint}")


def _list(known: Schedules, *, as_json: bool) -> None:
    from pauseflow.errors import MalformedData  # noqa: PLC0415 - as above

    graphs, notes = known.look()
    found = []
    for graph in graphs.values():
        if isinstance(graph, MalformedData):
            click.echo(f"Left out: {graph}", err=True)
        else:
            found += [(each, _noted(each, notes.get(each.full_name))) for each in graph.schedules]
    found.sort(key=lambda pair: pair[0].full_name)
    if as_json:
        for schedule, noted in found:
            click.echo(json.dumps(_as_object(schedule, noted)))
        return
    if not found:
        click.echo(
            "No schedules are known: no worker of a flow that has any has started.", err=True
        )
        return
    rows = [tuple(_cells(schedule, noted)) for schedule, noted in found]
    print_table(("SCHEDULE", "FLOW", "RULE", "MISSED", "NEXT", "IN", "LAST", "LAST RUN"), rows)
    if any(_is_behind(schedule, noted) for schedule, noted in found):
        click.echo("Nobody sees to some of these: is a coordinator running?", err=True)


def _noted(schedule: Schedule, noted: Noted | bytes | None) -> Noted | None:
    """The note, if it is one, and of the rule as it is now."""
    if noted is None or isinstance(noted, bytes) or noted.spec != schedule.rule.spec:
        return None
    return noted


def _next(schedule: Schedule, noted: Noted | None) -> datetime:
    return schedule.rule.after(noted.upto if noted else datetime.now(UTC))


def _is_behind(schedule: Schedule, noted: Noted | None) -> bool:
    """No coordinator has looked for so long that one would have."""
    return noted is None or (datetime.now(UTC) - _next(schedule, noted)).total_seconds() > 5


def _cells(schedule: Schedule, noted: Noted | None) -> Iterator[str]:
    upcoming = _next(schedule, noted)
    yield schedule.name
    yield schedule.flow
    yield schedule.rule.spec
    yield schedule.missed
    yield _shown(schedule, upcoming)
    yield age(upcoming) if upcoming > datetime.now(UTC) else "due"
    yield _shown(schedule, noted.last) if noted and noted.last else ""
    yield schedule.run_id(noted.last) if noted and noted.last else ""


def _shown(schedule: Schedule, tick: datetime) -> str:
    return f"{tick.astimezone(ZoneInfo(schedule.zone)):%Y-%m-%d %H:%M:%S%z}"


def _as_object(schedule: Schedule, noted: Noted | None) -> dict[str, object]:
    last = noted.last if noted else None
    return {
        "name": schedule.name,
        "flow": schedule.flow,
        "rule": schedule.rule.spec,
        "zone": schedule.zone,
        "missed": schedule.missed,
        "next": _next(schedule, noted).isoformat(),
        "last": last.isoformat() if last else None,
        "last_run": schedule.run_id(last) if last else None,
    }
