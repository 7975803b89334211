from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from corpus import CASES
from driving import OVER, _next, finished, plainly
from elsewhere import STOP_AFTER
from hypothesis import given, settings
from hypothesis import strategies as st

from pauseflow import codec
from pauseflow.errors import ForeignFrame, MalformedData, NotSerializable
from pauseflow.pause import PauseFlow
from pauseflow.resumable import Frame, Series, capture, restore, start

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def frames() -> Any:
    path = os.pathsep.join([str(HERE), str(HERE.parents[2])])
    environ = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, str(HERE / "elsewhere.py")],
        env=environ,
        stdout=subprocess.PIPE,
        check=True,
    )
    return codec.decode(done.stdout)


async def rest_of(it: Any) -> Any:
    """What is left, or None if it asks something on the way."""
    taken: list[Any] = []
    while (item := await _next(it)) is not OVER:
        if isinstance(item, PauseFlow):
            return None
        taken.append(deepcopy(item))
    return taken


def test_frames_of_another_process_go_on_here(frames: dict[str, bytes | None]) -> None:
    gone_on = 0
    for case in CASES:
        frame = frames[case.name]
        expected, _, error = plainly(case)
        if frame is None or error:
            continue
        series = Series(case.fn)
        it = series.reopen(deepcopy(case.argument), frame)
        try:
            taken: Any = finished(rest_of(it), awaits=series.is_async)
        except PauseFlow:
            continue
        if taken is not None:
            assert taken == expected[STOP_AFTER:], case.name
            gone_on += 1
    assert gone_on > 80


def test_frames_do_not_depend_on_the_process(frames: dict[str, bytes | None]) -> None:
    """Its hash seed, for one: but for what is in a set, whose order is not kept."""
    from elsewhere import frames as made_here  # noqa: PLC0415 (it runs them all)

    same = [name for name, frame in made_here().items() if frame == frames[name]]
    assert len(same) > 0.9 * len(CASES)


def letters(n: int) -> Any:
    rows = [["a", n], {"k": [n]}]
    rows.append(rows[0])
    for i, row in enumerate(rows):
        for item in row:
            yield i, item, rows


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damaged_bytes_are_malformed_or_run_and_nothing_else(data: st.DataObject) -> None:
    it = start(letters, 3)
    for _ in range(3):
        next(it)
    frame = bytearray(capture(it).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(frame) - 1))
        if data.draw(st.booleans()):
            frame[place] = data.draw(st.integers(0, 255))
        else:
            del frame[place]
    series = Series(letters)
    series.describe(bytes(frame))
    with suppress(MalformedData, ForeignFrame):
        again = series.reopen(3, bytes(frame))
        with suppress(Exception):  # other values than the code expects: its errors are its own
            for _, _ in zip(range(20), again, strict=False):
                pass


PLAIN = st.recursive(
    st.none() | st.integers(-2, 9) | st.text(max_size=2) | st.sampled_from(["@", "g", "y", "i"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(st.lists(PLAIN, max_size=6), PLAIN)
def test_random_heaps_are_malformed_or_run_and_nothing_else(heap: list[Any], tagged: Any) -> None:
    it = start(letters, 3)
    next(it)
    data = capture(it).to_data()
    with suppress(MalformedData, ForeignFrame, NotSerializable):
        frame = Frame.from_data([*data[:5], {}, dict.fromkeys(data[6], tagged), [], heap])
        again = restore(frame)
        with suppress(Exception):
            for _, _ in zip(range(20), again, strict=False):
                pass
