"""The coordinator's side of the store: what is due, what is old, how fast it goes."""

from __future__ import annotations

import json

from pauseflow.errors import StoreError
from pauseflow.store import commands
from pauseflow.store.books import RunInfo, read_run
from pauseflow.store.held import run_field
from pauseflow.store.keys import Keys, readable_ids
from pauseflow.store.scripts import Command
from pauseflow.store.server import Wire
from pauseflow.store.waking import TIMER, waking

DUE_AT_ONCE = 1_000
EXPIRED_AT_ONCE = 100
SAMPLED_RUNS = 50

NEVER_MS = 253_402_300_799_000
"""The end of the year 9999, of all times."""


class Upkeep:
    """What keeps the runs of a namespace going. Any number of processes may do it at once.

    Args:
        keys: the namespace's keys.
        wire: a connection of the caller's thread.
    """

    def __init__(self, keys: Keys, wire: Wire) -> None:
        self._keys = keys
        self._wire = wire
        self.now_ms = 0

    def now(self) -> int:
        """The server's time in ms since the epoch."""
        if self.now_ms:
            return self.now_ms
        seconds, micros = self._wire.call(("TIME",))
        return int(seconds) * 1000 + int(micros) // 1000

    def next_timer(self) -> int | None:
        """When the next parked continuation is due, ms since the epoch; None if none is."""
        first = self._wire.call(("ZRANGE", self._keys.timers, 0, 0, "WITHSCORES"))
        return int(min(max(float(first[1]), 0.0), NEVER_MS)) if first else None

    def fire_due(self) -> int:
        """Puts back parked continuations that are due, a bounded number. Returns how many."""
        due = self._wire.call(
            ("ZRANGEBYSCORE", self._keys.timers, "-inf", self.now(), "LIMIT", 0, DUE_AT_ONCE)
        )
        timers: list[str] = []
        foreign: list[bytes] = []
        for timer in due:
            text = timer.decode("utf-8", "replace")
            if TIMER.fullmatch(text):
                timers.append(text)
            else:
                foreign.append(timer)
        wakes = list(waking(self._keys, timers, ""))
        if foreign:
            self._wire.call(("ZREM", self._keys.timers, *foreign))
        return sum(_count(reply) for reply in self._wire.exchange(wakes)) if wakes else 0

    def forget_expired(self) -> int:
        """Drops what is left of done runs that have expired, a bounded number. Returns how many.

        Raises:
            ServerRefused: the server accepts no writes, even if there is nothing to drop.
        """
        old = self._wire.call(
            ("ZRANGEBYSCORE", self._keys.expiring, "-inf", self.now(), "LIMIT", 0, EXPIRED_AT_ONCE)
        )
        # Written even if nothing is old: else nobody would notice that this is only a replica.
        drops: list[Command] = [("ZREM", self._keys.expiring, "")]
        for run_id in old:
            run = self._keys.run(run_id.decode("utf-8", "replace"))
            drops += [
                ("UNLINK", run.base, run.results, run.parked, run.room),
                ("ZREM", self._keys.runs, run_id),
                ("ZREM", self._keys.expiring, run_id),
                commands.hold(self._keys.held, run_field(run_id.decode("utf-8", "replace")), ""),
            ]
        for reply in self._wire.exchange(drops):
            _count(reply)
        return len(old)

    def going_runs(self) -> list[RunInfo]:
        """The newest runs that are not done, a bounded number."""
        newest = self._wire.call(("ZREVRANGE", self._keys.runs, 0, SAMPLED_RUNS - 1))
        if not newest:
            return []
        ids = readable_ids(newest)
        replies = self._wire.exchange([("HGETALL", self._keys.run(each).base) for each in ids])
        found = []
        for run_id, reply in zip(ids, replies, strict=True):
            if isinstance(reply, StoreError):
                continue  # it is no run
            fields = dict(zip(reply[::2], reply[1::2], strict=True))
            if b"flow" in fields:
                info = read_run(run_id, fields)
                if not info.state.over:
                    found.append(info)
        return found

    def note_rates(self, rates: dict[str, dict[str, float]]) -> None:
        """Notes items a second, by run and stage."""
        notes = [
            commands.rates(self._keys.run(run_id).base, json.dumps(stages))
            for run_id, stages in rates.items()
        ]
        for reply in self._wire.exchange(notes) if notes else ():
            _count(reply)


def _count(reply: object) -> int:
    if isinstance(reply, StoreError):
        raise reply
    return reply if isinstance(reply, int) else 0
