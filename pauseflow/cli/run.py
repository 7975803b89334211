"""`flowctl run`."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
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
STOP_PATIENCE = 0.5


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
    from pauseflow.jobs.spec import queues_of  # noqa: PLC0415 - the same

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
        crew.start(workers or processors(), flow, queues_of([chosen]))
        printing = _Printing(client, _Submitting(crew.connect, chosen), progress)
        names = _names(run_id, several=file is not None or len(inputs) > 1)
        with Watch(crew.connect, progress, printing.rows):
            try:
                printing.print_all(values, names)
            except KeyboardInterrupt:
                progress.note(printing.unfinished(crew.connect))
                raise
    if printing.failed:
        raise Ended(Exit.FAILED)


class _Submitting:
    """Submits runs in a thread, a bounded number ahead: no result waits for the next input.

    Args:
        connect: makes the thread's own client.
        flow: of all these runs.
    """

    def __init__(self, connect: Callable[[], Client], flow: Flow) -> None:
        self._connect = connect
        self._flow = flow
        self._room = threading.Semaphore(AHEAD)
        self._over = threading.Event()
        self._names: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self.waiting: deque[str] = deque()
        self.count = 0
        self.error: Exception | None = None

    def runs(
        self, values: Iterator[object], names: Iterator[str | None]
    ) -> Generator[str, None, None]:
        """Submit every value, and give the runs' names; each is waited for until it is printed.

        Leaves what went wrong in `error`, behind the last run that was submitted.
        """
        thread = threading.Thread(
            target=self._submit_all, args=(values, names), name="submitting", daemon=True
        )
        thread.start()
        try:
            while (name := self._names.get()) is not None:
                yield name
                self.waiting.popleft()
                self._room.release()
        finally:
            self._over.set()
            self._room.release()
            # It may stand in the reading of a pipe, for as long as nobody writes.
            thread.join(STOP_PATIENCE)

    def _submit_all(self, values: Iterator[object], names: Iterator[str | None]) -> None:
        try:
            with self._connect() as client:
                for value in values:
                    self._room.acquire()
                    if self._over.is_set():
                        return
                    name = client.submit(self._flow, value, run_id=next(names))
                    self.count += 1
                    self.waiting.append(name)
                    self._names.put(name)
        except Exception as error:  # noqa: BLE001 - raised again by whoever reads it
            self.error = error
        finally:
            self._names.put(None)


class _Printing:
    """Has runs submitted, and prints their results in order.

    Args:
        client: of the server.
        submitting: where the runs come from.
        progress: where results and notes go.
    """

    def __init__(self, client: Client, submitting: _Submitting, progress: Progress) -> None:
        self._client = client
        self._submitting = submitting
        self._progress = progress
        self.failed = 0

    def print_all(self, values: Iterator[object], names: Iterator[str | None]) -> None:
        """Run every value. Input that is no JSON is told when what comes before it is done."""
        with contextlib.closing(self._submitting.runs(values, names)) as runs:
            for name in runs:
                self._print(name)
        error, count = self._submitting.error, self._submitting.count
        if isinstance(error, BadInput) and count:
            raise BadInput(f"{error.message}. The {count} inputs before it were run, none after it")
        if error is not None:
            raise error

    def _print(self, name: str) -> None:
        from pauseflow.errors import RunFailed  # noqa: PLC0415 - for annotations it is not needed

        try:
            for result in self._client.results(name, follow=True):
                self._progress.result(encode_line(result))
        except RunFailed as error:
            self.failed += 1
            self._progress.note(f"flowctl: {error}")

    def rows(self, client: Client) -> list[Row]:
        """The bars: how many inputs are done, and the stages of the one that is printed next."""
        waiting, submitted = tuple(self._submitting.waiting), self._submitting.count
        rows = []
        if submitted > 1:
            rows.append(Row("inputs", submitted - len(waiting), submitted))
        if waiting:
            stages = client.run(waiting[0]).stages
            rows += [Row(f"  {stage.name}", stage.done, stage.arrived) for stage in stages]
        return rows

    def unfinished(self, connect: Callable[[], Client]) -> str:
        """What to say of the runs that an interrupt leaves unfinished: they are kept.

        Args:
            connect: makes a client; the one that was interrupted may be in the middle of a reply.
        """
        from pauseflow.errors import PauseflowError  # noqa: PLC0415 - as in `_print`

        waiting = list(self._submitting.waiting)
        with contextlib.suppress(PauseflowError), connect() as client:
            # The next to be printed may have been done without our having read so.
            while waiting and client.run(waiting[0]).state.over:
                del waiting[0]
        if not waiting:
            return "Nothing is left unfinished."
        names = ", ".join(waiting[:3]) + (", …" if len(waiting) > 3 else "")
        return (
            f"{len(waiting)} of {self._submitting.count} runs are not finished ({names}). They are "
            f"kept, and go on with the next workers: flowctl up, then flowctl results RUN --follow"
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
