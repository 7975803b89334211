"""ReadAhead: the chunks that a worker has read and not begun, the most urgent first."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from pauseflow.store.chunks import Entry
from pauseflow.store.lanes import Lane

TURNS = 8
"""Of so many chunks one is of the least urgent that wait, so that nothing waits for ever."""


class ReadAhead:
    """A queue in the order of lanes. Not safe for threads: the exchange has a lock around it."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque()
        self._turn = 0
        self._reads = 0

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries)

    def add(self, entries: Iterable[Entry]) -> None:
        """Puts what was read, in the order of lanes, behind what is no less urgent.

        What has taken a worker down comes first: if it does so again, nothing that was begun before
        it bears the blame, nor does it for what was.
        """
        last = self._entries[-1].lane if self._entries else Lane.HIGH
        fresh = list(entries)
        self._entries.extend(fresh)
        if fresh and (fresh[0].lane < last or any(entry.crashed for entry in fresh)):
            in_order = sorted(self._entries, key=lambda entry: (not entry.crashed, entry.lane))
            self._entries = deque(in_order)

    def put_back(self, entries: Iterable[Entry]) -> None:
        """Puts back what was taken out, before all others of its lane."""
        after = self.take_all()
        self.add(entries)
        self.add(after)

    def take(self) -> Entry | None:
        """The next one: the first of the most urgent; in turn, the first of the least urgent."""
        entries = self._entries
        if not entries:
            return None
        last = entries[-1].lane
        if entries[0].lane is not last:
            self._turn = (self._turn + 1) % TURNS
            if not self._turn:
                found = next(entry for entry in entries if entry.lane is last)
                entries.remove(found)
                return found
        return entries.popleft()

    def take_all(self) -> list[Entry]:
        """All of them, the most urgent first."""
        entries = list(self._entries)
        self._entries.clear()
        return entries

    def last_lane(self) -> Lane:
        """The least urgent lane that is worth reading: what is less urgent than what is here waits.

        As long as there is something less urgent here, nothing more of that kind is read. In turn
        all lanes are read.
        """
        entries = self._entries
        if not entries:
            return Lane.LOW
        if entries[0].lane is entries[-1].lane:
            self._reads = (self._reads + 1) % TURNS
            if not self._reads:
                return Lane.LOW
        return entries[0].lane
