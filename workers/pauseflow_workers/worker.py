"""The worker: reads chunks, runs them, commits what became of them.

One turn is one round trip: the commits of what was done, and the read of what is next, together.
Chunks that were read are run one after another; a turn comes when they are all done, or when what
is done has waited long enough.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterable

from pauseflow.errors import (
    MalformedData,
    ServerReadOnly,
    ServerRefused,
    ServerUnreachable,
    StoreError,
)
from pauseflow.graph import ON_CANCEL, Graph
from pauseflow.stages import Budget
from pauseflow.stopping import Stopping
from pauseflow.store.chunks import Chunks, Entry
from pauseflow.store.envelope import Envelope
from pauseflow.store.fleet import Fleet
from pauseflow.store.keys import Keys
from pauseflow.store.lanes import Lane
from pauseflow.store.permits import Permits
from pauseflow.store.schedules import Announcement
from pauseflow.store.scripts import Command
from pauseflow.store.server import Server, Wire
from pauseflow.store.tuning import Tuning, read_costs
from pauseflow_workers.colleagues import Colleagues
from pauseflow_workers.exchange import Exchange
from pauseflow_workers.heartbeat import Heartbeat
from pauseflow_workers.holds import Holds
from pauseflow_workers.keeper import Keeper
from pauseflow_workers.lately import Lately
from pauseflow_workers.station import Station
from pauseflow_workers.suspects import CRASHES_ALONE, Trail
from pauseflow_workers.turnstile import Turnstile

AHEAD_SECONDS = 0.02
"""How much work is read ahead."""

AHEAD_ENTRIES = 64
SHARE_SECONDS = 0.5
HELD_SECONDS = 0.1
"""How often a worker looks whether it may read, when all its stages are held."""

RETRY_SECONDS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)

log = logging.getLogger(__name__)


class Worker:
    """Runs stages until it is told to stop.

    Args:
        server: where Redis is.
        namespace: of the runs.
        stages: graphs and names of the stages to consume.
        label: what a person calls this process; made of host and process id if it is left out.
        on_stuck: called, from the heartbeat's thread, when a record goes on long after a stop and
            its chunk was given back; it should leave the process.
        keeper: keeps the lease while a stage lets no thread run; None: such a stage loses it.
        tuning: how large chunks are; by default it follows what records are measured to cost.
    """

    makes: Callable[..., Station] = Station
    """What runs a stage; another one that is watched, in tests."""

    def __init__(
        self,
        server: Server,
        namespace: str,
        stages: Iterable[tuple[Graph, str]],
        *,
        label: str = "",
        on_stuck: Callable[[], None] | None = None,
        keeper: Keeper | None = None,
        tuning: Tuning | None = None,
    ) -> None:
        chosen = _with_on_cancel(stages)
        self.label = label or os.environ.get("DYNO") or f"{socket.gethostname()}.{os.getpid()}"
        self.name = f"{self.label}.{uuid.uuid4().hex[:8]}"
        self.stopping: threading.Event = Stopping()
        self.attempt_began = 0.0
        self._on_stuck = on_stuck
        self._keeper = keeper
        self._keys = Keys(namespace)
        self._tuning = tuning or Tuning()
        self._chunks = Chunks(self._keys, self.name, _last_first(chosen), self._tuning)
        self._fleet = Fleet(self._keys)
        self._schedules = Announcement(self._keys, (graph for graph, _ in chosen))
        self._stages = [f"{graph.name}:{name}" for graph, name in chosen]
        self._lanes = [lane.of(stage) for stage in self._stages for lane in Lane]
        self._code = {
            f"{graph.name}:{name}": series.code
            for graph, name in chosen
            if (series := graph[name].series) is not None
        }
        self._colleagues = Colleagues()
        lately = Lately()
        self._permits = Permits(self._keys, self.name)
        self._turnstile = Turnstile(server.wire(), self._permits)
        self._stations = {
            (graph.name, name): self.makes(
                graph, graph[name], self._tuning, lately, self._colleagues, self._turnstile
            )
            for graph, name in chosen
        }
        for station in self._stations.values():
            station.connect(server, namespace)
        self._wire = server.wire()
        self._side_wire = server.wire()
        self._holds = Holds(self._keys, self._chunks)
        self._nudges = 0
        keeps = any(graph[name].keeps for graph, name in chosen)
        self._exchange = Exchange(
            *(self._wire, self._chunks, self._how_many, self._news),
            settled=(lambda entry, yes: self._settled(entry, committed=yes)) if keeps else None,
        )
        self._connected = False
        self._client_id = 0
        self._budget: Budget | None = None
        self._share_at = 0.0

    def stop(self) -> None:
        """Tells the worker to stop at the next record or yield. Safe in a signal handler."""
        self.stopping.set()
        budget = self._budget
        if budget is not None:
            budget.stop()

    def run(self) -> None:
        """Works until `stop`; then commits what is done and gives back the rest.

        Raises:
            ServerRefused: the server does not accept us. What was being worked on is put back when
                the lease ends. Not if it did accept us, and has become a replica since.
            MemoryError: a stage raised it. As above, as if the process had crashed.
        """
        heartbeat = Heartbeat(self)
        failures = 0
        if self._keeper is not None:
            self._keeper.start(self.name)
        try:
            while not self.stopping.is_set():
                try:
                    if not self._connected:
                        self._connect()
                        if not heartbeat.is_alive():
                            heartbeat.start()
                    self._turn()
                    failures = 0
                except ServerRefused as error:
                    if not (self._client_id and isinstance(error, ServerReadOnly)):
                        raise
                    self._exchange.drain()
                    failures = self._wait_after(error, failures)
                except StoreError as error:  # gone, full, or something of ours is damaged there
                    failures = self._wait_after(error, failures)
            self._leave()
        finally:
            heartbeat.end()
            if self._keeper is not None:
                self._keeper.end()
            for station in self._stations.values():
                station.close()
            self._wire.close()
            self._side_wire.close()
            self._turnstile.close()

    def run_once(self) -> int:
        """One turn without waiting, for tests. Returns how many chunks were worked on.

        Where nothing is to be done it asks what people hold, as its heartbeat would by then.
        """
        if not self._connected:
            self._connect()
        self._exchange.fill(block=False)
        if not self._exchange.ahead and self._holds.hear(
            self._wire, self._wire.call(self._holds.question)
        ):
            self._exchange.fill(block=False)
        worked = self._exchange.ahead
        while self._attempt_next():
            pass
        self._exchange.flush()
        return worked

    def _connect(self) -> None:
        self._wire.load_scripts()
        self._chunks.agree_on_signing(self._wire)
        self._chunks.ensure_groups(self._wire)
        self._client_id = int(self._wire.call(("CLIENT", "ID")))
        self._holds.doubt()
        self._renew(self._wire)
        self.tell()
        self._schedules.make(self._wire)
        self._return_strays(self._wire)
        self._turnstile.settle()
        self._connected = True

    def _renew(self, wire: Wire) -> None:
        _, workers = self._fleet.renew(wire, self.name, self.label, self._lanes, self._code)
        known, changes = wire.exchange(
            [("HMGET", self._keys.costs, *self._stages), self._holds.question]
        )
        if not isinstance(known, StoreError):
            self._tuning.learn(read_costs(self._stages, known), workers)
        if self._holds.hear(wire, changes):
            self._nudges = 2  # the first may come just before the read that it is to end
        self._colleagues.count(workers)
        if workers > 1 and self._colleagues.wanted:
            everyone = self._fleet.workers(wire)
            self._colleagues.learn([each for each in everyone if each.name != self.name])

    def _wait_after(self, error: StoreError, failures: int) -> int:
        if isinstance(error, ServerUnreachable | ServerReadOnly):
            self._connected = False
        seconds = RETRY_SECONDS[min(failures, len(RETRY_SECONDS) - 1)]
        if failures in (0, len(RETRY_SECONDS)):
            log.warning("%s; trying again", error)
        self.stopping.wait(seconds)
        return failures + 1

    def _turn(self) -> None:
        """Reads chunks and works off all that come, the next ones read meanwhile."""
        if not self._chunks.reads:
            self.stopping.wait(HELD_SECONDS)
        self._exchange.fill(block=True)
        while self._attempt_next():
            self._exchange.keep_going()

    def _attempt_next(self) -> bool:
        """Runs one of the chunks that were read. Returns whether there was one."""
        if self.stopping.is_set():
            return False
        entry = self._exchange.begin()
        if entry is None:
            return False
        if self._put_off(entry):
            return True
        if entry.crashed:
            # If it takes this worker down too, nothing else shall bear the blame.
            self._exchange.flush()
            self._exchange.give_back(self._wire)
        self._exchange.end(entry, self._attempt(entry))
        return True

    def _put_off(self, entry: Entry) -> bool:
        """Leaves a chunk alone if it is held. Returns whether it is."""
        holds = self._holds
        if not holds.holds(entry):
            return False
        if not holds.fresh:
            try:
                self._exchange.flush()
                holds.hear(self._wire, self._wire.call(holds.question))
            except StoreError:
                self._exchange.take_up_later(entry)
                raise
            if not holds.holds(entry):
                return False
        self._settled(entry, committed=False)
        try:
            command = holds.put_off(entry)
        except MalformedData as error:
            command = self._set_aside(entry, error)
        self._exchange.end(entry, command)
        return True

    def _attempt(self, entry: Entry) -> Command:
        envelope = entry.envelope
        if isinstance(envelope, MalformedData):
            return self._set_aside(entry, envelope)
        station = self._stations[(entry.flow, entry.stage)]
        budget = self._budget = station.budget(envelope)
        if self.stopping.is_set():
            budget.stop()
        trail = self._trail(entry, envelope)
        self.attempt_began = time.monotonic()
        try:
            result = station.run(envelope, budget, trail)
        except MalformedData as error:
            return self._set_aside(entry, error)
        except ServerUnreachable:
            self._exchange.take_up_later(entry)
            raise
        except MemoryError:
            log.critical(
                "out of memory in stage %s:%s, in the chunk that begins with record %s:%s:%d; this "
                "process ends, and its work is taken up when its lease has ended",
                *(entry.flow, entry.stage, envelope.run, entry.stage, envelope.ordinal),
            )
            raise
        finally:
            self.attempt_began = 0.0
            self._budget = None
        return self._chunks.commit(entry, envelope, result)

    def _settled(self, entry: Entry, *, committed: bool) -> None:
        envelope = entry.envelope
        # An empty chunk keeps nothing, and another one may be at work beside it.
        if isinstance(envelope, Envelope) and (envelope.count or envelope.ended):
            station = self._stations[(entry.flow, entry.stage)]
            station.settled(envelope.run, committed=committed)

    def _trail(self, entry: Entry, envelope: Envelope) -> Trail | None:
        """What is known of who crashes; None unless the chunk is suspect."""
        if envelope.crashes < CRASHES_ALONE:
            return None
        try:
            return Trail.of(self._wire, self._keys, entry, envelope)
        except StoreError:
            self._exchange.take_up_later(entry)
            raise

    def _set_aside(self, entry: Entry, error: MalformedData) -> Command:
        log.error(
            "entry %s of stage %s:%s is set aside: %s", entry.id, entry.flow, entry.stage, error
        )
        return self._chunks.quarantine(entry, str(error))

    def _news(self) -> Command | None:
        """The command that tells the others what was measured: news at once, the rest seldom."""
        now = time.monotonic()
        if now < self._share_at and not self._tuning.news:
            return None
        self._share_at = now + SHARE_SECONDS
        measured = self._tuning.to_share()
        if not measured:
            return None
        flat = [word for name, cost in measured.items() for word in (name, f"{cost:.3f}")]
        return ("HSET", self._keys.costs, *flat)

    def _how_many(self) -> int:
        slowest = max((station.entry_seconds for station in self._stations.values()), default=0.0)
        if slowest == 0.0:
            return 1
        return min(max(int(AHEAD_SECONDS / slowest), 1), AHEAD_ENTRIES)

    def _leave(self) -> None:
        if not self._connected:
            return
        sys.stdout.flush()
        for attempt in range(3):
            try:
                self._exchange.flush()
                self._exchange.give_back(self._wire)
                self._fleet.leave(self._wire, self.name, self._lanes)
            except StoreError as error:
                log.warning("leaving: %s", error)
                if attempt == 2:
                    log.warning("what is left is put back when the lease ends")
            else:
                return

    def _return_strays(self, wire: Wire) -> None:
        """Gives back what was read for us in a reply that got lost, or that lies unread."""
        delivered = self._fleet.in_hand(wire, self.name, self._lanes)
        self._fleet.return_strays(wire, self.name, self._exchange.disown(delivered))

    # The heartbeat's thread calls what follows.

    def renew(self) -> None:
        """Renews the lease, exchanges what is known of costs and of the fleet, obeys people."""
        self._renew(self._side_wire)
        if self._nudges:
            self._nudges -= 1
            self.unblock()

    def tell(self) -> None:
        """Tells the keeper that the heart beats."""
        if self._keeper is not None:
            self._keeper.beat()

    def help(self) -> None:
        """While a stage holds up the other thread: commits what is done, gives back the rest."""
        self._exchange.commit_over(self._side_wire)
        self._exchange.give_back(self._side_wire)
        self._return_strays(self._side_wire)

    def unblock(self) -> None:
        """Ends a blocking read, for the worker is to stop."""
        if self._exchange.blocking:
            self._side_wire.exchange([("CLIENT", "UNBLOCK", self._client_id)])

    def abandon(self) -> None:
        """Gives back what is at work as it was, and leaves the process if it can."""
        entry = self._exchange.give_away()
        if entry is None:
            return
        self._side_wire.exchange(self._chunks.give_back([entry]))
        self._fleet.leave(self._side_wire, self.name, self._lanes)
        log.warning(
            "stage %s:%s did not come to a record's end or a yield; its chunk was put back",
            entry.flow,
            entry.stage,
        )
        if self._on_stuck is not None:
            self._on_stuck()


def _with_on_cancel(stages: Iterable[tuple[Graph, str]]) -> list[tuple[Graph, str]]:
    """The stages, and for each of their flows what is told of cancelled runs."""
    chosen = list(stages)
    graphs = {graph.name: graph for graph, _ in chosen}
    telling = [graph.on_cancel for graph in graphs.values() if graph.on_cancel is not None]
    return chosen + [(graph, ON_CANCEL) for graph in telling]


def _last_first(stages: list[tuple[Graph, str]]) -> list[tuple[Graph, str]]:
    """Later stages are read first: what is nearly done makes room for what begins."""
    order = {
        (graph.name, stage.name): at for graph, _ in stages for at, stage in enumerate(graph.stages)
    }
    return sorted(stages, key=lambda each: -order[(each[0].name, each[1])])
