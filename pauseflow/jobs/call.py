"""Call: what a job of ours is asked to do, as its arguments say it."""

from __future__ import annotations

from dataclasses import astuple, dataclass

from pauseflow.errors import MalformedData
from pauseflow.store.keys import valid_run_id

PERFORM = "pauseflow.jobs.performing.perform"
"""The one function that jobs of ours name."""

SUCCEEDED = "pauseflow.jobs.callbacks.succeeded"
FAILED = "pauseflow.jobs.callbacks.failed"
STOPPED = "pauseflow.jobs.callbacks.stopped"


@dataclass(frozen=True, slots=True)
class Call:
    """One record for one stage.

    Attributes:
        namespace: of the run.
        run: the run's id.
        flow: the flow's name.
        stage: the stage's name.
        ordinal: of the record at the stage.
        attempt: how often the record has failed there.
        record: its encoding, which only a process with the app loaded may be able to read.
        origin: the run that the record's key tells of, if that is another; see `Context`.
    """

    namespace: str
    run: str
    flow: str
    stage: str
    ordinal: int
    attempt: int
    record: bytes
    origin: str = ""

    @property
    def key(self) -> str:
        """The record's key."""
        return f"{self.origin or self.run}:{self.stage}:{self.ordinal}"

    def arguments(self) -> tuple[object, ...]:
        """The arguments of the job."""
        return astuple(self)

    @classmethod
    def of(cls, arguments: object) -> Call:
        """The call that a job's arguments are.

        Raises:
            MalformedData: they are not that.
        """
        match arguments:
            case [
                str(namespace), str(run), str(flow), str(stage),
                int(ordinal), int(attempt), bytes(record), str(origin),
            ] if valid_run_id(run):  # fmt: skip
                return cls(namespace, run, flow, stage, ordinal, attempt, record, origin)
            case _:
                raise MalformedData("this job was not put into its queue by a job stage of a flow")
