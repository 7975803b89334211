"""Target: what a name on the command line means, a run or a flow or one of its stages."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pauseflow.cli.exits import BadInput
from pauseflow.errors import UnknownName, UnknownRun

if TYPE_CHECKING:
    from pauseflow.cli.invocation import Invocation
    from pauseflow.client import Client

Kind = Literal["run", "flow"]

RUNS_KNOWN = 100
"""The newest runs, whose ids and flows are known by name."""


@dataclass(frozen=True)
class Target:
    """What is meant.

    Attributes:
        name: the run's id, or the flow's name.
        kind: which of both.
        stage: of a flow, the stage that is meant; None for all of it.
    """

    name: str
    kind: Kind
    stage: str | None = None

    def __str__(self) -> str:
        if self.stage is not None:
            return f"stage {self.stage} of flow {self.name}"
        return f"{self.kind} {self.name}"

    @property
    def words(self) -> str:
        """How it is written on the command line."""
        return self.name if self.stage is None else f"{self.name} {self.stage}"


def find_target(
    invocation: Invocation, client: Client, name: str, stage: str | None, kind: Kind | None
) -> Target:
    """Finds out what is meant.

    Args:
        invocation: for the app, which is imported only if the server knows no such flow.
        client: of the server.
        name: a run's id or a flow's name.
        stage: the stage, if one was given.
        kind: which of both it is, if that was said.

    Raises:
        BadInput: there is a run and a flow of this name, or a run was given a stage.
        UnknownRun: there is neither, or no such run.
        UnknownName: there is no such flow, or it has no such stage.
    """
    if kind == "run":
        if stage is not None:
            raise BadInput(f"{stage!r} is one argument too many: a run is held with all its stages")
        client.run(name)
        return Target(name, "run")
    flows = _Flows(invocation, client)
    if kind == "flow" or stage is not None:
        flows.check(name, stage)
        return Target(name, "flow", stage)
    is_run, is_flow = _is_run(client, name), name in flows
    if is_run and is_flow:
        raise BadInput(f"there is a run {name!r}, and a flow too: add --run or --flow")
    if is_run:
        return Target(name, "run")
    flows.check(name, None, others=[info.id for info in client.runs(limit=RUNS_KNOWN)])
    return Target(name, "flow")


def _is_run(client: Client, name: str) -> bool:
    try:
        client.run(name)
    except UnknownRun:
        return False
    return True


class _Flows:
    """The flows that can be known: to workers, runs and what is held; else, to the app."""

    def __init__(self, invocation: Invocation, client: Client) -> None:
        self._invocation = invocation
        self._app_asked = False
        self._stages: dict[str, set[str]] = {}
        for worker in client.workers():
            for each in worker.stages:
                flow, _, stage = each.partition(":")
                self._note(flow, [stage])
        for info in client.runs(limit=RUNS_KNOWN):
            self._note(info.flow, [stage.name for stage in info.stages])
        held = client.held()
        for flow in held.flows:
            self._note(flow, [])
        for flow, stage in held.stages:
            self._note(flow, [stage])

    def _note(self, flow: str, stages: Iterable[str]) -> None:
        self._stages.setdefault(flow, set()).update(stages)

    def __contains__(self, name: object) -> bool:
        if name not in self._stages:
            self._ask_app()
        return name in self._stages

    def _ask_app(self) -> None:
        """Imports the user's module, if one is named: what it has never run may be held too."""
        if self._app_asked or self._invocation.settings().app is None:
            return
        self._app_asked = True
        for name, flow in self._invocation.load_app().flows.items():
            self._note(name, [stage.name for stage in flow.graph.stages])

    def check(self, flow: str, stage: str | None, *, others: Iterable[str] | None = None) -> None:
        """Raise if there is no such flow, or no such stage in it.

        Args:
            flow: the flow's name.
            stage: the stage's, if one is meant.
            others: the ids of runs, if it might be one.
        """
        if flow not in self:
            names = [*self._stages, *(others or ())]
            near = difflib.get_close_matches(flow, names, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else self._where_from()
            if others is None:
                raise UnknownName(f"there is no flow {flow!r}.{hint}")
            raise UnknownRun(f"there is no run and no flow {flow!r}.{hint}")
        if stage is None:
            return
        if stage not in self._stages[flow]:
            self._ask_app()
        if stage not in self._stages[flow]:
            near = difflib.get_close_matches(stage, self._stages[flow], n=1)
            all_of_them = ", ".join(sorted(self._stages[flow]))
            hint = f"did you mean {near[0]!r}?" if near else f"it has {all_of_them}"
            raise UnknownName(f"flow {flow!r} has no stage {stage!r}: {hint}")

    def _where_from(self) -> str:
        if self._app_asked:
            return " See flowctl runs, and flowctl flows."
        return " See flowctl runs; give --app if it is a flow that never ran."
