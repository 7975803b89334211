"""Runs flows, holds them, and kills, freezes and stops workers, coordinators and the server.

`python tests/process/chaos/driver.py --kills 200 --restarts 10` is the long form, `make chaos`. All
that is drawn by chance comes from the seed, which is printed; when a process is hit is not.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent.parent)]

from chaos import checker, flows  # noqa: E402 - found by the path above

from pauseflow.client import Client, RunState  # noqa: E402
from pauseflow.embedded.server import _binary  # noqa: E402
from pauseflow.errors import PauseflowError, RunOver, StoreError, UnknownRun  # noqa: E402
from pauseflow.store.server import Server  # noqa: E402
from support.waiting import wait_until  # noqa: E402

FLOWS = {
    each.name: each
    for each in (flows.lines, flows.countdown, flows.mixed, flows.unordered, flows.scopes)
}
SIZES = {"lines": 20_000, "countdown": 400, "mixed": 3_000, "unordered": 1_500, "scopes": 120}
AT_ONCE = 5
FREEZE_SECONDS = 3.5
PATIENCE_SECONDS = 90.0


@dataclass
class Figures:
    """What is told at the end."""

    kills: int = 0
    freezes: int = 0
    stops: int = 0
    restarts: int = 0
    holds: int = 0
    runs: int = 0
    records: int = 0
    recoveries: list[float] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [
            (
                f"{self.runs} runs, {self.records:,} results, {self.kills} kills, "
                f"{self.freezes} freezes, {self.stops} stops, {self.restarts} server restarts, "
                f"{self.holds} holds"
            )
        ]
        if self.recoveries:
            times = sorted(self.recoveries)
            lines.append(
                f"a killed worker's chunks were back after {statistics.median(times):.2f} s "
                f"(median of {len(times)}), {times[-1]:.2f} s at most"
            )
        return "\n".join(lines)


class Chaos:
    """One session of it.

    Args:
        folder: for the server's data, the log and the processes' output.
        seed: of all that is drawn by chance.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.random = random.Random(seed)
        self.url = f"unix://{folder}/valkey.sock"
        self.log = folder / "effects"
        self.log.touch()
        self.figures = Figures()
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.frozen: dict[str, float] = {}
        self.open: dict[str, tuple[str, int, float]] = {}
        self.scopes: dict[str, int] = {}
        self.lost: dict[str, float] = {}
        self.output = (folder / "output").open("wb")
        self.server = self._start_server()
        self.client = Client.connect(self.url)

    def run(self, kills: int, restarts: int) -> Figures:
        """Goes on until so many kills and restarts were survived, and all runs are checked."""
        for name in ("worker.1", "worker.2", "worker.3", "coordinator.1", "coordinator.2"):
            self._start(name)
        wait_until(lambda: len(self.client.workers()) == 3, "the workers are there")
        every = max(kills // (restarts + 1), 1)
        while self.figures.kills < kills or self.figures.restarts < restarts:
            self._top_up()
            self._collect()
            self._watch_recovery()
            self._revive()
            self._hurt()
            self._hold()
            if self.figures.restarts < min(restarts, self.figures.kills // every):
                self._restart_server()
            self._linger(self.random.uniform(0.1, 0.6))
        self._thaw(everything=True)
        while self.open:
            self._let_go()
            self._collect()
            self._watch_recovery()
            self._revive()
            self._linger(0.05)
        checker.check_effects(self.log, self.scopes)
        self._check_leftovers()
        return self.figures

    def close(self) -> None:
        """Ends every process."""
        for process in (*self.processes.values(), self.server):
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.wait()
        self.client.close()
        self.output.close()

    def _start_server(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [
                str(_binary()), "--port", "0", "--unixsocket", f"{self.folder}/valkey.sock",
                "--dir", str(self.folder), "--appendonly", "yes", "--save", "",
                "--maxmemory-policy", "noeviction",
            ],
            stdout=self.output,
        )  # fmt: skip
        wait_until(self._answers, "the server answers")
        return process

    def _answers(self) -> bool:
        wire = Server.at(self.url).wire()
        try:
            return bool(wire.call(("PING",)) == b"PONG")
        except StoreError:
            return False
        finally:
            wire.close()

    def _start(self, name: str) -> None:
        kind = name.partition(".")[0]
        command = [sys.executable, "-m", "pauseflow.cli", kind]
        if kind == "worker":
            command += ["--app", str(HERE / "flows.py")]
        self.processes[name] = subprocess.Popen(
            command,
            env={**os.environ, "REDIS_URL": self.url, "CHAOS_LOG": str(self.log)},
            stdout=self.output,
            stderr=self.output,
        )

    def _revive(self) -> None:
        for name, process in self.processes.items():
            if process.poll() is not None:
                self._start(name)
        self._thaw()

    def _thaw(self, *, everything: bool = False) -> None:
        for name, until in list(self.frozen.items()):
            if everything or time.monotonic() > until:
                del self.frozen[name]
                self.processes[name].send_signal(signal.SIGCONT)

    def _top_up(self) -> None:
        """Keeps some runs going. A submission whose answer was lost is simply made again."""
        while len(self.open) < AT_ONCE:
            name = self.random.choice(list(FLOWS))
            size = self.random.randint(SIZES[name] // 2, SIZES[name])
            run_id = f"{name}-{self.figures.runs + len(self.open)}-{self.random.randrange(10**6)}"
            self._submit(run_id, name, size)
            self.open[run_id] = (name, size, time.monotonic())
            if name == "scopes":
                self.scopes[run_id] = size

    def _submit(self, run_id: str, name: str, size: int) -> None:
        wait_until(lambda: self._try_submit(run_id, name, size), f"{run_id} is taken")

    def _try_submit(self, run_id: str, name: str, size: int) -> bool:
        try:
            self.client.submit(FLOWS[name], size, run_id=run_id)
        except StoreError:
            return False
        return True

    def _collect(self) -> None:
        """Checks the runs that are done."""
        for run_id, (name, size, since) in list(self.open.items()):
            try:
                info = self.client.run(run_id)
                if info.state is RunState.HALTED:
                    raise AssertionError(f"run {run_id} halted: {info.error}")
                if info.state is not RunState.DONE:
                    if time.monotonic() - since > PATIENCE_SECONDS:
                        raise AssertionError(f"run {run_id} stands still: {info}")
                    continue
                results = list(self.client.results(run_id))
            except StoreError as error:
                if "there is no run" in str(error):
                    self._submit(run_id, name, size)  # the server lost its last second
                continue
            checker.check_results(name, size, run_id, results)
            del self.open[run_id]
            self.figures.runs += 1
            self.figures.records += len(results)

    def _hurt(self) -> None:
        victims = [
            name
            for name, process in self.processes.items()
            if process.poll() is None and name not in self.frozen
        ]
        if not victims:
            return
        name = self.random.choice(victims)
        process = self.processes[name]
        match self.random.choices(["kill", "freeze", "stop"], [6, 1, 2])[0]:
            case "kill":
                if name.startswith("worker") and self._pending(process.pid):
                    self.lost[f".{process.pid}."] = time.monotonic()
                process.kill()
                process.wait()
                self.figures.kills += 1
            case "freeze":
                process.send_signal(signal.SIGSTOP)
                self.frozen[name] = time.monotonic() + FREEZE_SECONDS
                self.figures.freezes += 1
            case "stop":
                process.terminate()
                self.figures.stops += 1

    def _hold(self) -> None:
        """Pauses a run or a flow, or lets all of them go on."""
        run_id = self.random.choice(list(self.open) or [""])
        what = self.random.choices(["run", "flow", "let go", ""], [4, 1, 4, 3])[0]
        with contextlib.suppress(StoreError):
            match what:
                case "run" if run_id:
                    self.figures.holds += self.client.pause(run_id)
                case "flow" if run_id:
                    self.figures.holds += self.client.pause_flow(self.open[run_id][0])
                case "let go":
                    self._let_go()

    def _let_go(self) -> None:
        """Lets all go on that is held: the server may have lost that it was let go before."""
        with contextlib.suppress(StoreError):
            held = self.client.held()
            for name in held.flows:
                self.client.resume_flow(name)
            for run_id in self.open:
                with contextlib.suppress(UnknownRun, RunOver):
                    self.client.resume(run_id)

    def _restart_server(self) -> None:
        self.server.send_signal(self.random.choice([signal.SIGTERM, signal.SIGKILL]))
        self.server.wait()
        self.server = self._start_server()
        self.lost.clear()
        self.figures.restarts += 1

    def _pending(self, pid: int) -> int:
        """How many chunks a worker has in hand."""
        try:
            return sum(
                int(count)
                for reply in self._summaries()
                for name, count in reply[3] or ()
                if f".{pid}." in name.decode()
            )
        except StoreError:
            return 0

    def _summaries(self) -> list[list[object]]:
        replies = self.client._wire.exchange(
            [("XPENDING", stream, "workers") for stream in self._streams()]
        )
        return [reply for reply in replies if not isinstance(reply, StoreError)]

    def _streams(self) -> list[str]:
        return [
            self.client._keys.stream(flow.name, stage.name)
            for flow in FLOWS.values()
            for stage in flow.graph.stages
        ]

    def _watch_recovery(self) -> None:
        for label, since in list(self.lost.items()):
            if not self._pending(int(label.strip("."))):
                self.figures.recoveries.append(time.monotonic() - since)
                del self.lost[label]

    def _linger(self, seconds: float) -> None:
        """Lets things go on for a while, watching the dead worker's chunks closely."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._watch_recovery()
            self._thaw()
            time.sleep(0.02)

    def _check_leftovers(self) -> None:
        """Only what expires, or is meant to stay, is left; no stream has an entry."""
        wire = self.client._wire
        for key in wire.call(("KEYS", "*")):
            name = key.decode()
            if wire.call(("PTTL", key)) == -1 and not self.client._keys.permanent(name):
                raise AssertionError(f"the key {name} is left without an expiry")
        for stream in self._streams():
            if wire.exchange([("XLEN", stream)])[0] != 0:
                raise AssertionError(f"{stream} has entries left")
        if wire.call(("ZCARD", self.client._keys.timers)):
            raise AssertionError("timers are left")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**9))
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--restarts", type=int, default=10)
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="pauseflow-chaos-") as folder:
        chaos = Chaos(Path(folder), options.seed)
        try:
            print(chaos.run(options.kills, options.restarts))
        except (AssertionError, PauseflowError):
            print(chaos.figures)
            print((Path(folder) / "output").read_text(errors="replace")[-8_000:])
            raise
        finally:
            chaos.close()


if __name__ == "__main__":
    main()
