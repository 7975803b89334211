"""The runs: submitted, signalled, held, prioritized, cancelled, and checked when they are over."""

from __future__ import annotations

import contextlib
import random
import time
from dataclasses import dataclass, field

from chaos import checker, edition_one
from chaos.crew import Crew
from chaos.figures import Figures

from pauseflow import Flow
from pauseflow.client import Client, RunInfo, RunState
from pauseflow.errors import RunOver, StoreError, UnknownRun
from support.waiting import wait_until

FLOWS = {each.name: each for each in vars(edition_one).values() if type(each) is Flow}
BUSY = {
    "lines": 50_000, "countdown": 3_000, "mixed": 4_000, "unordered": 3_000, "scopes": 400,
    "migrated": 800, "drained": 600, "woven": 4_000,
}  # fmt: skip
WAITING = {
    "approvals": 60, "flaky": 150, "limited": 100, "late": 60, "halting": 90, "endless": 1_000
}  # fmt: skip
SIZES = BUSY | WAITING
"""The largest inputs: of flows that keep workers busy, and of those that mostly wait."""

PATIENCE_SECONDS = 60.0
"""How long nothing may happen in a run. Kills that come one after the other make runs slow: what
waits in order for a dead worker's chunk waits for its lease."""

CANCELLED_SHARE = 0.08


@dataclass
class Run:
    """One of them.

    Attributes:
        doomed: seconds after which it is cancelled; None if it is not.
        since: when it was submitted, `time.monotonic`.
        moved: when something was last seen to happen in it.
        seen: what was seen then.
    """

    id: str
    flow: str
    size: int
    priority: str
    doomed: float | None
    since: float = field(default_factory=time.monotonic)
    moved: float = field(default_factory=time.monotonic)
    seen: object = None

    def moves(self, seen: object) -> bool:
        """Whether something has happened in it lately.

        Args:
            seen: what would be another then.
        """
        now = time.monotonic()
        if seen != self.seen:
            self.seen, self.moved = seen, now
        return now - self.moved < PATIENCE_SECONDS


class Load:
    """What users and operators do.

    Args:
        crew: the processes; its proxy cuts the connection of `client`, too.
        seed: of what is drawn by chance.
        figures: of what was done.
        at_once: how many runs of either kind.
    """

    def __init__(self, crew: Crew, seed: int, figures: Figures, at_once: int) -> None:
        self._at_once = at_once
        self._crew = crew
        self._random = random.Random(f"{seed} load")
        self._figures = figures
        self._client = Client.connect(crew.url_through_the_proxy("client"))
        self._direct = Client.connect(crew.url)
        self._decks: tuple[list[str], list[str]] = ([], [])
        self._submitted = 0
        self.open: dict[str, Run] = {}
        self._over: dict[str, Run] = {}
        self._told: set[str] = set()
        self._whole: dict[str, int] = {}
        self._letters: set[str] = set()

    @property
    def every_flow_had_its_turn(self) -> bool:
        """Whether each flow was submitted at least once."""
        return self._submitted >= len(SIZES)

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()
        self._direct.close()

    def top_up(self) -> None:
        """Keeps some runs going, each flow as often as any other."""
        for sizes, deck in zip((BUSY, WAITING), self._decks, strict=True):
            while sum(run.flow in sizes for run in self.open.values()) < self._at_once:
                if not deck:
                    deck.extend(self._random.sample(list(sizes), len(sizes)))
                run = self._draw(deck.pop())
                self.submit(run)
                self.open[run.id] = run

    def submit(self, run: Run) -> None:
        """Submits a run, again and again until it is said to be taken."""
        wait_until(lambda: self._try_submit(run), f"{run.id} is taken", seconds=60)
        if run.flow == "approvals":
            names = [f"ok-{number}" for number in range(0, run.size, 4) if number % 10 != 3]
            for name in self._random.sample(names, len(names) // 2):
                self._signal(run, name)

    def attend(self) -> None:
        """Looks at each run that is not over, and does what it needs."""
        for run in list(self.open.values()):
            with contextlib.suppress(StoreError):
                try:
                    self._attend(run, self._direct.run(run.id))
                except UnknownRun:
                    self.submit(run)  # the server lost its last second

    def hold(self) -> None:
        """Pauses a run, a flow or a stage, or lets all go on, or gives a run another priority."""
        run_id = self._random.choice(list(self.open) or [""])
        priority = self._random.choice(["high", "normal", "low"])
        what = self._random.choices(
            ["run", "flow", "stage", "urge", "let go", ""], [4, 1, 1, 2, 5, 3]
        )[0]
        if not run_id:
            return
        flow = self.open[run_id].flow
        with contextlib.suppress(StoreError):
            match what:
                case "run":
                    self._figures.holds += self._client.pause(run_id)
                case "flow":
                    self._figures.holds += self._client.pause_flow(flow)
                case "stage":
                    stage = FLOWS[flow].graph.stages[-1].name
                    self._figures.holds += self._client.pause_flow(flow, stage)
                case "urge":
                    self._client.prioritize(run_id, priority)
                case "let go":
                    self.let_go()

    def let_go(self) -> None:
        """Lets all go on that is held: the server may have lost that it was let go before."""
        with contextlib.suppress(StoreError):
            for name in self._direct.held().flows:
                self._direct.resume_flow(name)
            for flow, stage in self._direct.held().stages:
                self._direct.resume_flow(flow, stage)
            for run_id in self.open:
                with contextlib.suppress(UnknownRun, RunOver):
                    self._direct.resume(run_id)

    def standing(self) -> bool:
        """Whether a run that was over goes on, as the server had lost its end."""
        for run in self._over.values():
            with contextlib.suppress(UnknownRun):
                if run.id not in self.open and not self._direct.run(run.id).state.over:
                    run.moved = time.monotonic()
                    self.open[run.id] = run
        return bool(self.open)

    def check(self) -> None:
        """Checks what can only be seen when all is over, and drops the dead letters."""
        checker.check_effects(self._crew.log, self._whole, self._told)
        left = {letter.key for letter in self._direct.dead()}
        if left != self._letters:
            raise AssertionError(f"dead letters are {left} and should be {self._letters}")
        if left and self._direct.drop_dead(left) != len(left):
            raise AssertionError("dead letters were not all dropped")

    def _draw(self, flow: str) -> Run:
        size = self._random.randint(SIZES[flow] // 2, SIZES[flow])
        doomed = self._random.uniform(0.3, 4) if flow == "endless" else None
        if self._random.random() < CANCELLED_SHARE:
            doomed = self._random.uniform(0, 2)
        priority = self._random.choice(["high", "normal", "normal", "low"])
        self._submitted += 1
        return Run(f"{flow}-{self._submitted}", flow, size, priority, doomed)

    def _try_submit(self, run: Run) -> bool:
        try:
            self._client.submit(FLOWS[run.flow], run.size, run_id=run.id, priority=run.priority)
        except StoreError:
            return False
        return True

    def _attend(self, run: Run, info: RunInfo) -> None:
        books = [(stage.done, stage.emitted, stage.cursor) for stage in info.stages]
        if not run.moves((books, info.state)):
            raise AssertionError(f"run {run.id} stands still: {info}")
        if info.state.over:
            self._end(run, info)
            return
        if run.doomed is not None and time.monotonic() - run.since > run.doomed:
            with contextlib.suppress(RunOver):
                self._figures.cancels += self._client.cancel(run.id)
            return
        if info.state is RunState.HALTED:
            if run.flow != "halting":
                raise AssertionError(f"run {run.id} halted: {info.error}")
            self._crew.log.with_name(f"{self._crew.log.name}.{run.id}").touch()
            self._figures.halts += self._client.retry(run.id)
        for parked in info.parked:
            if parked.why == "code":
                self._figures.foreign.add(run.id)
            if run.flow == "approvals" and parked.why == "signal":
                self._answer(run, parked.note)

    def _answer(self, run: Run, name: str) -> None:
        """Tells the one who waits for it; whom it doesn't reach is told next time."""
        late = name.startswith("ok-") and int(name[3:]) % 10 == 3
        if not late and self._random.random() < 0.5:
            self._signal(run, name)

    def _signal(self, run: Run, name: str) -> None:
        with contextlib.suppress(StoreError):
            self._client.signal(run.id, name, checker.answer(run.id, name))
            self._figures.signals += 1

    def _end(self, run: Run, info: RunInfo) -> None:
        results = list(self._direct.results(run.id))
        letters = list(self._direct.dead(run=run.id))
        crashed = sum(letter.error_type == "CrashedWorker" for letter in letters)
        if info.state is RunState.CANCELLED:
            if run.doomed is None:
                raise AssertionError(f"run {run.id} was cancelled by nobody")
            checker.check_cancelled(run.flow, run.size, run.id, results, crashed=crashed)
            if run.flow == "endless":
                self._told.add(run.id)
                telling = self._direct.run(f"{run.id}.on_cancel")
                if telling.state is not RunState.DONE:
                    return  # it is looked at again
        else:
            keys = {letter.key for letter in letters}
            checker.check_results(run.flow, run.size, run.id, results, crashed=crashed)
            checker.check_letters(run.flow, run.size, run.id, keys, crashed)
            if run.flow == "scopes" and not crashed:
                self._whole[run.id] = run.size
        self._letters |= {letter.key for letter in letters}
        self._figures.letters += len(letters)
        self._figures.crashed += crashed
        del self.open[run.id]
        if run.id not in self._over:
            self._over[run.id] = run
            self._figures.runs += 1
            self._figures.records += len(results)
