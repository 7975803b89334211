"""current(): what a stage may know about the record that it works on."""

from __future__ import annotations

import logging
from collections.abc import Mapping, MutableMapping, Sized
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from pauseflow.answer import Answer
from pauseflow.errors import OutsideStage


class StageLogger(logging.LoggerAdapter[logging.Logger]):
    """A logger whose entries carry `run`, `stage` and `key` as attributes."""

    def process(
        self, msg: Any, kwargs: MutableMapping[str, Any]
    ) -> tuple[Any, MutableMapping[str, Any]]:
        """Add the place to what the caller gave as `extra`."""
        own: Mapping[str, object] = self.extra or {}
        kwargs["extra"] = {**own, **(kwargs.get("extra") or {})}
        return msg, kwargs


@dataclass(frozen=True, slots=True)
class Context:
    """The place of one record: which run, which stage, which record of it.

    Attributes:
        run_id: the run's id.
        flow: the flow's name.
        stage: the stage's name.
        ordinal: how many records and markers of the run came to this stage before this one.
        attempt: 0 the first time, and one more after each failure. A pause is not a failure.
        answer: what the record was woken with last, if it waited for a signal or a job.
        origin: the run that its key tells of, for a dead letter that is tried again in a run of
            its own; empty for the run itself.
    """

    run_id: str
    flow: str
    stage: str
    ordinal: int
    attempt: int
    answer: Answer | None = None
    origin: str = ""

    @property
    def signalled(self) -> str | None:
        """What this record waited for and was woken with last; None if it did not wait yet.

        The signal's name, or `job:` and the job's id. It stays until the record is done or has
        waited for something else, so a function that is called again after a failure still has it.
        """
        return None if self.answer is None else self.answer.name

    @property
    def signal(self) -> Any:
        """The data of the signal, or what the job returned; None if there is none.

        Raises:
            SignalTimeout: nothing came within the pause's timeout.
            JobFailed: the job failed.
        """
        return None if self.answer is None else self.answer.value()

    @property
    def key(self) -> str:
        """The same for this record however often, wherever and in which company it is run.

        What a stage does to the outside world happens at least once: send the key along, so that
        the other side can tell a repetition.
        """
        return f"{self.origin or self.run_id}:{self.stage}:{self.ordinal}"

    @property
    def logger(self) -> StageLogger:
        """A logger named `pauseflow.stage.<flow>.<stage>`, which knows run, stage and key."""
        return StageLogger(
            logging.getLogger(f"pauseflow.stage.{self.flow}.{self.stage}"),
            {"run": self.run_id, "stage": self.stage, "key": self.key},
        )


class Place:
    """Where a runner is. Set once for many records: the ordinal is worked out when it is asked for.

    Args:
        flow: the flow's name.
        stage: the stage's name.
        run_id: the run's id.
        attempt: as in `Context`.
        first: the ordinal of the record that is worked on while `done` is empty.
        done: grows by one with each record that is done.

    Attributes:
        answer: what the record with the ordinal `answered` was woken with, if it was.
        origin: as in `Context`.
    """

    __slots__ = (
        "answer", "answered", "attempt", "done", "first", "flow", "origin", "run_id", "stage",
    )  # fmt: skip

    def __init__(
        self,
        *,
        flow: str,
        stage: str,
        run_id: str,
        attempt: int = 0,
        first: int = 0,
        done: Sized = (),
    ) -> None:
        self.flow = flow
        self.stage = stage
        self.run_id = run_id
        self.attempt = attempt
        self.first = first
        self.done = done
        self.answer: Answer | None = None
        self.answered = -1
        self.origin = ""

    def context(self) -> Context:
        """The place of the record that is worked on now."""
        ordinal = self.first + len(self.done)
        answer = self.answer if ordinal == self.answered else None
        return Context(
            self.run_id, self.flow, self.stage, ordinal, self.attempt, answer, self.origin
        )


place: ContextVar[Place | None] = ContextVar("pauseflow_place", default=None)
"""Where this thread or task is; None outside a stage. Set by runners only."""


def current() -> Context:
    """The place of the record that the calling stage works on.

    For use inside a stage's function, also below it, in its tasks and in `threads=`. Ask again
    after each `yield`, rather than keep the answer: another worker may have taken over.

    Raises:
        OutsideStage: no stage is running here, for example in a thread that the stage started.
    """
    here = place.get()
    if here is None:
        raise OutsideStage(
            "current() was called outside a stage: it knows a record only while a stage's function "
            "runs. A thread that the function starts itself needs contextvars.copy_context().run"
        )
    return here.context()
