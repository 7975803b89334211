"""Runs that compete for the permits of one rate or limit, under a virtual clock."""

import heapq
import random

from pauseflow.store.keys import Keys
from pauseflow.store.permits import Demand, Permits

SECOND = 1_000_000


class Race:
    """Runs whose records ask one by one, park when they are refused, and ask again when told.

    Args:
        wire: a connection.
        source: the rate or limit.
        late: a record asks up to so many µs after its wake time.
        work: µs that a record is at work, for limits.
        seed: for how late each is.
    """

    def __init__(self, wire, source, *, late=5_000, work=0, seed=0):
        self.wire, self.source, self.late, self.work = wire, source, late, work
        self.keys = Keys()
        self.now = 1_000 * SECOND
        self.asks = 0
        self.begun = []
        """When which run's record was begun."""
        self._random = random.Random(seed)
        self._events = []
        self._order = 0
        self._free = [Permits(self.keys, f"w{number}") for number in range(30)]

    def submit(self, run, count, at=0):
        """Records of a run that come `at` µs after the beginning."""
        for _ in range(count):
            self._at(self.now + at, "ask", run, None)

    def cancel(self, run):
        """The run's parked records are gone."""
        self._events = [event for event in self._events if event[3] != run]
        heapq.heapify(self._events)

    def go_on(self, until=None, begun=None):
        """Runs until nothing is left, a time in µs, or so many records were begun."""
        while self._events:
            if (until and self._events[0][0] > until) or (begun and len(self.begun) >= begun):
                return
            self.now, _, what, run, permits = heapq.heappop(self._events)
            if what == "ask":
                self._ask(run)
            else:
                permits.now_us = self.now
                self.wire.call(permits.leave(run, self.now - self.work, [self.source], [0]))
                self._free.append(permits)

    def times(self, run):
        """When the run's records were begun, in µs since the start."""
        return [at - 1_000 * SECOND for at, name in self.begun if name == run]

    def _ask(self, run):
        self.asks += 1
        is_rate = self.source.interval > 0
        permits = self._free[-1]
        permits.now_us = self.now
        item = (1, 0) if is_rate else (0, 1)
        self.wire.call(("ZADD", self.keys.leases, self.now // 1000 + 10_000, permits._worker))
        grant = permits.granted(self.wire.call(permits.admit(Demand(run, [item], [self.source]))))
        (wake,) = grant.wakes
        if wake:
            assert abs(wake) * 1000 > self.now
            self._at(abs(wake) * 1000 + self._random.randint(0, self.late), "ask", run, None)
            return
        self.begun.append((self.now, run))
        if not is_rate:
            self._free.pop()
            self._at(self.now + self.work, "over", run, permits)

    def _at(self, when, what, run, permits):
        self._order += 1
        heapq.heappush(self._events, (when, self._order, what, run, permits))
