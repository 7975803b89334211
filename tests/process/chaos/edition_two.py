"""The app after a change: `legs` takes up what it had begun before, `laps` does not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from chaos.flows import *  # noqa: F403 - an app is what its module holds

from pauseflow import Flow, PauseFlow


def legs(n: int, begin: int = 0) -> Iterator[int | PauseFlow]:
    for leg in range(begin, n):
        yield leg * 7
        if leg % 35 == 34:
            yield PauseFlow(after=0.02)


def go_on(kept: dict[str, Any]) -> tuple[int, int]:
    return kept["n"], kept["at"]


def laps(n: int) -> Iterator[int | PauseFlow]:
    lap = 0
    while lap < n:
        if lap % 25 == 5:
            yield PauseFlow(after=0.05)
        yield lap * 11
        lap += 1


def same(number: int) -> int:
    time.sleep(0.0005)
    return number


migrated = Flow("migrated")
migrated.branch(legs, version="two", migrate={"one": go_on}, strict=True).map(same)

drained = Flow("drained")
drained.branch(laps, version="two", strict=True).map(same)
