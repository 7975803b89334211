"""Reading a run's results, and telling the run what was taken, so that it may make room."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pauseflow import codec
from pauseflow.errors import MalformedData, StoreError, UnknownRun
from pauseflow.store import commands
from pauseflow.store.cast import Cast, cast_of_source
from pauseflow.store.keys import Keys
from pauseflow.store.scripts import Command
from pauseflow.store.seals import Seals
from pauseflow.store.server import Reply, Wire
from pauseflow.store.tuning import READ_BYTES, RESULTS_BYTES

PAGE_ENTRIES = 16

TOLD_BYTES = 64 * 1024
"""A reader tells the run what it has taken each time it is so much, and when it has caught up."""


@dataclass(frozen=True, slots=True)
class ResultsPage:
    """Some consecutive results of a run.

    Attributes:
        upto: the entry that was read last.
        first: position of the first of them among all results of the run.
        values: the results.
        position: of the result after the last.
        bytes_read: how many bytes of results the run has had up to here.
        ended: the run is done or cancelled, and there are no more.
        halted: the run has halted at about this point; it may be going on since.
        cancelled: the run was cancelled, and so it ended.
    """

    upto: bytes
    first: int
    values: list[object]
    position: int
    bytes_read: int
    ended: bool
    halted: bool
    cancelled: bool = False


class ResultsReader:
    """Reads one run's results from their beginning.

    Args:
        keys: the namespace's keys.
        wire: a connection of the caller's thread.
        run_id: the run.
    """

    def __init__(self, keys: Keys, wire: Wire, run_id: str) -> None:
        self._keys = keys
        self._wire = wire
        self._run_id = run_id
        self._seals = Seals(keys.signing)
        self._run = keys.run(run_id)
        self._after: bytes | str = "0"
        self._casts: list[Cast] = []
        self._taken: ResultsPage | None = None
        self._told_bytes = 0

    def first(self) -> tuple[ResultsPage | None, int]:
        """The first page that there is, if there is one yet, and how many results were dropped.

        Raises:
            UnknownRun: there is no run of this id.
        """
        about, reply = self._wire.exchange(
            [
                ("HMGET", self._run.base, "flow", "results_from", "results_dropped"),
                self._read(block_ms=None),
            ]
        )
        if isinstance(about, StoreError):
            raise about
        flow, sources, dropped = about
        if flow is None:
            raise UnknownRun(
                f"there is no run {self._run_id!r}: it was never submitted, or it has expired"
            )
        try:
            self._casts = [
                cast_of_source(self._keys, flow.decode(), source)
                for source in (sources or b"").decode().split(" ")
                if source and not source.endswith(":")
            ]
            count = int(dropped or 0)
        except (ValueError, IndexError) as error:
            raise MalformedData(
                f"what the server knows of run {self._run_id!r} is damaged: {error}"
            ) from None
        return self._page(reply), count

    def next(self, *, block_ms: int | None) -> ResultsPage | None:
        """The next page.

        Args:
            block_ms: how long to wait for one; None not to wait.

        Returns:
            None if there are no more results (yet).
        """
        told: list[Command] = []
        if block_ms is not None or self._untold_bytes() >= TOLD_BYTES:
            told = self._tell()
        return self._page(self._wire.exchange([*told, self._read(block_ms=block_ms)])[-1])

    def take(self, page: ResultsPage) -> None:
        """Notes that a page was consumed. The run is told with a later read, or by `finish`."""
        if page.values:
            self._taken = page

    def finish(self) -> None:
        """Tells the run what was taken, if it was not told yet."""
        if self._untold_bytes():
            self._wire.call_all(self._tell())

    def _untold_bytes(self) -> int:
        return self._taken.bytes_read - self._told_bytes if self._taken else 0

    def _read(self, *, block_ms: int | None) -> Command:
        block = () if block_ms is None else ("BLOCK", block_ms)
        return ("XREAD", "COUNT", PAGE_ENTRIES, *block, "STREAMS", self._run.results, self._after)

    def _tell(self) -> list[Command]:
        page = self._taken
        if page is None or not self._untold_bytes():
            return []
        self._told_bytes = page.bytes_read
        return [
            commands.taken(
                self._run.base,
                self._run.results,
                cast.keys(self._run),
                self._run_id,
                page.upto,
                page.position,
                page.bytes_read,
                RESULTS_BYTES,
                READ_BYTES,
                len(cast.streams),
                cast.size,
                cast.arguments,
            )
            for cast in self._casts
        ]

    def _page(self, reply: Reply) -> ResultsPage | None:
        if isinstance(reply, StoreError):
            raise reply
        if not reply:
            return None
        page = _read_entries(self._seals, self._run_id, reply[0][1])
        self._after = page.upto
        return page


def _read_entries(
    seals: Seals, run: str, entries: Sequence[tuple[bytes, list[bytes]]]
) -> ResultsPage:
    values: list[object] = []
    first, position, total, ended, halted = -1, 0, 0, False, False
    cancelled = False
    for _, fields in entries:
        if fields[0] != b"e":
            ended = ended or fields[0] == b"end"
            halted = halted or fields[0] == b"halt"
            cancelled = cancelled or fields == [b"end", b"cancelled"]
            continue
        try:
            begins, count, total = map(int, fields[1].split(b" "))
            items = fields[3][fields[3].index(b"\n") + 1 :]
        except (ValueError, IndexError):
            raise MalformedData("what stands among the results is no result") from None
        if first < 0:
            first = begins
        position = begins + count
        values += codec.decode_items(count, seals.open_results(run, count, items))
    return ResultsPage(
        entries[-1][0], max(first, 0), values, position, total, ended, halted, cancelled
    )
