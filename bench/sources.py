"""A long gzip file of text: reading it, and going on in it near its beginning and near its end.

The text is Python's own standard library, over and over. `chunks` takes turns with `gzip.open`, and
the median of their ratios is told. Then it is read up to a place, and its state is taken and gone
on from, in milliseconds: the file is one member without flushes, some 200 MB unpacked.
"""

from __future__ import annotations

import gzip
import os
import statistics
import tempfile
import time
from itertools import islice
from pathlib import Path

from harness import spread, tell

from pauseflow.sources import chunks

ROUNDS = 3
PIECE = 1 << 16
SIZE = 200_000_000
PLACES = (0.01, 0.5, 0.99)


def text() -> bytes:
    modules = sorted(Path(os.__file__).parent.glob("*.py"))
    return b"".join(module.read_bytes() for module in modules)


def write(path: Path, level: int) -> int:
    data = text()
    with gzip.open(path, "wb", compresslevel=level) as file:
        return sum(file.write(data) for _ in range(SIZE // len(data)))


def reading(path: Path) -> None:
    ratios: list[float] = []
    for _ in range(ROUNDS):
        began = time.process_time()
        with gzip.open(path) as file:
            while file.read(PIECE):
                pass
        plain = time.process_time()
        for _piece in chunks(path, PIECE):
            pass
        ratios.append((time.process_time() - plain) / (plain - began))
    tell("reading all, chunks / gzip.open", statistics.median(ratios), most=1.5)
    print(f"    of {ROUNDS} rounds: {spread(ratios)}")


def going_on(path: Path, size: int, share: float) -> None:
    source = chunks(path, PIECE)
    for _piece in islice(source, int(share * size / PIECE)):
        pass
    began = time.perf_counter()
    state = source.__getstate__()
    taken = time.perf_counter()
    other = object.__new__(chunks)
    other.__setstate__(state)
    piece = next(other)
    ended = time.perf_counter()
    assert piece == next(source)
    tell(f"at {share:4.0%}: taking the state, ms", 1000 * (taken - began), most=50)
    tell(f"at {share:4.0%}: going on from it, ms", 1000 * (ended - taken), most=50)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="pauseflow-bench-") as folder:
        for level in (1, 6, 9):
            path = Path(folder) / f"text-{level}.gz"
            size = write(path, level)
            print(f"gzip -{level}: {size:,} bytes in {path.stat().st_size:,}")
            reading(path)
            for share in PLACES:
                going_on(path, size, share)
