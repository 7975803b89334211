"""Finding: what a check found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"
    MENDED = "mended"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of what was found.

    Attributes:
        level: an error is something that keeps work from getting on, or may lose it; `mended` was
            an error or a warning until now.
        subject: what it is about, in a word.
        text: what was found.
        advice: what to do, or what was done; empty if nothing is to be done.
        mend: puts it right, and says what was done; gives an empty text if it is not wrong any
            more. None if it can't be put right by itself.
    """

    level: Level
    subject: str
    text: str
    advice: str = ""
    mend: Callable[[], str] | None = field(default=None, compare=False, repr=False)

    def mended_by(self, mend: Callable[[], str]) -> Finding:
        """The same, with a way to put it right."""
        return replace(self, mend=mend)


def ok(subject: str, text: str) -> Finding:
    """All is well."""
    return Finding(Level.OK, subject, text)


def warning(subject: str, text: str, advice: str = "") -> Finding:
    """Somebody should know of it."""
    return Finding(Level.WARNING, subject, text, advice)


def error(subject: str, text: str, advice: str = "") -> Finding:
    """Work does not get on, or may be lost."""
    return Finding(Level.ERROR, subject, text, advice)
