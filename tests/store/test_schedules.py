"""What workers tell of schedules, and starting the runs of ticks: fakeredis, Valkey and Redis."""

from datetime import UTC, datetime, timedelta

import pytest

from pauseflow import Flow, codec
from pauseflow.cron import Cron
from pauseflow.errors import MalformedData
from pauseflow.schedule import Every
from pauseflow.store.commands import Ticked
from pauseflow.store.keys import Keys
from pauseflow.store.schedules import FORMAT, Announcement, Noted, Schedules
from support.hands import Hands
from support.inventory import contents

KEYS = Keys()
TICK = datetime(2024, 5, 6, 7, 5, tzinfo=UTC)


def flow_of(*intervals, name="f"):
    flow = Flow(name)
    flow.branch(lambda x: [x], name="spread", finished=print).map(
        lambda x: x, name="keep", window=7
    ).each(print)
    for interval in intervals:
        flow.every(interval)
    return flow


@pytest.fixture
def schedules(wire):
    return Schedules(KEYS, wire)


def announce(wire, *flows):
    announcement = Announcement(KEYS, [flow.graph for flow in flows])
    announcement.make(wire)
    return announcement


def shape(graph):
    return [
        (each.name, each.kind, each.ordered, each.sequential, each.window, graph.outlets(each.name))
        for each in graph.stages
    ]


def begun(schedules, schedule, upto=TICK - timedelta(minutes=5)):
    assert schedules.note(schedule, b"", Noted(upto, None, schedule.rule.spec))
    return schedules.look()[1][schedule.full_name]


# what workers tell


def test_what_a_worker_tells_comes_back_without_its_code(wire, schedules):
    flow = flow_of("5m")
    flow.cron("0 3 * * *", tz="Europe/Paris", missed="all", value={"deep": {1, 2}})
    announce(wire, flow)
    graphs, notes = schedules.look()
    assert notes == {}
    (graph,) = graphs.values()
    assert graph.schedules == flow.graph.schedules
    assert [type(each.rule) for each in graph.schedules] == [Every, Cron]
    assert shape(graph) == shape(flow.graph)
    assert graph.fingerprint == flow.graph.fingerprint


def test_what_is_told_of_a_stage_runs_nothing(wire, schedules):
    announce(wire, flow_of("5m"))
    (graph,) = schedules.look()[0].values()
    with pytest.raises(AssertionError, match="only workers run stages, not 7"):
        graph.stages[0].fn(7)


def test_a_flow_without_schedules_is_not_told_of(wire, schedules):
    announce(wire, flow_of(), flow_of("5m", name="g"))
    assert list(schedules.look()[0]) == ["g"]


def test_a_worker_that_starts_replaces_what_was_told_also_by_nothing(wire, schedules):
    announce(wire, flow_of("5m", "10m"))
    announce(wire, flow_of("10m"))
    (graph,) = schedules.look()[0].values()
    assert [each.name for each in graph.schedules] == ["every-10m"]
    announce(wire, flow_of())
    assert schedules.look()[0] == {}


def test_an_old_worker_that_connects_again_only_tells_what_is_missing(wire, schedules):
    old = announce(wire, flow_of("5m"))
    announce(wire, flow_of("10m"))
    old.make(wire)
    assert [each.name for each in schedules.look()[0]["f"].schedules] == ["every-10m"]
    wire.call(("FLUSHALL",))
    old.make(wire)
    assert [each.name for each in schedules.look()[0]["f"].schedules] == ["every-5m"]


def test_what_is_forgotten_is_gone_until_it_is_told_again(wire, schedules):
    flow = flow_of("5m")
    announce(wire, flow)
    assert schedules.forget("f")
    assert not schedules.forget("f")
    assert schedules.look()[0] == {}
    announce(wire, flow)
    assert list(schedules.look()[0]) == ["f"]


RULES = [("s", (300,), "once", None)]
STAGES = [("a", "map", True, False, None, [(None, True, False)])]


@pytest.mark.parametrize(
    "told",
    [
        b"",
        b"\xc1",
        codec.encode(None),
        codec.encode("text"),
        codec.encode(()),
        codec.encode((FORMAT,)),
        codec.encode((FORMAT + 1, STAGES, RULES)),
        codec.encode((FORMAT, [], RULES)),
        codec.encode((FORMAT, STAGES * 2, RULES)),
        codec.encode((FORMAT, [("a", "map", True, False, None, [("b", True, False)])], RULES)),
        codec.encode((FORMAT, [("a", "exec", True, False, None, [])], RULES)),
        codec.encode((FORMAT, [(b"a", "map", True, False, None, [])], RULES)),
        codec.encode((FORMAT, [("a", "map", 1, False, None, [])], RULES)),
        codec.encode((FORMAT, [("a", "map", True, False, "4", [])], RULES)),
        codec.encode((FORMAT, [("a", "map", True, False, None, [("a", True, True)])], RULES)),
        codec.encode((FORMAT, STAGES, [("a b", (300,), "once", None)])),
        codec.encode((FORMAT, STAGES, [(7, (300,), "once", None)])),
        codec.encode((FORMAT, STAGES, [("s", (0,), "once", None)])),
        codec.encode((FORMAT, STAGES, [("s", (None,), "once", None)])),
        codec.encode((FORMAT, STAGES, [("s", ("* * * *", "UTC"), "once", None)])),
        codec.encode((FORMAT, STAGES, [("s", ("* * * * *", "No/Where"), "once", None)])),
        codec.encode((FORMAT, STAGES, [("s", ("* * * * *", 7), "once", None)])),
        codec.encode((FORMAT, STAGES, [("s", (1, 2, 3), "once", None)])),
        codec.encode((FORMAT, STAGES, [("s", (300,), "never", None)])),
        codec.encode((FORMAT, STAGES, [("s", (300,), [], None)])),
        codec.encode((FORMAT, STAGES, [("s", (300,), "once", "text")])),
        codec.encode((FORMAT, STAGES, 7)),
        codec.encode((FORMAT, STAGES, RULES, 7)),
    ],
)
def test_what_can_t_be_read_is_told_as_that_beside_the_others(fake, told):
    wire = fake.wire()
    announce(wire, flow_of("5m"))
    wire.call(("HSET", KEYS.schedules, "bad", told))
    graphs, _ = Schedules(KEYS, wire).look()
    assert isinstance(graphs["bad"], MalformedData)
    assert graphs["f"].schedules
    assert str(graphs["bad"])
    wire.close()


def test_a_foreign_note_is_told_raw(wire, schedules):
    for number, raw in enumerate([b"", b"7", b"x y z", b"\xff \xff \xff", b"9" * 40 + b" 0 s"]):
        wire.call(("HSET", KEYS.ticks, f"f.{number}", raw))
        assert schedules.look()[1][f"f.{number}"] == raw


# ticks


def test_the_run_of_a_tick_is_like_one_that_was_submitted(server, wire, client, schedules):
    flow = flow_of("5m")
    (schedule,) = flow.graph.schedules
    announce(wire, flow)
    (graph,) = schedules.look()[0].values()
    noted = begun(schedules, schedule)
    assert schedules.start(graph, schedule, TICK, noted) is Ticked.STARTED
    by_tick = contents(wire)
    run_id = schedule.run_id(TICK)
    assert client.submit(flow, TICK, run_id=run_id) == run_id
    assert contents(wire) == by_tick
    (entry,) = (hands := Hands(server, flow)).take()
    assert hands.values(entry) == [TICK]
    assert schedules.look()[1] == {"f.every-5m": noted.at(TICK)}


def test_a_tick_has_one_run_whoever_else_knew_of_it(wire, client, schedules):
    flow = flow_of("5m")
    (schedule,) = flow.graph.schedules
    noted = begun(schedules, schedule)
    other = Schedules(KEYS, wire)
    assert schedules.start(flow.graph, schedule, TICK, noted) is Ticked.STARTED
    before = contents(wire)
    assert other.start(flow.graph, schedule, TICK, noted) is Ticked.TOO_LATE
    assert other.start(flow.graph, schedule, TICK + timedelta(hours=1), noted) is Ticked.TOO_LATE
    assert contents(wire) == before
    assert len(client.runs()) == 1


def test_a_coordinator_that_stood_still_starts_nothing_though_the_run_is_forgotten(
    server, wire, client, schedules
):
    flow = flow_of("5m")
    (schedule,) = flow.graph.schedules
    noted = begun(schedules, schedule)
    assert schedules.start(flow.graph, schedule, TICK, noted) is Ticked.STARTED
    for key in wire.call(("KEYS", "*run*")):
        wire.call(("DEL", key))
    assert Schedules(KEYS, wire).start(flow.graph, schedule, TICK, noted) is Ticked.TOO_LATE
    assert client.runs() == []


def test_an_id_that_is_taken_is_told_and_the_tick_is_seen_to(wire, client, schedules):
    flow, other = flow_of("5m"), flow_of(name="other")
    (schedule,) = flow.graph.schedules
    noted = begun(schedules, schedule)
    client.submit(other, 1, run_id=schedule.run_id(TICK))
    assert schedules.start(flow.graph, schedule, TICK, noted) is Ticked.OTHER_FLOW
    noted = schedules.look()[1][schedule.full_name]
    assert noted.upto == TICK
    later = TICK + timedelta(minutes=5)
    client.submit(flow, "else", run_id=schedule.run_id(later))
    assert schedules.start(flow.graph, schedule, later, noted) is Ticked.OTHER_INPUT
    latest = later + timedelta(minutes=5)
    client.submit(flow, latest, run_id=schedule.run_id(latest))
    assert schedules.start(flow.graph, schedule, latest, noted.at(later)) is Ticked.THERE


def test_a_note_is_changed_only_by_who_knows_it(wire, schedules):
    (schedule,) = flow_of("5m").graph.schedules
    noted = begun(schedules, schedule)
    assert not schedules.note(schedule, b"", Noted(TICK, None, "other"))
    assert schedules.look()[1] == {schedule.full_name: noted}
    assert schedules.note(schedule, noted.raw, Noted(TICK, TICK, schedule.rule.spec))
    assert schedules.look()[1] == {schedule.full_name: noted.at(TICK)}
    schedules.drop_notes([])
    schedules.drop_notes([schedule.full_name, "unknown"])
    assert schedules.look()[1] == {}
