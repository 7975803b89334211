"""Runs flows, and kills, freezes, stops and rolls whatever works on them, and the network between.

`python tests/process/chaos/driver.py --kills 200 --restarts 10` is the long form, `make chaos`. All
that is drawn by chance comes from the seed, which is printed; when a process is hit is not.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent.parent)]

from chaos.crew import COORDINATORS, ROLLOUT, WORKERS, Crew  # noqa: E402 - found by the path above
from chaos.feeder import Feeder  # noqa: E402
from chaos.figures import Figures  # noqa: E402
from chaos.leftovers import check_leftovers  # noqa: E402
from chaos.load import FLOWS, Load  # noqa: E402
from chaos.recovery import Recovery  # noqa: E402

from pauseflow.store.keys import Keys  # noqa: E402
from pauseflow.store.lanes import Lane  # noqa: E402
from pauseflow.store.server import Server  # noqa: E402
from support.waiting import wait_until  # noqa: E402

FREEZE_SECONDS = 3.5
"""A second longer than a lease."""

KINDS = Counter(kill=12, freeze=2, stop=3, delay=2, swallow=2, cut=4)
"""How often each kind of blow comes among so many."""

SLOWEST_RECOVERY = 5.0
MEDIAN_RECOVERY = 3.0
MANY_KILLS = 50
"""Of so many some hit a worker at work."""

SECONDS_A_PHASE = 2.0
"""At least so long the same versions run beside each other: a process takes a second to start."""

KEYS = Keys()
STREAMS = [
    lane.of(KEYS.stream(flow.name, stage.name))
    for flow in FLOWS.values()
    for stage in flow.graph.stages
    for lane in Lane
]


@dataclass(frozen=True)
class Blow:
    """What is done to whom.

    Attributes:
        kind: kill, freeze, stop; delay, swallow or cut a connection.
        target: a process.
        which: of its connections.
        seconds: of a delay.
        what: is swallowed.
        pause: seconds until the next one.
    """

    kind: str
    target: str
    which: int
    seconds: float
    what: str
    pause: float


def blows(chance: random.Random) -> Iterator[Blow]:
    """One after the other, without an end; every kind comes soon. The seed alone decides."""
    while True:
        for kind in chance.sample(list(KINDS), KINDS.total(), counts=KINDS.values()):
            target = chance.choices([*WORKERS, *COORDINATORS], [4, 4, 4, 2, 2])[0]
            user = chance.choice(["client", "feeder", "", "", ""])
            yield Blow(
                kind=kind,
                target=user if user and kind in ("delay", "cut") else target,
                which=chance.randrange(4),
                seconds=chance.uniform(0.05, 0.4),
                what=chance.choice(["commands", "replies", "both"]),
                pause=chance.uniform(0.1, 0.6),
            )


class Chaos:
    """One session of it.

    Args:
        folder: for the server's data, the log and the processes' output.
        seed: of all that is drawn by chance.
        at_once: half of how many runs go on at any time.
    """

    def __init__(self, folder: Path, seed: int, *, at_once: int = 5) -> None:
        self._chance = random.Random(f"{seed} restarts")
        self._blows = blows(random.Random(f"{seed} blows"))
        self.figures = Figures()
        self.crew = Crew(folder)
        self._wire = Server.at(self.crew.url).wire()
        self._load = Load(self.crew, seed, self.figures, at_once)
        wire = Server.at(self.crew.url).wire()
        self._recovery = Recovery(self.crew, wire, STREAMS, self.figures)
        self._feeder = Feeder(self.crew.url_through_the_proxy("feeder"), seed)
        self._rolled_at = time.monotonic()

    def run(self, kills: int, restarts: int) -> Figures:
        """Goes on until so many kills and restarts were survived, and all runs are checked.

        Raises:
            AssertionError: something is lost, twice, out of order, late or left.
        """
        self.crew.revive()
        wait_until(self._all_there, "workers and coordinators are there", seconds=60)
        self._recovery.start()
        self._feeder.start()
        every = max(kills // (restarts + 1), 1)
        phases = max(len(ROLLOUT), kills // 5)
        while not self._enough(kills, restarts):
            self._load.top_up()
            self._load.attend()
            self.crew.revive()
            blow = next(self._blows)
            self._strike(blow)
            self._load.hold()
            if self.figures.restarts < min(restarts, self.figures.kills // every):
                self._restart_server()
            self._roll(self.figures.kills * phases // kills)
            self._linger(blow.pause)
        self._drain()
        self._load.check()
        check_leftovers(self.crew, self._wire, KEYS, STREAMS)
        self._check_recoveries()
        return self.figures

    def close(self) -> None:
        """Ends every process."""
        self._recovery.end()
        self._load.close()
        self._wire.close()
        self.crew.close()

    def _all_there(self) -> bool:
        leases = self._wire.call(("ZCARD", KEYS.leases))
        return leases == len(WORKERS) and all(map(self.crew.proxy.healthy, COORDINATORS))

    def _enough(self, kills: int, restarts: int) -> bool:
        return (
            self.figures.kills >= kills
            and self.figures.restarts >= restarts
            and self.crew.phase >= len(ROLLOUT) - 1
            and self._load.every_flow_had_its_turn
        )

    def _strike(self, blow: Blow) -> None:
        crew, figures = self.crew, self.figures
        if blow.target in crew.processes and not crew.at_work(blow.target):
            return
        match blow.kind:
            case "kill":
                pid = crew.kill(blow.target)
                figures.kills += 1
                if blow.target in WORKERS:
                    self._recovery.killed(pid)
            case "freeze":
                crew.freeze(blow.target, FREEZE_SECONDS)
                figures.freezes += 1
            case "stop":
                crew.stop(blow.target)
                figures.stops += 1
            case "delay":
                lasting = 10 * blow.seconds
                figures.delays += crew.proxy.delay(blow.target, blow.which, blow.seconds, lasting)
            case "swallow":
                figures.swallows += crew.proxy.swallow(blow.target, blow.which, blow.what)
            case "cut":
                figures.cuts += crew.proxy.cut(blow.target, blow.which)

    def _restart_server(self) -> None:
        self._recovery.forget()
        self.crew.restart_server(self._chance.choice([signal.SIGTERM, signal.SIGKILL]))
        self._recovery.forget()
        self._wire.close()
        self.figures.restarts += 1

    def _roll(self, phase: int) -> None:
        """One phase after the other, none left out."""
        if phase > self.crew.phase and time.monotonic() - self._rolled_at > SECONDS_A_PHASE:
            self._rolled_at = time.monotonic()
            self.figures.rolls += self.crew.roll(self.crew.phase + 1)

    def _drain(self) -> None:
        """Lets all go on, until every run is over. Both versions are there."""
        self.crew.thaw(everything=True)
        self.crew.roll(self.crew.phase | 1)
        while self._load.open or self._load.standing():
            self._load.let_go()
            self._load.attend()
            self.crew.revive()
            self._linger(0.05)
        self._feeder.finish(seconds=120)
        self.figures.runs += self._feeder.runs
        self.figures.records += self._feeder.records

    def _linger(self, seconds: float) -> None:
        """Lets things go on for a while."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.crew.thaw()
            time.sleep(0.02)

    def _check_recoveries(self) -> None:
        figures = self.figures
        wait_until(lambda: not self._recovery.awaited, "all work of the dead is back")
        if figures.kills >= MANY_KILLS and not figures.recoveries:
            raise AssertionError(f"no killed worker had anything in its hands: {figures}")
        slowest = max(figures.at_least, default=0)  # this process may be kept waiting, too
        if slowest > SLOWEST_RECOVERY or figures.median > MEDIAN_RECOVERY:
            raise AssertionError(
                f"after {slowest:.2f} s a killed worker's chunks were not back: {figures}"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**9))
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--restarts", type=int, default=10)
    parser.add_argument("--at-once", type=int, default=5, help="runs of either kind")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="pauseflow-chaos-") as folder:
        chaos = Chaos(Path(folder), options.seed, at_once=options.at_once)
        try:
            print(chaos.run(options.kills, options.restarts))
        except BaseException:
            print(chaos.crew.said())
            print(chaos.figures)
            print(
                f"again: python tests/process/chaos/driver.py --seed={options.seed} "
                f"--kills={options.kills} --restarts={options.restarts} "
                f"--at-once={options.at_once}"
            )
            raise
        finally:
            chaos.close()


if __name__ == "__main__":
    main()
