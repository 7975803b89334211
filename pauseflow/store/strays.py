"""Strays: what a namespace keeps that belongs to nothing, and what nobody looks after."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from pauseflow.errors import MalformedData, StoreError
from pauseflow.pause import JOB
from pauseflow.store import remedies
from pauseflow.store.books import RunInfo
from pauseflow.store.held import Held
from pauseflow.store.keys import GROUP, Keys, readable_ids
from pauseflow.store.lanes import Lane
from pauseflow.store.letters import Letter
from pauseflow.store.schedules import Schedules
from pauseflow.store.seals import Seals
from pauseflow.store.server import Reply, Wire
from pauseflow.store.wrong import (
    Disown,
    DropDeaths,
    DropJobs,
    DropTimers,
    Expire,
    ListLetters,
    MakeGroup,
    Reclaim,
    Wrong,
)

PAGE = 500
MOST = 20_000
"""Timers, runs, dead letters that are looked at: of each kind, the first."""

NAMED = 3

LATE_MS = 60_000
"""What should have happened so long ago will not happen by itself."""

_TIMER = re.compile(rb"([A-Za-z0-9_.-]{1,200}) ([^\s:]+) ([^\s:]+:-?[0-9]{1,40})")


class Strays:
    """Looks through a namespace. It changes nothing.

    Args:
        keys: the namespace's keys.
        wire: a connection of the caller's thread.
    """

    def __init__(self, keys: Keys, wire: Wire) -> None:
        self._keys = keys
        self._wire = wire

    def timers(self) -> Iterator[Wrong]:
        """Timers of what is not parked."""
        for page in self._members(self._keys.timers):
            by_run: dict[str, list[tuple[bytes, bytes]]] = {}
            for member in page:
                match = _TIMER.fullmatch(member)
                if match:
                    by_run.setdefault(match[1].decode(), []).append((member, match[3]))
            for run_id, pairs in by_run.items():
                parked = self._keys.run(run_id).parked
                gone = set(self._lacking(self._keys.timers, parked, pairs))
                if gone:
                    members = tuple(pair for pair in pairs if pair[0] in gone)
                    yield Wrong(
                        f"run {run_id}: {_number(len(gone), 'timer')} of what is not parked",
                        DropTimers(run_id, members),
                        harmless=True,
                        passing=True,
                    )

    def jobs(self, now_ms: int) -> Iterator[Wrong]:
        """Jobs that nobody has looked at for long."""
        late = self._wire.call(
            ("ZRANGEBYSCORE", self._keys.jobs, "-inf", now_ms - LATE_MS, "LIMIT", 0, PAGE)
        )
        unwanted = []
        for member in late:
            run_id, _, name = member.decode("utf-8", "replace").partition(" ")
            if not readable_ids([run_id.encode()]):
                continue  # whoever looks at jobs will strike it out
            waits = self._keys.run(run_id).waits
            found = self._wire.call(("ZRANGEBYLEX", waits, f"[{name}\n", f"({name}\v"))
            if found:
                yield Wrong(
                    f"run {run_id} waits for {name}, which nobody has looked at for a minute",
                    advice="Start a coordinator: flowctl coordinator",
                    passing=True,
                )
            elif name.startswith(JOB):
                unwanted.append((run_id, name))
        if unwanted:
            yield Wrong(
                f"{_number(len(unwanted), 'job')} to be looked at that nothing waits for",
                DropJobs(tuple(unwanted)),
                harmless=True,
                passing=True,
            )

    def runs(self, now_ms: int, infos: Sequence[RunInfo]) -> Iterator[Wrong]:
        """What is left of runs that are gone, and runs that are over and would never go."""
        keys = self._keys
        held = Held.parse(self._wire.call(("HGETALL", keys.held)))
        yield from self._gone(now_ms, [run.encode() for run in held.runs], "is still held")
        for page in self._members(keys.runs):
            yield from self._gone(now_ms, page, "is still in the list")
        over = [info.id for info in infos if info.state.over]
        for some in _parts(over):
            scores = self._wire.call_all([("ZSCORE", keys.expiring, run_id) for run_id in some])
            for run_id, score in zip(some, scores, strict=True):
                if score is None:
                    said = f"run {run_id} is over, and nobody would ever drop it"
                    yield Wrong(said, Expire((run_id,)), harmless=True, passing=True)

    def _gone(self, now_ms: int, page: Sequence[bytes], said: str) -> Iterator[Wrong]:
        ids = readable_ids(page)
        asked: list[tuple[object, ...]] = []
        for run_id in ids:
            asked.append(("EXISTS", self._keys.run(run_id).base))
            asked.append(("ZSCORE", self._keys.expiring, run_id))
        replies = self._wire.call_all(asked)
        for run_id, there, expires in zip(ids, replies[::2], replies[1::2], strict=True):
            if there or (expires is not None and float(expires) > now_ms - LATE_MS):
                continue
            run = self._keys.run(run_id)
            left = (run.results, run.parked, run.waits, run.signals, run.room)
            yield Wrong(
                f"run {run_id} is gone, and {said}",
                Disown(((run_id, left),)),
                harmless=True,
                passing=True,
            )

    def letters(self) -> Iterator[Wrong]:
        """Dead letters that are not listed, and members of the list without one."""
        keys = self._keys
        for page in self._members(keys.dead):
            pairs = [(member, member) for member in page]
            lost = self._lacking(keys.dead, keys.letters, pairs)
            if lost:
                yield Wrong(
                    f"{_number(len(lost), 'dead letter')} listed and not there: {_named(lost)}",
                    DropDeaths(tuple(lost)),
                    harmless=True,
                    passing=True,
                )
        cursor: bytes | int = 0
        for _ in range(MOST // 20):
            cursor, flat = self._wire.call(("HSCAN", keys.letters, cursor, "COUNT", 20))
            scores = self._wire.call_all([("ZSCORE", keys.dead, name) for name in flat[::2]])
            found = zip(flat[::2], flat[1::2], scores, strict=True)
            unlisted = [(name, text) for name, text, score in found if score is None]
            if unlisted:
                yield _unlisted(Seals(keys.signing), unlisted)
            if int(cursor) == 0:
                return

    def consumers(
        self, now_ms: int, places: Iterable[tuple[str, str]], manned: frozenset[str]
    ) -> Iterator[Wrong]:
        """Chunks in the hands of nobody, and streams that nobody can read.

        Args:
            now_ms: the time, in ms since the epoch.
            places: flows and stages.
            manned: those that a live worker runs, as `<flow>:<stage>`.
        """
        flat = self._wire.call(("ZRANGE", self._keys.leases, 0, -1, "WITHSCORES"))
        leases = dict(zip(flat[::2], map(float, flat[1::2]), strict=True))
        for flow, stage in places:
            for lane in Lane:
                key = lane.of(self._keys.stream(flow, stage))
                reply = self._wire.exchange([("XINFO", "CONSUMERS", key, GROUP)])[0]
                place = lane.of(f"{flow}:{stage}")
                if isinstance(reply, StoreError):
                    if "NOGROUP" in str(reply) and f"{flow}:{stage}" in manned:
                        yield from self._groupless(place, key)
                    continue
                for about in reply:
                    yield from _handless(place, _flat(about), leases, now_ms)

    def _groupless(self, place: str, key: str) -> Iterator[Wrong]:
        waiting = self._wire.call(("XLEN", key))
        if waiting:
            yield Wrong(
                f"the stream of {place} has no consumer group, and {waiting:,} chunks in it",
                MakeGroup(key),
                passing=True,
            )

    def schedules(self, manned: frozenset[str]) -> Iterator[Wrong]:
        """Schedules of flows that no live worker has.

        Args:
            manned: the flows that one has.
        """
        told, _ = Schedules(self._keys, self._wire).look()
        for flow, graph in sorted(told.items()):
            if isinstance(graph, MalformedData):
                yield Wrong(
                    f"the schedules of flow {flow} can't be read",
                    advice=f"Restart its workers, or flowctl schedules --forget {flow}",
                )
            elif flow not in manned:
                yield Wrong(
                    f"flow {flow} has schedules, and no live worker has the flow",
                    advice=f"Start one, or flowctl schedules --forget {flow}",
                    harmless=True,
                )

    def unowned(self) -> Iterator[Wrong]:
        """Keys of the namespace that belong to nothing, found by going through all of them.

        Raises:
            ServerRefused: the server denies SCAN.
        """
        keys, orphans, odd = self._keys, dict[str, list[str]](), []
        cursor: bytes | int = 0
        while True:
            cursor, page = self._wire.call(
                ("SCAN", cursor, "MATCH", f"{keys.prefix}*", "COUNT", PAGE)
            )
            for key in sorted(set(page)):
                text = key.decode("utf-8", "backslashreplace")
                owner = _owner(keys, text)
                if owner is None:
                    odd.append(text)
                elif owner:
                    orphans.setdefault(owner, []).append(text)
            if int(cursor) == 0:
                break
        yield from self._ownerless(orphans)
        for name in odd:
            yield Wrong(
                f"key {name} is nothing of pauseflow's",
                advice="Look at it; if nobody needs it, delete it",
                harmless=True,
            )

    def _ownerless(self, orphans: Mapping[str, list[str]]) -> Iterator[Wrong]:
        for some in _parts(sorted(orphans)):
            there = self._wire.call_all([("EXISTS", self._keys.run(each).base) for each in some])
            for run_id, exists in zip(some, there, strict=True):
                if exists:
                    continue
                names = sorted(set(orphans[run_id]))
                ages = self._wire.call_all([("PTTL", name) for name in names])
                left = [name for name, age in zip(names, ages, strict=True) if age == -1]
                if left:
                    said = f"run {run_id} is gone, but for {_number(len(left), 'key')}"
                    yield Wrong(said, Disown(((run_id, tuple(left)),)), harmless=True, passing=True)

    def _members(self, key: str) -> Iterator[list[bytes]]:
        for at in range(0, MOST, PAGE):
            page = self._wire.call(("ZRANGE", key, at, at + PAGE - 1))
            if page:
                yield page
            if len(page) < PAGE:
                return

    def _lacking(
        self, target: str, holder: str, pairs: Sequence[tuple[bytes, bytes]]
    ) -> list[bytes]:
        words = [word for pair in pairs for word in pair]
        found: list[bytes] = self._wire.call(remedies.lacking(target, holder, words))
        return found


def _handless(
    place: str, about: Mapping[bytes, Reply], leases: Mapping[bytes, float], now_ms: int
) -> Iterator[Wrong]:
    name, pending = about[b"name"], int(about[b"pending"])
    lease = leases.get(name)
    if not pending or (lease is not None and lease > now_ms - LATE_MS):
        return
    worker = name.decode("utf-8", "backslashreplace")
    has = f"consumer {worker} of {place} has {_number(pending, 'chunk')} in hand"
    if lease is None:
        yield Wrong(f"{has}, and is no worker", Reclaim(place, worker), passing=True)
    else:
        dead = f"{(now_ms - lease) / 1000:,.0f} s"
        yield Wrong(f"{has}, and is dead for {dead}", Reclaim(place, worker), passing=True)


def _unlisted(seals: Seals, found: Sequence[tuple[bytes, bytes]]) -> Wrong:
    letters = []
    for name, text in found:
        try:
            opened = seals.open_letter(name.decode("utf-8", "backslashreplace"), text)
            since = Letter.parse(opened).since
        except MalformedData:
            since = 1
        letters.append((name, since))
    named = _named([name for name, _ in letters])
    said = f"{_number(len(letters), 'dead letter')} not listed: {named}"
    return Wrong(said, ListLetters(tuple(letters)), passing=True)


def _named(names: Sequence[bytes]) -> str:
    more = ", …" if len(names) > NAMED else ""
    return ", ".join(name.decode("utf-8", "backslashreplace") for name in names[:NAMED]) + more


def _owner(keys: Keys, key: str) -> str | None:
    """The run that a key is of; empty if it is of none, None if it is nothing of ours."""
    rest = key.removeprefix(keys.prefix)
    head, _, tail = rest.partition(":")
    match head:
        case "run":
            run_id, _, part = tail.partition(":")
            plain = part in ("", "results", "parked", "room", "waits", "signals")
            known = plain or part.startswith(("backlog:", "reorder:", "state:"))
            return run_id if known and readable_ids([run_id.encode()]) else None
        case "stream" | "rate" | "limit" | "turns" | "wakes":
            return "" if tail else None
        case _:
            return "" if not tail and f"{keys.prefix}{head}" in vars(keys).values() else None


def _flat(about: Sequence[Reply]) -> dict[bytes, Reply]:
    return dict(zip(about[::2], about[1::2], strict=True))


def _parts(names: Sequence[str]) -> Iterator[Sequence[str]]:
    for at in range(0, len(names), PAGE):
        yield names[at : at + PAGE]


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
