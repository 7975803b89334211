"""A flow while it is being written: stages as they were declared, and what follows what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pauseflow.errors import FlowDefinitionError
from pauseflow.graph import Graph, Kind, Outlet, Stage

if TYPE_CHECKING:
    from pauseflow.schedule import Schedule


LONGEST_NAME = 80


@dataclass(frozen=True, slots=True)
class _Declared:
    stage: Stage
    after: tuple[str | None, ...]
    finished: Stage | None


class Plan:
    """Collects stages, refuses what can't work, and makes the graph.

    Args:
        name: the flow's name.
        on_cancel: what runs when a run is cancelled.
    """

    __slots__ = ("_declared", "_followers", "_graph", "_on_cancel", "_schedules", "name")

    def __init__(self, name: str, on_cancel: Stage | None = None) -> None:
        self.name = name
        self._on_cancel = on_cancel
        self._declared: dict[str, _Declared] = {}
        self._followers: dict[tuple[str | None, int | None], list[str]] = {}
        self._schedules: dict[str, Schedule] = {}
        self._graph: Graph | None = None

    def add(
        self,
        stage: Stage,
        *,
        after: str | None,
        finished: Stage | None = None,
        arm: int | None = None,
        others: Sequence[tuple[str | None, int | None]] = (),
    ) -> None:
        """Put a stage after another, or at the beginning.

        Args:
            stage: the new stage.
            after: the name of the stage above; None for the beginning.
            finished: what runs when a series of `stage`, a branch, is over.
            arm: which line of the stage above, if that is a route.
            others: further stages above, and their arms, of a stage where lines meet.

        Raises:
            FlowDefinitionError: the flow can't be continued like this.
        """
        if self._graph is not None:
            raise FlowDefinitionError(
                f"flow {self.name!r} is in use already, so stage {stage.name!r} comes too late: "
                f"add all stages before the flow is run or submitted"
            )
        self._check_unique(stage.name)
        if finished is not None:
            self._check_unique(finished.name)
        if not stage.ordered:
            self._check_may_be_unordered(stage, after)
        if stage.fold is not None and stage.fold.per is not None:
            self._close_scope(stage, stage.fold.per, after)
        above = ((after, arm), *others)
        self._declared[stage.name] = _Declared(stage, tuple(name for name, _ in above), finished)
        for place in above:
            self._followers.setdefault(place, []).append(stage.name)

    def scopes(self, after: str | None) -> list[str]:
        """The branches whose series a record belongs to at this place, the innermost first.

        A fold gives one value for a series, and so ends it, and all that are inside of it.

        Args:
            after: the name of the stage that the record comes from.
        """
        open_ones: list[str] = []
        for declared in self._line(after):
            fold = declared.stage.fold
            if fold is not None:
                ended = open_ones.index(fold.per) + 1 if fold.per in open_ones else len(open_ones)
                del open_ones[:ended]
            elif declared.stage.kind is Kind.BRANCH:
                open_ones.insert(0, declared.stage.name)
        return open_ones

    def schedule(self, schedule: Schedule) -> None:
        """Add a rule by which runs start by themselves.

        Raises:
            FlowDefinitionError: the flow has one of this name, or is in use already.
        """
        if self._graph is not None:
            raise FlowDefinitionError(
                f"flow {self.name!r} is in use already, so schedule {schedule.name!r} comes too "
                f"late: add it before the flow is run or submitted"
            )
        if schedule.name in self._schedules:
            raise FlowDefinitionError(
                f"flow {self.name!r}: two schedules are called {schedule.name!r}: give one a "
                f"name=..."
            )
        self._schedules[schedule.name] = schedule

    def graph(self) -> Graph:
        """The finished graph; no stage can be added from then on.

        Raises:
            FlowDefinitionError: the flow has no stages.
        """
        if self._graph is None:
            self._graph = self._build()
        return self._graph

    def names(self) -> tuple[str, ...]:
        """The names of the stages so far, as declared."""
        return tuple(self._declared)

    def _check_unique(self, name: str) -> None:
        taken = set(self._declared)
        taken.update(given.finished.name for given in self._declared.values() if given.finished)
        if name in taken:
            raise FlowDefinitionError(
                f"flow {self.name!r}: two stages are called {name!r}: give one a name=..."
            )

    def _line(self, after: str | None) -> list[_Declared]:
        """The stages of the line that leads to a place, from where it begins or lines have met."""
        line: list[_Declared] = []
        while after is not None:
            declared = self._declared[after]
            if len(declared.after) > 1:
                break
            line.insert(0, declared)
            (after,) = declared.after
        return line

    def _above(self, after: str | None) -> Iterator[_Declared]:
        """All stages above a place, the last first, so that what is inside comes before."""
        reached = {after}
        for name, declared in reversed(self._declared.items()):
            if name in reached:
                reached.update(declared.after)
                yield declared

    def _close_scope(self, stage: Stage, per: str, after: str | None) -> None:
        """A value for each series of a branch: the branch has to say where each is over."""
        for declared in reversed(self._line(after)):
            if not declared.stage.ordered:
                raise FlowDefinitionError(
                    f"flow {self.name!r}: stage {stage.name!r} has a value for each series of "
                    f"branch {per!r}, and stage {declared.stage.name!r} between them is "
                    f"ordered=False, so that nobody could tell where a series is over: leave out "
                    f"ordered=False"
                )
            if declared.stage.name == per:
                marking = replace(declared.stage, marks=True)
                self._declared[per] = replace(declared, stage=marking)
                return

    def _check_may_be_unordered(self, stage: Stage, after: str | None) -> None:
        for declared in self._above(after):
            if declared.finished is not None:
                raise FlowDefinitionError(
                    f"flow {self.name!r}: stage {stage.name!r} is ordered=False, and comes after "
                    f"branch {declared.stage.name!r} with finished=, which could then not tell "
                    f"when its series is over: leave out ordered=False, or finished="
                )

    def _build(self) -> Graph:
        stages = {given.stage.name: given.stage for given in self._declared.values()}
        outlets: dict[str, list[Outlet]] = {name: [] for name in stages}
        for (source, arm), targets in self._followers.items():
            if source is not None:
                outlets[source] += [self._outlet(source, arm, target) for target in targets]
        first = self._followers.get((None, None), [])
        if len(first) > 1:
            beginning = self._beginning()
            stages[beginning.name] = beginning
            outlets[beginning.name] = [Outlet(name) for name in first]
        for name, declared in self._declared.items():
            cases = declared.stage.cases
            arms = [None] if cases is None else [*range(cases.count)]
            ends = [arm for arm in arms if (name, arm) not in self._followers]
            if declared.stage.kind is not Kind.EACH:
                outlets[name] += [self._outlet(name, arm, None) for arm in ends]
            if ends:
                self._end_line(name, stages, outlets)
        shape = Graph(self.name, stages.values(), outlets)
        return Graph(
            self.name,
            _with_copies(shape.stages, outlets),
            outlets,
            tuple(self._schedules.values()),
            self._on_cancel,
        )

    def _beginning(self) -> Stage:
        """Gives what comes in to several lines, where the flow itself was continued twice."""
        name = f"{self.name}.input"[-LONGEST_NAME:]
        self._check_unique(name)
        return Stage(name=name, kind=Kind.MAP, fn=same)

    def _outlet(self, source: str, arm: int | None, target: str | None) -> Outlet:
        """Where records of a stage, or of one line of a route, go; None: they are results."""
        cases = self._declared[source].stage.cases
        name = "" if cases is None or arm is None else cases.name(arm)
        return Outlet(target, markers=target is not None, arm=arm, name=name)

    def _end_line(
        self, last: str, stages: dict[str, Stage], outlets: dict[str, list[Outlet]]
    ) -> None:
        """The markers of a last stage go through each finished.

        Where lines part below a branch, its finished gets the markers of each.
        """
        source = last
        chain = [declared for declared in self._above(last) if declared.finished]
        for position, declared in enumerate(chain):
            finished = declared.finished
            assert finished is not None  # noqa: S101 # that is what the chain is of
            if finished.name not in stages:
                outer = [each.stage.name for each in chain[position + 1 :]]
                stages[finished.name] = replace(finished, outer=frozenset(outer))
            outlets.setdefault(finished.name, [])
            to_finished = Outlet(finished.name, records=False, markers=True)
            if to_finished in outlets[source]:
                return  # from here on another line has gone before
            outlets[source].append(to_finished)
            source = finished.name


def same(record: object) -> object:
    """The record."""
    return record


def _with_copies(
    stages: Sequence[Stage], outlets: Mapping[str, Sequence[Outlet]]
) -> Iterator[Stage]:
    """The stages, and where lines meet, of how many of them markers come.

    Args:
        stages: those above before those below.
        outlets: where their outputs go.
    """
    copies: dict[str, Counter[str]] = {stage.name: Counter() for stage in stages}
    for stage in stages:
        carried = set(copies[stage.name])
        if stage.kind is Kind.FINISHED:
            carried &= stage.outer
        if stage.marks:
            carried.add(stage.name)
        for outlet in outlets[stage.name]:
            if outlet.target is not None and outlet.markers:
                copies[outlet.target].update(carried)
        meeting = replace(stage, copies=dict(copies[stage.name]))
        # What is kept from chunk to chunk needs them one at a time.
        yield replace(meeting, sequential=True, window=1) if meeting.meets else meeting
