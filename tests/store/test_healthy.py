"""A busy cluster of which nothing is wrong: the doctor has nothing to say of it, at any moment."""

import random

import pytest

from pauseflow import Flow, PauseFlow
from pauseflow.errors import RunOver, SignalRefused
from support.cluster import Cluster
from support.doctor import complaints
from support.hands import FixedTuning
from support.inventory import assert_no_leaks


def numbers(n):
    for i in range(n):
        yield i
        if i == 3:
            yield PauseFlow(after=0.001)


def failing(x):
    if x % 5 == 4:
        raise ValueError(x)
    return x


def asking(x):
    answer = yield PauseFlow(until="tea")
    yield (x, answer)


def halting(x):
    if x == 1:
        raise ValueError(x)
    return x


def told(_):
    return "told"


BUSY = Flow("busy")
BUSY.branch(numbers, name="numbers").map(
    failing, name="failing", on_error="dead", retries=1, backoff=0.001
).map(lambda x: x, name="loose", ordered=False).each(lambda _: None, name="sink")

TELLING = Flow("telling")
TELLING.branch(numbers, name="numbers", finished=told).map(lambda x: x, name="last")

LIMITED = Flow("limited")
LIMITED.branch(numbers, name="numbers").map(lambda x: x, name="rated", rate="200/s").map(
    lambda x: x, name="loosely", ordered=False, limit=1
)

ASKING = Flow("asking")
ASKING.branch(numbers, name="numbers").branch(asking, name="asking", ordered=False)

HALTING = Flow("halting")
HALTING.branch(numbers, name="numbers").map(halting, name="halting")

FLOWS = (BUSY, TELLING, LIMITED, ASKING, HALTING)


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr("pauseflow.checks.books.PASSES_SECONDS", 0.0)
    monkeypatch.setattr("pauseflow.checks.strays.PASSES_SECONDS", 0.0)


@pytest.mark.parametrize("seed", range(2))
def test_of_a_busy_cluster_there_is_nothing_to_say(server, seed):
    draw = random.Random(seed)

    def tuning():
        return FixedTuning(target=2, window=3, limit=4)

    with Cluster(server, *FLOWS, workers=3, tuning=tuning, seed=seed) as cluster:
        client = cluster.client
        ids = []
        for number in range(10):
            flow = FLOWS[number % len(FLOWS)]
            priority = draw.choice(["high", "normal", "low"])
            run_id = f"{flow.name}{number}"
            client.submit(flow, draw.randrange(4, 20), run_id=run_id, priority=priority)
            ids.append(run_id)
        reasons = set()
        for number in range(60):
            event(cluster, draw, ids)
            reasons |= {each.why for run_id in ids for each in client.run(run_id).parked}
            known = FLOWS if number % 2 else ()
            assert complaints(client, *known, every_key=number % 10 == 0) == []
        assert {"signal", "failed", "paused"} <= reasons, reasons
        assert client.count_dead()
        for run_id in ids:
            with_run_over(client.cancel, run_id)
            assert complaints(client, *FLOWS) == []
        client.drop_dead([letter.key for letter in client.dead()])
        for worker in list(cluster.workers):
            cluster.lose(worker)
        cluster.bury()
    assert_no_leaks(server)


def event(cluster, draw, ids):
    """Something happens: mostly somebody works."""
    client, run_id = cluster.client, draw.choice(ids)
    match draw.choice(["work"] * 6 + ["tick", "pause", "resume", "signal", "priority", "lose"]):
        case "work":
            cluster.step(draw.choice(cluster.workers))
        case "tick":
            cluster.tick()
        case "pause":
            with_run_over(client.pause, run_id)
        case "resume":
            with_run_over(client.resume, run_id)
        case "signal":
            with_run_over(client.signal, run_id, "tea", "hot")
        case "priority":
            with_run_over(client.prioritize, run_id, draw.choice(["high", "normal", "low"]))
        case "lose":
            lost = cluster.workers[0]
            cluster.lose(lost)
            cluster.wire.call(("ZADD", cluster.keys.leases, "XX", 1, lost.name))
            cluster.reclaimer.run_once()
            cluster.hire()


def with_run_over(what, *arguments):
    try:
        what(*arguments)
    except (RunOver, SignalRefused):
        return
