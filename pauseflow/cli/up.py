"""`flowctl up`."""

from __future__ import annotations

import contextlib
import sys
import threading

import click

from pauseflow.cli.invocation import Invocation, common_options
from pauseflow.errors import PauseflowError

_COLOURS = ("cyan", "yellow", "green", "magenta", "blue", "bright_red")
_REVIVE_EVERY = 1.0


@click.command()
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    help="Worker processes. [default: one a processor]",
)
@common_options("app", "url", "namespace")
@click.pass_obj
def up(invocation: Invocation, workers: int | None) -> None:
    """Run the server, coordinator and workers in the foreground, for development.

    If the app has job stages, workers of RQ for them, too. The server only if none is named: then
    it is the embedded one. A process that dies is started again, after ever longer delays if it
    keeps on dying. Ctrl-C stops everything: work that is not done is kept, and goes on the next
    time. Code that you change counts from the next start.
    """
    from pauseflow.cli.crew import Crew, processors  # noqa: PLC0415 - not for --help
    from pauseflow.jobs.spec import queues_of  # noqa: PLC0415 - the same
    from pauseflow.settings import redacted  # noqa: PLC0415 - the same

    app = invocation.load_app()
    count = workers or processors()
    output = _Prefixed()
    with Crew(invocation, output.say, patient=True) as crew, crew.connect():
        output.say("flowctl", f"server {redacted(crew.url)}, app {app.name}, {count} workers")
        crew.start(count, queues=queues_of(app.flows.values()))
        while True:
            # Waits for Ctrl-C or SIGTERM, which raise here.
            threading.Event().wait(_REVIVE_EVERY)
            try:
                if crew.revive():
                    output.say("flowctl", "the embedded server had died; it runs again")
            except PauseflowError as error:
                output.say("flowctl", str(error))


class _Prefixed:
    """Writes lines to stdout, each after the name of the process that it comes from."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._coloured = sys.stdout.isatty()
        self._colours: dict[str, str] = {}

    def say(self, label: str, line: str) -> None:
        prefix = f"{label:<12}| "
        with self._lock:
            if self._coloured:
                following = _COLOURS[len(self._colours) % len(_COLOURS)]
                prefix = click.style(prefix, fg=self._colours.setdefault(label, following))
            # Nobody may be reading any more; the work goes on.
            with contextlib.suppress(BrokenPipeError):
                click.echo(prefix + line)
