"""Cluster: workers, a coordinator and a client in one thread; who calls says who does a step."""

from __future__ import annotations

import random
from collections.abc import Callable
from types import TracebackType
from typing import Self

from pauseflow.client import RunState
from pauseflow.errors import ServerUnreachable
from pauseflow.flow import Flow
from pauseflow.graph import Graph
from pauseflow.schedule import Schedule
from pauseflow.store.fleet import LEASE_MS, Fleet
from pauseflow.store.keys import Keys
from pauseflow.store.schedules import Schedules
from pauseflow.store.server import Server
from pauseflow.store.tuning import Tuning
from pauseflow.store.upkeep import Upkeep
from pauseflow.testing.client import SteppedClient
from pauseflow.testing.clock import VirtualClock
from pauseflow.testing.desk import JobDesk
from pauseflow.testing.watch import Watch
from pauseflow.testing.worker import SteppedWorker
from pauseflow_coordinator.janitor import Janitor
from pauseflow_coordinator.reclaimer import Reclaimer
from pauseflow_coordinator.sampler import Sampler
from pauseflow_coordinator.scheduler import Scheduler
from pauseflow_coordinator.timers import Timers

LIMIT = 50_000
"""Rounds after which a run that is not done goes on for ever."""


class Cluster:
    """Everything that runs need, stepped by hand. Inside a `with` block its time is the time.

    Args:
        server: where.
        *flows: what the workers run.
        workers: how many there are at first.
        clock: the time; one that goes on by itself as well, if it is left out.
        tuning: makes what says how large a worker's chunks are; None: as of any worker.
        watch: is told what stages do.
        desk: takes the jobs of job stages; None: they go to RQ.
        seed: of the order in which several workers have their turns; None: they take turns.

    Attributes:
        workers: those that live.
        client: a client.
        wire: a connection, for looking and for breaking things.
        scheduler: starts the runs of schedules; None, unless `schedules` was called.
    """

    def __init__(  # by keyword, but for the first
        self,
        server: Server,
        *flows: Flow,
        workers: int = 1,
        clock: VirtualClock | None = None,
        tuning: Callable[[], Tuning] | None = None,
        watch: Watch | None = None,
        desk: JobDesk | None = None,
        seed: int | None = None,
    ) -> None:
        self.server = server
        self.flows = flows
        self.keys = Keys()
        self.wire = server.wire()
        self.client = SteppedClient(server)
        self.fleet = Fleet(self.keys)
        self.upkeep = Upkeep(self.keys, self.wire)
        self.timers = Timers(self.upkeep)
        self.reclaimer = Reclaimer(self.fleet, self.wire)
        self.janitor = Janitor(self.upkeep)
        self.sampler = Sampler(self.upkeep)
        self.scheduler: Scheduler | None = None
        self.clock = clock or VirtualClock(running=True)
        self.workers: list[SteppedWorker] = []
        self._tuning = tuning
        self._watch = watch
        self._desk = desk
        self._order = None if seed is None else random.Random(seed)  # noqa: S311 # no secret
        self._hired = 0
        for _ in range(workers):
            self.hire()

    def close(self) -> None:
        """The end of everybody."""
        for worker in self.workers:
            worker.close()
        self.client.close()
        self.wire.close()

    def __enter__(self) -> Self:
        self.clock.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.clock.stop()
        self.close()

    # who works

    def hire(self, server: Server | None = None, stages: list[str] | None = None) -> SteppedWorker:
        """A new worker, of all stages unless some are named.

        Args:
            server: where it works, if not where all do.
            stages: the names of the stages that it runs.
        """
        chosen = [
            (flow.graph, stage.name)
            for flow in self.flows
            for stage in flow.graph.stages
            if stages is None or stage.name in stages
        ]
        worker = SteppedWorker(
            server or self.server,
            chosen,
            label=f"w{self._hired}",
            tuning=self._tuning and self._tuning(),
            watch=self._watch,
            desk=self._desk,
        )
        self._hired += 1
        self.workers.append(worker)
        self._set_clock()
        return worker

    def lose(self, worker: SteppedWorker) -> None:
        """The worker dies where it stands; its lease runs on."""
        self.workers.remove(worker)
        worker.close()

    def bury(self) -> int:
        """The leases of the dead end, and a coordinator looks. Returns how many chunks it found."""
        self.advance(LEASE_MS / 1000 + 1)
        return self.reclaimer.run_once()

    def put_back(self, worker: SteppedWorker) -> None:
        """What a lost worker had in hand is there for others at once, and was nobody's fault."""
        in_hand = self.fleet.in_hand(self.wire, worker.name, worker.reads)
        self.fleet.return_strays(self.wire, worker.name, in_hand)
        self.fleet.leave(self.wire, worker.name, worker.reads)

    def add(self, flow: Flow) -> None:
        """Have the workers run one more flow: others that know it take their place."""
        self.flows = (*self.flows, flow)
        for worker in list(self.workers):
            self.workers.remove(worker)
            worker.go()
            self.hire()

    def schedules(self) -> None:
        """Have the coordinator start the runs of schedules."""
        self.scheduler = Scheduler(self.upkeep, Schedules(self.keys, self.wire))

    # what time it is

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""
        return self.clock.now_ms()

    def advance(self, seconds: float) -> None:
        """Time passes, and whoever lives renews its lease."""
        self.clock.advance(seconds)
        self._set_clock()
        for worker in list(self.workers):
            self.renew(worker)

    def renew(self, worker: SteppedWorker) -> None:
        """A worker renews its lease."""
        worker.renew()

    def _set_clock(self) -> None:
        now = self.now_ms() if self.clock.sets_others else 0
        self.client.set_now(now)
        self.fleet.now_ms = self.upkeep.now_ms = now
        for worker in self.workers:
            worker.set_now(now)

    def next_event(self) -> int | None:
        """When a timer or schedule is due next, in ms since the epoch; None if nothing is."""
        now = self.now_ms()
        schedules: list[Schedule] = [each for flow in self.flows for each in flow.graph.schedules]
        due = [round(each.rule.after(self.clock.now()).timestamp() * 1000) for each in schedules]
        timer = self.upkeep.next_timer()
        if timer is not None:
            due.append(timer)
        return max(min(due), now + 1) if due else None

    # steps

    def step(self, worker: SteppedWorker) -> int:
        """One turn of a worker. It dies if its connection breaks. Returns what it worked on."""
        try:
            return worker.run_once()
        except ServerUnreachable:
            self.lose(worker)
            return 1

    def tick(self) -> int:
        """One round of a coordinator. Returns how much it did."""
        self._set_clock()
        did = self.timers.run_once() + self.reclaimer.run_once() + self.janitor.run_once()
        if self.scheduler is not None:
            did += self.scheduler.run_once()
        self.sampler.run_once()
        return did

    def settle(self) -> int:
        """Everyone works until there is nothing more to do now. Returns how many steps it took."""
        steps = 0
        for _ in range(LIMIT):
            worked = sum(self.step(worker) for worker in self._turns())
            if self._desk is not None:
                worked += self._desk.work_off(self._graphs(), self.client.deliver)
            if not worked and not self.tick():
                return steps
            steps += worked
        raise AssertionError(f"the workers go on for ever: {self.client.runs()}")

    def finish(self, run_id: str = "local", *, far: float = 0.0) -> list[object]:
        """Everyone works until the run is done; its results.

        Args:
            run_id: the run.
            far: seconds to go forward whenever nothing is left to do but to wait.
        """
        values: list[object] = []
        for _ in range(LIMIT):
            self.settle()
            before = len(values)
            values += self.client.results(run_id, start=len(values))
            run = self.client.run(run_id)
            if run.state is RunState.DONE and len(values) == before:
                return values
            if len(values) == before:
                if not far:
                    raise AssertionError(f"nobody has anything to do, but it is not done: {run}")
                if not run.parked:
                    raise AssertionError(f"nothing is parked, but it is not done: {run}")
                self.advance(far)
        raise AssertionError(f"not done in {LIMIT} rounds: {self.client.run(run_id)}")

    def _turns(self) -> list[SteppedWorker]:
        workers = list(self.workers)
        if self._order is not None and len(workers) > 1:
            self._order.shuffle(workers)
        return workers

    def _graphs(self) -> list[Graph]:
        return [flow.graph for flow in self.flows]
