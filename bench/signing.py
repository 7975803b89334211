"""What signing costs: a worker's processor time for a hop of one record, and for a bulk record.

With and without a key in turn; the least of the rounds, for other processes only ever add to it.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from flows import line
from harness import ROUNDS, cpu_seconds, server, tell, worker

from pauseflow.client import Client
from pauseflow.signing import KEY_VARIABLE

RUNS = 5_000
RECORDS = 400_000
STAGES = 3


def hops(url: str, process: int) -> float:
    """Microseconds of the worker for one hop of a run of one record."""
    with Client.connect(url) as client:
        began = cpu_seconds(process)
        ids = [client.submit(line, number) for number in range(RUNS)]
        for run_id in ids:
            client.wait(run_id, timeout=60)
        return (cpu_seconds(process) - began) * 1e6 / (RUNS * STAGES)


def bulk(url: str, process: int) -> float:
    """Microseconds of the worker for one record at one stage of a large run."""
    with Client.connect(url) as client:
        began = cpu_seconds(process)
        run = client.open(line)
        done = 0
        for at in range(0, RECORDS, RECORDS // 8):
            run.extend(range(at, at + RECORDS // 8))
            done += sum(1 for _ in client.results(run.run_id, start=done))
        run.close()
        done += sum(1 for _ in client.results(run.run_id, follow=True, start=done))
        if done != RECORDS:
            raise AssertionError(f"{done} results of {RECORDS} records")
        return (cpu_seconds(process) - began) * 1e6 / (RECORDS * STAGES)


def least(measure: Callable[[str, int], float], key: str) -> float:
    """The least that a round took."""
    os.environ[KEY_VARIABLE] = key
    with server() as url, worker(url) as process:
        return min(measure(url, process.pid) for _ in range(ROUNDS))


def main() -> None:
    key = "0123456789abcdef" * 2
    for name, measure in (("hop of one record", hops), ("bulk record a stage", bulk)):
        without, signed = least(measure, ""), least(measure, key)
        tell(f"µs a {name}, unsigned", without)
        tell(f"µs a {name}, signed", signed)
        tell("  times as much", signed / without, most=2.0)


if __name__ == "__main__":
    main()
