"""Workers and their leases: who lives, and putting back the work of those who don't."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from pauseflow.errors import StoreError
from pauseflow.origin import Code
from pauseflow.store import commands
from pauseflow.store.keys import GROUP, Keys
from pauseflow.store.server import Reply, Wire

LEASE_MS = 2_500
"""How long a lease lasts. A dead worker's work is put back when it has ended: within 3 s, with the
coordinator's
look every half second."""

RENEW_SECONDS = 0.8
RECLAIM_ENTRIES = 100
MOST_STAGES = 10_000

_STAGE = re.compile(r"[^\s:\ud800-\udfff]{1,300}:[^\s:\ud800-\udfff]{1,300}(:high|:low)?")


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """A worker process.

    Attributes:
        name: unique for each start of a process.
        label: what a person calls it: the dyno, or host and process id.
        lease_left: seconds until its lease ends, unless it is renewed.
        stages: what it consumes, as `<flow>:<stage>`.
        code: of those of them that are branches, what frames they can take up.
    """

    name: str
    label: str
    lease_left: float
    stages: tuple[str, ...]
    code: Mapping[str, Code] = field(default_factory=dict)


class Fleet:
    """The workers of a namespace.

    Args:
        keys: the namespace's keys.
    """

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self.now_ms = 0

    def renew(
        self,
        wire: Wire,
        worker: str,
        label: str,
        stages: list[str],
        code: Mapping[str, Code] | None = None,
    ) -> tuple[int, int]:
        """Renews a worker's lease, and tells what it runs.

        Args:
            wire: a connection.
            worker: its name.
            label: what a person calls it.
            stages: what it consumes, as `<flow>:<stage>`.
            code: of those of them that are branches, what frames they can take up.

        Returns:
            The server's time in ms, and how many workers live.
        """
        told = {stage: each.to_data() for stage, each in (code or {}).items()}
        about = json.dumps({"label": label, "stages": stages, "code": told})
        now, workers = wire.call(self._lease(worker, LEASE_MS, about))
        return int(now), int(workers)

    def keep(self, wire: Wire, worker: str) -> None:
        """Renews the lease of a worker that can't do it itself just now, if it has one still.

        Args:
            wire: a connection.
            worker: its name.
        """
        wire.call(self._lease(worker, LEASE_MS, ""))

    def leave(self, wire: Wire, worker: str, stages: list[str]) -> None:
        """Gives a worker's lease up: it has given back or committed all that it had."""
        wire.call(self._lease(worker, 0, ""))
        self._reclaim_all(wire, worker, stages)

    def _lease(self, worker: str, length: int, about: str) -> tuple[object, ...]:
        return commands.lease(
            self._keys.leases, self._keys.workers, worker, self.now_ms, length, about
        )

    def workers(self, wire: Wire) -> list[WorkerInfo]:
        """The workers whose lease has not ended."""
        now = self._now(wire)
        leases = wire.call(("ZRANGEBYSCORE", self._keys.leases, f"({now}", "+inf", "WITHSCORES"))
        if not leases:
            return []
        names = leases[::2]
        abouts = wire.call(("HMGET", self._keys.workers, *names))
        found = []
        for name, ends, told in zip(names, leases[1::2], abouts, strict=True):
            about = _parse(told)
            found.append(
                WorkerInfo(
                    name.decode("utf-8", "replace"),
                    str(about.get("label", "")),
                    (float(ends) - now) / 1000,
                    # without the lanes of other priorities
                    tuple(stage for stage in about.get("stages", ()) if stage.count(":") == 1),
                    _codes(about.get("code")),
                )
            )
        return found

    def dead(self, wire: Wire) -> list[str]:
        """The workers whose lease has ended and whose work has not been put back yet."""
        now = self._now(wire)
        names = wire.call(("ZRANGEBYSCORE", self._keys.leases, "-inf", now, "LIMIT", 0, 100))
        return _texts(names)

    def reclaim(self, wire: Wire, worker: str) -> int:
        """Puts a dead worker's work back. Returns how many chunks; 0 if it lives after all."""
        stages = self._about(wire, worker.encode()).get("stages", [])
        moved, over = self._reclaim_all(wire, worker, stages)
        if over:
            wire.exchange(
                [("ZREM", self._keys.leases, worker), ("HDEL", self._keys.workers, worker)]
            )
        return moved

    def in_hand(self, wire: Wire, worker: str, stages: list[str]) -> set[tuple[str, bytes]]:
        """What the server says that a worker has in hand: stages and entry ids.

        Args:
            wire: a connection.
            worker: its name.
            stages: what it consumes, as `<flow>:<stage>`; of each the oldest hundred are told.
        """
        replies = wire.exchange(
            [
                ("XPENDING", self._stream(stage), GROUP, "-", "+", RECLAIM_ENTRIES, worker)
                for stage in stages
            ]
        )
        return {
            (stage, item[0])
            for stage, reply in zip(stages, replies, strict=True)
            if not isinstance(reply, StoreError)
            for item in reply
        }

    def return_strays(self, wire: Wire, worker: str, strays: Iterable[tuple[str, bytes]]) -> None:
        """Puts back what was delivered to a living worker in a reply that it has not seen.

        The reply got lost with the connection, or lies unread. Nobody else would miss it: the
        worker's lease goes on.

        Args:
            wire: a connection.
            worker: its name.
            strays: stages and entry ids. What the worker does not have any more stays as it is.
        """
        by_stage: dict[str, list[bytes]] = {}
        for stage, entry in sorted(strays):
            by_stage.setdefault(stage, []).append(entry)
        put_back = [
            commands.giveback(self._stream(stage), worker, ids) for stage, ids in by_stage.items()
        ]
        wire.call_all(put_back)

    def orphans(self, wire: Wire) -> list[tuple[str, str]]:
        """Consumers without a lease, lost in a failover, say: pairs of stage and worker."""
        known = set(_texts(wire.call(("ZRANGE", self._keys.leases, 0, -1))))
        abouts = wire.call(("HVALS", self._keys.workers))
        stages = sorted({stage for about in abouts for stage in _parse(about).get("stages", ())})
        replies = wire.exchange(
            [("XINFO", "CONSUMERS", self._stream(stage), GROUP) for stage in stages]
        )
        found = []
        for stage, reply in zip(stages, replies, strict=True):
            if isinstance(reply, StoreError):
                continue
            for flat in reply:
                names = _texts([dict(zip(flat[::2], flat[1::2], strict=True))[b"name"]])
                found += [(stage, name) for name in names if name not in known]
        return found

    def reclaim_orphan(self, wire: Wire, stage: str, worker: str) -> int:
        """Puts back what a consumer without a lease had of one stage."""
        return self._reclaim_all(wire, worker, [stage])[0]

    def _reclaim_all(self, wire: Wire, worker: str, stages: Sequence[str]) -> tuple[int, bool]:
        """All stages share a round trip: an app may have a hundred, and the server be far away.

        Returns:
            How many chunks were put back, and whether that is all; it is not if the worker lives.
        """
        moved = 0
        while stages:
            replies = wire.exchange(
                [
                    commands.reclaim(
                        self._keys.leases,
                        self._stream(stage),
                        worker,
                        self.now_ms,
                        RECLAIM_ENTRIES,
                    )
                    for stage in stages
                ]
            )
            full = []
            for stage, reply in zip(stages, replies, strict=True):
                put_back = _reclaimed(reply)
                if put_back < 0:
                    return moved, False
                moved += put_back
                if put_back == RECLAIM_ENTRIES:
                    full.append(stage)
            stages = full
        return moved, True

    def _stream(self, stage: str) -> str:
        flow, _, name = stage.partition(":")
        return self._keys.stream(flow, name)

    def _about(self, wire: Wire, worker: bytes) -> dict[str, Any]:
        return _parse(wire.call(("HGET", self._keys.workers, worker)))

    def _now(self, wire: Wire) -> int:
        if self.now_ms:
            return self.now_ms
        seconds, micros = wire.call(("TIME",))
        return int(seconds) * 1000 + int(micros) // 1000


def _reclaimed(reply: Reply) -> int:
    """What the script says; nothing is put back of a stream or group that is gone."""
    if not isinstance(reply, StoreError):
        return int(reply)
    if "NOGROUP" in str(reply) or "no such key" in str(reply).lower():
        return 0
    raise reply


def _parse(about: bytes | None) -> dict[str, Any]:
    try:
        found = json.loads(about or b"{}")
    except (ValueError, RecursionError):
        return {}
    stages = found.get("stages", []) if isinstance(found, dict) else None
    if not isinstance(stages, list) or len(stages) > MOST_STAGES:
        return {}
    if not all(isinstance(stage, str) and _STAGE.fullmatch(stage) for stage in stages):
        return {}
    return dict(found)


def _codes(told: object) -> dict[str, Code]:
    if not isinstance(told, dict):
        return {}
    read = {stage: Code.from_data(data) for stage, data in told.items()}
    return {stage: code for stage, code in read.items() if code is not None}


def _texts(names: Iterable[bytes]) -> list[str]:
    """The names without those that no worker of ours can have."""
    found = []
    for name in names:
        with suppress(UnicodeDecodeError):
            found.append(name.decode())
    return found
