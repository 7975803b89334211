"""Workers, a coordinator and a client in one thread: a test says who does a step, and what time it
is.
"""

import time
from unittest.mock import patch

from pauseflow.client import Client, RunState
from pauseflow.errors import ServerUnreachable
from pauseflow.store.fleet import LEASE_MS, Fleet
from pauseflow.store.keys import Keys
from pauseflow.store.upkeep import Upkeep
from pauseflow_coordinator.janitor import Janitor
from pauseflow_coordinator.reclaimer import Reclaimer
from pauseflow_coordinator.sampler import Sampler
from pauseflow_coordinator.timers import Timers
from pauseflow_workers.worker import Worker

REAL_TIME = time.time

LIMIT = 2_000
"""Rounds after which a run that is not done stands still."""


class Cluster:
    """Everything that a run needs, stepped by hand. Inside a `with` block its time is the time.

    Args:
        server: where.
        flows: what the workers run.
        workers: how many.
    """

    def __init__(self, server, *flows, workers=1):
        self.server = server
        self.flows = flows
        self.keys = Keys()
        self.wire = server.wire()
        self.client = Client(server)
        self.fleet = Fleet(self.keys)
        self.upkeep = Upkeep(self.keys, self.wire)
        self.timers = Timers(self.upkeep)
        self.reclaimer = Reclaimer(self.fleet, self.wire)
        self.janitor = Janitor(self.upkeep)
        self.sampler = Sampler(self.upkeep)
        self.ahead_ms = 0
        self.workers = []
        for _ in range(workers):
            self.hire()

    def close(self):
        for worker in self.workers:
            _let_go(worker)
        self.client.close()
        self.wire.close()

    def __enter__(self):
        self._clock = patch("time.time", lambda: REAL_TIME() + self.ahead_ms / 1000)
        self._clock.start()
        return self

    def __exit__(self, *_):
        self._clock.stop()
        self.close()

    # who works

    def hire(self, server=None, stages=None):
        """A new worker, of all stages unless some are named."""
        chosen = [
            (flow.graph, stage.name)
            for flow in self.flows
            for stage in flow.graph.stages
            if stages is None or stage.name in stages
        ]
        worker = Worker(server or self.server, "default", chosen, label=f"w{len(self.workers)}")
        self.workers.append(worker)
        self._set_clock()
        return worker

    def lose(self, worker):
        """The worker dies where it stands; its lease runs on."""
        self.workers.remove(worker)
        _let_go(worker)

    def bury(self):
        """The leases of the dead end, and a coordinator looks."""
        self.advance(LEASE_MS / 1000 + 1)
        return self.reclaimer.run_once()

    # what time it is

    def now_ms(self):
        return int(REAL_TIME() * 1000) + self.ahead_ms

    def advance(self, seconds):
        """Time passes, and whoever lives renews its lease."""
        self.ahead_ms += int(seconds * 1000)
        self._set_clock()
        for worker in self.workers:
            worker.renew()

    def _set_clock(self):
        now = self.now_ms() if self.ahead_ms else 0
        client = self.client
        stores = (client._runs, client._fleet, client._letterbox, client._skipping)
        for part in (self.fleet, self.upkeep, *stores):
            part.now_ms = now
        for worker in self.workers:
            worker._chunks.now_ms = worker._fleet.now_ms = now
            worker._permits.now_us = now * 1000

    # steps

    def step(self, worker):
        """One turn of a worker. It dies if its connection breaks."""
        try:
            return worker.run_once()
        except ServerUnreachable:
            self.lose(worker)
            return 1

    def tick(self):
        """One round of a coordinator. Returns whether it did anything."""
        self._set_clock()
        did = self.timers.run_once() + self.reclaimer.run_once() + self.janitor.run_once()
        self.sampler.run_once()
        return did

    def settle(self):
        """Everyone works until there is nothing more to do now. Returns how many steps it took."""
        steps = 0
        for _ in range(LIMIT):
            worked = sum(self.step(worker) for worker in list(self.workers))
            if not worked and not self.tick():
                return steps
            steps += worked
        raise AssertionError(f"the workers go on for ever: {self.client.runs()}")

    def finish(self, run_id="local", *, far=0.0):
        """Everyone works until the run is done; its results.

        Args:
            run_id: the run.
            far: seconds to go forward whenever nothing is left to do but to wait.
        """
        values = []
        for _ in range(LIMIT):
            self.settle()
            before = len(values)
            values += self.client.results(run_id, start=len(values))
            run = self.client.run(run_id)
            if run.state is RunState.DONE and len(values) == before:
                return values
            if len(values) == before:
                assert far, f"nobody has anything to do, but the run is not done: {run}"
                assert run.parked, f"nothing is parked, but the run is not done: {run}"
                self.advance(far)
        raise AssertionError(f"not done in {LIMIT} rounds: {self.client.run(run_id)}")


def _let_go(worker):
    """What a process' end would do for it."""
    for station in worker._stations.values():
        station.close()
    worker._wire.close()
    worker._side_wire.close()
    worker._turnstile.close()
