"""`flowctl jobs`."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

import click

from pauseflow.cli.exits import Ended, Exit
from pauseflow.cli.invocation import Invocation, common_options

if TYPE_CHECKING:
    from pauseflow.app import App


@click.command()
@click.argument("queues", metavar="[QUEUE]...", nargs=-1)
@click.option("--burst", is_flag=True, help="Stop when the queues are empty.")
@click.option(
    "--patience",
    type=click.FloatRange(min=0),
    default=20.0,
    show_default=True,
    metavar="SECONDS",
    help="What the job at work gets on SIGTERM, before it goes to another worker.",
)
@common_options("app", "url", "namespace")
@click.pass_obj
def jobs(invocation: Invocation, queues: tuple[str, ...], *, burst: bool, patience: float) -> None:
    """Run the app's job stages: a worker of RQ, with the app loaded.

    It takes jobs from the queues that are named, the first one first, or from all that the app's
    job stages name. Each job has a process of its own, with the stage's time limit. One worker
    runs one job at a time: start as many as there is memory for. RQ's own tools see them.
    """
    from pauseflow.embedded import server_url  # noqa: PLC0415 - not for --help
    from pauseflow.jobs import performing  # noqa: PLC0415 - the same
    from pauseflow.jobs.rqworker import RqWorker  # noqa: PLC0415 - brings in rq
    from pauseflow.jobs.spec import queues_of  # noqa: PLC0415 - the same
    from pauseflow.settings import APP_VARIABLE  # noqa: PLC0415 - as above
    from pauseflow.store.jobs import rq_client, rq_errors  # noqa: PLC0415 - the same
    from pauseflow.store.server import Server  # noqa: PLC0415 - the same

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    settings = invocation.settings()
    if settings.app:
        os.environ[APP_VARIABLE] = settings.app
    app = performing.app()
    chosen = queues or queues_of(app.flows.values()) or _none(app)
    with server_url(settings) as url:
        server = Server.at(url)
        server.wire().call(("PING",))
        with rq_errors(server):
            worker = RqWorker(chosen, connection=rq_client(server), patience=patience)
            click.echo(f"waiting for jobs in {', '.join(chosen)}")
            worker.work(burst=burst, logging_level="WARNING")
        if not burst and not worker.told_to_stop:
            raise Ended(Exit.FAILED)  # it has said why


def _none(app: App) -> tuple[str, ...]:
    from pauseflow.jobs.spec import DEFAULT_QUEUE  # noqa: PLC0415 - as above

    click.echo(f"app {app.name} has no job stages: there is nothing to do", err=True)
    return (DEFAULT_QUEUE,)
