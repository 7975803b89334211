"""pauseflow: data flows whose stages pause anywhere and go on on any worker."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pauseflow.client import Client, Feed, RunInfo
    from pauseflow.codec import register
    from pauseflow.context import Context, current
    from pauseflow.errors import (
        AppError,
        CodecError,
        FlowDefinitionError,
        FrameError,
        JobFailed,
        MalformedData,
        NotResumable,
        NotSerializable,
        OutsideStage,
        PauseflowError,
        ResultsDropped,
        RunCancelled,
        RunConflict,
        RunFailed,
        RunNotOpen,
        RunOver,
        ServerFull,
        ServerRefused,
        ServerUnreachable,
        SignalRefused,
        SignalTimeout,
        StageFailed,
        StageTimeout,
        StoreError,
        UnknownRun,
    )
    from pauseflow.failing import Backoff, RetryAfter
    from pauseflow.flow import End, Flow, ReplayWarning, Stream
    from pauseflow.limits import Limit, Rate
    from pauseflow.meeting import merge
    from pauseflow.pause import PauseFlow

__all__ = [
    "AppError",
    "Backoff",
    "Client",
    "CodecError",
    "Context",
    "End",
    "Feed",
    "Flow",
    "FlowDefinitionError",
    "FrameError",
    "JobFailed",
    "Limit",
    "MalformedData",
    "NotResumable",
    "NotSerializable",
    "OutsideStage",
    "PauseFlow",
    "PauseflowError",
    "Rate",
    "ReplayWarning",
    "ResultsDropped",
    "RetryAfter",
    "RunCancelled",
    "RunConflict",
    "RunFailed",
    "RunInfo",
    "RunNotOpen",
    "RunOver",
    "ServerFull",
    "ServerRefused",
    "ServerUnreachable",
    "SignalRefused",
    "SignalTimeout",
    "StageFailed",
    "StageTimeout",
    "StoreError",
    "Stream",
    "UnknownRun",
    "current",
    "merge",
    "register",
]

_HOME = {
    "pauseflow.codec": ("register",),
    "pauseflow.context": (
        "Context",
        "current",
    ),
    "pauseflow.errors": (
        "AppError",
        "CodecError",
        "FlowDefinitionError",
        "FrameError",
        "JobFailed",
        "MalformedData",
        "NotResumable",
        "NotSerializable",
        "OutsideStage",
        "PauseflowError",
        "ResultsDropped",
        "RunCancelled",
        "RunConflict",
        "RunFailed",
        "RunNotOpen",
        "RunOver",
        "ServerFull",
        "ServerRefused",
        "ServerUnreachable",
        "SignalRefused",
        "SignalTimeout",
        "StageFailed",
        "StageTimeout",
        "StoreError",
        "UnknownRun",
    ),
    "pauseflow.failing": (
        "Backoff",
        "RetryAfter",
    ),
    "pauseflow.flow": (
        "End",
        "Flow",
        "ReplayWarning",
        "Stream",
    ),
    "pauseflow.limits": (
        "Limit",
        "Rate",
    ),
    "pauseflow.meeting": ("merge",),
    "pauseflow.pause": ("PauseFlow",),
    "pauseflow.client": (
        "Client",
        "Feed",
        "RunInfo",
    ),
}
"""Where each public name lives. They are imported when they are asked for: writing and testing a
flow needs no Redis client, and `flowctl --help` needs nothing at all."""


def __getattr__(name: str) -> object:
    for module, names in _HOME.items():
        if name in names:
            value = getattr(import_module(module), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
