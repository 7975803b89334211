"""Another process: opens every case, stops at its third value, and writes the frames down."""

from __future__ import annotations

import asyncio
import sys
from copy import deepcopy
from typing import Any

from corpus import CASES, Case
from driving import OVER, _next

from pauseflow import codec
from pauseflow.pause import PauseFlow
from pauseflow.resumable import Series

STOP_AFTER = 3


async def stopped(case: Case) -> bytes | None:
    series = Series(case.fn)
    it = series.open(deepcopy(case.argument))
    for taken in range(1, STOP_AFTER + 1):
        try:
            item = await _next(it)
        except (PauseFlow, ZeroDivisionError):
            return None
        if item is OVER or isinstance(item, PauseFlow):
            return None
        if taken == STOP_AFTER:
            frame = series.capture(it, emitted=taken)
            if hasattr(it, "aclose"):
                await it.aclose()
            return frame
    return None


def frames() -> dict[str, Any]:
    return {case.name: asyncio.run(stopped(case)) for case in CASES}


if __name__ == "__main__":
    sys.stdout.buffer.write(codec.encode(frames()))
