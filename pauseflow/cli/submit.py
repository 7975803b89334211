"""`flowctl submit`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from pauseflow.cli.exits import BadInput, Ended
from pauseflow.cli.inputs import STDIN, file_option, opened, options_taken_for_inputs
from pauseflow.cli.invocation import Invocation, common_options
from pauseflow.cli.jsonlines import Lines, argument, batches, encode_line
from pauseflow.cli.progress import Progress, Row
from pauseflow.store.lanes import PRIORITIES

if TYPE_CHECKING:
    from pauseflow.client import Client, Feed


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("flow")
@click.argument("inputs", metavar="[JSON]", nargs=-1)
@file_option
@click.option(
    "--run-id",
    metavar="ID",
    help="The run's name. Submitting the same again under the same name adds nothing, and goes on "
    "where a file's submission was interrupted.",
)
@click.option(
    "--priority",
    type=click.Choice(PRIORITIES),
    default="normal",
    show_default=True,
    help="Workers take up urgent runs first. See flowctl priority.",
)
@click.option("--wait", is_flag=True, help="Wait until the run is done.")
@click.option("--follow", is_flag=True, help="Print the results as they come, until it is done.")
@click.option("--json", "as_json", is_flag=True, help="Say the run's id as JSON, for programs.")
@click.option("--no-progress", is_flag=True, help="No progress bar, even on a terminal.")
@common_options("app", "url", "namespace")
@click.pass_context
def submit(
    context: click.Context,
    flow: str,
    inputs: tuple[str, ...],
    *,
    file: str | None,
    run_id: str | None,
    priority: str,
    wait: bool,
    follow: bool,
    as_json: bool,
    no_progress: bool,
) -> None:
    """Submit one record, or a file of them, as a run. Prints the run's id.

    A file may be of any length: it is read no faster than the run takes it in. The workers are
    elsewhere: flowctl up, or flowctl worker.
    """
    from pauseflow.cli.bystander import Bystander  # noqa: PLC0415 - brings in redis

    options_taken_for_inputs(context, inputs)
    if len(inputs) > 1:
        raise BadInput(
            "give one record; for several in one run, put them in a file, one a line, and give "
            "--file FILE (or - for stdin)"
        )
    if inputs == (STDIN,):
        file, inputs = file or STDIN, ()
    if bool(inputs) == (file is not None):
        raise BadInput("give one record as JSON, or --file FILE of JSON lines (- for stdin)")
    value = argument(inputs[0]) if inputs else None
    invocation: Invocation = context.obj
    chosen = invocation.load_app().flow(flow)
    with Progress(enabled=not no_progress) as progress, invocation.client() as client:
        if file is None:
            name = client.submit(chosen, value, run_id=run_id, priority=priority)
            _say_name(name, progress, as_json=as_json, aside=follow)
            if follow or wait:
                with Bystander(invocation.client, name, progress):
                    _attend(client, name, progress, follow=follow)
            return
        with opened(file) as (stream, shown, size):
            feed = client.open(chosen, run_id=run_id, priority=priority)
            _say_name(feed.run_id, progress, as_json=as_json, aside=follow)
            taking = _Taking(feed, shown, size, progress)
            with Bystander(invocation.client, feed.run_id, progress, follow=follow) as bystander:
                taking.take(batches(stream, shown))
                if follow:
                    bystander.join()
                elif wait:
                    client.wait(feed.run_id)


def _say_name(name: str, progress: Progress, *, as_json: bool, aside: bool) -> None:
    """The run's id, on stdout; where results are to come there, beside it."""
    text = json.dumps({"run": name}) if as_json else name
    if aside:
        progress.note(text if as_json else f"run {name}")
    else:
        progress.result(f"{text}\n".encode())


def _attend(client: Client, run_id: str, progress: Progress, *, follow: bool) -> None:
    if not follow:
        client.wait(run_id)
        return
    for result in client.results(run_id, follow=True):
        progress.result(encode_line(result))


class _Taking:
    """Feeds a run from batches of lines, and says where it stopped if it has to.

    Args:
        feed: the run's open end. What it has taken already is skipped in the lines.
        name: of the file, for messages.
        size: of the file in bytes, if known.
        progress: where the bar is.
    """

    def __init__(self, feed: Feed, name: str, size: int | None, progress: Progress) -> None:
        self._feed = feed
        self._name = name
        self._size = size
        self._progress = progress

    def take(self, lines: Iterable[Lines]) -> None:
        """Feed everything, and close the run's input.

        Raises:
            BadInput: a line is not JSON, or the file ends before what was taken of it earlier.
                Everything before is taken.
        """
        skip, read = self._feed.position, 0
        if skip:
            self._progress.note(f"It has {skip:,} records already; going on after them")
        try:
            for batch in lines:
                values = batch.values[skip:]
                skip -= len(batch.values) - len(values)
                self._feed.extend(values)
                read += batch.size
                self._show(read)
                if batch.bad is not None:
                    raise BadInput(f"{batch.bad.message}. {self._where_it_stands()}")
        except (KeyboardInterrupt, Ended):
            self._progress.note(self._where_it_stands(at_least=True))
            raise
        if skip:
            raise BadInput(
                f"{self._name} has {skip:,} records fewer than run {self._feed.run_id} has taken: "
                f"it is not the file that was submitted under this name"
            )
        self._feed.close()

    def _where_it_stands(self, *, at_least: bool = False) -> str:
        run_id = self._feed.run_id
        return (
            f"{'At least ' if at_least else ''}{self._feed.position:,} records were taken into "
            f"run {run_id}, which stays open: submit again with --run-id {run_id}, and it goes on "
            f"after the last record taken"
        )

    def _show(self, read: int) -> None:
        text = f"{self._feed.position:,} records"
        self._progress.show([Row(self._name, read, self._size, text)])
