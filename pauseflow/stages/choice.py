"""Which runner a stage gets."""

from __future__ import annotations

from pauseflow.graph import Kind, Stage
from pauseflow.stages.finished import FinishedRunner
from pauseflow.stages.function import FunctionRunner
from pauseflow.stages.runner import Runner


def runner_for(stage: Stage, flow_name: str) -> Runner:
    """The runner for a stage. Whoever asks for it closes it.

    Args:
        stage: one of the flow's graph.
        flow_name: the flow's name, for `current()`.
    """
    if stage.kind is Kind.FINISHED:
        return FinishedRunner(stage, flow_name)
    return FunctionRunner(stage, flow_name)
