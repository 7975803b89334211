"""Generators that can be written down as data at any yield, and go on in another process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pauseflow.resumable import equivalents as _equivalents  # noqa: F401 (tells `call` of them)
from pauseflow.resumable.frame import Frame, capture, restore, start
from pauseflow.resumable.prepared import Resumable, prepare
from pauseflow.resumable.replay import replayable
from pauseflow.resumable.series import Series
from pauseflow.resumable.showing import FrameView


def fingerprint(fn: Callable[..., Any]) -> str:
    """The fingerprint of a generator function's source; comments and formatting don't count.

    Raises:
        NotResumable: it can't be rewritten.
    """
    return prepare(fn).fingerprint


__all__ = [
    "Frame",
    "FrameView",
    "Resumable",
    "Series",
    "capture",
    "fingerprint",
    "prepare",
    "replayable",
    "restore",
    "start",
]
