"""What people hold: runs, flows and stages that stand still, as workers learn of it.

Beside it stands whether a run of this namespace ever had another priority than the normal one:
until then nobody reads the streams of the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

CHANGES = "changes"
"""The field that counts how often the others have changed."""

LANES = "lanes"
"""The field that says that there are runs of other priorities."""

PAUSED = "paused"
CANCELLED = "cancelled"


def run_field(run_id: str) -> str:
    """The field of a run that is paused or cancelled."""
    return f"run:{run_id}"


def flow_field(flow: str, stage: str | None = None) -> str:
    """The field of a flow that is paused, or of one of its stages."""
    return f"flow:{flow}" if stage is None else f"stage:{flow}:{stage}"


@dataclass(frozen=True)
class Held:
    """What stands still.

    Attributes:
        runs: ids of runs that are paused or cancelled, and which of both.
        flows: names of flows that are paused.
        stages: flow and name of stages that are paused by themselves.
        lanes: there are, or were, runs of another priority than the normal one.
    """

    runs: Mapping[str, str] = field(default_factory=dict)
    flows: frozenset[str] = frozenset()
    stages: frozenset[tuple[str, str]] = frozenset()
    lanes: bool = False

    @classmethod
    def parse(cls, flat: Sequence[bytes]) -> Held:
        """Reads the whole hash, names and values in turn. What is foreign in it is left out."""
        runs: dict[str, str] = {}
        flows: set[str] = set()
        stages: set[tuple[str, str]] = set()
        lanes = False
        for name, value in zip(flat[::2], flat[1::2], strict=True):
            match name.decode("utf-8", "replace").split(":"):
                case ["run", run_id]:
                    runs[run_id] = value.decode("utf-8", "replace")
                case ["flow", flow]:
                    flows.add(flow)
                case ["stage", flow, stage]:
                    stages.add((flow, stage))
                case [word] if word == LANES:
                    lanes = True
        return cls(runs, frozenset(flows), frozenset(stages), lanes)

    def holds_stage(self, flow: str, stage: str) -> bool:
        """Whether a stage stands still, by itself or with its flow."""
        return flow in self.flows or (flow, stage) in self.stages

    def stages_of(self, flow: str) -> tuple[str, ...]:
        """The stages of a flow that are paused by themselves, in alphabetical order."""
        return tuple(sorted(stage for of, stage in self.stages if of == flow))


NOTHING_HELD = Held()
