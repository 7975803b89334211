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
from collections import deque
from collections.abc import Callable, Iterable

from pauseflow.errors import MalformedData, ServerFull, ServerUnreachable, StoreError
from pauseflow.graph import Graph
from pauseflow.stages import Budget
from pauseflow.store.chunks import Chunks, Entry
from pauseflow.store.commands import Committed
from pauseflow.store.fleet import Fleet
from pauseflow.store.keys import Keys
from pauseflow.store.scripts import Command
from pauseflow.store.server import Reply, Server, Wire
from pauseflow.store.tuning import Tuning, read_costs
from pauseflow_workers.heartbeat import Heartbeat
from pauseflow_workers.station import Station

COMMIT_SECONDS = 0.01
"""How long a commit may wait for others to share its round trip."""

AHEAD_SECONDS = 0.02
"""How much work is read ahead."""

AHEAD_ENTRIES = 64
SHARE_SECONDS = 0.5
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
    """

    def __init__(
        self,
        server: Server,
        namespace: str,
        stages: Iterable[tuple[Graph, str]],
        *,
        label: str = "",
        on_stuck: Callable[[], None] | None = None,
    ) -> None:
        chosen = list(stages)
        self.label = label or os.environ.get("DYNO") or f"{socket.gethostname()}.{os.getpid()}"
        self.name = f"{self.label}.{uuid.uuid4().hex[:8]}"
        self.stopping = threading.Event()
        self.attempt_began = 0.0
        self._on_stuck = on_stuck
        self._keys = Keys(namespace)
        self._tuning = Tuning()
        self._chunks = Chunks(self._keys, self.name, _last_first(chosen), self._tuning)
        self._fleet = Fleet(self._keys)
        self._stages = [f"{graph.name}:{name}" for graph, name in chosen]
        self._stations = {
            (graph.name, name): Station(graph, graph[name], self._tuning) for graph, name in chosen
        }
        self._wire = server.wire()
        self._side_wire = server.wire()
        self._connected = False
        self._client_id = 0
        self._reading = False
        self._budget: Budget | None = None
        self._lock = threading.Lock()
        self._ahead: deque[Entry] = deque()
        self._at_work: Entry | None = None
        self._commits: list[tuple[Entry, Command]] = []
        self._commits_since = 0.0
        self._share_at = 0.0
        self._asked: tuple[list[tuple[Entry, Command]], bool] | None = None
        self._strays: set[tuple[str, bytes]] = set()

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
                the lease ends.
        """
        heartbeat = Heartbeat(self)
        failures = 0
        try:
            while not self.stopping.is_set():
                try:
                    if not self._connected:
                        self._connect()
                        if not heartbeat.is_alive():
                            heartbeat.start()
                    self._turn()
                    failures = 0
                except (ServerUnreachable, ServerFull) as error:
                    failures = self._wait_after(error, failures)
            self._leave()
        finally:
            heartbeat.end()
            for station in self._stations.values():
                station.close()
            self._wire.close()
            self._side_wire.close()

    def run_once(self) -> int:
        """One turn without waiting, for tests. Returns how many chunks were worked on."""
        if not self._connected:
            self._connect()
        self._send(block=False)
        self._receive()
        worked = len(self._ahead)
        while self._attempt_next():
            pass
        self._send(block=None)
        self._receive()
        return worked

    def _connect(self) -> None:
        self._wire.load_scripts()
        self._chunks.ensure_groups(self._wire)
        self._client_id = int(self._wire.call(("CLIENT", "ID")))
        self.renew()
        self._return_strays(self._wire)
        self._connected = True

    def _wait_after(self, error: StoreError, failures: int) -> int:
        if isinstance(error, ServerUnreachable):
            self._connected = False
        seconds = RETRY_SECONDS[min(failures, len(RETRY_SECONDS) - 1)]
        if failures in (0, len(RETRY_SECONDS)):
            log.warning("%s; trying again", error)
        self.stopping.wait(seconds)
        return failures + 1

    def _turn(self) -> None:
        """Works off what was read, and half way sends for more: the server works while we do."""
        self._send(block=not self._commits)
        self._receive()
        halfway = len(self._ahead) // 2
        while self._attempt_next():
            if self._asked is None:
                late = time.monotonic() - self._commits_since > COMMIT_SECONDS
                if late or len(self._ahead) <= halfway:
                    self._send(block=False)
            if not self._ahead:
                self._receive()
                halfway = len(self._ahead) // 2

    def _attempt_next(self) -> bool:
        """Runs one of the chunks that were read. Returns whether there was one."""
        with self._lock:
            if not self._ahead or self.stopping.is_set():
                return False
            entry = self._at_work = self._ahead.popleft()
        command = self._attempt(entry)
        with self._lock:
            if self._at_work is not None:  # else the heartbeat has given it back
                self._at_work = None
                if not self._commits:
                    self._commits_since = time.monotonic()
                self._commits.append((entry, command))
        return True

    def _attempt(self, entry: Entry) -> Command:
        envelope = entry.envelope
        if isinstance(envelope, MalformedData):
            return self._set_aside(entry, envelope)
        station = self._stations[(entry.flow, entry.stage)]
        budget = self._budget = station.budget(envelope)
        if self.stopping.is_set():
            budget.stop()
        self.attempt_began = time.monotonic()
        try:
            result = station.run(envelope, budget)
        except MalformedData as error:
            return self._set_aside(entry, error)
        finally:
            self.attempt_began = 0.0
            self._budget = None
        return self._chunks.commit(entry, envelope, result)

    def _set_aside(self, entry: Entry, error: MalformedData) -> Command:
        log.error(
            "entry %s of stage %s:%s is set aside: %s", entry.id, entry.flow, entry.stage, error
        )
        return self._chunks.quarantine(entry, str(error))

    def _send(self, *, block: bool | None) -> None:
        """Sends the commits that wait, and a read. `block` is None for commits alone."""
        with self._lock:
            commits, self._commits = self._commits, []
            self._asked = (commits, block is not None)
        commands = [command for _, command in commits]
        shared = self._share_costs()
        if shared:
            commands.append(shared)
        if block is not None:
            commands.append(self._chunks.read(self._how_many(), block=block))
        self._reading = bool(block)
        try:
            self._wire.send(commands)
        except StoreError:
            self._take_back()
            raise

    def _receive(self) -> None:
        """Takes the replies to what was sent."""
        if self._asked is None:
            return
        try:
            replies = self._wire.receive()
        except StoreError:
            self._take_back()
            raise
        (commits, read), self._asked = self._asked, None
        self._reading = False
        try:
            if read:
                self._take_in(replies.pop())
        finally:
            self._note(commits, replies[: len(commits)])

    def _share_costs(self) -> Command | None:
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

    def _take_back(self) -> None:
        """The replies got lost: the commits are sent again, and fenced if they were carried out."""
        if self._asked is not None:
            with self._lock:
                self._commits = self._asked[0] + self._commits
            self._asked = None
        self._reading = False

    def _take_in(self, reply: Reply) -> None:
        if isinstance(reply, StoreError) and ("NOGROUP" in str(reply) or "UNBLOCKED" in str(reply)):
            log.warning("a consumer group was lost; making it again")
            self._chunks.ensure_groups(self._wire)
            return
        entries = self._chunks.entries(reply)
        with self._lock:
            self._ahead.extend(entry for entry in entries if _place(entry) not in self._strays)
            self._strays.clear()

    def _note(self, commits: list[tuple[Entry, Command]], replies: list[Reply]) -> None:
        failed: StoreError | None = None
        for (entry, command), reply in zip(commits, replies, strict=True):
            if isinstance(reply, ServerFull):
                failed = reply
                with self._lock:
                    self._commits.append((entry, command))
            elif isinstance(reply, StoreError):
                log.error("commit of %s:%s: %s", entry.flow, entry.stage, reply)
            elif reply == Committed.FENCED:
                log.info("a chunk of %s:%s was taken from us", entry.flow, entry.stage)
        if failed is not None:
            raise failed

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
                self._receive()
                self._send(block=None)
                self._receive()
                self._give_back_ahead(self._wire)
                self._fleet.leave(self._wire, self.name, self._stages)
            except StoreError as error:
                log.warning("leaving: %s", error)
                if attempt == 2:
                    log.warning("what is left is put back when the lease ends")
            else:
                return

    def _give_back_ahead(self, wire: Wire) -> None:
        with self._lock:
            entries = list(self._ahead)
            self._ahead.clear()
        try:
            for reply in wire.exchange(self._chunks.give_back(entries)) if entries else ():
                if isinstance(reply, StoreError):
                    raise reply
        except StoreError:
            # Still ours, as far as we know; what has been given back after all will be fenced.
            with self._lock:
                self._ahead.extendleft(reversed(entries))
            raise

    def _return_strays(self, wire: Wire) -> None:
        """Gives back what was read for us in a reply that got lost, or that lies unread."""
        with self._lock:
            asked = self._asked[0] if self._asked is not None else []
            in_hand = [entry for entry, _ in (*self._commits, *asked)]
            in_hand += [*self._ahead, *filter(None, [self._at_work])]
        known = {_place(entry) for entry in in_hand}
        strays = self._fleet.return_strays(wire, self.name, self._stages, known)
        with self._lock:
            self._strays |= strays

    # The heartbeat's thread calls what follows.

    def renew(self) -> None:
        """Renews the lease, and exchanges what is known of costs and of the fleet."""
        _, workers = self._fleet.renew(self._side_wire, self.name, self.label, self._stages)
        known = self._side_wire.exchange([("HMGET", self._keys.costs, *self._stages)])[0]
        if not isinstance(known, StoreError):
            self._tuning.learn(read_costs(self._stages, known), workers)

    def help(self) -> None:
        """While a stage holds up the other thread: commits what is done, gives back the rest."""
        with self._lock:
            commits, self._commits = self._commits, []
        if commits:
            try:
                replies = self._side_wire.exchange([command for _, command in commits])
            except StoreError:
                with self._lock:
                    self._commits = commits + self._commits
                raise
            self._note(commits, replies)
        self._give_back_ahead(self._side_wire)
        self._return_strays(self._side_wire)

    def unblock(self) -> None:
        """Ends a blocking read, for the worker is to stop."""
        if self._reading:
            self._side_wire.exchange([("CLIENT", "UNBLOCK", self._client_id)])

    def abandon(self) -> None:
        """Gives back what is at work as it was, and leaves the process if it can."""
        with self._lock:
            entry, self._at_work = self._at_work, None
        if entry is None:
            return
        self._side_wire.exchange(self._chunks.give_back([entry]))
        self._fleet.leave(self._side_wire, self.name, self._stages)
        log.warning(
            "stage %s:%s did not come to a record's end or a yield; its chunk was put back",
            entry.flow,
            entry.stage,
        )
        if self._on_stuck is not None:
            self._on_stuck()


def _place(entry: Entry) -> tuple[str, bytes]:
    return f"{entry.flow}:{entry.stage}", entry.id


def _last_first(stages: list[tuple[Graph, str]]) -> list[tuple[Graph, str]]:
    """Later stages are read first: what is nearly done makes room for what begins."""
    order = {
        (graph.name, stage.name): at for graph, _ in stages for at, stage in enumerate(graph.stages)
    }
    return sorted(stages, key=lambda each: -order[(each[0].name, each[1])])
