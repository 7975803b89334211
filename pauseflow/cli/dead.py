"""`flowctl dead`: list, show, retry, edit, drop."""

from __future__ import annotations

import difflib
import json
import sys
from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pauseflow.cli.exits import BadInput
from pauseflow.cli.inputs import STDIN
from pauseflow.cli.invocation import Invocation, common_options
from pauseflow.cli.jsonlines import argument
from pauseflow.cli.table import print_table

if TYPE_CHECKING:
    from pauseflow.app import App
    from pauseflow.client import Client, Letter
    from pauseflow.flow import Flow
    from pauseflow.graph import Graph

AT_ONCE = 100
"""Letters that are retried or dropped together, of all."""

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


class _Commands(click.Group):
    """Commands, with the nearest name where there is no such command."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click's."""
        if args[0] not in self.commands and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], self.commands, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            ctx.fail(f"there is no command {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)


@click.group(cls=_Commands)
@common_options("app", "url", "namespace")
def dead() -> None:
    """List, show, retry, edit or drop dead letters: records that were set aside.

    Each is named by its record's key, RUN:STAGE:NUMBER.
    """


def filters(command: Decorated) -> Decorated:
    """The options that say which letters are meant."""
    for name, metavar, text in (
        ("stage", "STAGE", "Only of stages of this name."),
        ("run", "RUN", "Only of this run."),
        ("error", "TYPE", "Only where an exception of this type was raised."),
        ("flow", "FLOW", "Only of this flow."),
    ):
        command = click.option(f"--{name}", metavar=metavar, help=text)(command)
    return command


@dead.command("list")
@filters
@click.option(
    "--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most so many."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for programs.")
@common_options("app", "url", "namespace")
@click.pass_obj
def list_(invocation: Invocation, /, *, limit: int, as_json: bool, **sought: str | None) -> None:
    """List dead letters, the newest first."""
    from pauseflow.cli.letter import as_object, row_of  # noqa: PLC0415 - brings in redis

    with invocation.client() as client:
        count = client.count_dead()
        found = islice(client.dead(**sought), limit)
        if as_json:
            _load_app(invocation)
            for letter in found:
                click.echo(json.dumps(as_object(letter)))
            return
        rows = [row_of(letter) for letter in found]
    if rows:
        print_table(("KEY", "FLOW", "ATTEMPTS", "AGE", "ERROR"), rows, right=("ATTEMPTS", "AGE"))
    else:
        click.echo("There are no dead letters" + (" of these." if count else "."), err=True)
    if len(rows) == limit and count > limit:
        click.echo(f"There are {count:,} dead letters in all: see --limit.", err=True)


@dead.command()
@click.argument("key")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for programs.")
@common_options("app", "url", "namespace")
@click.pass_obj
def show(invocation: Invocation, key: str, *, as_json: bool) -> None:
    """Show a dead letter: its record, its error, and where it stood.

    With an app that can be loaded it also says where in the code its frame stands.
    """
    from pauseflow.cli.letter import as_object, in_full  # noqa: PLC0415 - brings in redis

    with invocation.client() as client:
        letter = client.dead_letter(key)
    app = _load_app(invocation)
    if as_json:
        click.echo(json.dumps(as_object(letter)))
        return
    for line in in_full(letter, app):
        click.echo(line)
    click.echo(f"\nTo try it again: flowctl dead retry {key}", err=True)


@dead.command()
@click.argument("keys", metavar="[KEY]...", nargs=-1)
@click.option("--all", "every", is_flag=True, help="All, or all that the filters leave.")
@filters
@click.option("--json", "as_json", is_flag=True, help="Keys and runs as JSON lines, for programs.")
@common_options("app", "url", "namespace")
@click.pass_obj
def retry(
    invocation: Invocation,
    /,
    keys: tuple[str, ...],
    *,
    every: bool,
    as_json: bool,
    **sought: str | None,
) -> None:
    """Try dead letters again, each at its stage, from its frame, in a run of its own.

    Prints the ids of these runs, one a line. A record that fails again is a dead letter again,
    under the same key.
    """
    _check_choice(keys, sought, every=every)
    app = invocation.load_app()
    count = 0
    with invocation.client() as client:
        letters = client.dead(**sought) if every else (client.dead_letter(key) for key in keys)
        for part in _parts(letters) if every else [list(letters)]:
            for key, run_id in _retried(client, app, part):
                click.echo(json.dumps({"key": key, "run": run_id}) if as_json else run_id)
                count += 1
    click.echo(f"Tried again: {count:,} dead letters.", err=True)


def _retried(client: Client, app: App, letters: list[Letter]) -> Iterator[tuple[str, str]]:
    by_flow: dict[str, list[Letter]] = {}
    for letter in letters:
        by_flow.setdefault(letter.flow, []).append(letter)
    # A flow or a stage that is missing is noticed before anything is tried again.
    flows = {name: _flow_of(app, name) for name in by_flow if name}
    for name, some in by_flow.items():
        for letter in some:
            if name:
                _graph_of(flows[name], name)[letter.stage]
    for name, some in by_flow.items():
        flow = flows.get(name) or next(iter(app.flows.values()))  # which says why it can't be
        yield from client.retry_dead(flow, [letter.key for letter in some]).items()


def _flow_of(app: App, name: str) -> Flow:
    """The flow of this name, or whose `on_cancel` goes by it."""
    return app.flow(name if name in app.flows else name.removesuffix(".on_cancel"))


def _graph_of(flow: Flow, name: str) -> Graph:
    telling = flow.graph.on_cancel
    return telling if telling is not None and telling.name == name else flow.graph


@dead.command()
@click.argument("key")
@click.argument("text", metavar="[JSON]", required=False)
@common_options("url", "namespace")
@click.pass_obj
def edit(invocation: Invocation, key: str, text: str | None) -> None:
    """Put another record in the place of a dead letter's: JSON, or - for stdin.

    Without JSON it opens your editor with the record. The letter keeps its key, and loses its
    frame: the new record starts at its stage from the top. It is not tried again by this.
    """
    from pauseflow.cli.letter import record_of  # noqa: PLC0415 - brings in redis

    with invocation.client() as client:
        letter = client.dead_letter(key)
        if text is None:
            text = _edited(key, record_of(letter))
        elif text == STDIN:
            text = _stdin()
        client.edit_dead(key, argument(text))
    click.echo(f"Edited. To try it again: flowctl dead retry {key}", err=True)


def _on_a_terminal() -> bool:
    return sys.stdin.isatty()


def _stdin() -> str:
    try:
        return sys.stdin.buffer.read().decode()
    except UnicodeDecodeError as error:
        raise BadInput(f"stdin is not UTF-8: {error}") from None


def _edited(key: str, record: str) -> str:
    if not _on_a_terminal():
        raise BadInput("give the record as JSON, or - to read it from stdin")
    before = json.dumps(json.loads(record), indent=2, ensure_ascii=False) + "\n"
    after = click.edit(before, extension=".json")
    if after is None or after == before:
        raise BadInput(f"nothing was changed: dead letter {key!r} stays as it is")
    return after


@dead.command()
@click.argument("keys", metavar="[KEY]...", nargs=-1)
@click.option("--all", "every", is_flag=True, help="All, or all that the filters leave.")
@filters
@click.option("--yes", is_flag=True, help="Don't ask.")
@common_options("url", "namespace")
@click.pass_obj
def drop(
    invocation: Invocation,
    /,
    keys: tuple[str, ...],
    *,
    every: bool,
    yes: bool,
    **sought: str | None,
) -> None:
    """Drop dead letters for good."""
    _check_choice(keys, sought, every=every)
    with invocation.client() as client:
        if not every:
            chosen = [client.dead_letter(key).key for key in keys]
            count = client.drop_dead(chosen)
        else:
            if not yes:
                _ask(client.count_dead(), sought)
            count = sum(
                client.drop_dead([letter.key for letter in part])
                for part in _parts(client.dead(**sought))
            )
    click.echo(f"Dropped: {count:,} dead letters.", err=True)


def _ask(count: int, sought: dict[str, str | None]) -> None:
    if not _on_a_terminal():
        raise BadInput("this drops them for good: add --yes if you mean it")
    some = "those that fit, of " if any(sought.values()) else ""
    click.confirm(f"Drop {some}{count:,} dead letters for good?", abort=True, err=True)


def _check_choice(keys: tuple[str, ...], sought: dict[str, str | None], *, every: bool) -> None:
    given = [f"--{name}" for name, value in sought.items() if value]
    if every and keys:
        raise BadInput("give keys, or --all, not both")
    if not every and given:
        raise BadInput(f"{' and '.join(given)} go with --all: say --all for all that fit")
    if not every and not keys:
        raise BadInput("give the keys of dead letters (flowctl dead list), or --all")


def _parts(letters: Iterator[Letter]) -> Iterator[list[Letter]]:
    while part := list(islice(letters, AT_ONCE)):
        yield part


def _load_app(invocation: Invocation) -> App | None:
    """The app, which has the classes of records and the code of frames; None if there is none."""
    from pauseflow.errors import AppError, SettingsError  # noqa: PLC0415 - not for --help

    try:
        return invocation.load_app()
    except (AppError, SettingsError):
        return None
