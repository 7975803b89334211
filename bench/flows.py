"""The flows that the benchmarks run, as an app."""

from __future__ import annotations

from pauseflow import Flow


def add(number: int) -> int:
    return number + 1


def double(number: int) -> int:
    return number * 2


def subtract(number: int) -> int:
    return number - 3


line = Flow("line")
line.map(add).map(double).map(subtract)
