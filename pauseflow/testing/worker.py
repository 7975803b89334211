"""SteppedWorker: a worker without threads, whose time is a test's, and whose stages are watched."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from pauseflow.errors import StoreError
from pauseflow.graph import Graph, Kind
from pauseflow.stages import Outcome, Runner, Work
from pauseflow.store.chunks import Result
from pauseflow.store.envelope import Envelope
from pauseflow.store.server import Server
from pauseflow.store.tuning import Tuning
from pauseflow.testing.desk import DeskRunner, JobDesk
from pauseflow.testing.watch import Watch
from pauseflow_workers.station import Station
from pauseflow_workers.worker import Worker


class WatchedStation(Station):
    """A stage that tells what it did, and whose jobs stay in this process.

    Args:
        *parts: as of any station.
        watch: is told.
        desk: takes jobs; None: they go to RQ.
    """

    def __init__(self, *parts: Any, watch: Watch, desk: JobDesk | None) -> None:
        self._watch = watch
        self._desk = desk
        super().__init__(*parts)

    def runner(self) -> Runner:
        """What runs the stage's function."""
        if self._stage.kind is Kind.JOB and self._desk is not None:
            return DeskRunner(self._stage, self._flow, self._desk)
        return super().runner()

    def _result(self, work: Work, envelope: Envelope, outcome: Outcome) -> Result:
        self._watch.ran(self._stage, work, envelope, outcome)
        return super()._result(work, envelope, outcome)


class SteppedWorker(Worker):
    """A worker of which each turn is asked for, by `run_once`.

    Args:
        server: where the runs are.
        stages: graphs and names of the stages to consume.
        label: what it is called.
        tuning: how large chunks are; None: as of any worker.
        watch: is told what its stages do.
        desk: takes the jobs of its stages; None: they go to RQ.
    """

    def __init__(
        self,
        server: Server,
        stages: Iterable[tuple[Graph, str]],
        *,
        label: str,
        tuning: Tuning | None = None,
        watch: Watch | None = None,
        desk: JobDesk | None = None,
    ) -> None:
        self.makes = partial(WatchedStation, watch=watch or Watch(), desk=desk)
        super().__init__(server, "default", stages, label=label, tuning=tuning)

    def set_now(self, now_ms: int) -> None:
        """Take this for the time, in ms since the epoch; 0 for the server's."""
        self._chunks.now_ms = self._fleet.now_ms = now_ms
        self._permits.now_us = now_ms * 1000

    @property
    def reads(self) -> list[str]:
        """The streams that it reads, by their stages and lanes."""
        return self._lanes

    def go(self) -> None:
        """End as a process does that was told to: nothing is in hand, and the lease is given up.

        A server that is gone is no reason not to.
        """
        try:
            self._leave()
        except StoreError:
            return
        finally:
            self.close()

    def close(self) -> None:
        """End as a process does that is killed: its lease runs on."""
        for station in self._stations.values():
            station.close()
        self._wire.close()
        self._side_wire.close()
        self._turnstile.close()
