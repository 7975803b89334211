"""The connection over which a worker asks for permits."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence

from pauseflow.errors import StoreError
from pauseflow.store.permits import Demand, Grant, Permits, Source
from pauseflow.store.server import Wire

log = logging.getLogger(__name__)


class Turnstile:
    """Asks for permits over a connection of its own, in the name of one worker.

    All gates of a worker share one. For the worker's own thread.

    Args:
        wire: a connection that nothing else uses. It connects when it is first used.
        permits: makes the commands.
    """

    def __init__(self, wire: Wire, permits: Permits) -> None:
        self._wire = wire
        self._permits = permits
        self._under_way: deque[Sequence[Source]] = deque()
        self._held: dict[str, Source] = {}
        """Limits of which slots may be held that nobody needs: a reply was lost."""

    def ask(self, demand: Demand) -> Grant:
        """Asks, in one round trip.

        Raises:
            StoreError: no answer. Slots that were given all the same are freed with the next call.
        """
        freed = list(self._held.values())
        commands = [self._permits.admit(demand)]
        if freed:
            commands.insert(0, self._permits.leave(demand.run, 0, freed, [0] * len(freed)))
        try:
            self._wire.send(commands)
            self._take_in()
            replies = self._wire.receive()
        except StoreError:
            self._lose(demand.sources)
            raise
        for reply in replies:
            if isinstance(reply, StoreError):
                raise reply
        self._held.clear()
        return self._permits.granted(replies[-1])

    def leave(self, run: str, at: int, sources: Sequence[Source], unused: Sequence[int]) -> None:
        """Frees slots and hands permits back, without waiting for the reply.

        If that gets lost, the permits are lost, and the slots are freed with the next call.
        """
        if not sources:
            return
        try:
            self._wire.send([self._permits.leave(run, at, sources, unused)])
        except StoreError as error:
            log.warning("leaving what is under a rate or limit: %s", error)
            self._lose(sources)
        else:
            self._under_way.append(sources)

    def settle(self) -> None:
        """Frees what may still be held since a connection was lost. For when one is there again.

        Raises:
            StoreError: the server can't be reached.
        """
        try:
            self._take_in()
            freed = list(self._held.values())
            if freed:
                self._wire.call(self._permits.leave("", 0, freed, [0] * len(freed)))
        except StoreError:
            self._lose(())
            raise
        self._held.clear()

    def close(self) -> None:
        """Closes the connection. The worker's slots are free when it gives up its lease."""
        self._under_way.clear()
        self._wire.close()

    def _take_in(self) -> None:
        while self._under_way:
            (reply,) = self._wire.receive()
            sources = self._under_way.popleft()
            if isinstance(reply, StoreError):
                log.warning("leaving what is under a rate or limit: %s", reply)
                self._hold(sources)

    def _lose(self, sources: Sequence[Source]) -> None:
        """The connection is lost, and with it the replies to what was said of these sources."""
        for some in (*self._under_way, sources):
            self._hold(some)
        self._under_way.clear()
        self._wire.close()

    def _hold(self, sources: Sequence[Source]) -> None:
        self._held.update((source.name, source) for source in sources if not source.interval)
