"""Submitting and opening runs: on fakeredis, Valkey and Redis."""

import pytest

from pauseflow import Flow
from pauseflow.client import RunState
from pauseflow.errors import NotSerializable, RunConflict, SettingsError, UnknownRun
from support.hands import FixedTuning, Hands
from support.inventory import contents


def keep(x):
    return x


def flow_of(name="f"):
    flow = Flow(name)
    flow.map(keep)
    return flow


FLOW = flow_of()


def test_a_submitted_run_waits_for_a_worker(server, client):
    assert client.submit(FLOW, {"x": [1]}, run_id="r") == "r"
    run = client.run("r")
    assert (run.id, run.flow, run.state, run.position) == ("r", "f", RunState.RUNNING, 1)
    assert run.finished is None
    (entry,) = Hands(server, FLOW).take()
    assert entry.envelope.run == "r"
    assert entry.envelope.ended


def test_the_same_again_changes_nothing(server, client, wire):
    client.submit(FLOW, 1, run_id="r")
    before = contents(wire)
    assert client.submit(FLOW, 1, run_id="r") == "r"
    assert contents(wire) == before


def test_the_same_again_changes_nothing_when_the_run_is_done(server, client, wire):
    client.submit(FLOW, 1, run_id="r")
    hands = Hands(server, FLOW)
    (entry,) = hands.take()
    hands.commit(entry, [1])
    before = contents(wire)
    client.submit(FLOW, 1, run_id="r")
    assert contents(wire) == before
    assert hands.take() == []


def test_an_id_that_another_flow_has_is_a_conflict(client):
    client.submit(FLOW, 1, run_id="r")
    with pytest.raises(RunConflict, match="for another flow than 'g'"):
        client.submit(flow_of("g"), 1, run_id="r")


def test_an_id_that_another_input_has_is_a_conflict(client, wire):
    client.submit(FLOW, 1, run_id="r")
    before = contents(wire)
    for other in (2, "1", 1.0, True, [1]):
        with pytest.raises(RunConflict, match="another input"):
            client.submit(FLOW, other, run_id="r")
    assert contents(wire) == before


def test_a_run_is_either_fed_or_submitted(client):
    client.submit(FLOW, 1, run_id="r")
    with pytest.raises(RunConflict, match="another input"):
        client.open(FLOW, run_id="r")
    client.open(FLOW, run_id="fed")
    with pytest.raises(RunConflict, match="another input"):
        client.submit(FLOW, 1, run_id="fed")


def test_opening_again_goes_on_where_the_feed_stands(client):
    client.open(FLOW, run_id="r").extend([1, 2, 3])
    assert client.open(FLOW, run_id="r").position == 3
    with pytest.raises(RunConflict):
        client.open(flow_of("g"), run_id="r")


@pytest.mark.parametrize("run_id", ["a b", "a:b", "x" * 121, "é", "a\n"])
def test_an_id_with_other_characters_is_refused(client, wire, run_id):
    with pytest.raises(SettingsError, match="use 1 to 120 letters"):
        client.submit(FLOW, 1, run_id=run_id)
    with pytest.raises(SettingsError):
        client.open(FLOW, run_id=run_id)
    assert wire.call(("KEYS", "*")) == []


def test_a_record_without_an_encoding_makes_no_run(client, wire):
    with pytest.raises(NotSerializable):
        client.submit(FLOW, object(), run_id="r")
    assert wire.call(("KEYS", "*")) == []


def test_runs_are_listed_newest_first(client):
    other = flow_of("g")
    for number in range(4):
        client._runs.now_ms = 1_000_000 + number
        client.submit(other if number == 2 else FLOW, 1, run_id=f"r{number}")
    assert [run.id for run in client.runs()] == ["r3", "r2", "r1", "r0"]
    assert [run.id for run in client.runs(limit=2)] == ["r3", "r2"]
    assert [run.id for run in client.runs(flow="f")] == ["r3", "r1", "r0"]
    assert [run.id for run in client.runs(flow="f", limit=1)] == ["r3"]
    assert client.runs()[0].created.timestamp() == 1000.003


def test_a_run_that_nobody_submitted_is_unknown(client):
    with pytest.raises(UnknownRun, match="'nope'"):
        client.run("nope")
    with pytest.raises(UnknownRun):
        list(client.results("nope"))
    with pytest.raises(UnknownRun):
        client.wait("nope", timeout=1)
    with pytest.raises(UnknownRun):
        client.retry("nope")


def test_ids_that_are_made_up_differ(client):
    assert client.submit(FLOW, 1) != client.submit(FLOW, 1)
    assert client.open(FLOW).run_id != client.open(FLOW).run_id


def test_chunk_sizes_do_not_matter_to_what_a_run_is(server, client):
    client._runs._tuning = FixedTuning(target=64)
    client.submit(FLOW, 1, run_id="r")
    client._runs._tuning = FixedTuning(target=1)
    assert client.submit(FLOW, 1, run_id="r") == "r"
