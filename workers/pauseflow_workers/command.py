"""The command `flowctl worker`."""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType

import click

from pauseflow.app import App, load
from pauseflow.cli import lifeline
from pauseflow.cli.children import Children
from pauseflow.cli.exits import Exit
from pauseflow.cli.invocation import Invocation, common_options
from pauseflow.embedded import server_url
from pauseflow.errors import UnknownName
from pauseflow.graph import Graph
from pauseflow.settings import APP_VARIABLE, NAMESPACE_VARIABLE, URL_VARIABLE, Settings
from pauseflow.stopping import Stopping
from pauseflow.store.server import Server
from pauseflow_workers.keeper import Keeper
from pauseflow_workers.worker import Worker

PATIENCE = 1.0
"""Seconds; see `Stopping`."""


@click.command()
@common_options("app", "url", "namespace")
@click.option("--flow", "flows", multiple=True, metavar="FLOW", help="Only stages of this flow.")
@click.option("--stage", "stages", multiple=True, metavar="STAGE", help="Only this stage.")
@click.option(
    "--processes",
    type=click.IntRange(min=1),
    envvar="WEB_CONCURRENCY",
    default=1,
    show_default=True,
    help="How many worker processes. Also WEB_CONCURRENCY.",
)
@click.pass_obj
def worker(
    invocation: Invocation, flows: Sequence[str], stages: Sequence[str], processes: int
) -> None:
    """Run stages: of the whole app, or of the flows and stages that are named.

    Stops on SIGTERM or SIGINT within a second, with its work put back.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    settings = invocation.settings()
    chosen = choose(load(settings.app), flows, stages)
    with server_url(settings) as url:
        if processes > 1:
            _supervise(settings, url, flows, stages, processes)
        else:
            _work(url, settings.namespace, chosen)


def choose(app: App, flows: Sequence[str], stages: Sequence[str]) -> list[tuple[Graph, str]]:
    """The stages to consume.

    Raises:
        UnknownName: the app has no such flow, or the flows have no such stage.
    """
    graphs = [app.flow(name).graph for name in flows or app.flows]
    if not stages:
        return [(graph, stage.name) for graph in graphs for stage in graph.stages]
    chosen = []
    for name in stages:
        having = [graph for graph in graphs if name in graph]
        if not having:
            if len(graphs) == 1:
                graphs[0][name]
            names = ", ".join(graph.name for graph in graphs)
            raise UnknownName(f"none of the flows {names} has a stage {name!r}: see flowctl flows")
        chosen += [(graph, name) for graph in having]
    return chosen


def _work(url: str, namespace: str, chosen: list[tuple[Graph, str]]) -> None:
    def leave_at_once() -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)

    keeper = Keeper(url, namespace)
    running = Worker(Server.at(url), namespace, chosen, on_stuck=leave_at_once, keeper=keeper)

    def stop(_number: int, _frame: FrameType | None) -> None:
        running.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    _collect_seldom()
    lifeline.ready()
    try:
        running.run()
    except MemoryError:
        # It is said already. Nothing that would need memory to end well.
        os._exit(Exit.FAILED)


def _collect_seldom() -> None:
    """Records come and go by thousands, and none is garbage in a circle: don't look after each few.

    Decoding, changing and encoding small dicts is a fifth faster so.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def _supervise(
    settings: Settings, url: str, flows: Sequence[str], stages: Sequence[str], processes: int
) -> None:
    """Keeps so many worker processes running until it is told to stop."""
    stopping = Stopping()
    failure: list[int] = []

    def give_up(reason: str, code: int) -> None:
        click.echo(reason, err=True)
        failure.append(code)
        stopping.set()

    def say(label: str, line: str) -> None:
        click.echo(f"{label} | {line}")

    for caught in (signal.SIGTERM, signal.SIGINT):
        signal.signal(caught, lambda *_: stopping.set())
    environ = {URL_VARIABLE: url, NAMESPACE_VARIABLE: settings.namespace}
    if settings.app:
        environ[APP_VARIABLE] = settings.app
    arguments = ["worker", "--processes", "1"]
    arguments += [word for flow in flows for word in ("--flow", flow)]
    arguments += [word for stage in stages for word in ("--stage", stage)]
    with Children(environ, say, give_up) as children:
        for number in range(1, processes + 1):
            children.start(f"worker.{number}", arguments)
        while not stopping.wait(PATIENCE):
            pass
    if failure:
        sys.exit(failure[0])
