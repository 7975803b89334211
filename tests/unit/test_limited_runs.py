"""Stages with a rate or a limit, through the engine: what waits, for how long, and what goes on."""

import pytest

from pauseflow import Flow
from support.cluster import Cluster


def finish(cluster, run_id="local", step=0.05):
    """Time passes in small steps until the run is done; its results, and how long it took."""
    began = cluster.now_ms()
    cluster.advance(0.001)
    values = cluster.finish(run_id, far=step)
    return values, (cluster.now_ms() - began) / 1000


@pytest.mark.parametrize("ordered", [True, False])
def test_a_rate_is_kept_and_used(fake, ordered):
    flow = Flow("f")
    flow.map(lambda n: n, name="call", rate="10/s", ordered=ordered)
    with Cluster(fake, flow) as cluster:
        with cluster.client.open(flow, run_id="local") as run:
            run.extend(range(40))
        values, seconds = finish(cluster)
        assert sorted(values) == list(range(40))
        if ordered:
            assert values == sorted(values)
        assert 3.8 <= seconds <= 8


def test_each_key_has_its_own_rate_and_does_not_hold_up_others(fake):
    flow = Flow("f")
    flow.map(lambda r: r, name="fetch", ordered=False, rate=("1/s", lambda record: record[0]))
    with Cluster(fake, flow) as cluster:
        with cluster.client.open(flow, run_id="local") as run:
            run.extend([["a", n] for n in range(5)] + [["b", 0], ["c", 0]])
        cluster.advance(0.001)
        cluster.settle()
        first = {tuple(value) for value in cluster.client.results("local")}
        assert {("b", 0), ("c", 0)} <= first
        assert len(first) == 3
        waiting = cluster.client.run("local").parked
        assert {parked.why for parked in waiting} == {"turn"}
        assert "1/s" in waiting[0].note
        values, seconds = finish(cluster, step=0.2)
        assert len(values) == 7
        assert seconds >= 3.8


def test_what_waits_for_its_rate_is_parked_and_blocks_no_worker(fake):
    flow = Flow("f")
    flow.map(lambda n: n, name="call", rate="1/min")
    free = Flow("g")
    free.map(lambda n: n, name="free")
    with Cluster(fake, flow, free) as cluster:
        with cluster.client.open(flow, run_id="local") as run:
            run.extend(range(3))
        cluster.client.submit(free, 1, run_id="other")
        cluster.advance(0.001)
        cluster.settle()
        assert {parked.why for parked in cluster.client.run("local").parked} == {"rate"}
        assert list(cluster.client.results("other")) == [1]
        values, seconds = finish(cluster, step=10)
        assert values == [0, 1, 2]
        assert seconds >= 119


def test_a_small_run_is_not_starved_by_a_large_one(fake):
    flow = Flow("f")
    flow.map(lambda n: n, name="call", rate="10/s")
    with Cluster(fake, flow, workers=2) as cluster:
        with cluster.client.open(flow, run_id="large") as run:
            run.extend(range(300))
        cluster.advance(0.001)
        cluster.settle()
        with cluster.client.open(flow, run_id="small") as run:
            run.extend(range(5))
        values, seconds = finish(cluster, "small")
        assert values == list(range(5))
        assert seconds < 5
        assert cluster.client.run("large").results.count < 100


def test_a_dead_worker_gives_its_slots_back(fake):
    flow = Flow("f")
    flow.map(lambda n: n, name="call", limit=1)
    with Cluster(fake, flow) as cluster:
        (lost,) = cluster.workers
        cluster.client.submit(flow, 1, run_id="local")
        turnstile = lost._turnstile
        lost.run_once()
        assert list(cluster.client.results("local")) == [1]
        # it takes a slot, and is gone before it frees it
        turnstile.leave = lambda *_: None
        cluster.client.submit(flow, 2, run_id="second")
        lost.run_once()
        cluster.lose(lost)
        cluster.hire()
        cluster.client.submit(flow, 3, run_id="third")
        cluster.settle()
        assert {parked.why for parked in cluster.client.run("third").parked} == {"limit"}
        cluster.bury()
        values, _ = finish(cluster, "third", step=1)
        assert values == [3]


def test_a_key_function_that_raises_fails_its_record(fake):
    flow = Flow("f")
    flow.map(lambda r: r, name="call", rate=("1/s", lambda record: record["host"]))
    with Cluster(fake, flow) as cluster:
        cluster.client.submit(flow, {"hots": 1}, run_id="local")
        cluster.settle()
        assert "KeyError: 'host'" in cluster.client.run("local").error
    cluster.wire.call(("FLUSHALL",))


@pytest.mark.parametrize("ordered", [True, False])
def test_what_waits_for_its_turn_keeps_the_count_of_its_failures(fake, ordered):
    tries = []

    def broken(record):
        tries.append(record)
        raise ValueError("always")

    flow = Flow("f")
    flow.map(
        broken, retries=2, backoff=0.01, on_error="dead", ordered=ordered, rate=("1/s", lambda _: 1)
    )
    with Cluster(fake, flow) as cluster:
        cluster.client.submit(flow, 5, run_id="local")
        assert finish(cluster, step=0.2)[0] == []
        assert len(tries) == 3
        cluster.wire.call(("FLUSHALL",))
