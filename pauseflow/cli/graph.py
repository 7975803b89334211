"""`flowctl graph`."""

from __future__ import annotations

import contextlib
import difflib
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import click

from pauseflow.cli.exits import BadInput
from pauseflow.cli.invocation import Invocation, common_options
from pauseflow.cli.table import age
from pauseflow.errors import AppError, StoreError, UnknownName, UnknownRun

if TYPE_CHECKING:
    from rich.text import Text

    from pauseflow.app import App
    from pauseflow.client import Client, Held, RunInfo
    from pauseflow.drawing.picture import Counts, Picture
    from pauseflow.drawing.tree import Strokes
    from pauseflow.graph import Graph

Form: TypeAlias = Literal["mermaid", "svg"]
Direction: TypeAlias = Literal["down", "right"]

EVERY = 1.0
"""Seconds between two looks at a run that is watched."""

RUNS_KNOWN = 100
"""The newest runs, whose ids are known by name."""

STYLES = {
    "title": "bold",
    "guide": "dim",
    "name": "bold cyan",
    "kind": "dim",
    "parked": "yellow",
    "failed": "bold red",
    "paused": "magenta",
    "ended": "green",
}


@click.command()
@click.argument("name", metavar="[FLOW|RUN]", required=False)
@click.option("--run", "run_id", metavar="RUN", help="With the counts of this run.")
@click.option("--mermaid", "form", flag_value="mermaid", help="As the text of a Mermaid flowchart.")
@click.option("--svg", "form", flag_value="svg", help="As an SVG file, for dark pages and light.")
@click.option(
    "--direction",
    type=click.Choice(["down", "right"]),
    help="Where records go in an SVG or a flowchart. [default: down, or what fits a page better]",
)
@click.option("--output", metavar="FILE", help="Write it there, and not to stdout.")
@click.option("--watch", is_flag=True, help="Draw it again each second, until the run is over.")
@common_options("app", "url", "namespace")
@click.pass_obj
def graph(
    invocation: Invocation,
    name: str | None,
    *,
    run_id: str | None,
    form: Form | None,
    direction: Direction | None,
    output: str | None,
    watch: bool,
) -> None:
    """Draw the graph of a flow, with counts if it is a run's.

    A stage's way on is the arrow or the arms below it; dotted or dashed ones carry no records, but
    only the markers at the end of a branch's series. A stage that is reached by two ways stands
    where it is reached first. Counts are those of flowctl show.

    The drawing of a flow needs no server. That of a run needs the app for its arrows.
    """
    if watch and (form or output):
        raise click.UsageError(
            "--watch draws on the terminal: leave out --svg, --mermaid, --output"
        )
    if direction and not form:
        raise click.UsageError("--direction is for --svg and --mermaid")
    if name is None and run_id is None:
        raise click.UsageError(
            "which graph? Give the name of a flow (flowctl flows), or a run's id"
        )
    graphs = _Graphs(invocation)
    known = graphs.find(name) if name is not None else None
    if known is not None and run_id is None:
        if watch:
            raise click.UsageError(f"{name} is a flow: --watch draws a run, which --run names")
        from pauseflow.drawing.picture import picture_of  # noqa: PLC0415 - not for --help

        _put(picture_of(known), form, direction, output)
        return
    with contextlib.ExitStack() as leaving:
        client, info = _find_run(invocation, leaving, graphs, name, run_id)
        drawing = _RunDrawing(client, graphs.find(info.flow))
        if drawing.graph is None:
            if form is not None:
                raise graphs.why_not(info.flow)
            click.echo(f"Without arrows: {graphs.why_not(info.flow)}", err=True)
        for stage in drawing.strange(info):
            click.echo(
                f"Run {info.id} has a stage {stage!r}, and flow {info.flow} of this app has not",
                err=True,
            )
        if watch:
            _watch(drawing, info)
        else:
            _put(drawing.picture(info), form, direction, output)


class _Graphs:
    """The graphs of the app's flows, as far as there is an app.

    Args:
        invocation: says which.
    """

    def __init__(self, invocation: Invocation) -> None:
        self._app: App | None = None
        self._error: AppError | None = None
        try:
            self._app = invocation.load_app()
        except AppError as error:
            self._error = error

    def find(self, name: str) -> Graph | None:
        """The graph of this name: a flow's, or that of its `on_cancel`. None if it is not known."""
        if self._app is None:
            return None
        if name in self._app.flows:
            return self._app.flows[name].graph
        flow, _, _ = name.rpartition(".")
        telling = self._app.flows[flow].graph.on_cancel if flow in self._app.flows else None
        return telling if telling is not None and telling.name == name else None

    def why_not(self, name: str) -> AppError:
        """Why there is no graph of this name."""
        if self._app is None:
            return self._error or AppError("there is no app")
        try:
            self._app.flow(name)
        except UnknownName as error:
            return error
        return UnknownName(f"app {self._app.name!r} has no flow {name!r}")

    @property
    def names(self) -> list[str] | None:
        """Of the flows; None without an app."""
        return None if self._app is None else list(self._app.flows)


def _find_run(
    invocation: Invocation,
    leaving: contextlib.ExitStack,
    graphs: _Graphs,
    name: str | None,
    run_id: str | None,
) -> tuple[Client, RunInfo]:
    """The run that is meant, and a client that `leaving` closes.

    Args:
        invocation: says which server.
        leaving: closes the client.
        graphs: for messages.
        name: of a flow if there is a `run_id`, else of the run.
        run_id: the run's, if --run gave it.
    """
    if run_id is not None:
        client = leaving.enter_context(invocation.client())
        info = client.run(run_id)
        if name not in (None, info.flow):
            raise BadInput(f"run {run_id} is one of flow {info.flow}, and not of {name}")
        return client, info
    name = name or ""
    if not _has_server(invocation):
        raise graphs.why_not(name)
    try:
        client = leaving.enter_context(invocation.client())
        return client, client.run(name)
    except UnknownRun:
        if graphs.names is None:
            raise graphs.why_not(name) from None
        names = [*graphs.names, *(info.id for info in client.runs(limit=RUNS_KNOWN))]
    except StoreError as error:
        why_not = str(graphs.why_not(name)).rstrip(".")
        raise StoreError(
            f"{why_not}. Whether there is a run {name!r} is not known: {error}"
        ) from None
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"Did you mean {near[0]!r}?" if near else "See flowctl flows, and flowctl runs."
    raise UnknownRun(f"there is no flow and no run {name!r}. {hint}")


def _has_server(invocation: Invocation) -> bool:
    """A server is named, or an embedded one has been here. Else there are no runs."""
    from pauseflow.embedded.server import FOLDER_NAME  # noqa: PLC0415 - not for --help

    settings = invocation.settings()
    return settings.url is not None or (settings.project.resolve() / FOLDER_NAME).exists()


class _RunDrawing:
    """Draws a run, as it stands whenever it is asked to.

    Args:
        client: of the server that has the run.
        graph: of the run's flow; None if that is not known.
    """

    def __init__(self, client: Client, graph: Graph | None) -> None:
        self._client = client
        self.graph = graph

    def strange(self, info: RunInfo) -> list[str]:
        """The run's stages that the graph does not have."""
        graph = self.graph
        return [] if graph is None else [s.name for s in info.stages if s.name not in graph]

    def look(self, run_id: str) -> RunInfo:
        """How the run stands now."""
        return self._client.run(run_id)

    def picture(self, info: RunInfo) -> Picture:
        """The run, and what is held of it now."""
        from pauseflow.cli.report import condition  # noqa: PLC0415 - brings in redis
        from pauseflow.drawing.picture import Node, Picture, picture_of  # noqa: PLC0415 - not for --help

        held = self._client.held()
        counts = _counts(info, held)
        since = f"submitted {age(info.created)} ago"
        title = f"run {info.id} of flow {info.flow}: {info.state.value}, {since}"
        captions = [f"{info.position:,} taken in, {info.results.count:,} results"]
        captions += filter(None, [condition(info, held)])
        if self.graph is not None:
            return picture_of(self.graph, title=title, captions=captions, counts=counts)
        nodes = [Node(name, counts=told) for name, told in counts.items()]
        return Picture(title, tuple(nodes), (), tuple(captions))


def _counts(info: RunInfo, held: Held) -> dict[str, Counts]:
    from pauseflow.drawing.picture import Counts  # noqa: PLC0415 - not for --help

    failed = {parked.stage for parked in info.parked if parked.why == "failed"}
    return {
        stage.name: Counts(
            arrived=stage.arrived,
            done=stage.done,
            in_flight=stage.in_flight,
            backlog=stage.backlog,
            held=stage.held,
            parked=stage.parked,
            rate=0.0 if info.state.over else stage.rate,
            ended=stage.ended,
            paused=(info.flow, stage.name) in held.stages and not info.state.over,
            failed=stage.name in failed,
        )
        for stage in info.stages
    }


def _put(
    picture: Picture, form: Form | None, direction: Direction | None, output: str | None
) -> None:
    """Draws it, to where it should go."""
    if form is None and output is None and sys.stdout.isatty():
        from rich.console import Console  # noqa: PLC0415 - slow to import, and for terminals only

        console = Console(highlight=False)
        for line in _texts(picture, console.width, console.encoding):
            console.print(line, no_wrap=True, overflow="ellipsis", crop=True)
        return
    text = _drawn(picture, form, direction, "utf-8" if output else sys.stdout.encoding)
    if output is None:
        # Files of SVG and Mermaid are UTF-8, whatever the terminal speaks.
        click.echo(text if form is None else text.encode(), nl=False)
        return
    try:
        Path(output).write_text(text, encoding="utf-8")
    except OSError as error:
        raise BadInput(f"can't write {output}: {error.strerror or error}") from None


def _drawn(
    picture: Picture, form: Form | None, direction: Direction | None, encoding: str | None
) -> str:
    from pauseflow.drawing.mermaid import mermaid  # noqa: PLC0415 - not for --help
    from pauseflow.drawing.svg import svg  # noqa: PLC0415 - the same
    from pauseflow.drawing.tree import text_of, tree  # noqa: PLC0415 - the same

    match form:
        case "svg":
            return svg(picture, direction=direction)
        case "mermaid":
            return mermaid(picture, direction=direction or "down")
        case None:
            return text_of(tree(picture, strokes=_strokes(encoding)))


def _strokes(encoding: str | None) -> Strokes:
    from pauseflow.drawing.tree import ASCII, UNICODE  # noqa: PLC0415 - not for --help

    try:
        "↓⇣→├└│…".encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return UNICODE


def _texts(picture: Picture, width: int, encoding: str) -> list[Text]:
    """The picture's lines with their colours."""
    from rich.text import Text  # noqa: PLC0415 - slow to import, and for terminals only

    from pauseflow.drawing.tree import tree  # noqa: PLC0415 - not for --help

    lines = tree(picture, width=width, strokes=_strokes(encoding))
    return [Text.assemble(*((text, STYLES.get(role, "")) for text, role in line)) for line in lines]


def _watch(drawing: _RunDrawing, info: RunInfo) -> None:
    """Draws the run again and again on the terminal, where it stands, until it is over."""
    from rich.console import Console, Group  # noqa: PLC0415 - slow to import, and for terminals only
    from rich.live import Live  # noqa: PLC0415 - the same

    if not sys.stdout.isatty():
        raise BadInput("--watch draws on a terminal: for anything else, repeat without it")
    console = Console(highlight=False)
    pause = threading.Event()
    with Live(console=console, auto_refresh=False, redirect_stdout=False) as live:
        while True:
            texts = _texts(drawing.picture(info), console.width, console.encoding)
            live.update(Group(*texts), refresh=True)
            if info.state.over:
                return
            pause.wait(EVERY)
            info = drawing.look(info.id)
