"""The app as it was first."""

from __future__ import annotations

import time
from collections.abc import Iterator

from chaos.flows import *  # noqa: F403 - an app is what its module holds

from pauseflow import Flow, PauseFlow


def legs(n: int) -> Iterator[int | PauseFlow]:
    at = 0
    while at < n:
        at += 1
        yield 7 * (at - 1)
        if at % 40 == 0:
            yield PauseFlow(after=0.02)


def laps(n: int) -> Iterator[int | PauseFlow]:
    for lap in range(n):
        if lap % 30 == 10:
            yield PauseFlow(after=0.05)
        yield 11 * lap


def same(number: int) -> int:
    time.sleep(0.0005)
    return number


migrated = Flow("migrated")
migrated.branch(legs, version="one", strict=True).map(same)

drained = Flow("drained")
drained.branch(laps, version="one", strict=True).map(same)
