"""Permits: what rates and limits allow now, asked of the server for a few records at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pauseflow.store import commands
from pauseflow.store.keys import Keys
from pauseflow.store.scripts import Command
from pauseflow.store.server import Reply

AT_ONCE = 64
"""Records that are asked for at once, at most: what is refused or unused beyond is in vain."""


@dataclass(frozen=True, slots=True)
class Source:
    """One rate or limit, for one key.

    Attributes:
        name: `rate:<name>` or `limit:<name>`, and `:<key>` if it has keys.
        count: of a rate, its burst; of a limit, its slots.
        interval: of a rate, microseconds from one permit to the next; 0 of a limit.
        whole: of a limit: every record of the stage is under this one, so the worker may run fewer
            at once if it gets fewer slots.
    """

    name: str
    count: int
    interval: int = 0
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Demand:
    """What is asked for.

    Attributes:
        run: the run's id.
        items: for each record, in order, which of the sources is its rate and which its limit,
            from 1; 0 for none. At most `AT_ONCE`.
        sources: rates and limits.
        lanes: records that the worker runs at once.
        prefix: after a refused record no further one may run.
    """

    run: str
    items: Sequence[tuple[int, int]]
    sources: Sequence[Source]
    lanes: int = 1
    prefix: bool = True


@dataclass(frozen=True, slots=True)
class Grant:
    """What was answered.

    Attributes:
        at: when, in microseconds by the server's clock.
        lanes: how many records may run at once.
        wakes: for each record 0 if it may run, else when to ask again, in ms since the epoch:
            positive if its rate refused it, negative if its limit did. In a prefix, the first
            refused one is the last.
    """

    at: int
    lanes: int
    wakes: tuple[int, ...]


class Permits:
    """Asks for permits in the name of one worker.

    Args:
        keys: the namespace's keys.
        worker: its name, under which it has a lease. It may be at one chunk at a time: what it
            holds of a limit is what it was admitted with last.
    """

    def __init__(self, keys: Keys, worker: str) -> None:
        self._keys = keys
        self._worker = worker
        self.now_us = 0
        """A virtual clock, for tests; 0 is the server's."""

    def admit(self, demand: Demand) -> Command:
        """The command that asks; `granted` reads its reply."""
        return commands.admit(
            self._keys.leases,
            self._keys_of(demand.sources),
            demand.run,
            self._worker,
            self.now_us,
            demand.lanes,
            int(demand.prefix),
            "".join([f" {rate}:{limit}" for rate, limit in demand.items]),
            [
                word
                for source in demand.sources
                for word in (
                    ("rate", source.interval, source.count)
                    if source.interval
                    else ("limit", source.count, int(source.whole))
                )
            ],
        )

    @staticmethod
    def granted(reply: Reply) -> Grant:
        """The reply to `admit`."""
        at, lanes, *wakes = reply
        return Grant(int(at), int(lanes), tuple(wakes))

    def leave(
        self, run: str, admitted: int, sources: Sequence[Source], unused: Sequence[int]
    ) -> Command:
        """The command that says that what was admitted is over. It may be pipelined.

        Slots are freed once however often it comes; send it with unused permits only once. Permits
        that are not handed back are lost, slots that are not freed are held until the worker's
        next chunk under the same limit is over, or until its lease ends.

        Args:
            run: the run's id.
            admitted: `Grant.at`.
            sources: rates with unused permits, and limits with slots.
            unused: for each source how many permits of a rate were not used; 0 for a limit.
        """
        return commands.leave(
            self._keys_of(sources),
            run,
            self._worker,
            self.now_us,
            admitted,
            [
                word
                for source, count in zip(sources, unused, strict=True)
                for word in (
                    ("rate", source.interval, count)
                    if source.interval
                    else ("limit", source.count, 0)
                )
            ],
        )

    def _keys_of(self, sources: Sequence[Source]) -> list[str]:
        return [key for source in sources for key in self._keys.permits(source.name)]
