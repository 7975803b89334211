"""The short form of the chaos: a dozen kills, freezes and stops, and a restart of the server."""

import os
import random
from pathlib import Path

import pytest
from chaos.driver import Chaos

pytestmark = pytest.mark.process

KILLS, RESTARTS, AT_ONCE = 10, 1, 4


def test_runs_survive_kills_a_restart_and_a_bad_network(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    seed = int(os.environ.get("CHAOS_SEED") or random.randrange(10**9))
    print(
        f"again: CHAOS_SEED={seed} make test TESTS=tests/process/test_chaos.py, or "
        f"make chaos CHAOS='--seed={seed} --kills={KILLS} --restarts={RESTARTS} "
        f"--at-once={AT_ONCE}'"
    )
    chaos = Chaos(Path(tmp_path_factory.mktemp("c")), seed, at_once=AT_ONCE)
    try:
        figures = chaos.run(kills=KILLS, restarts=RESTARTS)
    except BaseException:
        print(chaos.crew.said())
        print(chaos.figures)
        raise
    finally:
        chaos.close()
    print(figures)
    assert figures.kills >= KILLS
    assert figures.restarts >= RESTARTS
    assert figures.rolls
    assert figures.delays + figures.swallows + figures.cuts, "the network was bad, too"
