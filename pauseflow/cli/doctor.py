"""`flowctl doctor`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from pauseflow.cli.exits import Ended, Exit
from pauseflow.cli.invocation import Invocation, common_options
from pauseflow.cli.table import clean

if TYPE_CHECKING:
    from pauseflow.app import App
    from pauseflow.checks import Finding

STYLES = {"ok": "green", "warning": "bold yellow", "error": "bold red", "mended": "bold green"}


@click.command()
@click.option("--repair", is_flag=True, help="Put right what can be, and say what was.")
@click.option("--run", "run_id", metavar="RUN", help="Recount only this run.")
@click.option("--all", "every_key", is_flag=True, help="Go through all keys of the server, too.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for programs.")
@common_options("app", "url", "namespace")
@click.pass_obj
def doctor(
    invocation: Invocation, *, repair: bool, run_id: str | None, every_key: bool, as_json: bool
) -> None:
    """Check the server, the app, the workers, what waits in vain, and the books of each run.

    Each line is ok, a warning, an error, or what was mended. Exit code 1 if there is an error, 4 if
    it is that the server can't be used.
    """
    from pauseflow.checks import Level  # noqa: PLC0415 - brings in redis

    found: list[Finding] = []
    for finding in _findings(invocation, repair=repair, run_id=run_id, every_key=every_key):
        found.append(finding)
        if not as_json:
            _print(finding)
    errors = [finding for finding in found if finding.level is Level.ERROR]
    if as_json:
        told = {"ok": not errors, "findings": [_told(each) for each in found]}
        click.echo(json.dumps(told))
    if any(finding.subject == "connection" for finding in errors):
        raise Ended(Exit.SERVER)
    if errors:
        raise Ended(Exit.FAILED)


def _told(finding: Finding) -> dict[str, str]:
    names = ("level", "subject", "text", "advice")
    return {name: str(getattr(finding, name)) for name in names}


def _findings(
    invocation: Invocation, *, repair: bool, run_id: str | None, every_key: bool
) -> Iterator[Finding]:
    from pauseflow.checks import Installation, examine  # noqa: PLC0415 - brings in redis
    from pauseflow.checks.finding import error, ok, warning  # noqa: PLC0415 - the same
    from pauseflow.errors import (  # noqa: PLC0415 - the same
        AppError,
        FlowDefinitionError,
        StoreError,
        UnknownRun,
    )

    app: App | None = None
    settings = invocation.settings()
    if settings.app is None:
        advice = 'Give --app, set FLOWCTL_APP, or write app = "..." in pyproject.toml'
        yield warning("app", "none is named: its code is not looked at", advice)
    else:
        try:
            app = invocation.load_app()
        except (AppError, FlowDefinitionError) as refused:
            yield error("app", str(refused))
        else:
            yield ok("app", f"{app.name} has {_flows(app)}")
    try:
        with invocation.client() as client:
            flows = None if app is None else app.flows
            url = settings.url
            looked_at = Installation(client, url is None, flows, url, run_id, every_key)
            yield from examine(looked_at, repair=repair)
    except UnknownRun:
        raise
    except StoreError as refused:
        yield error("connection", str(refused))


def _flows(app: App) -> str:
    names = sorted(app.flows)
    return f"flow{'s' if len(names) > 1 else ''} {', '.join(names)}"


def _print(finding: Finding) -> None:
    level, text = finding.level.value, f"{finding.subject}: {finding.text}"
    lines = [f"{level:<8} {clean(text)}"]
    if finding.advice:
        lines.append(f"{'':<8} {clean(finding.advice)}")
    if not sys.stdout.isatty():
        for line in lines:
            click.echo(line)
        return
    from rich.console import Console  # noqa: PLC0415 - slow to import, and for terminals only
    from rich.padding import Padding  # noqa: PLC0415 - the same
    from rich.text import Text  # noqa: PLC0415 - the same

    console = Console(highlight=False)
    console.print(Text(f"{level:<8}", STYLES[level]), Text(clean(text)))
    if finding.advice:
        console.print(Padding(Text(clean(finding.advice), "dim"), (0, 0, 0, 9)))
