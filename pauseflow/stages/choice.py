"""Which runner a stage gets."""

from __future__ import annotations

from pauseflow.graph import Kind, Stage
from pauseflow.stages.finished import FinishedRunner, MeetingRunner
from pauseflow.stages.function import FunctionRunner
from pauseflow.stages.runner import Runner


def runner_for(stage: Stage, flow_name: str) -> Runner:  # noqa: PLR0911 # one for each
    """The runner for a stage. Whoever asks for it closes it.

    Args:
        stage: one of the flow's graph.
        flow_name: the flow's name, for `current()`.
    """
    # What only some flows need is imported when one does: a worker starts the quicker for it.
    if stage.kind is Kind.JOB:
        from pauseflow.stages.job import JobRunner  # noqa: PLC0415

        return JobRunner(stage, flow_name)
    if stage.kind is Kind.FOLD:
        from pauseflow.stages.fold import FoldRunner  # noqa: PLC0415

        return FoldRunner(stage, flow_name)
    if stage.meets:
        return MeetingRunner(stage, flow_name)
    if stage.is_async:
        from pauseflow.stages.concurrent import ConcurrentRunner  # noqa: PLC0415

        return ConcurrentRunner(stage, flow_name)
    if stage.threads > 1:
        from pauseflow.stages.threaded import ThreadedRunner  # noqa: PLC0415

        return ThreadedRunner(stage, flow_name)
    if stage.kind is Kind.BRANCH:
        from pauseflow.stages.branch import BranchRunner  # noqa: PLC0415

        return BranchRunner(stage, flow_name)
    if stage.kind is Kind.FINISHED:
        return FinishedRunner(stage, flow_name)
    return FunctionRunner(stage, flow_name)
