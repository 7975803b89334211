"""Steering: what people do with runs that go, wait or have failed. The client's other half."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from pauseflow.answer import Answer
from pauseflow.errors import RunOver, SignalRefused
from pauseflow.graph import Graph
from pauseflow.pause import check_signal_name
from pauseflow.store.commands import Delivered, Prioritized
from pauseflow.store.held import Held
from pauseflow.store.holding import Holding
from pauseflow.store.keys import Keys
from pauseflow.store.lanes import lane
from pauseflow.store.letterbox import Letterbox, Sought
from pauseflow.store.letters import Letter
from pauseflow.store.runs import SIGNALS_KEPT, Runs, unknown_run
from pauseflow.store.server import Wire
from pauseflow.store.skipping import Skipping


class HasGraph(Protocol):
    """A flow, as far as a client needs one."""

    @property
    def graph(self) -> Graph:
        """The flow's stages."""


class Steering:
    """Signals, retries, dead letters, priorities; pauses, resumes and cancels. Part of `Client`.

    Args:
        keys: the namespace's keys.
        wire: a connection of the caller's thread.
        runs: the namespace's runs, over the same connection.
    """

    def __init__(self, keys: Keys, wire: Wire, runs: Runs) -> None:
        self._runs = runs
        self._holding = Holding(keys, wire, runs)
        self._letterbox = Letterbox(keys, wire)
        self._skipping = Skipping(keys, wire, runs)

    def prioritize(self, run_id: str, priority: str) -> bool:
        """Gives a run another priority. Returns whether it had another one before.

        Workers take up what a run of a higher priority has ready before anything else, and one
        chunk in eight of what is less urgent, so that nothing waits for ever. What is on its way
        already keeps its place. A limit or rate is not exceeded for any priority.

        Args:
            run_id: the run.
            priority: `high`, `normal` or `low`.

        Raises:
            ValueError: there is no such priority.
            UnknownRun: there is no such run.
            RunOver: it is done, or cancelled.
        """
        match self._runs.prioritize(run_id, lane(priority)):
            case Prioritized.NO_RUN:
                raise unknown_run(run_id)
            case Prioritized.RUN_OVER:
                raise RunOver(f"run {run_id!r} is over: its priority does not matter any more")
            case done:
                return done is Prioritized.YES

    def retry(self, run_id: str) -> int:
        """Lets a halted run go on at the very records that failed, with what was done of them kept.

        Returns:
            How many chunks were put back.

        Raises:
            UnknownRun: there is no such run.
        """
        info = self._runs.info(run_id, parked=False)
        failed = [name for name, chunk in self._runs.parked_fields(run_id) if chunk.why == "failed"]
        return self._runs.wake(info.flow, run_id, failed, why="failed")

    def skip(self, run_id: str) -> list[str]:
        """Sets aside the very records that a run halted at, and lets it go on behind them.

        Returns:
            The keys of the dead letters that they are now; none if nothing has failed.

        Raises:
            UnknownRun: there is no such run.
            SkipRefused: the run is over, or what failed can't be read.
        """
        return self._skipping.skip(run_id)

    def dead(
        self,
        *,
        flow: str | None = None,
        run: str | None = None,
        stage: str | None = None,
        error: str | None = None,
    ) -> Iterator[Letter]:
        """The dead letters, newest first, read as they are asked for.

        Args:
            flow: only of the flow of this name.
            run: only of this run.
            stage: only of stages of this name.
            error: only where the exception's type has this name.
        """
        return self._letterbox.letters(Sought(flow=flow, run=run, stage=stage, error=error))

    def count_dead(self) -> int:
        """How many dead letters there are in all."""
        return self._letterbox.count()

    def dead_letter(self, key: str) -> Letter:
        """The dead letter of this key, which is its record's.

        Raises:
            UnknownLetter: there is none.
        """
        (letter,) = self._letterbox.get([key])
        return letter

    def retry_dead(self, flow: HasGraph, keys: Iterable[str]) -> dict[str, str]:
        """Tries dead letters again: each goes on at its stage, from its frame, in a run of its own.

        Its key at that stage stays what it was. Its results are those of the new run.

        Args:
            flow: whose they all are, or whose `on_cancel`.
            keys: of the letters. All are looked at before the first is tried again.

        Returns:
            For each key, the new run's id: `<run>.again-<number>`. A key is missing whose letter
            somebody else has taken at the same time.

        Raises:
            UnknownLetter: there is no letter of one of the keys.
            LetterRefused: a letter is of another flow, or can't be read.
            UnknownName: the flow has no such stage any more.
        """
        letters = list(self._letterbox.get(keys))
        graph, telling = flow.graph, flow.graph.on_cancel
        if telling is not None and any(letter.flow == telling.name for letter in letters):
            graph = telling
        return self._letterbox.revive(graph, letters)

    def edit_dead(self, key: str, record: object) -> None:
        """Puts another record in the place of a dead letter's, for a retry.

        The key stays. What was done of the old record is forgotten: a branch that died after three
        values gives them again, from the new record.

        Raises:
            NotSerializable: the record has no encoding; the letter stays as it is.
            UnknownLetter: there is no such letter.
            LetterRefused: it has no record, or somebody else has changed it.
        """
        self._letterbox.edit(key, record)

    def drop_dead(self, keys: Iterable[str]) -> int:
        """Drops dead letters for good. Returns how many of them there were."""
        return self._letterbox.drop(keys)

    def signal(
        self, run_id: str, name: str, data: object = None, *, broadcast: bool = False
    ) -> bool:
        """Sends a signal to a run: what has waited longest for it there goes on, with the data.

        A signal that nothing waits for yet is kept for the first that will.

        Args:
            run_id: the run.
            name: of the signal, as in `PauseFlow(until=name)`.
            data: a record; what the pause evaluates to.
            broadcast: wake all that wait for it now, rather than one.

        Returns:
            Whether something waited for it.

        Raises:
            UnknownRun: there is no such run.
            SignalRefused: the run is over, or keeps 10,000 signals that nothing has waited for.
            NotSerializable: the data has no encoding.
            ValueError: that can't be the name of a signal.
        """
        answer = Answer.of_signal(check_signal_name(name), data)
        match self._runs.deliver(run_id, answer, broadcast=broadcast):
            case Delivered.NO_RUN:
                raise unknown_run(run_id)
            case Delivered.RUN_OVER:
                raise SignalRefused(f"run {run_id!r} is over: nothing in it waits for {name!r}")
            case Delivered.FULL:
                raise SignalRefused(
                    f"run {run_id!r} keeps {SIGNALS_KEPT:,} signals already that nothing waits "
                    f"for, so it takes no more. Is {name!r} the name that its stages wait for?"
                )
            case delivered:
                return delivered is Delivered.WOKEN

    def pause(self, run_id: str) -> bool:
        """Pauses a run: within a second its stages stop at a record or yield, and keep their place.

        What is fed, signalled or due meanwhile is kept. Nothing is lost, and no retry is used up.

        Returns:
            False if it was paused already.

        Raises:
            UnknownRun: there is no such run.
            RunOver: it is done, or cancelled.
        """
        return self._holding.pause(run_id)

    def resume(self, run_id: str) -> bool:
        """Lets a paused run go on where it stands. A run that has halted is halted again.

        Safe to repeat after an error.

        Returns:
            False if it was not paused.

        Raises:
            UnknownRun: there is no such run.
            RunOver: it is done, or cancelled.
        """
        return self._holding.resume(run_id)

    def cancel(self, run_id: str) -> bool:
        """Ends a run where it stands, for good: within a second nothing of it runs any more.

        Its results so far can be read for an hour. What it has waiting or parked is dropped; its
        dead letters are kept. The flow's `on_cancel` is told, by a worker.

        Returns:
            False if it was cancelled before.

        Raises:
            UnknownRun: there is no such run.
            RunOver: it is done.
        """
        return self._holding.cancel(run_id)

    def pause_flow(self, flow: str, stage: str | None = None) -> bool:
        """Keeps workers from a flow, or from one of its stages, for all its runs, within a second.

        Workers that start later keep to it as well. Nobody checks that there is such a flow.

        Args:
            flow: the flow's name.
            stage: the stage's; all of the flow if it is left out.

        Returns:
            False if it was paused already.
        """
        return self._holding.hold(flow, stage, held=True)

    def resume_flow(self, flow: str, stage: str | None = None) -> bool:
        """Lets workers at a flow, or at one of its stages, again.

        Stages that were paused by themselves stay so when their flow is resumed.

        Returns:
            False if it was not paused.
        """
        return self._holding.hold(flow, stage, held=False)

    def held(self) -> Held:
        """The runs, flows and stages that are paused, and the runs that were cancelled lately."""
        return self._holding.held()
