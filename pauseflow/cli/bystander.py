"""Bystander: looks at a run beside the command that feeds it or waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Self

from pauseflow.cli.hail import Hail
from pauseflow.cli.jsonlines import encode_line
from pauseflow.cli.progress import Progress
from pauseflow.client import Client, RunInfo, RunState
from pauseflow.errors import RunFailed, StoreError

LOOK_EVERY = 1.0


class Bystander:
    """Says what a run waits for, and ends the command if the run halts. A context manager.

    A command that feeds a run stands still for as long as the run takes nothing: for want of a
    worker, of a reader, or because it halted. Its person should know which.

    Args:
        connect: makes a connection of the caller's own.
        run_id: the run.
        progress: where notes, and results, go.
        follow: read the run's results as well, in a thread, and print them.
    """

    def __init__(
        self,
        connect: Callable[[], AbstractContextManager[Client]],
        run_id: str,
        progress: Progress,
        *,
        follow: bool = False,
    ) -> None:
        self._connect = connect
        self._run_id = run_id
        self._progress = progress
        self._hail = Hail()
        self._over = threading.Event()
        self._said: set[str] = set()
        self._looker = threading.Thread(target=self._guarded, args=(self._look,), daemon=True)
        self._reader = threading.Thread(target=self._guarded, args=(self._read,), daemon=True)
        self._follow = follow

    def __enter__(self) -> Self:
        self._hail.__enter__()
        self._looker.start()
        if self._follow:
            self._reader.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._hail.__exit__(kind, error, trace)
        self._looker.join()

    def join(self) -> None:
        """Wait until every result is printed. Raises what reading them raises."""
        self._reader.join()

    def _guarded(self, act: Callable[[Client], None]) -> None:
        try:
            with self._connect() as client:
                act(client)
        except (StoreError, BrokenPipeError) as error:
            self._hail.call(error)

    def _read(self, client: Client) -> None:
        for result in client.results(self._run_id, follow=True):
            self._progress.result(encode_line(result))

    def _look(self, client: Client) -> None:
        while not self._over.wait(LOOK_EVERY):
            info = client.run(self._run_id)
            if info.error and not info.state.over:
                raise RunFailed(
                    f"run {self._run_id} halted: {info.error}. Mend the cause, then let it go on "
                    f"from there: flowctl retry {self._run_id}"
                )
            if info.state.over:
                return
            if info.state is RunState.PAUSED:
                self._say_once(f"run {self._run_id} is paused: flowctl resume {self._run_id}")
            if info.results.waiting_for_reader and not self._follow:
                self._say_once(
                    f"run {self._run_id} waits for a reader of its results: "
                    f"flowctl results {self._run_id} --follow"
                )
            self._look_for_workers(client, info)

    def _look_for_workers(self, client: Client, info: RunInfo) -> None:
        workers = client.workers()
        if not workers:
            self._say_once(
                f"run {self._run_id} waits for workers: start some with flowctl up, "
                f"or flowctl worker"
            )
            return
        served = {stage for worker in workers for stage in worker.stages}
        for stage in info.stages:
            if not stage.ended and f"{info.flow}:{stage.name}" not in served:
                self._say_once(
                    f"run {self._run_id} waits for a worker that runs stage {stage.name!r}: "
                    f"flowctl worker --flow {info.flow} --stage {stage.name}"
                )

    def _say_once(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._progress.note(text)
