"""The command `flowctl` itself: global options, its commands, and what happens to errors."""

from __future__ import annotations

import contextlib
import difflib
import importlib
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any, NoReturn

import click

from pauseflow.cli.exits import HELP, Ended, Exit, code_of, message_of
from pauseflow.cli.hail import Hailed
from pauseflow.cli.invocation import common_options

# Each with its one line of help, so that --help imports none of them.
COMMANDS = {
    "run": "Run a flow on inputs, here and now, and print the results.",
    "up": "Run the server, coordinator and workers in the foreground.",
    "submit": "Submit one record, or a file of them, as a run.",
    "results": "Print a run's results as JSON lines.",
    "runs": "List runs, the newest first.",
    "show": "Show where a run stands, stage by stage.",
    "stack": "Show where everything in a run stands, like a traceback.",
    "doctor": "Check the server, the app, the workers, and what waits in vain.",
    "signal": "Send a signal to a run: what has waited longest for it there goes on.",
    "jobs": "Run the app's job stages: a worker of RQ with the app loaded.",
    "flows": "List the app's flows with their stages.",
    "graph": "Draw a flow's graph, with the counts of a run.",
    "schedules": "List when runs start by themselves.",
    "pause": "Pause a run, a flow or a stage, within a second and until flowctl resume.",
    "resume": "Let what was paused go on.",
    "cancel": "End a run where it stands, for good.",
    "priority": "Give a run a high, normal or low priority.",
    "retry": "Let a halted run go on from the record that it halted at.",
    "skip": "Set aside the record that a run halted at, and let it go on behind it.",
    "quarantine": "List what was found on the server and can't be read.",
    "dead": "List, show, retry, edit or drop dead letters: records that were set aside.",
}
PLUGINS = "pauseflow.commands"
# Plugins too, but our own, and slow to import.
PLUGINS_HELP = {
    "worker": "Run stages: the process to have many of.",
    "coordinator": "Fire timers, put back the work of dead workers, expire runs.",
}


class Commands(click.Group):
    """flowctl's own commands, and those of installed packages (entry points `pauseflow.commands`).

    A package's command is a click command. Global options that were given become the defaults of
    its options of the same names (`app`, `url`, `namespace`).
    """

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Our own first, then those of other packages."""
        return [*COMMANDS, *sorted(set(_plugins()) - set(COMMANDS))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a command when it is needed."""
        if cmd_name in COMMANDS:
            module = importlib.import_module(f"pauseflow.cli.{cmd_name}")
            command = getattr(module, cmd_name)
        else:
            load = _plugins().get(cmd_name)
            command = load() if load else None
        return command if isinstance(command, click.Command) else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click's, with the nearest name where there is no such command."""
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            near = difflib.get_close_matches(name, self.list_commands(ctx), n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            ctx.fail(f"there is no command {name!r}.{hint}")
        ctx.default_map = {name: {k: v for k, v in vars(ctx.obj).items() if v}}
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, without importing our own."""
        rows = []
        for name in self.list_commands(ctx):
            text = COMMANDS.get(name) or PLUGINS_HELP.get(name)
            if text is None:
                try:
                    command = self.get_command(ctx, name)
                    text = command.get_short_help_str(70) if command else "(not a command)"
                except Exception as error:  # noqa: BLE001 - another package's; help still helps
                    text = f"(can't be loaded: {error})"
            rows.append((name, text))
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def invoke(self, ctx: click.Context) -> object:
        """Run the command, and write out what it printed while a closed pipe can be noticed."""
        try:
            try:
                result = super().invoke(ctx)
            except Hailed as hailed:
                raise hailed.error from None
            sys.stdout.flush()
        except BrokenPipeError:
            # Whoever read our output has had enough. That is no error.
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise Ended(Exit.OK) from None
        return result

    def main(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Run flowctl and end the process: errors become one message and an exit code."""
        debug = "--debug" in (kwargs.get("args") or (args[0] if args else None) or sys.argv[1:])
        kwargs["standalone_mode"] = False
        try:
            code = super().main(*args, **kwargs)
        except Ended as end:
            code = end.code
        except click.Abort:
            _say("interrupted")
            code = Exit.INTERRUPTED
        except click.UsageError as error:
            error.show()
            code = Exit.USAGE
        except click.ClickException as error:
            _say(error.format_message())
            code = error.exit_code
        except Exception as error:  # noqa: BLE001 - the last place where anything is caught
            if debug:
                traceback.print_exc()
            _say(message_of(error))
            code = code_of(error)
        sys.exit(int(code) if isinstance(code, int) else 0)


def _say(text: str) -> None:
    click.echo(f"flowctl: {text}", err=True)


def _plugins() -> dict[str, Callable[[], object]]:
    from importlib.metadata import entry_points  # noqa: PLC0415 - 30 ms that few commands need

    return {point.name: point.load for point in entry_points(group=PLUGINS)}


@click.group(cls=Commands, epilog=HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="pauseflow", prog_name="flowctl")
@common_options("app", "url", "namespace")
def flowctl() -> None:
    """Data flows whose stages pause anywhere, and go on on any worker.

    The app, the module with your flows, is found by --app, FLOWCTL_APP, or app = "..." under
    [tool.pauseflow] in pyproject.toml. The server is found by --url, REDIS_URL, or url = "..."
    there; without one, an embedded Valkey keeps its data in the project folder, in .pauseflow/.
    """
