"""Connections whose other side is gone, without either side being told."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from chaos.proxy import Proxy

from pauseflow.client import RunState
from support.plant import Plant, plant
from support.servers import bare_valkey
from support.waiting import wait_until

pytestmark = pytest.mark.process

APP = """
import os
import time

from pauseflow import Flow


def nap(x):
    with open("notes", "a") as notes:
        notes.write(f"{os.getpid()}\\n")
    while not os.path.exists("wake"):
        time.sleep(0.01)
    return x


flow = Flow("napping")
flow.map(nap)
"""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[tuple[Plant, Proxy]]:
    with bare_valkey(tmp_path) as url:
        proxy = Proxy(tmp_path / "redis.sock")
        address = f"redis://127.0.0.1:{proxy.port_for('all')}"
        try:
            with plant(tmp_path, address, APP, client_url=url) as made:
                yield made, proxy
        finally:
            proxy.close()


@pytest.mark.parametrize("what", ["commands", "replies", "both"])
def test_the_only_coordinator_with_a_half_open_connection_is_back_in_time(
    shop: tuple[Plant, Proxy], what: str
) -> None:
    plant, proxy = shop
    plant.coordinator()
    wait_until(lambda: proxy.healthy("all"), "the coordinator talks to the server")
    first = plant.worker()
    plant.client.submit(plant.flows["napping"], 7, run_id="n")
    wait_until(plant.notes, "it naps")
    plant.worker()
    assert proxy.swallow("all", 0, what), "the oldest connection is the coordinator's"
    os.killpg(first.pid, signal.SIGKILL)
    killed = time.monotonic()
    wait_until(lambda: len(plant.notes()) == 2, "another has taken its work up")
    assert time.monotonic() - killed < 5
    (plant.folder / "wake").touch()
    wait_until(lambda: plant.client.run("n").state is RunState.DONE, "the run is done")
    assert list(plant.client.results("n")) == [7]
