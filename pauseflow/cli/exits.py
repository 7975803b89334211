"""Exit codes, and the one place that says which error gives which."""

from __future__ import annotations

from enum import IntEnum

import click

from pauseflow.errors import (
    AppError,
    CodecError,
    FeedGap,
    FlowDefinitionError,
    LetterRefused,
    PauseflowError,
    ResultsDropped,
    RunConflict,
    RunFailed,
    RunNotOpen,
    RunOver,
    ServerFull,
    ServerRefused,
    ServerUnreachable,
    SettingsError,
    SignalRefused,
    SkipRefused,
    StoreError,
    UnknownLetter,
    UnknownName,
    UnknownRun,
)

HELP = """\
Exit codes: 0 all well; 1 the run failed, halted or was cancelled; 2 usage or bad input;
3 no such flow, stage, run or dead letter; 4 the server can't be reached, refuses, or is full;
70 a bug in pauseflow; 130 it was interrupted; 143 terminated."""


class Exit(IntEnum):
    """What the exit code of flowctl tells a program."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    SERVER = 4
    BUG = 70
    INTERRUPTED = 130
    TERMINATED = 143


class BadInput(click.ClickException):
    """What was given on the command line or in a file can't be used. The message says where."""

    exit_code = int(Exit.USAGE)


class Ended(BaseException):
    """Everything is said: leave with this code.

    Not an Exception, since signal handlers raise it too, in the middle of anything.

    Args:
        code: one of `Exit`.
    """

    def __init__(self, code: Exit) -> None:
        self.code = code
        super().__init__(code.name)


_CODES: tuple[tuple[type[PauseflowError], Exit], ...] = (
    (UnknownName, Exit.NOT_FOUND),
    (UnknownRun, Exit.NOT_FOUND),
    (UnknownLetter, Exit.NOT_FOUND),
    (LetterRefused, Exit.USAGE),
    (SkipRefused, Exit.FAILED),
    (ServerUnreachable, Exit.SERVER),
    (ServerRefused, Exit.SERVER),
    (ServerFull, Exit.SERVER),
    (AppError, Exit.USAGE),
    (FlowDefinitionError, Exit.USAGE),
    (SettingsError, Exit.USAGE),
    (CodecError, Exit.USAGE),
    (RunConflict, Exit.USAGE),
    (RunNotOpen, Exit.USAGE),
    (RunOver, Exit.USAGE),
    (SignalRefused, Exit.USAGE),
    (RunFailed, Exit.FAILED),
    (ResultsDropped, Exit.FAILED),
    (FeedGap, Exit.FAILED),
    (StoreError, Exit.SERVER),
    (PauseflowError, Exit.FAILED),
)


def code_of(error: Exception) -> Exit:
    """The exit code for an error; `Exit.BUG` for one that is not pauseflow's own."""
    for kind, code in _CODES:
        if isinstance(error, kind):
            return code
    return Exit.BUG


def message_of(error: Exception) -> str:
    """The one message for an error that ends a command."""
    if isinstance(error, PauseflowError):
        return str(error)
    return (
        f"{type(error).__name__}: {error}. This is a bug in pauseflow, or in a command added to "
        f"it: run again with --debug, and report what it shows"
    )
