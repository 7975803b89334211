"""Where a generator stands, and what its locals are there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import AsyncGeneratorType, FrameType, GeneratorType, TracebackType
from typing import Any, Union

from pauseflow.errors import CaptureError
from pauseflow.resumable.entering import LEAVING, Control, Entry
from pauseflow.resumable.liveness import HANDLED
from pauseflow.resumable.prepared import BY_CODE, ENTRIES, Resumable
from pauseflow.resumable.rewriting import AT, CONTROL, ENTRY, STANDS

Generator = Union["GeneratorType[Any, Any, Any]", "AsyncGeneratorType[Any, Any]"]


@dataclass(slots=True)
class Standing:
    """One generator at one of its points.

    Args:
        resumable: its function.
        point: where it goes on.
        scope: its live locals, the hidden ones too.
        again: the names whose `import` or `def` runs again.
        control: its `with` and `finally` blocks, if it is alive and has some.
    """

    resumable: Resumable
    point: int
    scope: dict[str, Any]
    again: list[str]
    control: Control | None = None

    @property
    def line(self) -> int:
        """The source line."""
        return self.resumable.line(self.point)

    def refusal(self, local: str, value: object, reason: str, *, instead: str = "") -> CaptureError:
        """The error for a local that can't be written down here."""
        return CaptureError(
            shown(local),
            type(value).__qualname__,
            file=self.resumable.file,
            line=self.line,
            reason=reason,
            instead=instead,
        )


class Ends:
    """The generators that a PauseFlow came out of, by the traceback that it left.

    Args:
        raised: the PauseFlow, or None if nothing was raised.
    """

    def __init__(self, raised: BaseException | None) -> None:
        self._tracebacks: list[TracebackType] = []
        traceback = raised.__traceback__ if raised is not None else None
        while traceback is not None:
            if id(traceback.tb_frame.f_code) in BY_CODE:
                self._tracebacks.append(traceback)
            traceback = traceback.tb_next
        self.any = raised is not None

    def of(self, generator: Generator) -> TracebackType | None:
        """Where a dead generator was left, or None if it ended in another way."""
        code = code_of(generator)
        entry = ENTRIES.get(generator)
        for traceback in self._tracebacks:
            frame = traceback.tb_frame
            if frame.f_code is code and (entry is None or frame.f_locals.get(ENTRY) is entry):
                return traceback
        return None


def shown(local: str) -> str:
    """How a local is called in a message."""
    if local.startswith("_pf_it"):
        return "the iterator of the loop or `yield from`"
    if local.startswith("_pf_item"):
        return "the current item of the loop"
    return "a part of the expression before the yield" if local.startswith("_pf") else local


def code_of(generator: Generator) -> Any:
    """A generator's code."""
    return generator.gi_code if isinstance(generator, GeneratorType) else generator.ag_code


def stand(generator: Generator, ends: Ends) -> Standing | None:
    """Where a generator of a rewritten function stands; None if it has come to its end.

    Raises:
        CaptureError: it is running, is no such generator, or stands where it can't be entered.
    """
    resumable = BY_CODE.get(id(code_of(generator)))
    if resumable is None:
        if code_of(generator).co_name == "<genexpr>":
            raise _no(generator, "a generator expression stays here: make it a list, or a function")
        raise _no(generator, "it is a generator whose function was not rewritten")
    frame, running = _suspended(generator)
    if frame is None:
        traceback = ends.of(generator)
        return None if traceback is None else _ended(resumable, traceback)
    if running:
        raise _no(generator, "it is running")
    scope = frame.f_locals
    point = scope.get(STANDS)
    if point is None:
        return _waiting(resumable, scope)
    standing = _standing(resumable, point, scope)
    standing.control = scope.get(CONTROL)
    return standing


def _suspended(generator: Generator) -> tuple[FrameType | None, bool]:
    if isinstance(generator, GeneratorType):
        return generator.gi_frame, generator.gi_running
    return generator.ag_frame, generator.ag_running


def _standing(resumable: Resumable, point: int, scope: Mapping[str, Any]) -> Standing:
    live = {name: scope[name] for name in resumable.live[point] if name in scope}
    again: list[str] = []
    if resumable.made_again:
        again = [name for name in resumable.made_again if name in live]
        for name in again:
            del live[name]
    return Standing(resumable, point, live, again)


def _waiting(resumable: Resumable, scope: Mapping[str, Any]) -> Standing:
    """Not advanced since it was made or entered."""
    entry = scope.get(ENTRY)
    point = scope.get(AT)
    if point is None or not isinstance(entry, Entry):
        return _standing(resumable, 0, scope)
    standing = Standing(resumable, point, dict(entry), sorted(entry.again))
    if entry.value is not None or entry.error is not None:
        raise standing.refusal(
            "the awaited value", entry.value, "it was restored with it, and not advanced since"
        )
    return standing


def _ended(resumable: Resumable, traceback: TracebackType) -> Standing:
    frame: FrameType = traceback.tb_frame
    scope = frame.f_locals
    place = resumable.places.of(frame.f_code, traceback.tb_lasti)
    inner = traceback.tb_next
    refused = "where no statement of its own is"
    if inner is not None and inner.tb_frame.f_code in LEAVING:
        refused = "while a `with` block is left"
    elif place is not None:
        refused = place.refused
    if refused or place is None:
        raise CaptureError(
            "the generator",
            resumable.name,
            file=resumable.file,
            line=traceback.tb_lineno,
            reason=f"it paused {refused}",
            instead="Let it pause in a statement before or after that",
        )
    point = place.point
    if place.after and inner is None:
        point = place.after
    elif place.iterator and scope.get(place.iterator) is not None:
        point = place.going_on
    standing = _standing(resumable, point, scope)
    if HANDLED in resumable.live[point]:
        raise standing.refusal(
            HANDLED,
            None,
            "what follows in the `except` still needs it",
            instead="Note there what happened, and pause after the `try` statement",
        )
    return standing


def _no(generator: Generator, reason: str) -> CaptureError:
    code = code_of(generator)
    return CaptureError(
        "the generator",
        generator.__qualname__,
        file=code.co_filename,
        line=code.co_firstlineno,
        reason=reason,
    )
