"""The graph of a flow: its stages, and where the outputs of each go.

A graph is made by `pauseflow.flow` and never changes. Nothing here assumes a line: a stage may have
several outlets and several stages above it.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from pauseflow.errors import FlowDefinitionError, UnknownName
from pauseflow.failing import FailurePolicy

if TYPE_CHECKING:
    from pauseflow.folding import Fold
    from pauseflow.jobs import JobSpec
    from pauseflow.limits import Limit, Rate
    from pauseflow.resumable.series import Series
    from pauseflow.routes import Cases
    from pauseflow.schedule import Schedule


ON_CANCEL = "on_cancel"
"""The stage that runs a flow's `on_cancel`, the only one of a graph of its own."""


def telling_flow(flow: str) -> str:
    """The name of the graph that runs the `on_cancel` of the flow of this name."""
    return f"{flow}.{ON_CANCEL}"


class Kind(StrEnum):
    """What a stage does with a record."""

    MAP = "map"
    FILTER = "filter"
    EACH = "each"
    BRANCH = "branch"
    FINISHED = "finished"
    JOB = "job"
    FOLD = "fold"
    ROUTE = "route"
    MERGE = "merge"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stage:
    """One node of the graph, executed by workers that consume the stage's stream.

    Attributes:
        name: unique in the flow, and the same from deploy to deploy: work in Redis refers to it.
        kind: what the stage does with a record.
        fn: the author's function or class.
        ordered: outputs go downstream in input order; False: in the order in which they are ready.
        sequential: one chunk at a time, so that side effects are in order too.
        window: chunks of one run in flight at once; None leaves it to the engine.
        concurrency: records at once within a chunk, for `async def` stages.
        threads: records at once within a chunk, for other stages, in a thread pool.
        is_async: `fn` is an `async def` function or generator.
        scope: of a FINISHED stage: the name of the branch whose series it ends.
        outer: of a FINISHED stage: the branches whose markers it passes on, for their own.
        marks: of a BRANCH stage: a marker follows each series.
        takes_value: of a BRANCH with `marks` and of its FINISHED stage: `finished` takes the record
            that was branched, so the marker carries it.
        series: of a BRANCH stage: how its series are opened, written down and taken up.
        failing: what becomes of a record that the stage fails on.
        timeout: seconds that a record may take at a stretch, or a value of a branch's series.
        rate: how many records may begin in a span of time, in the whole fleet.
        limit: how many records may be at work at once, in the whole fleet.
        job: the stage's function runs as a job elsewhere, and this says how.
        fold: of a FOLD stage: how a value is made of records.
        cases: of a ROUTE stage: which of its lines a record goes down.
        copies: of a stage where lines meet: of how many of them markers of a branch come.
    """

    name: str
    kind: Kind
    fn: Callable[..., Any]
    ordered: bool = True
    sequential: bool = False
    window: int | None = None
    concurrency: int = 1
    threads: int = 1
    is_async: bool = False
    scope: str | None = None
    outer: frozenset[str] = frozenset()
    marks: bool = False
    takes_value: bool = False
    series: Series | None = None
    failing: FailurePolicy = field(default_factory=FailurePolicy)
    timeout: float | None = None
    rate: Rate | None = None
    limit: Limit | None = None
    job: JobSpec | None = None
    fold: Fold | None = None
    cases: Cases | None = None
    copies: Mapping[str, int] = field(default_factory=dict)

    @property
    def meets(self) -> bool:
        """Whether more than one copy of a marker comes to it."""
        return any(copies > 1 for copies in self.copies.values())

    @property
    def keeps(self) -> bool:
        """Whether it keeps something of a run from chunk to chunk."""
        return self.fold is not None or self.meets


@dataclass(frozen=True, slots=True)
class Outlet:
    """Where outputs of a stage go, and which.

    Attributes:
        target: the next stage's name; None for the run's results.
        records: it carries records.
        markers: it carries the markers that end a branch's series.
        arm: of a ROUTE stage: it carries the records of this line only.
        name: what a person calls that line.
    """

    target: str | None
    records: bool = True
    markers: bool = True
    arm: int | None = None
    name: str = ""


class Graph:
    """The stages of a flow in topological order, and their outlets.

    Args:
        name: the flow's name.
        stages: every stage, in any order.
        outlets: for each stage's name, where its outputs go.
        schedules: by which runs start by themselves.
        on_cancel: what runs when a run is cancelled. It has a graph of its own, since it is a run
            of its own.

    Raises:
        FlowDefinitionError: no stage, two of one name, an outlet to a stage that is not there, a
            circle, or more than one stage without a stage above it.
    """

    __slots__ = (
        "_by_name",
        "_outlets",
        "_upstream",
        "fingerprint",
        "name",
        "on_cancel",
        "root",
        "schedules",
        "stages",
    )

    def __init__(
        self,
        name: str,
        stages: Iterable[Stage],
        outlets: Mapping[str, Sequence[Outlet]],
        schedules: Sequence[Schedule] = (),
        on_cancel: Stage | None = None,
    ) -> None:
        given = tuple(stages)
        self.on_cancel: Graph | None = None
        if on_cancel is not None:
            self.on_cancel = Graph(telling_flow(name), [on_cancel], {})
        self.schedules = tuple(schedules)
        self.name = name
        self._by_name = {stage.name: stage for stage in given}
        self._outlets = {stage.name: tuple(outlets.get(stage.name, ())) for stage in given}
        if not given:
            raise FlowDefinitionError(
                f"flow {name!r} has no stages: add one, such as flow.map(function)"
            )
        if len(self._by_name) != len(given):
            raise FlowDefinitionError(f"flow {name!r} has two stages of one name")
        self._upstream = self._find_upstream()
        roots = [stage for stage in given if not self._upstream[stage.name]]
        if len(roots) > 1:
            names = " and ".join(repr(stage.name) for stage in roots)
            raise FlowDefinitionError(f"flow {name!r} has more than one beginning: {names}")
        self.stages = self._sorted(given)
        self.root = self.stages[0]
        self.fingerprint = self._fingerprint()

    def __getitem__(self, name: str) -> Stage:
        """The stage of this name.

        Raises:
            UnknownName: there is none; the message names the nearest.
        """
        try:
            return self._by_name[name]
        except KeyError:
            near = difflib.get_close_matches(name, self._by_name, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(self._by_name)}"
            raise UnknownName(f"flow {self.name!r} has no stage {name!r}: {hint}") from None

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def outlets(self, name: str) -> tuple[Outlet, ...]:
        """Where the outputs of the stage go; empty for a stage whose outputs are dropped."""
        return self._outlets[self[name].name]

    def upstream(self, name: str) -> tuple[str, ...]:
        """The names of the stages whose outputs the stage gets; empty for the first."""
        return self._upstream[self[name].name]

    def _find_upstream(self) -> dict[str, tuple[str, ...]]:
        upstream: dict[str, tuple[str, ...]] = dict.fromkeys(self._by_name, ())
        for source, outlets in self._outlets.items():
            for outlet in outlets:
                if outlet.target is None:
                    continue
                if outlet.target not in upstream:
                    raise FlowDefinitionError(
                        f"flow {self.name!r}: stage {source!r} leads to {outlet.target!r}, "
                        f"which is not a stage of this flow"
                    )
                upstream[outlet.target] += (source,)
        return upstream

    def _sorted(self, given: tuple[Stage, ...]) -> tuple[Stage, ...]:
        waiting = {name: len(above) for name, above in self._upstream.items()}
        ready = [stage.name for stage in given if not waiting[stage.name]]
        order: list[Stage] = []
        while ready:
            name = ready.pop(0)
            order.append(self._by_name[name])
            for outlet in self._outlets[name]:
                if outlet.target is not None:
                    waiting[outlet.target] -= 1
                    if not waiting[outlet.target]:
                        ready.append(outlet.target)
        if len(order) != len(given):
            circle = ", ".join(repr(name) for name, left in waiting.items() if left)
            raise FlowDefinitionError(f"flow {self.name!r} goes round in a circle: {circle}")
        return tuple(order)

    def _fingerprint(self) -> str:
        # Shape only: whether a frame fits the code is the frame's own fingerprint's matter, and
        # windows, retries and limits may change from deploy to deploy.
        shape = [
            (
                stage.name,
                stage.kind.value,
                stage.ordered,
                [
                    (outlet.target, outlet.records, outlet.markers)
                    for outlet in self._outlets[stage.name]
                ],
            )
            for stage in self.stages
        ]
        return hashlib.sha256(repr(shape).encode()).hexdigest()[:16]
