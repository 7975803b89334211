"""What is left in the server when all is over."""

from __future__ import annotations

from collections.abc import Sequence

from chaos.crew import COORDINATORS, WORKERS, Crew

from pauseflow.store.keys import Keys
from pauseflow.store.server import Wire
from support.waiting import wait_until

EMPTY = ("runs", "expiring", "timers", "jobs", "dead", "letters", "leases", "workers", "quarantine")
"""Permanent keys that have nothing in them when nothing goes on."""


def check_leftovers(crew: Crew, wire: Wire, keys: Keys, streams: Sequence[str]) -> None:
    """Lets an hour pass for what expires, ends the crew, and finds nothing that is not permanent.

    Args:
        crew: all runs of which are over.
        wire: to the server itself.
        keys: the namespace's.
        streams: of all stages and priorities.
    """
    crew.thaw(everything=True)
    for key in wire.call(("KEYS", "*")):
        if keys.permanent(key.decode()):
            continue
        if wire.call(("PTTL", key)) == -1:
            raise AssertionError(f"the key {key.decode()} is left without an expiry")
        wire.call(("UNLINK", key))  # it has expired
    for run_id in wire.call(("ZRANGE", keys.expiring, 0, -1)):
        wire.call(("ZADD", keys.expiring, "XX", 0, run_id))
    wait_until(lambda: not wire.call(("ZCARD", keys.runs)), "the janitor has forgotten the runs")
    crew.end(WORKERS)
    wait_until(lambda: not wire.call(("ZCARD", keys.leases)), "all leases have ended")
    wait_until(lambda: not _consumers(wire, streams), "no consumer is left", seconds=25)
    crew.end(COORDINATORS)
    left = {key.decode() for key in wire.call(("KEYS", "*"))}
    if foreign := {key for key in left if not keys.permanent(key)}:
        raise AssertionError(f"keys are left: {foreign}")
    if full := {name for name in EMPTY if keys.prefix + name in left}:
        raise AssertionError(f"there is something left in {full}")
    held = wire.call(("HKEYS", keys.held))
    if set(held) - {b"changes", b"lanes"}:
        raise AssertionError(f"still held: {held}")
    for stream in streams:
        if stream in left and wire.call(("XLEN", stream)):
            raise AssertionError(f"{stream} has entries left")


def _consumers(wire: Wire, streams: Sequence[str]) -> list[object]:
    """Consumers of any group."""
    known = [stream for stream in streams if wire.call(("EXISTS", stream))]
    replies = wire.exchange([("XINFO", "CONSUMERS", stream, "workers") for stream in known])
    return [consumer for reply in replies for consumer in reply]
