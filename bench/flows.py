"""The flows that the benchmarks run, as an app."""

from __future__ import annotations

from datetime import UTC, datetime

from pauseflow import Flow, PauseFlow


def add(number: int) -> int:
    return number + 1


def double(number: int) -> int:
    return number * 2


def subtract(number: int) -> int:
    return number - 3


line = Flow("line")
line.map(add).map(double).map(subtract)


def wait_until(record: tuple[int, float]) -> int:
    _, moment = record
    raise PauseFlow(at=datetime.fromtimestamp(moment, UTC))


patient = Flow("patient")
patient.map(wait_until, ordered=False)
