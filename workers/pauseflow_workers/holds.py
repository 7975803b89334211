"""Holds: what people have paused or cancelled, as far as this worker has heard.

A slice that is under way is not cut: it is over in a moment anyway, and what is left of it comes
back as a chunk, which is put off then.
"""

from __future__ import annotations

import threading
import time
from dataclasses import replace

from pauseflow.answer import Answer
from pauseflow.errors import MalformedData, StoreError
from pauseflow.stages.state import State
from pauseflow.store.chunks import Chunks, Entry, Result
from pauseflow.store.envelope import Envelope
from pauseflow.store.held import CHANGES, NOTHING_HELD, Held
from pauseflow.store.keys import Keys
from pauseflow.store.scripts import Command
from pauseflow.store.server import Reply, Wire

FRESH_SECONDS = 0.05
"""What was heard so recently is not asked for again."""


class Holds:
    """What a worker leaves alone. Asked by its own thread, and told by that of its heartbeat.

    Args:
        keys: the namespace's keys.
        chunks: the worker's streams; those of stages that are held are not read.
    """

    def __init__(self, keys: Keys, chunks: Chunks) -> None:
        self._keys = keys
        self._chunks = chunks
        self._held = NOTHING_HELD
        self._changes: bytes | None = None
        self._heard_at = 0.0
        self._hearing = threading.Lock()

    @property
    def question(self) -> Command:
        """Asks whether anything has changed; its reply is for `hear`."""
        return ("HGET", self._keys.held, CHANGES)

    def hear(self, wire: Wire, changes: Reply) -> bool:
        """Learns what is held, if that has changed. Returns whether other streams are read now.

        Args:
            wire: a connection of the caller's thread.
            changes: the reply to `question`.
        """
        if isinstance(changes, StoreError):
            return False
        with self._hearing:
            news = False
            if changes != self._changes:
                held = Held.parse(wire.call(("HGETALL", self._keys.held)))
                before, self._held = self._held, held
                news = _streams(held) != _streams(before)
                self._changes = changes
                self._chunks.leave_out(held)
            self._heard_at = time.monotonic()
        return news

    def doubt(self) -> None:
        """The connection is a new one: the server may have lost what was heard, and count anew."""
        with self._hearing:
            self._changes = b""

    @property
    def fresh(self) -> bool:
        """It was heard just now."""
        return time.monotonic() - self._heard_at < FRESH_SECONDS

    def holds(self, entry: Entry) -> bool:
        """Whether a chunk is not to be run."""
        held = self._held
        envelope = entry.envelope
        if held is NOTHING_HELD or not isinstance(envelope, Envelope):
            return False
        return envelope.run in held.runs or held.holds_stage(entry.flow, entry.stage)

    def put_off(self, entry: Entry) -> Command:
        """What to do with a chunk that is held, in place of running it.

        One of a stage that is held goes back as it was. One of a run is committed as if a slice of
        it had got nowhere: whether it is parked, dropped or goes on after all, for the run may
        have been resumed just now, is for the server to say.

        Raises:
            MalformedData: the chunk is damaged.
        """
        envelope = entry.envelope
        if isinstance(envelope, MalformedData):
            raise envelope
        if envelope.run not in self._held.runs:
            return self._chunks.give_back([entry])[0]
        return self._chunks.commit(entry, envelope, Result([], 0, 0, 0, rest=_whole(envelope)))


def _streams(held: Held) -> tuple[object, ...]:
    """What decides which streams are read."""
    return held.flows, held.stages, held.lanes


def _whole(envelope: Envelope) -> Envelope:
    """The chunk with all that came with it, the crashes against it included."""
    if not envelope.answer:
        return envelope
    state = State.parse(envelope.frames, envelope.count)
    state.answer = Answer.parse(envelope.answer)
    return replace(envelope, frames=state.pack(), answer=b"")
