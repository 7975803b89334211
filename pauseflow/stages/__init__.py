"""What runs a stage: one chunk at a time, for as long as its budget lasts."""

from pauseflow.stages.choice import runner_for
from pauseflow.stages.runner import Runner
from pauseflow.stages.work import (
    Budget,
    Done,
    End,
    Failed,
    Outcome,
    Parked,
    Paused,
    Sliced,
    Work,
)

__all__ = [
    "Budget",
    "Done",
    "End",
    "Failed",
    "Outcome",
    "Parked",
    "Paused",
    "Runner",
    "Sliced",
    "Work",
    "runner_for",
]
