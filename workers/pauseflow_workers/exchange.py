"""What passes between a worker and the server: chunks in, commits out, neither waiting for long.

Commits are sent a few at a time while the worker goes on with chunks that it has read ahead, so
that the server works while it does. What is in hand (read ahead, at work, waiting to be committed,
sent) is kept here, under one lock, for the heartbeat's thread gives it away when a stage holds up
the worker.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from pauseflow.errors import ServerFull, ServerReadOnly, ServerRefused, StoreError
from pauseflow.store.chunks import Chunks, Entry
from pauseflow.store.commands import Committed
from pauseflow.store.scripts import Command
from pauseflow.store.server import Reply, Wire
from pauseflow_workers.readahead import ReadAhead

COMMITS_TOGETHER = 16
"""Commits that share a round trip, when there are so many."""

COMMIT_SECONDS = 0.001
"""How long a commit may wait for others to share its round trip."""

SENDS_AHEAD = 4
"""Round trips under way at once, at most."""

_LOST = ("NOGROUP", "UNBLOCKED", "WRONGTYPE")
_SPOILT = ("attempt to", "bad argument", "must be strings or integers", "WRONGTYPE")
"""What errors of a script say that has met something else than it writes."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Sent:
    """A round trip under way: its commits, and whether a read came with them."""

    commits: list[tuple[Entry, Command]]
    read: bool


class Exchange:
    """The chunks that a worker has in hand, and its talk with the server about them.

    Args:
        wire: the connection of the worker's thread.
        chunks: the streams that it reads.
        how_many: how many entries of each stream to read at once.
        news: a command to be sent along, or None.
        settled: is told of each commit that was answered, and whether it was carried out.
    """

    def __init__(
        self,
        wire: Wire,
        chunks: Chunks,
        how_many: Callable[[], int],
        news: Callable[[], Command | None],
        settled: Callable[[Entry, bool], None] | None = None,
    ) -> None:
        self._wire = wire
        self._chunks = chunks
        self._how_many = how_many
        self._news = news
        self._settled = settled
        self._lock = threading.Lock()
        self._ahead = ReadAhead()
        self._at_work: Entry | None = None
        self._commits: list[tuple[Entry, Command]] = []
        self._commits_since = 0.0
        self._sent: deque[_Sent] = deque()
        self._low_water = 0
        self._strays: set[tuple[str, bytes]] = set()
        self._condemned: set[tuple[str, bytes]] = set()
        self.blocking = False
        """The worker's thread waits for work in a blocking read."""

    @property
    def ahead(self) -> int:
        """How many chunks are read ahead."""
        return len(self._ahead)

    def fill(self, *, block: bool) -> None:
        """Sends what waits and reads chunks.

        Args:
            block: if there is nothing to commit, wait for a chunk, for a bounded time.
        """
        self._send(read=True, block=block and not self._commits and not self._sent)
        self.flush_sent()

    def flush(self) -> None:
        """Sends what waits, and takes in every reply."""
        self.flush_sent()
        if self._commits:
            self._send(read=False)
            self.flush_sent()

    def flush_sent(self) -> None:
        """Takes in the replies to all that was sent."""
        while self._sent:
            self._receive()

    def drain(self) -> None:
        """Takes in the replies to all that was sent, whatever they are."""
        while self._sent:
            with suppress(StoreError):
                self._receive()

    def begin(self) -> Entry | None:
        """The next chunk to be run; None if none is read ahead."""
        with self._lock:
            self._at_work = self._ahead.take()
            return self._at_work

    def take_up_later(self, entry: Entry) -> None:
        """The chunk that `begin` gave is to be given again."""
        with self._lock:
            if self._at_work is not None:
                self._at_work = None
                self._ahead.put_back([entry])

    def end(self, entry: Entry, command: Command) -> None:
        """A chunk was run: its commit waits to be sent, unless it was given away meanwhile."""
        with self._lock:
            if self._at_work is None:
                return
            self._at_work = None
            if not self._commits:
                self._commits_since = time.monotonic()
            self._commits.append((entry, command))

    def keep_going(self) -> None:
        """Between two chunks: sends commits that are many or late, and sees to the next."""
        if self._commits and (
            not self._ahead
            or len(self._commits) >= COMMITS_TOGETHER
            or time.monotonic() - self._commits_since > COMMIT_SECONDS
        ):
            reading = any(sent.read for sent in self._sent)
            self._send(read=not reading and len(self._ahead) <= self._low_water)
        while self._sent and (not self._ahead or len(self._sent) >= SENDS_AHEAD):
            self._receive()

    def give_back(self, wire: Wire) -> None:
        """Gives back what is read ahead. For either thread, over its own wire."""
        with self._lock:
            entries = self._ahead.take_all()
        try:
            for reply in wire.exchange(self._chunks.give_back(entries)) if entries else ():
                if isinstance(reply, StoreError):
                    raise reply
        except StoreError:
            # Still ours, as far as we know; what has been given back after all will be fenced.
            with self._lock:
                self._ahead.put_back(entries)
            raise

    def commit_over(self, wire: Wire) -> None:
        """Sends the commits that wait over another wire, for the worker's thread is held up."""
        with self._lock:
            commits, self._commits = self._commits, []
        if not commits:
            return
        try:
            replies = wire.exchange([command for _, command in commits])
        except StoreError:
            with self._lock:
                self._commits = commits + self._commits
            raise
        self._note(commits, replies)

    def give_away(self) -> Entry | None:
        """The chunk at work, which is not the worker's any more: its commit will be dropped."""
        with self._lock:
            entry, self._at_work = self._at_work, None
            return entry

    def disown(self, delivered: set[tuple[str, bytes]]) -> set[tuple[str, bytes]]:
        """Finds what was delivered in a reply that got lost, or that lies unread, to be given back.

        From here on it is left out of that reply, should it come while it is given back.

        Args:
            delivered: stages and ids of what the server says that this worker has.

        Returns:
            Those that it does not know of.
        """
        with self._lock:
            commits = [entry for entry, _ in self._commits]
            sent = [entry for each in self._sent for entry, _ in each.commits]
            at_work = [self._at_work] if self._at_work is not None else []
            known = {_place(entry) for entry in (*commits, *sent, *self._ahead, *at_work)}
            strays = delivered - known
            self._strays |= strays
            return strays

    def _send(self, *, read: bool, block: bool = False) -> None:
        reading = self._read(block=block) if read else None
        news = self._news()
        with self._lock:
            commits, self._commits = self._commits, []
            if not (commits or reading or news):
                return
            self._sent.append(_Sent(commits, reading is not None))
        commands = [command for _, command in commits]
        commands += [command for command in (news, reading) if command]
        self.blocking = block and reading is not None
        try:
            self._wire.send(commands)
        except StoreError:
            self._take_back()
            raise

    def _read(self, *, block: bool) -> Command | None:
        with self._lock:
            last = self._ahead.last_lane()
        return self._chunks.read(self._how_many(), block=block, last=last)

    def _receive(self) -> None:
        try:
            replies = self._wire.receive()
        except StoreError:
            self._take_back()
            raise
        finally:
            self.blocking = False
        sent = self._sent.popleft()
        try:
            if sent.read:
                self._take_in(replies.pop())
        finally:
            self._note(sent.commits, replies[: len(sent.commits)])

    def _take_back(self) -> None:
        """The replies got lost: the commits are sent again, and fenced if they were carried out."""
        with self._lock:
            lost = [commit for sent in self._sent for commit in sent.commits]
            self._commits = lost + self._commits
            self._sent.clear()
            self._strays.clear()

    def _take_in(self, reply: Reply) -> None:
        if isinstance(reply, StoreError) and any(word in str(reply) for word in _LOST):
            log.warning("a stream or its consumer group was lost; making it again: %s", reply)
            self.flush_sent()
            self._chunks.ensure_groups(self._wire)
            return
        entries = self._chunks.entries(reply)
        with self._lock:
            self._ahead.add(entry for entry in entries if _place(entry) not in self._strays)
            if not any(sent.read for sent in self._sent):
                self._strays.clear()
            self._low_water = len(self._ahead) // 2

    def _note(self, commits: list[tuple[Entry, Command]], replies: list[Reply]) -> None:
        failed: StoreError | None = None
        for (entry, command), reply in zip(commits, replies, strict=True):
            if isinstance(reply, ServerFull | ServerReadOnly):
                failed = reply
                with self._lock:
                    self._commits.append((entry, command))
                continue
            if self._settled is not None:
                self._settled(entry, reply == Committed.YES)
            if isinstance(reply, ServerRefused):
                failed = failed or reply
            elif isinstance(reply, StoreError) or reply == Committed.DAMAGED:
                log.error("commit of %s:%s: %s", entry.flow, entry.stage, reply)
                self._condemn(entry, reply)
            elif reply == Committed.FENCED:
                log.info("a chunk of %s:%s was taken from us", entry.flow, entry.stage)
            else:
                self._condemned.discard(_place(entry))
        if failed is not None:
            raise failed

    def _condemn(self, entry: Entry, reply: Reply) -> None:
        """Sets aside a chunk that can't be committed, since what its run has written is damaged."""
        place, told = _place(entry), str(reply)
        if place in self._condemned or not (
            reply == Committed.DAMAGED or any(word in told for word in _SPOILT)
        ):
            return
        reason = f"what its run has written down is damaged: {told}"
        with self._lock:
            self._condemned.add(place)
            self._commits.append((entry, self._chunks.quarantine(entry, reason)))


def _place(entry: Entry) -> tuple[str, bytes]:
    return entry.lane.of(f"{entry.flow}:{entry.stage}"), entry.id
