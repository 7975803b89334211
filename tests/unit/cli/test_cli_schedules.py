"""flowctl schedules, on a server in this process."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from pauseflow import Flow
from pauseflow.store.keys import Keys
from pauseflow.store.schedules import Announcement, Noted
from pauseflow.store.server import Server


@pytest.fixture
def wire(fake, monkeypatch):
    monkeypatch.setattr(Server, "at", lambda url: fake)
    monkeypatch.setenv("REDIS_URL", "redis://nowhere:1/0")
    wire = fake.wire()
    yield wire
    wire.close()


@pytest.fixture
def flow(wire):
    flow = Flow("orders")
    flow.map(print)
    flow.every("5m", missed="all")
    flow.cron("0 3 * * *", tz="Europe/Paris", name="nightly")
    Announcement(Keys(), [flow.graph]).make(wire)
    return flow


def noted(wire, schedule, upto, last):
    note = Noted(upto, last, schedule.rule.spec).pack()
    wire.call(("HSET", Keys().ticks, schedule.full_name, note))


def test_schedules_are_a_table(wire, flow, call):
    every, nightly = flow.graph.schedules
    last = every.rule.after(datetime.now(UTC) - timedelta(minutes=5))
    noted(wire, every, last, last)
    noted(wire, nightly, datetime.now(UTC), None)
    result = call("schedules")
    assert (result.exit_code, result.stderr) == (0, "")
    headings, first, second = result.stdout.splitlines()
    assert " ".join(headings.split()) == "SCHEDULE FLOW RULE MISSED NEXT IN LAST LAST RUN"
    assert first.split()[:5] == ["every-5m", "orders", "every", "5m", "all"]
    assert first.endswith(every.run_id(last))
    assert " ".join(second.split()).startswith("nightly orders cron 0 3 * * * Europe/Paris once")
    assert " 03:00:00+0" in second


def test_schedules_for_programs_are_json_lines(wire, flow, call):
    every, _ = flow.graph.schedules
    last = every.rule.after(datetime.now(UTC) - timedelta(minutes=5))
    noted(wire, every, last, last)
    first, second = map(json.loads, call("schedules", "--json").stdout.splitlines())
    assert first == {
        "name": "every-5m",
        "flow": "orders",
        "rule": "every 5m",
        "zone": "UTC",
        "missed": "all",
        "next": (last + timedelta(minutes=5)).isoformat(),
        "last": last.isoformat(),
        "last_run": every.run_id(last),
    }
    assert (second["zone"], second["last"], second["last_run"]) == ("Europe/Paris", None, None)


def test_schedules_that_nobody_sees_to_are_told(wire, flow, call):
    result = call("schedules")
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 3
    assert "is a coordinator running?" in result.stderr
    every, nightly = flow.graph.schedules
    noted(wire, nightly, datetime.now(UTC), None)
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    noted(wire, every, long_ago, None)
    result = call("schedules")
    assert "  due" in result.stdout
    assert "is a coordinator running?" in result.stderr


def test_no_schedules_and_bad_ones_are_said_aside(wire, call):
    result = call("schedules")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "No schedules are known" in result.stderr
    wire.call(("HSET", Keys().schedules, "bad", b"\xc1"))
    result = call("schedules", "--json")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "Left out: " in result.stderr


def test_a_flow_that_is_no_more_can_be_forgotten(wire, flow, call):
    result = call("schedules", "--forget", "order")
    assert result.exit_code == 3
    assert "did you mean 'orders'?" in result.stderr
    result = call("schedules", "--forget", "orders")
    assert result.exit_code == 0
    assert "are dropped" in result.stdout
    assert "No schedules are known" in call("schedules").stderr
    assert call("schedules", "--forget", "orders").exit_code == 3
