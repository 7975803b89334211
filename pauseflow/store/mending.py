"""Mending: puts right what a look has found wrong, if it is still so."""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from pauseflow.errors import StoreError
from pauseflow.pause import JOB
from pauseflow.store import remedies
from pauseflow.store.fleet import Fleet
from pauseflow.store.held import PAUSED
from pauseflow.store.jobwaits import JobWait, JobWaits
from pauseflow.store.keys import GROUP, Keys
from pauseflow.store.recount import COUNTERS, read_books
from pauseflow.store.scripts import Command
from pauseflow.store.server import Wire
from pauseflow.store.tuning import KEEP_MS
from pauseflow.store.upkeep import Upkeep
from pauseflow.store.waking import waking
from pauseflow.store.wrong import (
    Disown,
    DropDeaths,
    DropJobs,
    DropTimers,
    DropWait,
    Expire,
    ListLetters,
    MakeGroup,
    Push,
    Reclaim,
    Remedy,
    Rewrite,
    SetTimer,
    SetWait,
    Unpause,
    WatchJob,
)


class Mending:
    """Applies remedies. Each looks again, in the same script, whether it is still needed.

    Args:
        keys: the namespace's keys.
        wire: a connection of the caller's thread.
    """

    def __init__(self, keys: Keys, wire: Wire) -> None:
        self._keys = keys
        self._wire = wire
        self.now_ms = 0

    def apply(self, remedy: Remedy, run_id: str = "", flow: str = "") -> str:
        """Puts something right.

        Args:
            remedy: how.
            run_id: of which run; empty if it is of none.
            flow: the run's flow.

        Returns:
            What was done, in words; empty if it is not wrong any more, or is otherwise.
        """
        match remedy:
            case Rewrite() | Push() | SetTimer() | SetWait() | DropWait() | WatchJob() | Unpause():
                return self._of_run(remedy, run_id, flow)
            case DropTimers() | DropJobs() | DropDeaths() | ListLetters():
                return self._of_lists(remedy)
            case Disown() | Expire():
                return self._of_runs(remedy)
            case Reclaim(stage, worker):
                fleet = Fleet(self._keys)
                fleet.now_ms = self.now_ms
                count = fleet.reclaim_orphan(self._wire, stage, worker)
                return f"{count:,} chunks were put back" if count else ""
            case MakeGroup(stream):
                reply = self._wire.exchange([("XGROUP", "CREATE", stream, GROUP, "0")])[0]
                return "" if isinstance(reply, StoreError) else "the group was made"
            case _:
                assert_never(remedy)

    def _of_run(
        self,
        remedy: Rewrite | Push | SetTimer | SetWait | DropWait | WatchJob | Unpause,
        run_id: str,
        flow: str,
    ) -> str:
        keys, run = self._keys, self._keys.run(run_id)
        match remedy:
            case Rewrite(field, before, after):
                command = remedies.mend(run.base, field, before, after)
                done = f"its books were written anew: {_changes(field, before, after)}"
            case Push(stage, before):
                stream = keys.stream(flow, stage)
                command = remedies.push(run.base, stream, run_id, f"b:{stage}", before)
                done = "it was given an empty chunk, to go on after"
            case SetTimer(field, wake, head):
                timer = f"{run_id} {flow} {field}"
                command = remedies.putback(keys.timers, run.parked, timer, wake, field, head)
                done = "its timer was put back"
            case SetWait(field, member, head):
                command = remedies.putback(run.waits, run.parked, member, 0, field, head)
                done = "it was listed again"
            case DropWait(wait, field, head):
                command = remedies.drop(run.waits, run.parked, wait, field, head)
                done = "it was struck out"
            case WatchJob(name):
                # one that nothing waits for is struck out when it is looked at
                now = self.now_ms or Upkeep(keys, self._wire).now()
                command = ("ZADD", keys.jobs, "NX", now, f"{run_id} {name}")
                done = "a coordinator will look at it"
            case Unpause(fields):
                names = [f"{run_id} {flow} {field}" for field in fields]
                woken = sum(self._wire.call(each) for each in waking(keys, names, PAUSED))
                return f"{woken:,} were put back" if woken else ""
            case _:
                assert_never(remedy)
        return done if self._wire.call(command) else ""

    def _of_lists(self, remedy: DropTimers | DropJobs | DropDeaths | ListLetters) -> str:
        keys = self._keys
        match remedy:
            case DropTimers(run_id, members):
                parked = keys.run(run_id).parked
                count = self._count(
                    remedies.drop(keys.timers, parked, member, field, "")
                    for member, field in members
                )
                return f"{count:,} were struck out" if count else ""
            case DropJobs(jobs):
                waits = JobWaits(keys, self._wire)
                for run_id, job in jobs:
                    waits.forget(JobWait(run_id, job.removeprefix(JOB)), 1)
                return f"{len(jobs):,} were struck out"
            case DropDeaths(names):
                count = self._count(
                    remedies.drop(keys.dead, keys.letters, name, name, "") for name in names
                )
                return f"{count:,} were struck out" if count else ""
            case ListLetters(letters):
                count = self._count(
                    remedies.putback(keys.dead, keys.letters, name, since, name, "")
                    for name, since in letters
                )
                return f"{count:,} were listed" if count else ""
            case _:
                assert_never(remedy)

    def _of_runs(self, remedy: Disown | Expire) -> str:
        keys = self._keys
        match remedy:
            case Disown(runs):
                count = self._count(
                    remedies.disown(
                        keys.run(run_id).base, keys.runs, keys.expiring, keys.held, left, run_id
                    )
                    for run_id, left in runs
                )
                return "what was left of it was dropped" if count else ""
            case Expire(ids):
                count = self._count(self._expire(run_id) for run_id in ids)
                return "it goes in an hour" if count else ""
            case _:
                assert_never(remedy)

    def _expire(self, run_id: str) -> Command:
        run = self._keys.run(run_id)
        own = [run.results, run.parked]
        return remedies.expire(run.base, self._keys.expiring, own, run_id, self.now_ms, KEEP_MS)

    def _count(self, sent: Iterable[Command]) -> int:
        return sum(int(self._wire.call(command)) for command in sent)


def _changes(field: str, before: bytes, after: bytes) -> str:
    if not field.startswith("b:"):
        return f"{field} {before.decode('utf-8', 'replace')} → {after.decode()}"
    old, new = read_books(before) or {}, read_books(after) or {}
    return ", ".join(
        f"{name} {old.get(name, 0):,} → {new[name]:,}"
        for name in COUNTERS
        if old.get(name, 0) != new[name]
    )
