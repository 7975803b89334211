"""Inspection: what the server says of itself, and what waits there in vain."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from statistics import median

from pauseflow.errors import ServerFull, ServerUnreachable, StoreError
from pauseflow.origin import Origin
from pauseflow.store.foreign import CODE, origin_of_chunk
from pauseflow.store.keys import Keys
from pauseflow.store.mending import Mending
from pauseflow.store.rights import denied_rights
from pauseflow.store.server import Wire
from pauseflow.store.standing import Standings
from pauseflow.store.strays import Strays
from pauseflow.store.survey import Surveyor
from pauseflow.store.upkeep import Upkeep

PINGS = 9
"""Round trips that are measured: what counts is the one in the middle."""

CLOCK_READS = 3

SLOW_MICROSECONDS = 50_000
"""A command that takes longer is told of: nobody else is served meanwhile."""

RECENT_SECONDS = 3_600


@dataclass(frozen=True, slots=True)
class ReplicaFacts:
    """What a server says of a copy of itself.

    Attributes:
        address: host and port.
        state: `online`, if it gets what is written.
        lag: seconds since it has said how far it is; None if that is not told.
        behind: bytes of what was written that it has not confirmed; None if that is not told.
    """

    address: str
    state: str
    lag: int | None
    behind: int | None


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What the server says of itself. What it does not tell, or not to us, is None.

    Attributes:
        milliseconds: that a round trip takes.
        product: `Redis` or `Valkey`.
        version: its version.
        replica: it is the copy of another server.
        appendonly: it writes what it is told to its disk.
        appendfsync: how often it waits for the disk: `always`, `everysec`, `no`.
        used: bytes of memory that it uses.
        maxmemory: bytes that it may use; 0 for no limit.
        policy: what it does when it is full.
        replicas: its copies.
    """

    milliseconds: float
    product: str | None = None
    version: tuple[int, ...] | None = None
    replica: bool | None = None
    appendonly: bool | None = None
    appendfsync: str | None = None
    used: int | None = None
    maxmemory: int | None = None
    policy: str | None = None
    replicas: tuple[ReplicaFacts, ...] | None = None


@dataclass(frozen=True, slots=True)
class ForeignFrames:
    """Frames of a run that wait for other code than the worker had that met them.

    Attributes:
        frames: how many, by stage and the code that made them; None if that can't be told.
        looked_at: how much of what is parked was looked at.
    """

    frames: Mapping[tuple[str, Origin | None], int]
    looked_at: int


class Inspection:
    """Looks at a namespace and its server. But for `mending`, it changes nothing.

    Args:
        keys: the namespace's keys.
        wire: a connection of the caller's thread.
    """

    def __init__(self, keys: Keys, wire: Wire) -> None:
        self._keys = keys
        self._wire = wire

    def server(self) -> ServerFacts:
        """What the server says of itself."""
        return _facts(self._wire)

    def clock_ahead(self) -> float:
        """How many seconds the server's clock is ahead of this machine's, at least."""
        ahead = []
        for _ in range(CLOCK_READS):
            before = time.time()
            seconds, micros = self._wire.call(("TIME",))
            there, after = int(seconds) + int(micros) / 1e6, time.time()
            ahead.append(max(there - after, 0.0) or min(there - before, 0.0))
        return min(ahead, key=abs)

    def slowest(self) -> tuple[str, float] | None:
        """The command of the last hour that took longest, and how many seconds; None if none did.

        None too if the server does not tell.
        """
        entries = _asked(self._wire, ("SLOWLOG", "GET", 128))
        seconds, _ = self._wire.call(("TIME",))
        since = int(seconds) - RECENT_SECONDS
        slow = [
            (int(entry[2]), bytes(entry[3][0]))
            for entry in (entries if isinstance(entries, list) else ())
            if int(entry[1]) >= since and int(entry[2]) >= SLOW_MICROSECONDS
        ]
        if not slow:
            return None
        micros, name = max(slow)
        return name.decode("utf-8", "replace").upper(), micros / 1e6

    def denied(self) -> list[str]:
        """The rights that the connection's user lacks, as in an ACL; none if it has all."""
        return denied_rights(self._wire, self._keys)

    @property
    def surveyor(self) -> Surveyor:
        """For a recount of runs."""
        return Surveyor(self._keys, self._wire)

    @property
    def strays(self) -> Strays:
        """For a look at what belongs to nothing."""
        return Strays(self._keys, self._wire)

    @property
    def mending(self) -> Mending:
        """For putting things right."""
        return Mending(self._keys, self._wire)

    def full(self) -> str:
        """Why the server takes nothing more for now; empty if it takes what it is given.

        Asked with a command that a full server refuses, and that does nothing on any other.
        """
        # Whoever may not write looks on all the same.
        probe = ("SET", self._keys.prefix + "doctor", "x", "XX", "KEEPTTL")
        reply = self._wire.exchange([probe])[0]
        return str(reply) if isinstance(reply, ServerFull) else ""

    def now(self) -> int:
        """The server's time, in ms since the epoch."""
        return Upkeep(self._keys, self._wire).now()

    def overdue(self) -> float:
        """For how many seconds the next pause to end should have ended; 0.0 if none is late."""
        upkeep = Upkeep(self._keys, self._wire)
        due = upkeep.next_timer()
        return 0.0 if due is None else max(0.0, (upkeep.now() - due) / 1000)

    def waiting_for_code(self, run_id: str, *, limit: int) -> ForeignFrames:
        """Which code frames of a run wait for.

        Args:
            run_id: the run.
            limit: look at no more of what it has parked.
        """
        frames: dict[tuple[str, Origin | None], int] = {}
        looked_at = 0
        for stand in islice(Standings(self._keys, self._wire).parked(run_id), limit):
            looked_at += 1
            if stand.why == CODE and stand.envelope is not None:
                key = (stand.stage, origin_of_chunk(stand.envelope))
                frames[key] = frames.get(key, 0) + 1
        return ForeignFrames(frames, looked_at)


def _facts(wire: Wire) -> ServerFacts:
    """Asks the server. That it denies INFO or CONFIG GET is no error.

    Raises:
        ServerUnreachable: it does not answer.
    """
    milliseconds = median(_ping(wire) for _ in range(PINGS)) * 1000
    # Each by itself: a server that does not know one of them answers nothing to what follows.
    told = _info(_asked(wire, ("INFO",)))
    fsync = _asked(wire, ("CONFIG", "GET", "appendfsync"))
    product = "Valkey" if "valkey_version" in told else "Redis"
    version = _version(told.get("valkey_version") or told.get("redis_version"))
    return ServerFacts(
        milliseconds,
        product if version else None,
        version,
        None if "role" not in told else told["role"] != "master",
        None if "aof_enabled" not in told else told["aof_enabled"] == "1",
        fsync[1].decode() if isinstance(fsync, list) and len(fsync) == 2 else None,
        _number(told.get("used_memory")),
        _number(told.get("maxmemory")),
        told.get("maxmemory_policy"),
        None if "connected_slaves" not in told else tuple(_replicas(told)),
    )


def _ping(wire: Wire) -> float:
    began = time.perf_counter()
    wire.call(("PING",))
    return time.perf_counter() - began


def _replicas(told: Mapping[str, str]) -> Iterator[ReplicaFacts]:
    written = _number(told.get("master_repl_offset"))
    for number in range(_number(told["connected_slaves"]) or 0):
        line = told.get(f"slave{number}")
        if line is None:
            continue
        about = dict(word.split("=", 1) for word in line.split(",") if "=" in word)
        read = _number(about.get("offset"))
        behind = None if written is None or read is None else max(written - read, 0)
        address = f"{about.get('ip', '?')}:{about.get('port', '?')}"
        yield ReplicaFacts(address, about.get("state", "?"), _number(about.get("lag")), behind)


def _asked(wire: Wire, command: tuple[object, ...]) -> object:
    try:
        return wire.call(command)
    except ServerUnreachable:
        raise
    except StoreError:
        return None


def _info(text: object) -> dict[str, str]:
    if not isinstance(text, bytes):
        return {}
    lines = text.decode("utf-8", "replace").splitlines()
    return {name: value for name, _, value in (line.partition(":") for line in lines) if value}


def _version(text: str | None) -> tuple[int, ...] | None:
    parts = (text or "").split(".")
    if not all(part.isdecimal() for part in parts):
        return None
    return tuple(map(int, parts))


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None
