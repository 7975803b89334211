"""How soon the work of a killed worker is back."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from chaos.crew import Crew
from chaos.figures import Figures

from pauseflow.errors import StoreError
from pauseflow.store.server import Wire

LOOK_SECONDS = 0.02


@dataclass
class Death:
    """A worker that was killed with work in its hands.

    Attributes:
        streams: where its work was pending.
        since: when it was killed, `time.monotonic`.
        seen: when it was last seen there.
        alone: no coordinator lived for some of the time.
    """

    streams: list[str]
    since: float
    seen: float
    alone: bool = False


class Recovery(threading.Thread):
    """Watches what the server holds as delivered to workers that are dead, in a thread of its own.

    Args:
        crew: tells whether a coordinator lives.
        wire: to the server itself; the thread's own, and closed at its end.
        streams: of all stages and priorities.
        figures: takes the times.
    """

    def __init__(self, crew: Crew, wire: Wire, streams: Sequence[str], figures: Figures) -> None:
        super().__init__(name="recovery", daemon=True)
        self._crew = crew
        self._wire = wire
        self._streams = streams
        self._figures = figures
        self._deaths: dict[int, Death] = {}
        self._lock = threading.Lock()
        self._over = threading.Event()

    def killed(self, pid: int) -> None:
        """A worker was killed just now."""
        with self._lock:
            if streams := self._pending(pid, self._streams):
                now = time.monotonic()
                self._deaths[pid] = Death(streams, now, now)

    def forget(self) -> None:
        """The server is restarted: what was in whose hands is another question."""
        with self._lock:
            self._deaths.clear()

    @property
    def awaited(self) -> bool:
        """Whether some dead worker's work is not back yet."""
        return bool(self._deaths)

    def run(self) -> None:
        """The thread."""
        while not self._over.wait(LOOK_SECONDS):
            with self._lock:
                self._look()

    def end(self) -> None:
        """Ends the thread, and its connection."""
        self._over.set()
        if self.is_alive():
            self.join()
        self._wire.close()

    def _look(self) -> None:
        if not self._deaths:
            return
        coordinated = self._crew.coordinated()
        for pid, death in list(self._deaths.items()):
            death.alone |= not coordinated
            death.streams = self._pending(pid, death.streams)
            now = time.monotonic()
            if death.streams:
                death.seen = now
                continue
            del self._deaths[pid]
            if death.alone:
                self._figures.alone.append(now - death.since)
            else:
                self._figures.recoveries.append(now - death.since)
                self._figures.at_least.append(death.seen - death.since)

    def _pending(self, pid: int, streams: Sequence[str]) -> list[str]:
        """Those of the streams in which something is in the hands of this process."""
        commands = [("XPENDING", stream, "workers") for stream in streams]
        try:
            replies = self._wire.exchange(commands)
        except StoreError:
            return list(streams) if streams is not self._streams else []
        return [
            stream
            for stream, reply in zip(streams, replies, strict=True)
            if not isinstance(reply, StoreError)
            and any(f".{pid}." in name.decode() for name, _ in reply[3] or ())
        ]
