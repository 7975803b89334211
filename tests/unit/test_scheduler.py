"""The scheduler, with workers and a clock of the test's own."""

import logging
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from pauseflow import Flow, current
from pauseflow.client import RunState
from pauseflow.errors import ServerFull, StoreError
from pauseflow.schedule import AT_MOST
from pauseflow.store.schedules import Announcement, Schedules
from pauseflow.store.upkeep import Upkeep
from pauseflow_coordinator.scheduler import EVERY_SECONDS, Scheduler
from support.cluster import Cluster

START = datetime(2030, 1, 1, 12, 0, 30, tzinfo=UTC)


class Clock:
    """Schedulers of a server, and the time."""

    def __init__(self, server):
        self.server = server
        self.wire = server.wire()
        self.keys = Cluster(server).keys
        self.now = START
        self.schedulers = []

    def hire(self):
        wire = self.server.wire()
        scheduler = Scheduler(Upkeep(self.keys, wire), Schedules(self.keys, wire))
        self.schedulers.append(scheduler)
        return scheduler

    def tell(self, *flows):
        Announcement(self.keys, [flow.graph for flow in flows]).make(self.wire)

    def tick(self, scheduler=None, **later):
        """Time passes, and a scheduler, or each, looks. Returns how many runs it has started."""
        self.now += timedelta(**later)
        started = 0
        for each in [scheduler] if scheduler else self.schedulers:
            each._upkeep.now_ms = round(self.now.timestamp() * 1000)
            started += each.run_once()
        return started

    def runs(self):
        """The ticks of the runs that there are, in order, as hours and minutes."""
        keys = self.wire.call(("ZRANGE", self.keys.runs, 0, -1))
        return sorted(key.decode().rpartition("T")[2][:4] for key in keys)


@pytest.fixture
def clock(fake):
    clock = Clock(fake)
    yield clock
    clock.wire.call(("FLUSHALL",))


def flow_of(interval="5m", *, name="f", **options):
    flow = Flow(name)
    flow.map(lambda x: x, name="keep")
    flow.every(interval, **options)
    return flow


def test_runs_start_at_their_ticks_and_not_before(clock):
    clock.hire()
    clock.tell(flow_of())
    assert clock.tick() == 0
    assert clock.tick(minutes=4, seconds=29) == 0
    assert clock.tick(seconds=1) == 1
    assert clock.tick() == 0
    assert clock.tick(minutes=5) == 1
    assert clock.runs() == ["1205", "1210"]


def test_a_schedule_that_is_new_begins_with_its_next_tick(clock):
    clock.hire()
    clock.tell(flow_of(missed="all"))
    clock.tick()
    clock.tick()
    assert clock.runs() == []


def test_a_scheduler_looks_again_when_the_next_tick_comes(clock):
    scheduler = clock.hire()
    clock.tick()
    assert scheduler.every == EVERY_SECONDS
    clock.tell(flow_of())
    clock.tick()
    clock.tick(minutes=4, seconds=29.75)
    assert scheduler.every == pytest.approx(0.25)
    clock.tick(seconds=0.24999)
    assert scheduler.every > 0


def test_many_coordinators_start_one_run_a_tick(clock):
    for _ in range(3):
        clock.hire()
    clock.tell(flow_of(missed="all"))
    clock.tick()
    assert sum(clock.tick(minutes=5) for _ in range(4)) == 4
    assert clock.tick(minutes=20) == 4
    assert clock.runs() == ["1205", "1210", "1215", "1220", "1225", "1230", "1235", "1240"]


def test_of_two_that_looked_at_the_same_time_one_starts_the_run(clock, monkeypatch):
    first, second = clock.hire(), clock.hire()
    clock.tell(flow_of())
    clock.tick()
    look = first._schedules.look

    def overtaken():
        seen = look()
        assert clock.tick(second) == 1
        return seen

    monkeypatch.setattr(first._schedules, "look", overtaken)
    assert clock.tick(first, minutes=5) == 0
    assert clock.runs() == ["1205"]


@pytest.mark.parametrize(
    ("missed", "expected"),
    [
        ("skip", ["1205", "1235"]),
        ("once", ["1205", "1230", "1235"]),
        ("all", ["1205", "1210", "1215", "1220", "1225", "1230", "1235"]),
    ],
)
def test_ticks_that_were_missed_go_by_the_rule(clock, missed, expected, caplog):
    clock.hire()
    clock.tell(flow_of(missed=missed))
    clock.tick()
    clock.tick(minutes=5)
    clock.schedulers.clear()
    clock.hire()
    clock.tick(minutes=27)
    clock.tick(minutes=3)
    assert clock.runs() == expected
    assert caplog.messages == [
        f"schedule f.every-5m: ticks since 2030-01-01 12:10:00Z were missed (missed={missed!r})"
    ]


def test_after_a_long_time_the_latest_hundred_run(clock):
    clock.hire()
    clock.tell(flow_of("1m", missed="all"))
    clock.tick()
    assert clock.tick(days=400) == AT_MOST
    assert clock.tick() == 0


def test_a_schedule_whose_rule_was_changed_begins_anew(clock):
    clock.hire()
    clock.tell(flow_of("5m", name="f"))
    clock.tick()
    clock.tick(minutes=5)
    changed = Flow("f")
    changed.map(lambda x: x, name="keep")
    changed.every("10m", name="every-5m")
    clock.tell(changed)
    clock.tick(minutes=6)
    assert clock.runs() == ["1205"]
    clock.tick(minutes=9)
    assert clock.runs() == ["1205", "1220"]


def test_a_schedule_that_was_gone_begins_anew(clock):
    clock.hire()
    clock.tell(flow_of())
    clock.tick()
    clock.tick(minutes=5)
    bare = Flow("f")
    bare.map(lambda x: x, name="keep")
    clock.tell(bare)
    clock.tick()
    assert clock.wire.call(("EXISTS", clock.keys.ticks)) == 0
    clock.tell(flow_of())
    clock.tick(minutes=30)
    assert clock.runs() == ["1205"]


def test_what_can_t_be_read_is_told_once_and_stops_nothing(clock, caplog):
    clock.hire()
    clock.tell(flow_of())
    clock.wire.call(("HSET", clock.keys.schedules, "bad", b"\xc1"))
    clock.wire.call(("HSET", clock.keys.ticks, "bad.nightly", "1 0 every 5m"))
    clock.tick()
    clock.tick(minutes=5)
    clock.tick(minutes=5)
    assert clock.runs() == ["1205", "1210"]
    assert len(caplog.messages) == 1
    assert "flow 'bad'" in caplog.text
    assert clock.wire.call(("HEXISTS", clock.keys.ticks, "bad.nightly"))


def test_a_note_that_is_none_is_replaced(clock):
    clock.hire()
    clock.tell(flow_of())
    clock.wire.call(("HSET", clock.keys.ticks, "f.every-5m", b"\xff"))
    clock.tick()
    clock.tick(minutes=5)
    assert clock.runs() == ["1205"]


def test_an_id_that_is_taken_is_told_and_the_next_tick_has_a_run(clock, caplog):
    clock.hire()
    clock.tell(flow_of())
    clock.tick()
    run = clock.keys.run("f.every-5m.20300101T120500").base
    clock.wire.call(("HSET", run, "flow", "other", "digest", "d", "position", 1, "state", "done"))
    assert clock.tick(minutes=5) == 0
    assert clock.tick(minutes=5) == 1
    assert len(caplog.messages) == 1
    assert "'f.every-5m.20300101T120500' already" in caplog.text


def test_what_the_server_refuses_of_one_schedule_stops_no_other(clock, caplog, monkeypatch):
    scheduler = clock.hire()
    clock.tell(flow_of(name="a"), flow_of(name="b"))
    clock.tick()
    start = scheduler._schedules.start

    def refused(graph, *rest):
        if graph.name == "a":
            raise StoreError("WRONGTYPE")
        return start(graph, *rest)

    monkeypatch.setattr(scheduler._schedules, "start", refused)
    assert clock.tick(minutes=5) == 1
    assert clock.tick(minutes=5) == 1
    clock.tick(seconds=1)
    assert caplog.messages.count("schedule a.every-5m: WRONGTYPE") == 1
    assert caplog.text.count("were missed") == 1

    def full(*_):
        raise ServerFull("no room")

    monkeypatch.setattr(scheduler._schedules, "start", full)
    with pytest.raises(ServerFull):
        clock.tick(minutes=5)
    monkeypatch.setattr(scheduler._schedules, "start", start)
    assert clock.tick(seconds=10) == 2


def test_a_worker_tells_and_a_coordinator_starts_runs_that_are_done(fake, caplog):
    """On the server's clock, as it is."""
    caplog.set_level(logging.INFO)
    flow = Flow("f")
    flow.map(lambda tick: (tick, current().run_id), name="stamp")
    flow.every("1s")
    with Cluster(fake, flow) as cluster:
        cluster.settle()
        scheduler = Scheduler(
            Upkeep(cluster.keys, cluster.wire), Schedules(cluster.keys, cluster.wire)
        )
        scheduler.run_once()
        for seconds in range(1, 4):
            cluster.advance(1)
            scheduler._upkeep.now_ms = cluster.now_ms()
            assert scheduler.run_once() == 1, seconds
            cluster.settle()
        runs = cluster.client.runs()
        assert [run.state for run in runs] == [RunState.DONE] * 3
        found = [next(cluster.client.results(run.id)) for run in reversed(runs)]
        assert [f"f.every-1s.{tick:%Y%m%dT%H%M%S}" for tick, _ in found] == [
            run for _, run in found
        ]
        assert all(
            after - before == timedelta(seconds=1) for (before, _), (after, _) in pairwise(found)
        )
    assert caplog.messages == []
