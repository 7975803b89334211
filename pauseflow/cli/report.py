"""What is said of a run: as an object for programs, and in words."""

from __future__ import annotations

import dataclasses
from datetime import datetime

from pauseflow.client import Held, RunInfo, RunState


def as_object(info: RunInfo) -> dict[str, object]:
    """All of a run's info as plain JSON: times in ISO 8601, the state by its name."""
    found: dict[str, object] = dataclasses.asdict(info, dict_factory=_plain)
    return found


def condition(info: RunInfo, held: Held | None = None) -> str:
    """Why a run does not get on, in a few words; empty if nothing is known to hold it.

    Args:
        info: the run.
        held: what people hold, if that is known.
    """
    if info.error or info.state is RunState.HALTED:
        return info.error.splitlines()[0] if info.error else "halted"
    if info.results.waiting_for_reader:
        return "waits for a reader"
    dead = f"{info.dead:,} set aside" if info.dead else ""
    if info.state.over:
        return dead
    if held is not None and info.flow in held.flows:
        return "its flow is paused"
    if held is not None and held.stages_of(info.flow):
        return f"paused at {', '.join(held.stages_of(info.flow))}"
    parked = sum(stage.parked for stage in info.stages)
    return ", ".join(filter(None, (f"{parked} parked" if parked else "", dead)))


def _plain(pairs: list[tuple[str, object]]) -> dict[str, object]:
    return {
        name: value.isoformat() if isinstance(value, datetime) else value for name, value in pairs
    }
