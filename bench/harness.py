"""What the benchmarks share: a server, a worker process, and how figures are told."""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from pauseflow.client import Client
from pauseflow.embedded import EmbeddedServer

HERE = Path(__file__).parent
ROUNDS = 5


@contextlib.contextmanager
def server() -> Iterator[str]:
    """An embedded Valkey of its own, append-only file and all. Gives its URL."""
    with (
        tempfile.TemporaryDirectory(prefix="pauseflow-bench-") as folder,
        EmbeddedServer(Path(folder)) as running,
    ):
        yield running.url


@contextlib.contextmanager
def worker(url: str) -> Iterator[subprocess.Popen[bytes]]:
    """One worker process for the flows of `flows.py`."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pauseflow.cli", "worker", "--app", str(HERE / "flows.py")],
        env={**os.environ, "REDIS_URL": url, "WEB_CONCURRENCY": "1"},
    )
    try:
        with Client.connect(url) as client:
            until(lambda: bool(client.workers()))
        yield process
    finally:
        process.terminate()
        process.wait()


def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Waits for a condition."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("the condition did not come true")
        time.sleep(0.005)


def cpu_seconds(process: int) -> float:
    """User and system time of a process so far (Linux)."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_rss_mib(process: int) -> float:
    """The largest resident memory that a process has had (Linux)."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def tell(name: str, value: float, *, least: float | None = None, most: float | None = None) -> None:
    """Prints a figure beside its limit."""
    limit, kept = "", ""
    if least is not None:
        limit, kept = f"at least {least:g}", "kept" if value >= least else "MISSED"
    if most is not None:
        limit, kept = f"at most {most:g}", "kept" if value <= most else "MISSED"
    print(f"{name:<62} {value:>12,.3f}  {limit:<14} {kept}", flush=True)


def spread(values: Sequence[float]) -> str:
    """Minimum, median and maximum, for a reader to judge the noise by."""
    ordered = sorted(values)
    return f"{ordered[0]:.3g} / {statistics.median(ordered):.3g} / {ordered[-1]:.3g}"


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of the values don't exceed."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]
