"""Waiting for something that happens elsewhere."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(predicate: Callable[[], T], description: str, *, seconds: float = 30.0) -> T:
    """Waits until the predicate is true, and gives its value.

    Args:
        predicate: looked at again and again.
        description: what is awaited, for the message.
        seconds: when to give up; generous, since a machine may be busy.
    """
    deadline = time.monotonic() + seconds
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s in vain until {description}")
        time.sleep(0.005)
