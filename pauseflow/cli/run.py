"""`flowctl run`."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import count, repeat
from typing import TYPE_CHECKING

import click

from pauseflow.cli.exits import BadInput, Ended, Exit
from pauseflow.cli.inputs import STDIN, file_option, opened, options_taken_for_inputs
from pauseflow.cli.invocation import Invocation, common_options
from pauseflow.cli.jsonlines import argument, batches, encode_line
from pauseflow.cli.progress import Progress, Row

if TYPE_CHECKING:
    from pauseflow.client import Client
    from pauseflow.flow import Flow

# Runs submitted and not yet printed: enough to keep every worker busy, and bounded on the server.
AHEAD = 1_000


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("flow")
@click.argument("inputs", metavar="[JSON]...", nargs=-1)
@file_option
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    help="Worker processes. [default: one a processor]",
)
@click.option(
    "--run-id",
    metavar="ID",
    help="A name for the run, or the beginning of the runs' names if there are several inputs. "
    "The same command again with the same name goes on where it was interrupted.",
)
@click.option("--no-progress", is_flag=True, help="No progress bars, even on a terminal.")
@common_options("app", "url", "namespace")
@click.pass_context
def run(
    context: click.Context,
    flow: str,
    inputs: tuple[str, ...],
    *,
    file: str | None,
    workers: int | None,
    run_id: str | None,
    no_progress: bool,
) -> None:
    """Run a flow on inputs, here and now, and print the results.

    Starts what it takes (the embedded server if no other is named, a coordinator, workers), makes
    each input a run of its own, and stops everything at the end. Results go to stdout as JSON
    lines, in the order of the inputs; what stages print goes to stderr, with the progress bars.

    JSON is one value an argument: 2, '"text"', '{"a": [1, 2]}', null.
    """
    from pauseflow.cli.crew import Crew, processors  # noqa: PLC0415 - not for --help
    from pauseflow.cli.watch import Watch  # noqa: PLC0415 - with the one above

    options_taken_for_inputs(context, inputs)
    values = _values(flow, inputs, file)
    invocation: Invocation = context.obj
    chosen = invocation.load_app().flow(flow)
    _ = chosen.graph  # what is wrong with the flow is said before anything is started
    with (
        Progress(enabled=not no_progress) as progress,
        Crew(invocation, lambda _label, line: progress.note(line)) as crew,
        crew.connect() as client,
    ):
        crew.start(workers or processors(), flow)
        printing = _Printing(client, chosen, progress)
        names = _names(run_id, several=file is not None or len(inputs) > 1)
        with Watch(crew.connect, progress, printing.rows):
            try:
                printing.print_all(values, names)
            except KeyboardInterrupt:
                progress.note(printing.unfinished())
                raise
    if printing.failed:
        raise Ended(Exit.FAILED)


class _Printing:
    """Submits runs, a bounded number ahead, and prints their results in order.

    Args:
        client: of the server.
        flow: of all these runs.
        progress: where results and notes go.
    """

    def __init__(self, client: Client, flow: Flow, progress: Progress) -> None:
        self._client = client
        self._flow = flow
        self._progress = progress
        self._waiting: deque[str] = deque()
        self._submitted = 0
        self.failed = 0

    def print_all(self, values: Iterator[object], names: Iterator[str | None]) -> None:
        """Run every value. Input that is no JSON is told when what comes before it is done."""
        bad: BadInput | None = None
        try:
            for value in values:
                if len(self._waiting) >= AHEAD:
                    self._print_next()
                self._waiting.append(self._client.submit(self._flow, value, run_id=next(names)))
                self._submitted += 1
        except BadInput as error:
            bad = error
        while self._waiting:
            self._print_next()
        if bad is not None:
            raise BadInput(
                f"{bad.message}. The {self._submitted} inputs before it were run, none after it"
            )

    def _print_next(self) -> None:
        from pauseflow.errors import RunFailed  # noqa: PLC0415 - for annotations it is not needed

        try:
            for result in self._client.results(self._waiting[0], follow=True):
                self._progress.result(encode_line(result))
        except RunFailed as error:
            self.failed += 1
            self._progress.note(f"flowctl: {error}")
        self._waiting.popleft()

    def rows(self, client: Client) -> list[Row]:
        """The bars: how many inputs are done, and the stages of the one that is printed next."""
        waiting = tuple(self._waiting)
        rows = []
        if self._submitted > 1:
            rows.append(Row("inputs", self._submitted - len(waiting), self._submitted))
        if waiting:
            stages = client.run(waiting[0]).stages
            rows += [Row(f"  {stage.name}", stage.done, stage.arrived) for stage in stages]
        return rows

    def unfinished(self) -> str:
        """What to say of the runs that an interrupt leaves unfinished: they are kept."""
        waiting = tuple(self._waiting)
        if not waiting:
            return "Nothing is left unfinished."
        names = ", ".join(waiting[:3]) + (", …" if len(waiting) > 3 else "")
        return (
            f"{len(waiting)} of {self._submitted} runs are not finished ({names}). They are kept, "
            f"and go on with the next workers: flowctl up, then flowctl results RUN --follow"
        )


def _values(flow: str, inputs: tuple[str, ...], file: str | None) -> Iterator[object]:
    """The inputs. Arguments are all read here and now, a file as it is gone through."""
    if inputs == (STDIN,) and file is None:
        file, inputs = STDIN, ()
    if inputs and file is not None:
        raise BadInput("give inputs as arguments or in a file, not both")
    if file is not None:
        return _from_file(file)
    if not inputs:
        raise BadInput(
            f"give an input: flowctl run {flow} JSON, or --file FILE of JSON lines. "
            f"For a flow that needs none: flowctl run {flow} null"
        )
    return iter([argument(text) for text in inputs])


def _from_file(file: str) -> Iterator[object]:
    with opened(file) as (stream, name, _size):
        for batch in batches(stream, name):
            yield from batch.values
            if batch.bad is not None:
                raise batch.bad


def _names(run_id: str | None, *, several: bool) -> Iterator[str | None]:
    if run_id is None or not several:
        return repeat(run_id)
    if not run_id:
        raise BadInput("--run-id is empty: give the runs a name, or leave it out")
    return (f"{run_id}-{number}" for number in count(1))
