"""The cast of a script: which stages it may touch, with their keys and limits."""

from __future__ import annotations

from dataclasses import dataclass

from pauseflow.graph import ON_CANCEL, Graph
from pauseflow.store.keys import Keys, RunKeys
from pauseflow.store.tuning import CHUNK_RECORDS, WINDOW, Tuning


@dataclass(frozen=True, slots=True)
class Cast:
    """The stages that a script of one stage may touch.

    Args:
        streams: for each stage that can dispatch, its stream's key and its name.
        arguments: six for each stage, as `read_cast` in pipeline.lua takes them.
        size: how many stages in all; those after the first `len(streams)` are only looked at.
        before: how many of those that can dispatch, the last ones, come before the stage itself.
    """

    streams: tuple[tuple[str, str], ...]
    arguments: tuple[str | int, ...]
    size: int
    before: int = 0

    def keys(self, run: RunKeys) -> list[str]:
        """Stream, backlog and reorder of each stage that can dispatch."""
        found: list[str] = []
        base = run.base
        for stream, name in self.streams:
            found += (stream, f"{base}:backlog:{name}", f"{base}:reorder:{name}")
        return found


class Casting:
    """Makes casts for the stages of one flow, and makes them anew when the tuning has changed.

    Args:
        keys: the namespace's keys.
        graph: the flow's graph.
        tuning: chunk sizes and windows.
    """

    def __init__(self, keys: Keys, graph: Graph, tuning: Tuning) -> None:
        self._keys = keys
        self._graph = graph
        self._tuning = tuning
        self._version = -1
        self._casts: dict[tuple[str, bool], Cast] = {}

    def committing(self, stage: str) -> Cast:
        """For a commit at the stage: itself, the stages after it, the stages before it."""
        return self._cast(stage, alone=False)

    def feeding(self, stage: str) -> Cast:
        """For putting records into the stage, or making room after it: it alone dispatches."""
        return self._cast(stage, alone=True)

    def _cast(self, stage: str, *, alone: bool) -> Cast:
        if self._version != self._tuning.version:
            self._casts.clear()
            self._version = self._tuning.version
        cast = self._casts.get((stage, alone))
        if cast is None:
            cast = self._casts[(stage, alone)] = self._make(stage, alone=alone)
        return cast

    def _next(self, stage: str) -> list[str]:
        return [target for target in self._targets(stage) if target is not None]

    def _targets(self, stage: str) -> list[str | None]:
        return [outlet.target for outlet in self._graph.outlets(stage)]

    def _several(self, stage: str) -> str:
        return several(self._graph, stage)

    def _make(self, stage: str, *, alone: bool) -> Cast:
        keyed: list[str] = [stage]
        loose: set[str] = set()
        if not alone:
            above = self._graph.upstream(stage)
            # One that others above lead to is looked at whether anything waits there or not.
            firm = {target for name in above for target in self._next(name)}
            loose = set(above) - firm
            above = tuple(sorted(above, key=lambda name: name in loose))
            keyed = list(dict.fromkeys([stage, *self._next(stage), *above]))
        seen = [name for one in keyed for name in self._next(one) if name not in keyed]
        members = keyed + list(dict.fromkeys(seen))
        flow = self._graph.name
        arguments: list[str | int] = []
        for name in members:
            spec = self._graph[name]
            outlets = ",".join(
                "0" if target is None else f"{members.index(target) + 1}{self._several(target)}"
                for target in (self._targets(name) if name in keyed else ())
            )
            arguments += (
                f"b:{name}",
                self._tuning.window(spec),
                self._tuning.limit(flow, spec),
                self._tuning.target(flow, name),
                int(spec.ordered),
                outlets,
            )
        streams = tuple((self._keys.stream(flow, name), name) for name in keyed)
        return Cast(streams, tuple(arguments), len(members), len(loose))


def several(graph: Graph, stage: str) -> str:
    """What follows the number of a stage among outlets: how many stages lead there, if not one."""
    inlets = len(graph.upstream(stage))
    return f"+{inlets}" if inlets > 1 else ""


def results_from(graph: Graph) -> str:
    """The stages that emit results, for the run to remember.

    A reader need not have the flow's code. `<stage>:<ordered>:<window>:<outlets>` each, the
    window as the flow has it, 0 if it leaves that to the engine; the outlets as names, `.` for
    the results. One without outlets is the flow's `on_cancel`, for whoever cancels the run.
    """
    sources = []
    for stage in graph.stages:
        targets = [outlet.target for outlet in graph.outlets(stage.name)]
        if None in targets:
            names = ",".join(
                "." if target is None else f"{target}{several(graph, target)}" for target in targets
            )
            window = 1 if stage.sequential else stage.window or 0
            sources.append(f"{stage.name}:{int(stage.ordered)}:{window}:{names}")
    if graph.on_cancel is not None:
        sources.append(f"{ON_CANCEL}:1:1:")
    return " ".join(sources)


def cast_of_source(keys: Keys, flow: str, source: str) -> Cast:
    """The cast for making room in the results, from what `results_from` wrote.

    Chunk sizes are the defaults, and so are windows that the flow leaves to the engine: the code
    that knows better is elsewhere.
    """
    stage, ordered, window, outlets = source.split(":")
    targets = outlets.split(",")
    others = [target for target in targets if target != "."]
    numbers = ",".join(
        "0" if each == "." else f"{others.index(each) + 2}{''.join(each.partition('+')[1:])}"
        for each in targets
    )
    limit = CHUNK_RECORDS * WINDOW
    arguments: list[str | int] = [
        f"b:{stage}",
        int(window) or WINDOW,
        limit,
        CHUNK_RECORDS,
        ordered,
        numbers,
    ]
    for other in others:
        arguments += (f"b:{other.partition('+')[0]}", WINDOW, limit, CHUNK_RECORDS, "1", "")
    return Cast(((keys.stream(flow, stage), stage),), tuple(arguments), 1 + len(others))
