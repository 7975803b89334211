"""The coordinator's services, with a clock of the test's own."""

import logging
import threading

import pytest

from pauseflow import Flow, PauseFlow
from pauseflow.errors import ServerReadOnly, ServerRefused, ServerUnreachable, UnknownRun
from pauseflow.service import run_services
from pauseflow.store.tuning import KEEP_MS
from pauseflow_coordinator.sampler import SMOOTHING, Sampler
from support.cluster import Cluster

FLOW = Flow("f")
FLOW.branch(lambda n: list(range(n)), name="spread").map(lambda x: x + 1, name="inc")


@pytest.fixture
def cluster(fake):
    with Cluster(fake, FLOW) as cluster:
        yield cluster


# janitor


def test_a_done_run_is_forgotten_when_it_has_expired(cluster):
    cluster.client.submit(FLOW, 2, run_id="local")
    cluster.finish()
    cluster.upkeep.now_ms = cluster.now_ms() + KEEP_MS - 60_000
    assert cluster.janitor.run_once() == 0
    assert cluster.client.run("local")
    cluster.upkeep.now_ms += 120_000
    assert cluster.janitor.run_once() == 1
    assert cluster.janitor.run_once() == 0
    assert cluster.client.runs() == []
    with pytest.raises(UnknownRun):
        cluster.client.run("local")
    assert cluster.wire.call(("KEYS", "*run:*")) == []


def test_a_run_that_is_going_is_not_forgotten(cluster):
    cluster.client.submit(FLOW, 2, run_id="local")
    cluster.upkeep.now_ms = cluster.now_ms() + 10 * KEEP_MS
    assert cluster.janitor.run_once() == 0
    assert cluster.client.run("local")


def test_many_expired_runs_are_forgotten_in_rounds(cluster, monkeypatch):
    monkeypatch.setattr("pauseflow.store.upkeep.EXPIRED_AT_ONCE", 2)
    for number in range(3):
        cluster.client.submit(FLOW, 1, run_id=f"r{number}")
    cluster.settle()
    cluster.upkeep.now_ms = cluster.now_ms() + 2 * KEEP_MS
    assert [cluster.janitor.run_once() for _ in range(3)] == [2, 1, 0]


# sampler


def test_rates_are_what_was_done_between_two_samples(cluster):
    times = iter([0.0, 2.0, 4.0, 6.0])
    sampler = Sampler(cluster.upkeep, clock=lambda: next(times))
    (worker,) = cluster.workers
    feed = cluster.client.open(FLOW, run_id="local")
    feed.append(1)
    sampler.run_once()
    feed.append(100)
    while cluster.step(worker):
        pass
    sampler.run_once()
    spread, inc = cluster.client.run("local").stages
    assert spread.rate == pytest.approx(SMOOTHING * 2 / 2, abs=0.1)
    assert inc.rate == pytest.approx(SMOOTHING * 101 / 2, abs=0.1)
    sampler.run_once()
    assert cluster.client.run("local").stages[1].rate == pytest.approx(inc.rate / 2, abs=0.1)
    feed.close()


def test_runs_that_are_done_or_gone_are_not_sampled(cluster):
    sampler = Sampler(cluster.upkeep)
    sampler.run_once()
    cluster.client.submit(FLOW, 2, run_id="local")
    sampler.run_once()
    assert [run.id for run in cluster.upkeep.going_runs()] == ["local"]
    cluster.finish()
    sampler.run_once()
    assert cluster.upkeep.going_runs() == []
    cluster.client.submit(FLOW, 2, run_id="gone")
    sampler.run_once()
    cluster.wire.call(("DEL", cluster.keys.run("gone").base))
    sampler.run_once()
    assert cluster.upkeep.going_runs() == []
    cluster.upkeep.note_rates({"gone": {"spread": 1.0}})
    assert cluster.wire.call(("EXISTS", cluster.keys.run("gone").base)) == 0
    cluster.wire.call(("FLUSHALL",))


# the loop


class Job:
    name = "job"
    every = 10.0

    def __init__(self, stopping, answers):
        self.stopping = stopping
        self.answers = answers
        self.rounds = 0

    def run_once(self):
        self.rounds += 1
        answer = self.answers.pop(0)
        if not self.answers:
            self.stopping.set()
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def stopping(monkeypatch):
    """An event whose waiting takes no time, but moves the clock."""

    class Stopping(threading.Event):
        now = 0.0

        def wait(self, timeout=None):
            self.now += timeout or 0.0
            return self.is_set()

        def clock(self):
            return self.now

    return Stopping()


def test_a_round_that_did_something_is_followed_by_another_at_once(stopping):
    job = Job(stopping, [3, True, 0, 0])
    run_services([job], stopping, clock=stopping.clock)
    assert job.rounds == 4
    assert stopping.now == job.every


def test_services_take_turns(stopping):
    quick, slow = Job(stopping, [0] * 6), Job(stopping, [0] * 100)
    quick.every, slow.every = 1.0, 2.5
    run_services([quick, slow], stopping, clock=stopping.clock)
    assert (quick.rounds, slow.rounds) == (6, 2)


def test_a_server_that_is_gone_is_tried_again_and_others_go_on(stopping, caplog):
    caplog.set_level(logging.INFO)
    lost = ServerUnreachable("no Redis answers")
    broken = Job(stopping, [lost, lost, lost, 0, 0])
    other = Job(stopping, [0] * 1000)
    other.every = 0.05
    run_services([broken, other], stopping, clock=stopping.clock)
    assert broken.rounds == 5
    assert other.rounds > 5
    assert caplog.text.count("trying again") == 1
    assert caplog.text.count("the server is back") == 1


def test_a_server_that_refuses_ends_the_loop(stopping):
    job = Job(stopping, [ServerRefused("wrong password"), 0])
    with pytest.raises(ServerRefused):
        run_services([job], stopping, clock=stopping.clock)


def test_a_server_that_becomes_a_replica_is_tried_again_and_one_that_was_is_refused(stopping):
    job = Job(stopping, [1, ServerReadOnly("a replica"), 0])
    run_services([job], stopping, clock=stopping.clock)
    assert job.rounds == 3
    stopping.clear()
    with pytest.raises(ServerReadOnly):
        run_services([Job(stopping, [0, ServerReadOnly("a replica"), 0])], stopping)


def test_a_stop_ends_the_wait(stopping):
    job = Job(stopping, [0, 0])
    stopping.set()
    run_services([job], stopping, clock=stopping.clock)
    assert job.rounds == 0


def test_a_pause_ends_when_its_time_has_come_and_not_before(fake):
    flow = Flow("f")
    paused = []

    def nap(x):
        paused.append(x)
        if len(paused) == 1:
            raise PauseFlow(after=3600)
        return x

    flow.map(nap)
    with Cluster(fake, flow) as cluster:
        cluster.client.submit(flow, 1, run_id="local")
        cluster.settle()
        (parked,) = cluster.client.run("local").parked
        assert parked.wake is not None
        assert parked.wake.timestamp() == pytest.approx(cluster.now_ms() / 1000 + 3600, abs=60)
        cluster.advance(3500)
        cluster.settle()
        assert len(paused) == 1
        cluster.advance(200)
        cluster.settle()
        assert cluster.finish() == [1]
        assert paused == [1, 1]


def test_a_server_that_takes_no_writes_is_noticed_with_nothing_to_do(cluster, monkeypatch):
    exchange = cluster.upkeep._wire.exchange

    def of_a_replica(commands):
        return [
            ServerRefused("a read-only replica") if command[0] == "ZREM" else reply
            for command, reply in zip(commands, exchange(commands), strict=True)
        ]

    monkeypatch.setattr(cluster.upkeep._wire, "exchange", of_a_replica)
    with pytest.raises(ServerRefused, match="replica"):
        run_services([cluster.janitor], threading.Event())
