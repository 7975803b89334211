"""pauseflow: data flows whose stages pause anywhere and go on on any worker."""

from typing import TYPE_CHECKING

from pauseflow.codec import register
from pauseflow.context import Context, current
from pauseflow.errors import (
    AppError,
    CodecError,
    FlowDefinitionError,
    FrameError,
    MalformedData,
    NotResumable,
    NotSerializable,
    OutsideStage,
    PauseflowError,
    ResultsDropped,
    RunConflict,
    RunFailed,
    RunNotOpen,
    ServerFull,
    ServerRefused,
    ServerUnreachable,
    StageFailed,
    StoreError,
    UnknownRun,
)
from pauseflow.flow import End, Flow, ReplayWarning, Stream
from pauseflow.pause import PauseFlow

if TYPE_CHECKING:
    from pauseflow.client import Client, Feed, RunInfo

__all__ = [
    "AppError",
    "Client",
    "CodecError",
    "Context",
    "End",
    "Feed",
    "Flow",
    "FlowDefinitionError",
    "FrameError",
    "MalformedData",
    "NotResumable",
    "NotSerializable",
    "OutsideStage",
    "PauseFlow",
    "PauseflowError",
    "ReplayWarning",
    "ResultsDropped",
    "RunConflict",
    "RunFailed",
    "RunInfo",
    "RunNotOpen",
    "ServerFull",
    "ServerRefused",
    "ServerUnreachable",
    "StageFailed",
    "StoreError",
    "Stream",
    "UnknownRun",
    "current",
    "register",
]


def __getattr__(name: str) -> object:
    # Writing, testing and running a flow in one process needs no Redis, so it isn't imported.
    if name in {"Client", "Feed", "RunInfo"}:
        from pauseflow import client  # noqa: PLC0415

        return getattr(client, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
