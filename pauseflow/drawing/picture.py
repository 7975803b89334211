"""Picture: what is to be drawn of a graph, and of a run that goes through it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from pauseflow.drawing.remarks import remarks
from pauseflow.graph import Graph, Outlet

RESULTS = ""
"""The key of the node that stands for a run's results. No stage has an empty name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How a run stands at a stage.

    Attributes:
        arrived: items that have come to it.
        done: items that it has finished.
        in_flight: chunks in its stream or in a worker's hands.
        backlog: items that wait for the window.
        held: outputs that wait for their turn.
        parked: continuations that wait for a time, a signal, or a person.
        rate: items a second lately; 0.0 if unknown. Not told of a stage that has ended.
        ended: nothing more will come to it, and all of it is done.
        paused: a person has paused the stage.
        failed: the run halted here.
    """

    arrived: int = 0
    done: int = 0
    in_flight: int = 0
    backlog: int = 0
    held: int = 0
    parked: int = 0
    rate: float = 0.0
    ended: bool = False
    paused: bool = False
    failed: bool = False

    @property
    def state(self) -> str:
        """The one word that matters most, if there is one; else empty."""
        for word in ("failed", "paused", "ended"):
            if getattr(self, word):
                return word
        return "parked" if self.parked else ""

    @property
    def words(self) -> tuple[str, ...]:
        """The counts as a person reads them: the first two always, the others if they are not 0."""
        told = [f"arrived {self.arrived:,}", f"done {self.done:,}"]
        for name in ("in_flight", "backlog", "held", "parked"):
            count: int = getattr(self, name)
            if count:
                told.append(f"{name.replace('_', ' ')} {count:,}")
        if self.rate and not self.ended:
            told.append(f"{self.rate:,.0f}/s" if self.rate >= 1 else f"{self.rate:.2g}/s")
        if self.state in ("failed", "paused", "ended"):
            told.append(self.state)
        return tuple(told)


@dataclass(frozen=True, slots=True)
class Node:
    """A stage, or the run's results.

    Attributes:
        key: unique in the picture: the stage's name, or `RESULTS`.
        kind: the stage's kind; `results`; empty if it is not known.
        remarks: what its options say, a few words each.
        counts: how a run stands there, if one is shown.
    """

    key: str
    kind: str = ""
    remarks: tuple[str, ...] = ()
    counts: Counts | None = None

    @property
    def name(self) -> str:
        """What is written on it."""
        return self.key or "results"


@dataclass(frozen=True, slots=True)
class Edge:
    """Where outputs of a stage go.

    Attributes:
        source: the key of the node above.
        target: the key of the node below.
        label: the name of the outlet, if it has one.
        records: records go along it.
        markers: the markers that end series go along it.
    """

    source: str
    target: str
    label: str = ""
    records: bool = True
    markers: bool = True

    @property
    def dashed(self) -> bool:
        """It carries markers only."""
        return not self.records


@dataclass(frozen=True, slots=True)
class Picture:
    """What is to be drawn.

    Attributes:
        title: a line.
        nodes: each node behind those that lead to it.
        edges: in the order of the stages' outlets.
        captions: more lines, below the title.
    """

    title: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    captions: tuple[str, ...] = ()
    _out: Mapping[str, tuple[Edge, ...]] = field(init=False, repr=False, compare=False)
    _into: Mapping[str, tuple[Edge, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        out: dict[str, list[Edge]] = {node.key: [] for node in self.nodes}
        into: dict[str, list[Edge]] = {node.key: [] for node in self.nodes}
        for edge in self.edges:
            out[edge.source].append(edge)
            into[edge.target].append(edge)
        object.__setattr__(self, "_out", {key: tuple(edges) for key, edges in out.items()})
        object.__setattr__(self, "_into", {key: tuple(edges) for key, edges in into.items()})

    def out_of(self, key: str) -> tuple[Edge, ...]:
        """The edges that begin at the node."""
        return self._out[key]

    def into(self, key: str) -> tuple[Edge, ...]:
        """The edges that end at the node."""
        return self._into[key]

    @property
    def stages(self) -> tuple[Node, ...]:
        """The nodes that are stages."""
        return tuple(node for node in self.nodes if node.key != RESULTS)


def picture_of(
    graph: Graph,
    *,
    title: str = "",
    captions: Iterable[str] = (),
    counts: Mapping[str, Counts] | None = None,
) -> Picture:
    """What is to be drawn of a flow, with the counts of a run if they are given.

    Args:
        graph: the flow's.
        title: the first line; the flow's name by default.
        captions: more lines.
        counts: for the names of stages, how a run stands there. What is no stage of the graph gets
            a node of its own, to which nothing leads.
    """
    counts = counts or {}
    nodes = [
        Node(stage.name, stage.kind.value, remarks(stage), counts.get(stage.name))
        for stage in graph.stages
    ]
    nodes += [Node(name, "", (), told) for name, told in counts.items() if name not in graph]
    edges = list(_edges(graph))
    if any(edge.target == RESULTS for edge in edges):
        nodes.append(Node(RESULTS, "results"))
    return Picture(title or f"flow {graph.name}", tuple(nodes), tuple(edges), tuple(captions))


def _edges(graph: Graph) -> Iterator[Edge]:
    for stage in graph.stages:
        for outlet in graph.outlets(stage.name):
            yield Edge(
                stage.name,
                RESULTS if outlet.target is None else outlet.target,
                _label(outlet),
                records=outlet.records,
                markers=outlet.markers,
            )


def _label(outlet: Outlet) -> str:
    name = getattr(outlet, "name", None)  # of a route; others have none
    return name if isinstance(name, str) else ""
