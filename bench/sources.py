"""Sources: what an item costs, and going on near the beginning and near the end.

Each source takes turns with what one would write without it, and the median of their ratios is
told. Then it is read up to a place, written down and gone on from, in milliseconds: that must not
depend on the place. The gzip files are one member without flushes, some 200 MB unpacked, of
Python's own standard library over and over.
"""

from __future__ import annotations

import csv
import gzip
import json
import os
import sqlite3
import statistics
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from harness import spread, tell

from pauseflow import sources
from pauseflow.resumable import Series

ROUNDS = 3
PIECE = 1 << 16
SIZE = 200_000_000
ROWS = 300_000
PLACES = (0.01, 0.5, 0.99)


def text() -> bytes:
    modules = sorted(Path(os.__file__).parent.glob("*.py"))
    return b"".join(module.read_bytes() for module in modules)


def write(path: Path, level: int) -> int:
    data = text()
    with gzip.open(path, "wb", compresslevel=level) as file:
        return sum(file.write(data) for _ in range(SIZE // len(data)))


def drained(items: Iterable[Any]) -> float:
    """Seconds of CPU that it takes to go over all items."""
    began = time.process_time()
    deque(items, 0)
    return time.process_time() - began


def reading(
    name: str,
    source: Callable[[], Iterable[Any]],
    plain: Callable[[], Iterable[Any]],
    most: float,
    count: int = 0,
) -> None:
    """How much longer a source takes for all of its items than what stands beside it."""
    ratios: list[float] = []
    seconds = 0.0
    for _ in range(ROUNDS):
        beside = drained(plain())
        seconds = drained(source())
        ratios.append(seconds / beside)
    tell(f"reading all, {name}", statistics.median(ratios), most=most)
    each = f", {seconds / count * 1e9:,.0f} ns each" if count else ""
    print(f"    of {ROUNDS} rounds: {spread(ratios)}{each}")


def going_on(source: Callable[..., Any], address: str, count: int, share: float) -> None:
    """Write a source down at a place, and go on from that."""
    series = Series(source, strict=True)
    it = series.open(address)
    next(it)
    it = series.reopen(address, series.capture(it, emitted=1))  # it gets to know its code
    for _item in islice(it, int(share * count)):
        pass
    began = time.perf_counter()
    frame = series.capture(it, emitted=0)
    taken = time.perf_counter()
    next(series.reopen(address, frame))
    ended = time.perf_counter()
    tell(f"    at {share:4.0%}: writing it down, ms", 1000 * (taken - began), most=50)
    tell(f"    at {share:4.0%}: going on from it, ms", 1000 * (ended - taken), most=50)


def packed(folder: Path) -> None:
    for level in (1, 6, 9):
        path = folder / f"text-{level}.gz"
        size = write(path, level)
        print(f"gzip -{level}: {size:,} bytes in {path.stat().st_size:,}")

        def unpacked(path: Path = path) -> Iterator[bytes]:
            with gzip.open(path) as file:
                while piece := file.read(PIECE):
                    yield piece

        source = partial(sources.chunks, size=PIECE)
        reading("chunks / gzip.open", partial(source, path), unpacked, 1.5)
        for share in PLACES:
            going_on(source, str(path), size // PIECE, share)


def made(folder: Path) -> tuple[Path, Path, Path]:
    """The same rows as CSV, JSON lines and a table."""
    table = [(n, n * 3, f"text {n}") for n in range(ROWS)]
    path, values, database = folder / "t.csv", folder / "t.jsonl", folder / "t.db"
    path.write_text("a,b,c\n" + "".join(f"{a},{b},{c}\n" for a, b, c in table))
    values.write_text("".join(json.dumps({"a": a, "b": b, "c": c}) + "\n" for a, b, c in table))
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b, c)")
        connection.executemany("INSERT INTO t VALUES (?, ?, ?)", table)
        connection.commit()
    return path, values, database


def rows(folder: Path) -> None:
    path, values, database = made(folder)

    def opened() -> Iterator[str]:
        with path.open() as file:
            yield from file

    def dicts() -> Iterator[Any]:
        with path.open(newline="") as file:
            yield from csv.DictReader(file)

    def loaded() -> Iterator[Any]:
        with values.open() as file:
            for line in file:
                yield json.loads(line)

    def selected() -> Iterator[Any]:
        with closing(sqlite3.connect(database)) as connection:
            for row in connection.execute("SELECT * FROM t ORDER BY a"):
                yield dict(zip("abc", row, strict=True))

    def pieces() -> Iterator[bytes]:
        yield from path.read_bytes().split(b"\n")

    table = partial(sources.sql, query="t", key="a")
    alchemy = f"sqlite+pysqlite:///{database}"
    beside: list[tuple[str, Callable[[str], Any], str, Callable[[], Any], float]] = [
        ("lines / open", sources.lines, str(path), opened, 8),
        ("csv / csv.DictReader", sources.csv, str(path), dicts, 2),
        ("json_lines / json.loads", sources.json_lines, str(values), loaded, 2),
        ("split / bytes.split", divided, str(path), pieces, 5),
        ("sql / sqlite3", table, str(database), selected, 3),
        ("sql, SQLAlchemy / sqlite3", table, alchemy, selected, 5),
    ]
    print(f"{ROWS:,} rows of three columns")
    for name, source, address, plain, most in beside:
        reading(name, partial(source, address), plain, most, ROWS)
        for share in PLACES:
            going_on(source, address, ROWS, share)


def divided(path: str) -> Iterator[bytes]:
    yield from sources.split(sources.chunks(path))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="pauseflow-bench-") as name:
        rows(Path(name))
        packed(Path(name))
