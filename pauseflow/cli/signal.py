"""`flowctl signal`."""

from __future__ import annotations

import json
import sys

import click

from pauseflow.cli.exits import BadInput
from pauseflow.cli.inputs import STDIN, options_taken_for_inputs
from pauseflow.cli.invocation import Invocation, common_options
from pauseflow.cli.jsonlines import argument


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("run_id", metavar="RUN")
@click.argument("name")
@click.argument("data", metavar="[JSON]", nargs=-1)
@click.option("--broadcast", is_flag=True, help="Wake all that wait for it now, rather than one.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for programs.")
@common_options("url", "namespace")
@click.pass_context
def signal(
    context: click.Context,
    run_id: str,
    name: str,
    data: tuple[str, ...],
    *,
    broadcast: bool,
    as_json: bool,
) -> None:
    """Send a signal to a run: what has waited longest for it there goes on.

    JSON is its data, what the pause evaluates to: null if it is left out, - to read it from stdin.
    A signal that nothing waits for yet is kept for the first that will.
    """
    options_taken_for_inputs(context, (run_id, name, *data))
    if len(data) > 1:
        raise BadInput(
            f"a signal has one JSON value as its data, and {len(data)} were given; put them into "
            f"an array or an object, quoted for the shell"
        )
    _check_name(name)
    value = _value(data[0]) if data else None
    invocation: Invocation = context.obj
    with invocation.client() as client:
        woke = client.signal(run_id, name, value, broadcast=broadcast)
    if as_json:
        click.echo(json.dumps({"run": run_id, "signal": name, "woke": woke, "kept": not woke}))
    elif woke:
        whom = "Everything that waited" if broadcast else "What had waited longest"
        click.echo(f"{whom} for {name!r} in run {run_id} goes on.", err=True)
    else:
        click.echo(
            f"Nothing in run {run_id} waits for {name!r} yet: kept for the first that waits.",
            err=True,
        )


def _check_name(name: str) -> None:
    from pauseflow.pause import check_signal_name  # noqa: PLC0415 - not for --help

    try:
        check_signal_name(name)
    except ValueError as error:
        raise BadInput(str(error)) from None


def _value(text: str) -> object:
    if text != STDIN:
        return argument(text)
    try:
        given = sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(f"stdin is not JSON: it is not UTF-8 at byte {error.start + 1}") from None
    if not given.strip():
        raise BadInput("stdin is empty: give the signal's data there as JSON, null for none")
    return argument(given)
