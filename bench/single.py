"""Runs of a single record: hops a second, latency, and fairness beside a large run.

Hops: the runs are submitted while the worker is stopped, then it is let go. The bare loop that
they are compared with reads 64 entries at a time and sends XADD, XACK and XDEL for each in one
pipeline, with redis-py and no engine.
"""

from __future__ import annotations

import os
import signal
import statistics
import threading
import time
from urllib.parse import urlsplit

import redis
from flows import line
from harness import ROUNDS, percentile, server, spread, tell, worker

from pauseflow.client import Client

RUNS = 10_000
STAGES = 3
LATENCIES = 1_000
FAIR_SECONDS = 5.0


def connect(url: str) -> redis.Redis:
    return redis.Redis(unix_socket_path=urlsplit(url).path)


def bare_hops(url: str) -> float:
    """Entries a second of a loop without an engine."""
    probe = connect(url)
    probe.delete("bare", "bare-next")
    probe.xgroup_create("bare", "g", "0", mkstream=True)
    filling = probe.pipeline(transaction=False)
    for _ in range(RUNS):
        filling.xadd("bare", {"e": b"x" * 40})
    filling.execute()
    began, seen = time.perf_counter(), 0
    while seen < RUNS:
        reply = probe.execute_command(
            "XREADGROUP", "GROUP", "g", "c", "COUNT", 64, "STREAMS", "bare", ">"
        )
        streams = list(reply.items()) if isinstance(reply, dict) else reply
        entries = streams[0][1]
        pipe = probe.pipeline(transaction=False)
        for entry_id, fields in entries:
            body = fields[b"e"] if isinstance(fields, dict) else fields[1]
            pipe.xadd("bare-next", {"e": body})
            pipe.xack("bare", "g", entry_id)
            pipe.xdel("bare", entry_id)
            seen += 1
        pipe.execute()
    rate = RUNS / (time.perf_counter() - began)
    probe.delete("bare", "bare-next")
    return rate


def engine_hops(url: str, process: int) -> float:
    """Hops a second of runs of one record each."""
    with Client.connect(url) as client:
        os.kill(process, signal.SIGSTOP)
        ids = [client.submit(line, number) for number in range(RUNS)]
        began = time.perf_counter()
        os.kill(process, signal.SIGCONT)
        client.wait(ids[-1], timeout=60)
        for run_id in ids:
            client.wait(run_id, timeout=60)
            if client.run(run_id).results.count != 1:
                raise AssertionError(f"run {run_id} has not one result")
            break
        return RUNS * STAGES / (time.perf_counter() - began)


def latency(url: str) -> None:
    probe = connect(url)
    with Client.connect(url) as client:
        pings, runs = [], []
        for number in range(LATENCIES):
            began = time.perf_counter()
            probe.ping()
            pings.append(time.perf_counter() - began)
            began = time.perf_counter()
            result = list(client.results(client.submit(line, number), follow=True))
            runs.append(time.perf_counter() - began)
            if result != [(number + 1) * 2 - 3]:
                raise AssertionError(f"{result} from {number}")
    ping, run = statistics.median(pings), statistics.median(runs)
    print(f"latency: a PING {ping * 1e6:.0f} us, a record through three stages {run * 1e6:.0f} us")
    tell("latency: median, in PING round trips", run / ping, most=12)
    tell("latency: 99th percentile, ms", percentile(runs, 0.99) * 1e3, most=5)


def fairness(url: str) -> None:
    """Latencies of single-record runs while a run of millions goes."""
    stop = threading.Event()

    def large() -> None:
        with Client.connect(url) as client:
            feed = client.open(line)

            def numbers() -> object:
                number = 0
                while not stop.is_set():
                    yield number
                    number += 1

            reader = threading.Thread(target=read, args=(feed.run_id,))
            reader.start()
            feed.extend(numbers())
            feed.close()
            reader.join()
            print(f"fairness: beside a run of {feed.position:,} records")

    def read(run_id: str) -> None:
        with Client.connect(url) as client:
            for _ in client.results(run_id, follow=True):
                pass

    feeder = threading.Thread(target=large)
    feeder.start()
    times = []
    with Client.connect(url) as client:
        end = time.monotonic() + FAIR_SECONDS
        while time.monotonic() < end:
            began = time.perf_counter()
            list(client.results(client.submit(line, 1), follow=True))
            times.append(time.perf_counter() - began)
            time.sleep(0.01)
    stop.set()
    feeder.join()
    print(f"fairness: {len(times)} single-record runs, ms: {spread([t * 1e3 for t in times])}")
    tell("fairness: 99th percentile, ms", percentile(times, 0.99) * 1e3, most=500)


def main() -> None:
    with server() as url, worker(url) as process:
        with Client.connect(url) as client:
            for number in range(500):
                list(client.results(client.submit(line, number), follow=True))
        latency(url)
        ratios, rates = [], []
        for _ in range(ROUNDS):
            bare = bare_hops(url)
            rate = engine_hops(url, process.pid)
            ratios.append(rate / bare)
            rates.append(rate)
        print(f"hops a second: {spread(rates)}; ratio to the bare loop: {spread(ratios)}")
        tell("hops: ratio to a bare loop without an engine", statistics.median(ratios), least=0.4)
        fairness(url)


if __name__ == "__main__":
    main()
