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
        """Puts what was read behind what is no less urgent."""
        sort = False
        for entry in entries:
            sort = sort or bool(self._entries and entry.lane < self._entries[-1].lane)
            self._entries.append(entry)
        if sort:
            self._entries = deque(sorted(self._entries, key=lambda entry: entry.lane))

    def put_back(self, entries: Iterable[Entry]) -> None:
        """Puts back what was taken out, before all others of its lane."""
        self.add([*entries, *self.take_all()])

    def take(self) -> Entry | None:
        """The next one: the first of the most urgent; in turn, the first of the least urgent."""
        if not self._entries:
            return None
        if self._mixed:
            self._turn = (self._turn + 1) % TURNS
            if not self._turn:
                last = self._entries[-1].lane
                found = next(entry for entry in self._entries if entry.lane is last)
                self._entries.remove(found)
                return found
        return self._entries.popleft()

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
        if not self._entries:
            return Lane.LOW
        if not self._mixed:
            self._reads = (self._reads + 1) % TURNS
            if not self._reads:
                return Lane.LOW
        return self._entries[0].lane

    @property
    def _mixed(self) -> bool:
        return bool(self._entries) and self._entries[0].lane is not self._entries[-1].lane
