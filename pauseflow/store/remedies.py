"""The typed signatures of the scripts with which `flowctl doctor` looks and mends."""

from __future__ import annotations

from pauseflow.store.scripts import Arg, Args, Key, Keys, script


@script
def look(
    run: Key,
    parked: Key,
    signals: Key,
    timers: Key,
    jobs: Key,
    parts: Keys,
    run_id: Arg,
    flow: Arg,
    most: Arg,
    volume: Arg,
    kinds: Args,
) -> None:
    """Looks at what a run has where."""


@script
def mend(run: Key, field: Arg, before: Arg, after: Arg) -> None:
    """Writes the books of a stage anew."""


@script
def push(run: Key, stream: Key, run_id: Arg, field: Arg, before: Arg) -> None:
    """Sends a stage an empty chunk."""


@script
def putback(target: Key, holder: Key, member: Arg, score: Arg, field: Arg, head: Arg) -> None:
    """Puts a member back into a sorted set."""


@script
def drop(target: Key, holder: Key, member: Arg, field: Arg, head: Arg) -> None:
    """Takes a member out of a sorted set."""


@script
def disown(run: Key, runs: Key, expiring: Key, held: Key, leftovers: Keys, run_id: Arg) -> None:
    """Forgets what is left of a run that is gone."""


@script
def expire(run: Key, expiring: Key, own: Keys, run_id: Arg, now: Arg, keep: Arg) -> None:
    """Has a run that is over go in a while."""


@script
def lacking(target: Key, holder: Key, pairs: Args) -> None:
    """Finds the members of a sorted set that stand for nothing."""
