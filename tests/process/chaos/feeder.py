"""Somebody who feeds runs a few records at a time, over a connection that breaks."""

from __future__ import annotations

import random
import threading
import time

from chaos import checker, flows

from pauseflow.client import Client, RunState
from pauseflow.errors import RunNotOpen, StoreError
from support.waiting import wait_until

MOST = 1_000


class Feeder(threading.Thread):
    """Feeds one run after the other, and checks each, until it is told that it is enough.

    Args:
        url: of the server, by way of the proxy.
        seed: of what is drawn by chance.

    Attributes:
        runs: how many were done and right.
        records: their results.
        error: what went wrong, if something did.
    """

    def __init__(self, url: str, seed: int) -> None:
        super().__init__(name="feeder", daemon=True)
        self._client = Client.connect(url)
        self._random = random.Random(f"{seed} feeder")
        self._enough = threading.Event()
        self.runs = 0
        self.records = 0
        self.error: BaseException | None = None

    def run(self) -> None:
        """The thread."""
        try:
            while not self._enough.is_set():
                self._one(f"fed-{self.runs}", self._random.randint(MOST // 3, MOST))
        except BaseException as error:  # noqa: BLE001 - raised again by `finish`
            self.error = error
        finally:
            self._client.close()

    def finish(self, *, seconds: float) -> None:
        """Lets it end the run that it is at. Raises what went wrong."""
        self._enough.set()
        self.join(seconds)
        if self.is_alive():
            raise AssertionError(f"the run fed-{self.runs} stands still")
        if self.error is not None:
            raise self.error

    def _one(self, run_id: str, size: int) -> None:
        results: list[object] = []

        def done() -> bool:
            try:
                self._feed(run_id, size)
                if self._client.run(run_id).state is not RunState.DONE:
                    time.sleep(0.05)
                    return False
                results[:] = self._client.results(run_id)
            except StoreError:
                time.sleep(0.05)
                return False
            return True

        wait_until(done, f"{run_id} is done", seconds=120)
        checker.check_results("fed", size, run_id, results)
        self.runs += 1
        self.records += len(results)

    def _feed(self, run_id: str, size: int) -> None:
        """Goes on where the run stands, which after a crash of the server may be further back."""
        feed = self._client.open(flows.fed, run_id=run_id)
        try:
            while feed.position < size:
                more = min(feed.position + self._random.randint(1, 40), size)
                feed.extend(range(feed.position, more))
                time.sleep(0.02)
        except RunNotOpen:
            return
        feed.close()
