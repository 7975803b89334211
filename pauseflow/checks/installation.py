"""Installation: what checks look at, fetched once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

from pauseflow.client import Client, RunInfo, WorkerInfo
from pauseflow.graph import Graph
from pauseflow.rollout import Rollout
from pauseflow.store.inspection import ServerFacts

RUNS_LOOKED_AT = 1_000
"""The newest; older ones are not looked at."""


class HasGraph(Protocol):
    """A flow, as far as checks are concerned."""

    @property
    def graph(self) -> Graph:
        """The flow's stages."""


@dataclass
class Installation:
    """A server with its runs and workers, as they are now.

    Args:
        client: connected to the server.
        embedded: flowctl's own server, which syncs its files in its own way.
        flows: the app's by their names; None if there is no app here.
        url: of the server; None for the embedded one.
        run: recount this run only; None for all.
        every_key: also go through all keys of the server for those that belong to nothing.
    """

    client: Client
    embedded: bool = False
    flows: Mapping[str, HasGraph] | None = None
    url: str | None = None
    run: str | None = None
    every_key: bool = False

    @cached_property
    def server(self) -> ServerFacts:
        """What the server says of itself."""
        return self.client.inspection.server()

    @cached_property
    def workers(self) -> list[WorkerInfo]:
        """The workers that live."""
        return self.client.workers()

    @cached_property
    def rollout(self) -> Rollout:
        """Which code they have."""
        return Rollout(self.workers)

    @cached_property
    def runs(self) -> list[RunInfo]:
        """The newest runs, newest first."""
        return self.client.runs(limit=RUNS_LOOKED_AT)

    def anew(self) -> Installation:
        """The same, to be looked at once more."""
        return replace(self)

    @property
    def places(self) -> list[tuple[str, str]]:
        """Flows and stages that runs go through, or that live workers run."""
        of_runs = {(run.flow, stage.name) for run in self.runs for stage in run.stages}
        texts = {stage for worker in self.workers for stage in worker.stages}
        of_workers = {(flow, stage) for flow, _, stage in (each.partition(":") for each in texts)}
        return sorted(of_runs | of_workers)

    @property
    def going(self) -> list[RunInfo]:
        """Those that are not over."""
        return [run for run in self.runs if not run.state.over]
