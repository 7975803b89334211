"""Hostile bytes anywhere on the server: nothing crashes or hangs, and other runs end right."""

import logging
import os
import resource
import threading
import time

import pytest

from pauseflow import Flow, PauseFlow
from pauseflow.client import RunState
from pauseflow.errors import MalformedData, PauseflowError
from pauseflow.store.commands import Committed
from pauseflow.store.jobs import RqJobs
from pauseflow.store.jobwaits import JobWaits
from pauseflow.store.runs import Runs
from pauseflow.store.schedules import Schedules
from pauseflow.store.server import Server
from pauseflow.store.tuning import Tuning
from pauseflow_coordinator.jobwatch import JobWatch
from pauseflow_coordinator.scheduler import Scheduler
from pauseflow_workers.worker import Worker
from support.cluster import Cluster
from support.hands import Hands
from support.hostile import Attack
from support.servers import fake_server
from support.waiting import wait_until

SEED = int(os.environ.get("PAUSEFLOW_HOSTILE_SEED", "1"))
MANY = int(os.environ.get("PAUSEFLOW_HOSTILE", "2000"))
"""On a real server; 100,000 take some minutes."""

FEW = 300
"""On fakeredis, whose scripts are slow."""

A_ROUND = 100


def spread(number):
    for each in range(number % 4):
        if each == 2:
            yield PauseFlow(after=0.001)
        yield number + each


def ask(number):
    answer = yield PauseFlow(until="go", timeout=1e6) if number % 3 == 0 else PauseFlow()
    yield number, answer


def flaky(pair):
    if pair[0] % 7 == 5:
        raise ValueError(pair)
    return pair[0]


FLOW = Flow("f")
(
    FLOW.map(lambda x: x, name="s0")
    .branch(spread)
    .branch(ask, ordered=False)
    .map(flaky, retries=1, backoff=0.001, on_error="dead")
)
FLOW.every(3_600)
STAGES = [stage.name for stage in FLOW.graph.stages]


class Siege:
    """Good runs among victims, and everyone who reads what they leave."""

    def __init__(self, server, seed):
        self.cluster = cluster = Cluster(server, FLOW)
        self.client = cluster.client
        self.wire = server.wire()
        self.attack = Attack(self.wire, cluster.keys, "f", STAGES, seed)
        runs = Runs(cluster.keys, cluster.wire, Tuning())
        schedules = Schedules(cluster.keys, cluster.wire)
        self.services = [
            cluster.timers, cluster.reclaimer, cluster.janitor, cluster.sampler,
            Scheduler(cluster.upkeep, schedules),
            JobWatch(JobWaits(cluster.keys, cluster.wire), RqJobs(cluster.wire), runs),
        ]  # fmt: skip
        self.rounds = 0
        self.refusals = set()

    def close(self):
        self.wire.close()

    def round(self, count):
        """Some hostile things, while two runs that nobody attacks go on beside them."""
        self.rounds += 1
        good = [f"good-{self.rounds}-{each}" for each in "ab"]
        victims = [f"victim-{self.rounds}-{each}" for each in "abc"]
        for number, run in enumerate((*good, *victims)):
            self.submit(run, number + 3)
        self.attack.learn(victims[0])
        self.settle()
        self.client.signal(victims[0], "nobody-waits", [1])
        self.attack.learn(victims[0])
        now = self.cluster.now_ms()
        self.attack.make(count // 2, victims, now)
        self.settle()
        for run in (*good, *victims):
            self.quietly(lambda run=run: self.client.signal(run, "go", "yes", broadcast=True))
        self.attack.make(count - count // 2, victims, now)
        for _ in range(4):
            self.cluster.advance(0.1)
            self.settle()
            for run in good:
                self.quietly(lambda run=run: self.client.signal(run, "go", "yes", broadcast=True))
        self.look(victims)
        self.settle()  # some were told to go on
        for number, run in enumerate(good):
            info = self.client.run(run)
            assert info.state is RunState.DONE, info
            expected = sorted(made for made in self.expected(number + 3))
            assert sorted(self.client.results(run), key=repr) == sorted(expected, key=repr)
        self.clean()

    def submit(self, run, number):
        # One of another priority, so that workers read the streams of those, too.
        priority = "high" if run == "good-1-a" else "normal"
        feed = self.client.open(FLOW, run_id=run, priority=priority)
        feed.extend(range(number))
        feed.close()

    @staticmethod
    def expected(number):
        for record in range(number):
            for value in spread(record):
                if not isinstance(value, PauseFlow) and value % 7 != 5:
                    yield value

    def settle(self):
        """Everyone works until nobody has anything to do."""
        for _ in range(500):
            worked = sum(self.cluster.step(worker) for worker in self.cluster.workers)
            busy = sum(bool(self.quietly(service.run_once)) for service in self.services[:3])
            for service in self.services[3:]:
                self.quietly(service.run_once)
            if not worked and not busy:
                return
        raise AssertionError("they go on for ever")

    def quietly(self, step):
        """What a process would survive, and tell."""
        try:
            return step()
        except PauseflowError as error:
            self.refusals.add(f"{type(error).__name__}: {str(error)[:150]}")
            return None

    def look(self, victims):
        """What people do: nothing but an error of ours comes of it."""
        client = self.client
        for run in victims:
            self.quietly(lambda run=run: client.run(run))
            self.quietly(lambda run=run: list(client.results(run)))
            self.quietly(lambda run=run: client.retry(run))
            self.quietly(lambda run=run: client.skip(run))
        assert {run.id for run in client.runs(limit=500)} >= {f"good-{self.rounds}-a"}
        for run in victims:
            self.quietly(lambda run=run: client.stack(run, flows={"f": FLOW}))
        list(client.dead())
        client.set_aside()
        client.workers()

    def nothing_is_left(self):
        """No stream has anything in it any more, nor has anyone anything in hand."""
        for stage in STAGES:
            for lane in ("", ":high", ":low"):
                stream = self.cluster.keys.stream("f", stage) + lane
                length, pending = self.wire.exchange(
                    [("XLEN", stream), ("XPENDING", stream, "workers")]
                )
                assert (length, pending[0]) == (0, 0), stream

    def clean(self):
        keys = self.cluster.keys
        everything = [*self.wire.call(("KEYS", f"{keys.prefix}run:*"))]
        if everything:
            self.wire.call(("UNLINK", *everything))
        shared = (keys.dead, keys.letters, keys.runs, keys.timers, keys.jobs, keys.schedules)
        self.wire.call(("UNLINK", *shared, keys.ticks, keys.expiring))


@pytest.fixture
def quiet():
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def besiege(server, seed, many, **how):
    siege = Siege(server, seed)
    for name, value in how.items():
        setattr(siege.attack, name, value)
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with siege.cluster:
        try:
            while siege.attack.made < many:
                siege.round(min(A_ROUND, many - siege.attack.made))
                siege.nothing_is_left()
        finally:
            siege.close()
    seconds, memory = time.monotonic() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"{many:,} hostile things in {seconds:.0f} s, {memory >> 10} MiB at most; seed {seed}")
    assert memory - before < 200 * 1024, "KiB, however many there are"
    return siege


@pytest.mark.usefixtures("quiet")
def test_hostile_bytes_stop_nobody_else_and_are_counted():
    siege = besiege(fake_server(), SEED, FEW)
    total, newest = siege.client.set_aside(limit=5_000)
    assert total >= siege.attack.malformed > 0
    assert len(newest) <= 1_000
    assert all(each.reason for each in newest)


@pytest.mark.usefixtures("quiet")
def test_hostile_bytes_on_a_real_server(valkey_url):
    server = Server.at(valkey_url)
    wire = server.wire()
    try:
        wire.call(("FLUSHALL",))
        siege = besiege(server, SEED, MANY, streams_too=1)
        assert siege.client.set_aside()[0] >= siege.attack.malformed > 0
    finally:
        wire.call(("FLUSHALL",))
        wire.close()


@pytest.mark.usefixtures("quiet")
def test_oversized_bodies_take_no_more_memory_than_a_few_of_them():
    server = fake_server()
    siege = Siege(server, SEED)
    siege.attack.large = 10_000_000
    try:
        siege.submit("real", 3)
        siege.attack.learn("real")
        siege.settle()
        for _ in range(3):
            for _ in range(4):
                siege.wire.call(siege.attack.oversized())
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            siege.settle()
            after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        assert after - before < 200 * 1024  # KiB: the third time takes no more than the first
        siege.nothing_is_left()
    finally:
        siege.close()
        siege.cluster.close()


TWO = Flow("f")
TWO.map(lambda x: x + 1, name="s0").map(lambda x: x * 2, name="s1")


def test_something_else_in_the_place_of_a_stream_is_moved_away(real, caplog):
    other = Flow("g")
    other.map(str, name="s")
    with Cluster(real, TWO, other) as cluster:
        stream = cluster.keys.stream("f", "s1")
        cluster.settle()
        cluster.client.submit(TWO, 1, run_id="r")
        cluster.client.submit(other, 5, run_id="another")
        cluster.wire.exchange([("UNLINK", stream), ("SET", stream, "mine")])
        for _ in range(3):
            cluster.settle()
        assert list(cluster.client.results("another")) == ["5"]
        assert list(cluster.client.results("r")) == [4]
        assert cluster.wire.call(("GET", cluster.keys.displaced(stream))) == b"mine"
        total, (newest,) = cluster.client.set_aside()
        assert (total, newest.stream) == (1, stream)
        assert "no stream" in newest.reason
    assert "was lost" in caplog.text


def test_what_can_not_be_sent_on_waits(real):
    """A commit whose outputs find something else in the place of the next stage's stream."""
    with Cluster(real, TWO, workers=0) as cluster:
        hands = Hands(real, TWO)
        stream = cluster.keys.stream("f", "s1")
        cluster.client.submit(TWO, 1, run_id="r")
        (entry,) = hands.at("s0")
        cluster.wire.exchange([("UNLINK", stream), ("SET", stream, "mine")])
        assert hands.commit(entry, [2]) is Committed.YES
        run = cluster.client.run("r")
        assert run.stages[1].backlog == 1
        cluster.wire.call(("UNLINK", stream))
        hands.chunks.ensure_groups(cluster.wire)
        cluster.client.pause("r")
        cluster.client.resume("r")
        cluster.hire()
        cluster.settle()
        assert list(cluster.client.results("r")) == [4]


@pytest.mark.parametrize("which", ["leases", "workers", "held", "costs", "timers", "jobs"])
def test_a_worker_survives_something_else_in_the_place_of_what_all_share(server, which, caplog):
    """It tells, and goes on when the key is gone."""
    flow = Flow("f")
    flow.map(lambda x: x + 1, name="s0")
    with Cluster(server, flow) as cluster:
        cluster.settle()
        key = getattr(cluster.keys, which)
        cluster.wire.call(("UNLINK", key))
        cluster.wire.call(("SET", key, "mine"))
        worker = Worker(server, "default", [(flow.graph, "s0")], label="w")
        thread = threading.Thread(target=worker.run)
        thread.start()
        try:
            cluster.client.submit(flow, 1, run_id="r")
            wait_until(lambda: worker._connected or caplog.records, "it is there, or tells why not")
            assert thread.is_alive()
            cluster.wire.call(("UNLINK", key))
            wait_until(lambda: cluster.client.run("r").state is RunState.DONE, "the run is done")
        finally:
            worker.stop()
            thread.join()


def test_what_is_no_wait_for_a_job_is_forgotten_and_holds_up_no_other(server):
    flow = Flow("f")

    def ask(number):
        yield PauseFlow(job=f"job-{number}")
        yield number

    flow.branch(ask)
    with Cluster(server, flow) as cluster:
        cluster.client.submit(flow, 1, run_id="r")
        cluster.settle()
        wire, keys = cluster.wire, cluster.keys
        wire.exchange(
            [("ZADD", keys.jobs, 1, b"r job:\xff%d" % number) for number in range(150)]
            + [("ZADD", keys.jobs, 1, b"\xfe job:%d" % number) for number in range(150)]
            + [("ZADD", keys.jobs, 1, "spoilt job:x"), ("SET", keys.run("spoilt").waits, "mine")]
        )
        waits, now = JobWaits(keys, wire), cluster.now_ms() + 10_000
        found = [wait for _ in range(5) for wait in waits.due(now, now + 60_000, 100)]
        assert [(wait.run, wait.job) for wait in found] == [("r", "job-1")]
        assert wire.call(("ZRANGE", keys.jobs, 0, -1)) == [b"r job:job-1"]
        wire.call(("UNLINK", keys.run("spoilt").waits))
        cluster.client.cancel("r")


def test_a_full_page_of_wrong_timers_and_dead_workers_holds_up_no_other(server):
    flow = Flow("f")

    def rest(number):
        yield PauseFlow(after=1)
        yield number

    flow.branch(rest)
    with Cluster(server, flow) as cluster:
        keys, wire = cluster.keys, cluster.wire
        cluster.client.submit(flow, 1, run_id="r")
        cluster.settle()
        wire.exchange(
            [("ZADD", keys.timers, 1, b"x f \xff%d" % number) for number in range(1_200)]
            + [("ZADD", keys.timers, 1, f"run f stage:{number}") for number in range(1_200)]
            + [("ZADD", keys.leases, 1, f"nobody-{number}") for number in range(150)]
            + [("HSET", keys.workers, f"nobody-{number}", "[" * 5_000) for number in range(150)]
        )
        assert cluster.finish("r", far=2) == [1]
        assert wire.call(("ZCARD", keys.timers)) == 0
        assert wire.call(("ZCARD", keys.leases)) == 1


def test_a_run_whose_books_are_damaged_halts_and_takes_no_more(server):
    with Cluster(server, TWO) as cluster:
        run = cluster.keys.run("r").base
        feed = cluster.client.open(TWO, run_id="r")
        feed.append(1)
        cluster.wire.call(("HSET", run, "b:s0", "1 2 3"))
        cluster.settle()
        assert cluster.client.run("r").error.startswith("what the server knows of it is damaged")
        assert cluster.wire.call(("HGET", run, "state")) == b"halted"
        total, (newest,) = cluster.client.set_aside()
        assert total == 1
        assert "what its run has written down is damaged" in newest.reason
        with pytest.raises(MalformedData, match="'r' is damaged"):
            feed.append(2)
        cluster.client.cancel("r")


def test_what_is_a_stream_is_not_moved_away(server):
    with Cluster(server, TWO) as cluster:
        stream = cluster.keys.stream("f", "s0")
        cluster.settle()
        hands = Hands(server, TWO)
        assert cluster.wire.call(hands.chunks._displace(stream)) == 0
        assert cluster.wire.call(("XLEN", stream)) == 0
