"""Watch: what stages did, seen from within, for errors that say what happened."""

from __future__ import annotations

from pauseflow.errors import StageFailed
from pauseflow.graph import Stage
from pauseflow.stages import Failed, Outcome, Work
from pauseflow.store.envelope import Envelope


class Watch:
    """Is told of each slice that was run, and keeps each run's last failure as it was raised."""

    def __init__(self) -> None:
        self._failures: dict[str, StageFailed] = {}

    def ran(
        self,
        stage: Stage,
        work: Work,
        envelope: Envelope,  # noqa: ARG002 # for a watch that looks at what came
        outcome: Outcome,
    ) -> None:
        """Take note of a slice, before anything is made of its outcome.

        Args:
            stage: what ran.
            work: what it was given; by now the stage may have changed the records in it.
            envelope: the same as it came.
            outcome: what came of it.
        """
        if isinstance(outcome.end, Failed):
            error = outcome.end.error
            ordinal = work.ordinal + outcome.consumed
            told = f"{type(error).__name__}: {error}".removesuffix(": ")
            failure = StageFailed(
                stage.name, f"{work.origin or work.run}:{stage.name}:{ordinal}", told
            )
            failure.__cause__ = error
            self._failures[work.run] = failure

    def failure(self, run_id: str) -> StageFailed | None:
        """The run's last failure; its cause is what the stage raised."""
        return self._failures.get(run_id)
