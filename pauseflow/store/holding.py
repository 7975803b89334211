"""Holding: pauses, resumes and cancels runs, flows and stages."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from itertools import islice
from typing import assert_never

from pauseflow import codec
from pauseflow.errors import RunOver
from pauseflow.graph import ON_CANCEL, telling_flow
from pauseflow.store import commands
from pauseflow.store.commands import Cancelled, PausedRun, Resumed
from pauseflow.store.envelope import Envelope
from pauseflow.store.held import CHANGES, PAUSED, Held, flow_field
from pauseflow.store.keys import Keys
from pauseflow.store.runs import Runs, unknown_run
from pauseflow.store.seals import Seals
from pauseflow.store.server import Wire
from pauseflow.store.tuning import KEEP_MS
from pauseflow.store.waking import waking

AT_ONCE = 500
"""Names that are looked through or taken out together."""


class Holding:
    """What people hold in a namespace.

    Args:
        keys: the namespace's keys.
        wire: a connection of the caller's thread.
        runs: the same namespace's runs, over the same connection.
    """

    def __init__(self, keys: Keys, wire: Wire, runs: Runs) -> None:
        self._keys = keys
        self._wire = wire
        self._runs = runs
        self.now_ms = 0

    def held(self) -> Held:
        """What stands still now."""
        return Held.parse(self._wire.call(("HGETALL", self._keys.held)))

    def changes(self) -> bytes | None:
        """Something that is another whenever `held` is."""
        found: bytes | None = self._wire.call(("HGET", self._keys.held, CHANGES))
        return found

    def pause(self, run_id: str) -> bool:
        """Pauses a run. Returns whether it was not paused before.

        Raises:
            UnknownRun: there is none of this id.
            RunOver: it is done, or cancelled.
        """
        run = self._keys.run(run_id)
        status = PausedRun(self._wire.call(commands.pause(run.base, self._keys.held, run_id)))
        match status:
            case PausedRun.YES | PausedRun.BEFORE:
                return status is PausedRun.YES
            case PausedRun.NO_RUN:
                raise unknown_run(run_id)
            case PausedRun.DONE:
                raise RunOver(f"run {run_id!r} is done: there is nothing to pause")
            case PausedRun.CANCELLED:
                raise RunOver(f"run {run_id!r} is cancelled: there is nothing to pause")
            case _:
                assert_never(status)

    def resume(self, run_id: str) -> bool:
        """Lets a paused run go on, and what it has parked for the pause. Returns whether it was.

        Raises:
            UnknownRun: there is none of this id.
            RunOver: it is done, or cancelled.
        """
        flow, stages = self._shape(run_id)
        run = self._keys.run(run_id)
        streams = [self._keys.stream(flow, stage) for stage in stages]
        status = Resumed(
            self._wire.call(commands.resume(run.base, self._keys.held, streams, run_id, stages))
        )
        match status:
            case Resumed.NO_RUN:
                raise unknown_run(run_id)
            case Resumed.DONE:
                raise RunOver(f"run {run_id!r} is done: there is nothing to resume")
            case Resumed.CANCELLED:
                raise RunOver(
                    f"run {run_id!r} is cancelled, which can't be taken back: submit its input "
                    f"again, as a new run"
                )
            case Resumed.NOT_PAUSED | Resumed.YES | Resumed.HALTED:
                woken = self._wake(flow, run_id)
                return status is not Resumed.NOT_PAUSED or woken > 0
            case _:
                assert_never(status)

    def _wake(self, flow: str, run_id: str) -> int:
        """Puts back all that was parked because its run was paused."""
        parked = self._runs.parked_fields(run_id)
        names = (f"{run_id} {flow} {name}" for name, chunk in parked if chunk.why == PAUSED)
        woken = 0
        while some := list(islice(names, AT_ONCE)):
            woken += sum(map(int, self._wire.call_all(list(waking(self._keys, some, PAUSED)))))
        return woken

    def cancel(self, run_id: str) -> bool:
        """Cancels a run, and has its flow's `on_cancel` told. Returns whether it was going.

        Raises:
            UnknownRun: there is none of this id.
            RunOver: it is done.
        """
        flow, stages = self._shape(run_id)
        run = self._keys.run(run_id)
        told = self._tells(run_id)
        status = self._cancel(flow, run_id, stages, f"{run_id}.{ON_CANCEL}" if told else "")
        if status is Cancelled.NAME_TAKEN:
            another = f"{run_id}.{ON_CANCEL}.{uuid.uuid4().hex[:8]}"
            status = self._cancel(flow, run_id, stages, another)
        match status:
            case Cancelled.NO_RUN:
                raise unknown_run(run_id)
            case Cancelled.DONE:
                raise RunOver(f"run {run_id!r} is done: there is nothing to cancel")
            case _:
                self._forget_timers(flow, run_id)
                self._wire.call(("UNLINK", run.parked))
                return status is Cancelled.YES

    def _cancel(self, flow: str, run_id: str, stages: Sequence[str], telling: str) -> Cancelled:
        keys = self._keys
        run, other = keys.run(run_id), keys.run(telling or run_id)
        others = [run.waits, run.signals]
        for stage in stages:
            others += [run.backlog(stage), run.reorder(stage), run.state(stage)]
        items = codec.encode_items([run_id])
        envelope = Envelope(
            run=telling,
            seq=0,
            ordinal=0,
            crashes=0,
            count=1,
            marks=0,
            ended=True,
            frames=b"",
            items=items,
        )
        status = self._wire.call(
            commands.cancel(
                run.base,
                run.results,
                run.parked,
                run.room,
                keys.expiring,
                keys.held,
                keys.runs,
                other.base,
                keys.stream(telling_flow(flow), ON_CANCEL),
                others,
                run_id,
                self.now_ms,
                KEEP_MS,
                telling,
                telling_flow(flow),
                Seals(keys.signing).envelope(ON_CANCEL, envelope).pack(),
            )
        )
        return Cancelled(status)

    def _forget_timers(self, flow: str, run_id: str) -> None:
        """Takes what a cancelled run has parked out of the timers."""
        names = (f"{run_id} {flow} {name}" for name, _ in self._runs.parked_fields(run_id))
        while some := list(islice(names, AT_ONCE)):
            self._wire.call(("ZREM", self._keys.timers, *some))

    def hold(self, flow: str, stage: str | None, *, held: bool) -> bool:
        """Pauses a flow or one of its stages, or lets it go on. Returns whether that is news.

        Args:
            flow: the flow's name.
            stage: the stage's; None for all of the flow.
            held: whether it is to stand still.
        """
        field = flow_field(flow, stage)
        reply = self._wire.call(commands.hold(self._keys.held, field, PAUSED if held else ""))
        return bool(reply)

    def _shape(self, run_id: str) -> tuple[str, list[str]]:
        """A run's flow and the names of its stages. They never change."""
        flow, stages = self._wire.call(("HMGET", self._keys.run(run_id).base, "flow", "stages"))
        if flow is None:
            raise unknown_run(run_id)
        return flow.decode("utf-8", "replace"), (stages or b"").decode("utf-8", "replace").split()

    def _tells(self, run_id: str) -> bool:
        """Whether the run's flow has an `on_cancel`."""
        sources = self._wire.call(("HGET", self._keys.run(run_id).base, "results_from"))
        return any(
            source.startswith(f"{ON_CANCEL}:".encode()) for source in (sources or b"").split()
        )
