"""Inspection: what the server says of itself, and what waits there in vain."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice

from pauseflow.errors import ServerUnreachable, StoreError
from pauseflow.origin import Origin
from pauseflow.store.foreign import CODE, origin_of_chunk
from pauseflow.store.keys import Keys
from pauseflow.store.server import Wire
from pauseflow.store.standing import Standings
from pauseflow.store.upkeep import Upkeep


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What the server says of itself. What it does not tell, or not to us, is None.

    Attributes:
        milliseconds: that a round trip took.
        product: `Redis` or `Valkey`.
        version: its version.
        replica: it is the copy of another server.
        appendonly: it writes what it is told to its disk.
        appendfsync: how often it waits for the disk: `always`, `everysec`, `no`.
        used: bytes of memory that it uses.
        maxmemory: bytes that it may use; 0 for no limit.
        policy: what it does when it is full.
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
    """Looks at a namespace and its server. It changes nothing.

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
    began = time.perf_counter()
    wire.call(("PING",))
    milliseconds = (time.perf_counter() - began) * 1000
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
    )


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
