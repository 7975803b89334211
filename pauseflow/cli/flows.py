"""`flowctl flows`."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

from pauseflow.cli.invocation import Invocation, common_options
from pauseflow.errors import PauseflowError

if TYPE_CHECKING:
    from pauseflow.client import Held
    from pauseflow.flow import Flow
    from pauseflow.graph import Graph, Stage


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for programs.")
@common_options("app", "url", "namespace")
@click.pass_obj
def flows(invocation: Invocation, *, as_json: bool) -> None:
    """List the app's flows with their stages.

    Needs no server; if there is one, it says what is paused.
    """
    app = invocation.load_app()
    held = _held(invocation)
    for name in sorted(app.flows):
        flow = app.flows[name]
        if as_json:
            click.echo(json.dumps(_as_object(flow, held)))
        else:
            click.echo(f"{name}: {drawn(flow.graph, arrow=_arrow())}{_paused(name, held)}")


def _held(invocation: Invocation) -> Held | None:
    """What people hold; None where there is no server, or none that answers."""
    from pauseflow.embedded.folder import Folder  # noqa: PLC0415 - not for --help
    from pauseflow.embedded.server import FOLDER_NAME  # noqa: PLC0415 - the same

    settings = invocation.settings()
    if settings.url is None:
        folder = Folder(settings.project.resolve() / FOLDER_NAME)
        if not folder.path.exists() or not folder.server_runs():
            return None
    try:
        with invocation.client() as client:
            return client.held()
    except PauseflowError as error:
        click.echo(f"flowctl: what is paused is not known: {error}", err=True)
        return None


def _paused(flow: str, held: Held | None) -> str:
    if held is None:
        return ""
    stages = ", ".join(held.stages_of(flow))
    if flow in held.flows:
        return "  [paused]"
    return f"  [paused at {stages}]" if stages else ""


def drawn(graph: Graph, *, arrow: str = "→") -> str:
    """A flow's stages as a line: `pages (branch) → parse → is_open (filter)`.

    Stages that share what a stage emits stand in brackets: `parse → [ship | store → index]`.
    """
    return _drawn_from(graph, graph.root.name, arrow, set())


def _drawn_from(graph: Graph, name: str, arrow: str, seen: set[str]) -> str:
    seen.add(name)
    targets = [
        outlet.target
        for outlet in graph.outlets(name)
        if outlet.target is not None and outlet.target not in seen
    ]
    rest = [_drawn_from(graph, target, arrow, seen) for target in targets]
    text = _labelled(graph[name])
    if not rest:
        return text
    return f"{text} {arrow} {rest[0] if len(rest) == 1 else '[' + ' | '.join(rest) + ']'}"


def _labelled(stage: Stage) -> str:
    marks = [] if stage.kind.value == "map" else [stage.kind.value]
    if not stage.ordered:
        marks.append("unordered")
    if stage.sequential and stage.kind.value not in ("each", "finished"):
        marks.append("sequential")
    return f"{stage.name} ({', '.join(marks)})" if marks else stage.name


def _arrow() -> str:
    try:
        "→".encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return "->"
    return "→"


def _as_object(flow: Flow, held: Held | None) -> dict[str, object]:
    graph = flow.graph
    return {
        "name": flow.name,
        "paused": None if held is None else flow.name in held.flows,
        "fingerprint": graph.fingerprint,
        "stages": [
            {
                "name": stage.name,
                "kind": stage.kind.value,
                "ordered": stage.ordered,
                "sequential": stage.sequential,
                "paused": None if held is None else held.holds_stage(flow.name, stage.name),
                "to": [outlet.target for outlet in graph.outlets(stage.name)],
            }
            for stage in graph.stages
        ],
    }
