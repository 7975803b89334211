"""Finding: what a check found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of what was found.

    Attributes:
        level: an error is something that keeps work from getting on, or may lose it.
        subject: what it is about, in a word.
        text: what was found.
        advice: what to do; empty if nothing is to be done.
    """

    level: Level
    subject: str
    text: str
    advice: str = ""


def ok(subject: str, text: str) -> Finding:
    """All is well."""
    return Finding(Level.OK, subject, text)


def warning(subject: str, text: str, advice: str = "") -> Finding:
    """Somebody should know of it."""
    return Finding(Level.WARNING, subject, text, advice)


def error(subject: str, text: str, advice: str = "") -> Finding:
    """Work does not get on, or may be lost."""
    return Finding(Level.ERROR, subject, text, advice)
