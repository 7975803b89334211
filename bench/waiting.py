"""A million parked records: what each costs the server, how fast they wake, and idle processes.

One run with an unordered stage whose function pauses until a moment far away, so each record is
parked by itself. Then a coordinator's timers wake them all, which is paired with a script that only
moves as many members of a sorted set into a stream, as many a call.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime
from urllib.parse import urlsplit

import redis
from flows import patient
from harness import ROUNDS, cpu_seconds, server, spread, tell, until, worker

from pauseflow import codec
from pauseflow.client import Client
from pauseflow.store.keys import Keys
from pauseflow.store.server import Server
from pauseflow.store.upkeep import Upkeep
from pauseflow.store.waking import WOKEN_AT_ONCE
from pauseflow_coordinator.timers import Timers

RECORDS = 1_000_000
IDLE_SECONDS = 10.0

BARE = """
local due = redis.call('ZRANGE', KEYS[1], 0, ARGV[1] - 1)
for _, member in ipairs(due) do
  redis.call('XADD', KEYS[2], '*', 'e', member)
  redis.call('ZREM', KEYS[1], member)
end
return #due
"""


def main() -> None:
    moment = datetime(2100, 1, 1, tzinfo=UTC).timestamp()
    with server() as url, Client.connect(url) as client:
        probe = redis.Redis(unix_socket_path=urlsplit(url).path)
        before = probe.info("memory")["used_memory"]
        with worker(url) as process:
            with client.open(patient, run_id="parked") as run:
                run.extend((number, moment) for number in range(RECORDS))
            until(lambda: client.run("parked").stages[0].parked == RECORDS, 600)
            after = probe.info("memory")["used_memory"]
            record = len(codec.encode_items([(RECORDS, moment)]))
            tell(
                "parked: bytes of Redis beyond the record",
                (after - before) / RECORDS - record,
                most=400,
            )
            idle(url, process)
        wake(url, probe, moment)


def idle(url: str, process: subprocess.Popen[bytes]) -> None:
    """What a worker and a coordinator use while nothing is to be done."""
    coordinator = subprocess.Popen(
        [sys.executable, "-m", "pauseflow.cli", "coordinator", "--url", url]
    )
    time.sleep(2.0)
    both = (("worker", process.pid), ("coordinator", coordinator.pid))
    began = {name: cpu_seconds(pid) for name, pid in both}
    time.sleep(IDLE_SECONDS)
    for name, pid in both:
        used = (cpu_seconds(pid) - began[name]) / IDLE_SECONDS
        tell(f"parked: an idle {name}, share of a core", used, most=0.01)
    coordinator.terminate()
    coordinator.wait()


def wake(url: str, probe: redis.Redis, moment: float) -> None:
    """How fast one coordinator wakes them; each round is paired with the bare script."""
    keys = Keys("default")
    members = probe.zrange(keys.timers, 0, RECORDS // ROUNDS - 1)
    move = probe.register_script(BARE)
    wire = Server.at(url).wire()
    upkeep = Upkeep(keys, wire)
    upkeep.now_ms = int(moment * 1000) + 1
    timers = Timers(upkeep)
    rates, ratios = [], []
    for _ in range(ROUNDS):
        woken = 0
        began = time.perf_counter()
        while woken < len(members):
            woken += timers.run_once()
        rates.append(woken / (time.perf_counter() - began))
        for at in range(0, len(members), 1000):
            probe.zadd("bare:timers", dict.fromkeys(members[at : at + 1000], 1))
        began = time.perf_counter()
        while move(keys=["bare:timers", "bare:stream"], args=[WOKEN_AT_ONCE]):
            pass
        ratios.append(rates[-1] / (len(members) / (time.perf_counter() - began)))
    if probe.zcard(keys.timers) or timers.run_once():
        raise AssertionError("some were not woken")
    wire.close()
    print(f"woken a second: {spread(rates)}; ratio to the bare script: {spread(ratios)}")
    tell("parked: woken a second by one coordinator", statistics.median(rates), least=10_000)
    tell(
        "parked: the same, as a share of a bare ZRANGE and XADD script",
        statistics.median(ratios),
        least=0.3,
    )


if __name__ == "__main__":
    main()
