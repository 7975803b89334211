"""The short form of the chaos: a dozen kills, freezes and stops, and a restart of the server."""

import os
import random
import statistics
from pathlib import Path

import pytest
from chaos.driver import Chaos

pytestmark = pytest.mark.process


def test_runs_survive_kills_and_a_restart(tmp_path_factory: pytest.TempPathFactory) -> None:
    seed = int(os.environ.get("CHAOS_SEED") or random.randrange(10**9))
    print(f"CHAOS_SEED={seed}")
    chaos = Chaos(Path(tmp_path_factory.mktemp("c")), seed)
    try:
        figures = chaos.run(kills=10, restarts=1)
    finally:
        chaos.close()
    print(figures)
    assert figures.kills >= 10
    assert figures.restarts >= 1
    # not all of them: both coordinators may be dead or frozen themselves
    assert not figures.recoveries or statistics.median(figures.recoveries) < 5
