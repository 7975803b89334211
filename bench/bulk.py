"""Bulk and flat cost: many integers through three trivial stages, one worker process.

Each round feeds the records to a run from one process while another reads its results, as users do,
and is paired with the same three functions as a bare generator chain in one process. The ratio of
the two is the figure. Then the cost of a record and Redis' memory are compared between a small and
a large run.
"""

from __future__ import annotations

import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from multiprocessing import Pipe, Process
from multiprocessing.connection import Connection
from urllib.parse import urlsplit

import redis
from flows import add, double, line, subtract
from harness import ROUNDS, peak_rss_mib, server, spread, tell, worker

from pauseflow.client import Client

RECORDS = 2_000_000
FEW = 100_000


def chain(function: Callable[[int], int], source: Iterable[int]) -> Iterator[int]:
    for number in source:
        yield function(number)


def bare(count: int) -> float:
    """Seconds for the records in a bare generator chain."""
    began = time.perf_counter()
    for _ in chain(subtract, chain(double, chain(add, range(count)))):
        pass
    return time.perf_counter() - began


def feed(url: str, ready: Connection, count: int) -> None:
    """The feeding process: waits for a run's id, then feeds the run."""
    with Client.connect(url) as client:
        ready.send(None)
        with client.open(line, run_id=ready.recv()) as run:
            run.extend(range(count))


def engine(url: str, count: int) -> float:
    """Seconds from opening the run to its last result, fed by one process and read by another."""
    ours, theirs = Pipe()
    feeder = Process(target=feed, args=(url, theirs, count))
    feeder.start()
    ours.recv()
    with Client.connect(url) as client:
        began = time.perf_counter()
        run = client.open(line)
        ours.send(run.run_id)
        for _ in client.results(run.run_id, follow=True):
            pass
        took = time.perf_counter() - began
        seen = client.run(run.run_id).results.count
    feeder.join()
    if seen != count:
        raise AssertionError(f"{seen} results of {count} records")
    return took


def memory(url: str, count: int) -> float:
    """By how much Redis' memory grew at most while a run of so many records went, in bytes.

    All of it, with the clients' buffers and what waits to be written to the append-only file.
    """
    probe = redis.Redis(unix_socket_path=urlsplit(url).path)
    for key in probe.scan_iter("pauseflow:*:run:*"):
        probe.unlink(key)
    first = probe.info("memory")["used_memory"]
    samples = [first]
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.002):
            samples.append(probe.info("memory")["used_memory"])

    watcher = threading.Thread(target=watch)
    watcher.start()
    engine(url, count)
    done.set()
    watcher.join()
    return float(max(samples) - first)


def main() -> None:
    with server() as url, worker(url) as process:
        engine(url, FEW)
        ratios, large, small = [], [], []
        for _ in range(ROUNDS):
            small.append(engine(url, FEW) / FEW)
            took = engine(url, RECORDS)
            large.append(took / RECORDS)
            ratios.append(bare(RECORDS) / took)
        print(f"bulk, records a second, in thousands: {spread([1e-3 / cost for cost in large])}")
        print(f"bulk, ratio to the bare chain, lowest / median / highest: {spread(ratios)}")
        tell("bulk: ratio to a bare generator chain", statistics.median(ratios), least=0.33)
        flat = statistics.median(large) / statistics.median(small)
        tell(
            f"flat: cost of a record at {RECORDS:,}, as a share of that at {FEW:,}", flat, most=1.15
        )
        few = statistics.median(memory(url, FEW) for _ in range(ROUNDS))
        many = statistics.median(memory(url, RECORDS) for _ in range(ROUNDS))
        print(f"flat, used_memory: {few / 2**20:.2f} MiB and {many / 2**20:.2f} MiB")
        tell("flat: used_memory, large of small", many / few, most=2.0)
        tell("flat: used_memory above the baseline, MiB", many / 2**20, most=64)
        tell("flat: the worker's peak resident memory, MiB", peak_rss_mib(process.pid), most=120)


if __name__ == "__main__":
    sys.exit(main())
