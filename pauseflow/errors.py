"""Every error that pauseflow raises, as one tree.

A message says what happened, where, and what to do about it.

```
PauseflowError
├── FlowDefinitionError      the flow can't work as it is written; found when it is built
│   └── NotResumable         a generator that can't be written down at its yields
├── AppError                 the app module can't be found or imported
│   └── UnknownName          the app has no flow or stage of this name
├── SettingsError            an option or environment variable makes no sense
├── CodecError
│   ├── NotSerializable      a value has no encoding
│   ├── UnencodableState     what a fold would have to keep has no encoding
│   ├── MalformedData        bytes that are not a value
│   └── RegistrationError    a class can't be registered like this
├── FrameError
│   ├── CaptureError         a live local of a paused frame has no encoding
│   ├── ForeignFrame         a frame made by other code
│   └── MigrationFailed      what migrate= declares for such a frame does not work
├── SourceChanged            what a source was reading is no longer there, or is something else
├── MissingExtra             something optional is needed, and is not installed
├── StageFailed              a stage's own exception, with its place
├── StageTimeout             a record took longer at a stage than its timeout=
├── SignalTimeout            what a pause waited for did not come in time
├── JobFailed                the job that a pause waited for failed
├── OutsideStage             current() where no stage is running
└── StoreError
    ├── ServerUnreachable    nothing answers at the address
    ├── ServerRefused        wrong password, missing rights, not Redis at all
    │   └── ServerReadOnly   a replica, perhaps one that was the primary until just now
    ├── ServerFull           maxmemory is reached; it goes on when there is room
    ├── UnknownRun
    ├── RunConflict          this run id was used for another flow or input
    ├── RunNotOpen           an append to a run whose input is closed
    ├── FeedGap              an append beyond the position that the run has reached
    ├── ResultsDropped       results that were read before, and made room for others
    ├── SignalRefused        a signal to a run that is over, or that keeps too many
    ├── UnknownLetter        no dead letter has this key
    ├── LetterRefused        what was asked for can't be done with this dead letter
    ├── SkipRefused          what a run halted at can't be set aside
    ├── RunOver              what was asked for needs a run that is still going
    └── RunFailed            the run halted before it was done
        └── RunCancelled     the run was cancelled before it was done
```

`PauseFlow` is not an error and not part of this tree.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


class PauseflowError(Exception):
    """The root: catch this to catch every error of pauseflow's own."""


class FlowDefinitionError(PauseflowError):
    """The flow can't work as it is written. Raised while it is built, never later."""


class NotResumable(FlowDefinitionError):
    """A generator that can't be stopped and written down at its yields.

    Args:
        reason: what stands in the way, one clause.
        instead: what to write instead, one sentence.
        file: where the function's source is, if it has any.
        line: 1-based line in `file`, 0 if unknown.
    """

    def __init__(self, reason: str, *, instead: str, file: str | Path = "?", line: int = 0) -> None:
        self.reason = reason
        self.instead = instead
        self.file = str(file)
        self.line = line
        place = f"{self.file}:{line}" if line else self.file
        super().__init__(f"{place}: {reason}. {instead}")


class AppError(PauseflowError):
    """The app module can't be found or imported, or two of its flows have one name."""


class UnknownName(AppError):
    """The app has no flow, or the flow has no stage, of this name."""


class SettingsError(PauseflowError):
    """An option, an environment variable or a setting that makes no sense."""


class CodecError(PauseflowError):
    """Encoding or decoding went wrong."""


class NotSerializable(CodecError):
    """A value has no encoding.

    Args:
        type_name: the qualified name of the type that has none.
        path: where inside the record it stands, such as `["user"].address[2]`; empty for the
            record itself.
        stage: the stage that emitted the record, if known.
        key: the record's key, if known.
        reason: more than "this type has no encoding", where there is more to say.
        index: which of several records that were encoded together; -1 if there was one.
    """

    def __init__(
        self,
        type_name: str,
        *,
        path: str = "",
        stage: str = "",
        key: str = "",
        reason: str = "",
        index: int = -1,
    ) -> None:
        self.index = index
        self.type_name = type_name
        self.path = path
        self.stage = stage
        self.key = key
        self.reason = reason
        super().__init__(self._message())

    def _message(self) -> str:
        where = f"record{self.path}"
        if self.stage:
            where += f", emitted by stage {self.stage!r}"
        if self.key:
            where += f", record key {self.key!r}"
        why = self.reason or f"{self.type_name} has no encoding"
        return (
            f"cannot encode {where}: {why}. Emit plain data, or register the class "
            f"with @pauseflow.register"
        )

    def at(self, *, stage: str, key: str) -> NotSerializable:
        """The same error, with the place that only the caller knows."""
        return NotSerializable(
            self.type_name,
            path=self.path,
            stage=stage,
            key=key,
            reason=self.reason,
            index=self.index,
        )


class UnencodableState(CodecError):
    """What a stage would have to keep has no encoding.

    Args:
        stage: the stage's name.
        error: what has none, and where in it.
    """

    def __init__(self, stage: str, error: NotSerializable) -> None:
        where = f" at {error.path}" if error.path else ""
        super().__init__(
            f"stage {stage!r} can't keep its value{where}: "
            f"{error.reason or f'{error.type_name} has no encoding'}. Return plain data from it, "
            f"or register the class with @pauseflow.register"
        )


class MalformedData(CodecError):
    """Bytes that are not a value: damaged, truncated, hostile, or of a newer format."""


class RegistrationError(CodecError):
    """A class can't be registered like this. Raised where it is registered."""


class FrameError(PauseflowError):
    """A paused frame can't be written down or taken up."""


class CaptureError(FrameError):
    """A live local of a paused frame has no encoding.

    Args:
        local: the name of the local variable.
        type_name: the type of the value that it holds.
        file: the function's source file.
        line: the line where the frame stands.
        reason: what the codec said.
        instead: what to do about it; by default, the ways out for a value without an encoding.
    """

    def __init__(
        self, local: str, type_name: str, *, file: str, line: int, reason: str, instead: str = ""
    ) -> None:
        self.local = local
        self.type_name = type_name
        self.file = file
        self.line = line
        self.reason = reason
        place = f"{file}:{line}" if line else file
        ways_out = instead or (
            "Don't hold it across the pause (open it in a `with` block, or `del` it before), "
            "register its class with @pauseflow.register, wrap an iterator in replayable(...), or "
            "read a file with pauseflow.sources"
        )
        super().__init__(
            f"{place}: paused here, but the local {local!r} ({type_name}) can't be written "
            f"down: {reason}. {ways_out}"
        )


class ForeignFrame(FrameError):
    """A frame made by other code: it is kept until a worker has that code, or a migration.

    Args:
        function: the function's name.
        frame_fingerprint: of the code that made the frame.
        code_fingerprint: of the code that was asked to take it up; empty if there is none.
        frame_version: the label of the code that made the frame; empty if it has none.
        code_version: that of the code that was asked to take it up.
    """

    def __init__(
        self,
        function: str,
        *,
        frame_fingerprint: str,
        code_fingerprint: str,
        frame_version: str = "",
        code_version: str = "",
    ) -> None:
        self.function = function
        self.frame_fingerprint = frame_fingerprint
        self.code_fingerprint = code_fingerprint
        self.frame_version = frame_version
        self.code_version = code_version
        made_by = frame_fingerprint + (f" (version {frame_version!r})" if frame_version else "")
        own = code_fingerprint + (f" (version {code_version!r})" if code_version else "")
        have = f"this code is {own}" if code_fingerprint else "this app has no such function"
        key = frame_version or frame_fingerprint
        super().__init__(
            f"the frame of {function!r} was made by code {made_by}, and {have}. Run a worker with "
            f"that code, or declare migrate={{{key!r}: ...}} on the stage"
        )

    def labelled(self, frame_version: str, code_version: str) -> ForeignFrame:
        """The same error, with the labels that only the stage knows."""
        return ForeignFrame(
            self.function,
            frame_fingerprint=self.frame_fingerprint,
            code_fingerprint=self.code_fingerprint,
            frame_version=frame_version,
            code_version=code_version,
        )


class MigrationFailed(FrameError):
    """What `migrate=` declares for a frame of older code does not work. The frame is kept.

    Args:
        function: the name of the function or class that the frame should go on in.
        key: the fingerprint or label that the migration is declared for.
        what: what the migration did.
        kept: the names of the captured locals that it was given.
        lost: the names of those that could not be made by this code, and why.
    """

    def __init__(
        self,
        function: str,
        key: str,
        what: str,
        *,
        kept: tuple[str, ...] = (),
        lost: Mapping[str, str] | None = None,
    ) -> None:
        self.function = function
        self.key = key
        without = "".join(f"; without {name!r}: {why}" for name, why in (lost or {}).items())
        super().__init__(
            f"migrate={{{key!r}: ...}} of {function!r} {what}. It was given the locals "
            f"{', '.join(kept) or '(none)'}{without}. It must return the arguments of the new "
            f"call: a tuple, a dict of keyword arguments, or the one argument itself (one that is "
            f"None, a tuple or a dict goes into a tuple of one)"
        )


class SourceChanged(PauseflowError):
    """What is read on after a pause is gone, ends before the place, or is something else now."""


class MissingExtra(PauseflowError, ImportError):
    """Something optional is needed, and is not installed.

    Args:
        what: what it is needed for, one clause.
        extra: which of the package's extras brings it.
    """

    def __init__(self, what: str, extra: str) -> None:
        self.extra = extra
        super().__init__(f"{what}. Run: pip install 'pauseflow[{extra}]'")


class StageFailed(PauseflowError):
    """A stage's own exception, with its place. The exception is its `__cause__`.

    Args:
        stage: the stage's name.
        key: the key of the record that it failed on.
        error: the exception's type and text.
    """

    def __init__(self, stage: str, key: str, error: str) -> None:
        self.stage = stage
        self.key = key
        self.error = error
        super().__init__(f"stage {stage!r} failed on record {key!r}: {error}")


class StageTimeout(PauseflowError):
    """A record took longer in one go at a stage than the stage's `timeout=` allows."""


class SignalTimeout(PauseflowError):
    """What a pause waited for did not come within the pause's `timeout=`. Raised at the pause.

    Args:
        name: the signal's name, or `job:` and the job's id.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        what = (
            f"job {name[4:]!r} was not over" if name[:4] == "job:" else f"no signal {name!r} came"
        )
        super().__init__(
            f"{what} within the timeout of the pause: to go on without it, catch SignalTimeout "
            f"around the pause"
        )


class JobFailed(PauseflowError):
    """The job that a pause or a job stage waited for failed, or was lost. Raised at the pause.

    Args:
        job: the job's id.
        error_type: the name of the exception's type.
        message: the exception's text.
        traceback: the exception's traceback, as text; empty if it left none.
    """

    def __init__(self, job: str, error_type: str, message: str, traceback: str = "") -> None:
        self.job = job
        self.error_type = error_type
        self.message = message
        self.traceback = traceback
        told = f"{error_type}: {message}".removesuffix(": ")
        super().__init__(f"job {job!r} failed: {told}")


class OutsideStage(PauseflowError):
    """`current()` was called where no stage is running."""


class StoreError(PauseflowError):
    """Something about the server, or about what it holds."""


class ServerUnreachable(StoreError):
    """Nothing answers at the address, or the connection was lost and did not come back."""


class ServerRefused(StoreError):
    """A server answers, but not to us: password, rights, a read-only replica, not Redis at all."""


class ServerReadOnly(ServerRefused):
    """The server is a replica. The next use connects anew: in a failover, to the new primary."""


class ServerFull(StoreError):
    """The server has reached its maxmemory. Nothing was written; it goes on when there is room."""


class UnknownRun(StoreError):
    """No run has this id: it was never submitted, or it has expired."""


class RunConflict(StoreError):
    """This run id was used before, for another flow or another input."""


class RunNotOpen(StoreError):
    """An append to a run whose input is closed."""


class FeedGap(StoreError):
    """An append beyond the position that the run has reached: records between are missing."""


class ResultsDropped(StoreError):
    """Results that a reader has read before, and that have made room for later ones."""


class SignalRefused(StoreError):
    """A signal to a run that is over, or that keeps too many signals that nobody waits for."""


class UnknownLetter(StoreError):
    """No dead letter has this key: it never died, or was retried or dropped since."""


class LetterRefused(StoreError):
    """What was asked for can't be done with this dead letter, which stays as it is."""


class SkipRefused(StoreError):
    """What a run halted at can't be set aside: nothing was changed."""


class RunOver(StoreError):
    """What was asked for needs a run that is still going; this one is done or cancelled."""


class RunFailed(StoreError):
    """The run halted before it was done."""


class RunCancelled(RunFailed):
    """The run was cancelled before it was done."""
