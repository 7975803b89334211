"""What scripts of the doctor and of the dead letters answer where there is nothing to do."""

import pytest

from pauseflow import Flow
from pauseflow.store import commands, remedies
from support.hands import Hands
from support.inventory import contents

FLOW = Flow("f")
FLOW.map(lambda x: x, name="s0")


@pytest.fixture
def hands(server, client, wire):
    hands = Hands(server, FLOW)
    client.submit(FLOW, 7, run_id="r")
    yield hands
    wire.call(("FLUSHALL",))  # a run in a state that nothing brought it to


@pytest.mark.parametrize("state", ["done", "paused", "halted", "cancelled", None])
def test_a_run_that_does_not_go_is_not_pushed(hands, wire, state):
    run, stream = hands.keys.run("r").base, hands.keys.stream("f", "s0")
    books = wire.call(("HGET", run, "b:s0"))
    wire.call(("HSET", run, "state", state) if state else ("HDEL", run, "state"))
    before = contents(wire)
    assert wire.call(remedies.push(run, stream, "r", "b:s0", books)) == 0
    assert contents(wire) == before


def test_a_stage_that_moved_on_meanwhile_is_not_pushed(hands, wire):
    run, stream = hands.keys.run("r").base, hands.keys.stream("f", "s0")
    books = wire.call(("HGET", run, "b:s0"))
    before = contents(wire)
    assert wire.call(remedies.push(run, stream, "r", "b:s0", books + b"0")) == 0
    assert wire.call(remedies.push(run, stream, "r", "b:none", b"")) == 0
    assert contents(wire) == before
    assert wire.call(remedies.push(run, stream, "r", "b:s0", books)) == 1
    assert wire.call(remedies.push(run, stream, "r", "b:s0", books)) == 0


def test_books_of_a_run_that_is_over_are_not_written_anew(hands, wire):
    run = hands.keys.run("r").base
    books = wire.call(("HGET", run, "b:s0"))
    for state in ("done", "cancelled"):
        wire.call(("HSET", run, "state", state))
        assert wire.call(remedies.mend(run, "b:s0", books, b"other")) == 0
    wire.call(("DEL", run))
    assert wire.call(remedies.mend(run, "b:s0", books, b"other")) == 0
    assert wire.call(("EXISTS", run)) == 0


def test_a_member_is_put_back_only_for_what_is_there(server, wire):
    wire.call(("HSET", "holder", "field", "pause 1 2 3"))

    def ask(field="field", head="pause"):
        return wire.call(remedies.putback("target", "holder", "member", 5, field, head))

    assert [ask(field="other"), ask(head="signal")] == [0, 0]
    assert wire.call(("EXISTS", "target")) == 0
    assert ask() == 1
    assert ask() == 0
    assert wire.call(("ZRANGE", "target", 0, -1, "WITHSCORES")) == [b"member", b"5"]
    wire.call(("DEL", "target", "holder"))


def test_a_member_is_taken_out_only_if_nothing_is_there(server, wire):
    wire.exchange([("HSET", "holder", "field", "pause 1"), ("ZADD", "target", 5, "member")])

    def ask(member="member", field="field", head="pause"):
        return wire.call(remedies.drop("target", "holder", member, field, head))

    assert [ask(), ask(head=""), ask(member="another", field="x")] == [0, 0, 0]
    assert wire.call(("ZCARD", "target")) == 1
    assert ask(head="signal") == 1
    assert ask(head="signal") == 0
    wire.call(("DEL", "target", "holder"))


def test_letters_that_are_not_there_are_not_counted_as_dropped(server, wire):
    wire.exchange(
        [
            ("ZADD", "dead", 1, "both", 1, "listed"),
            ("HSET", "letters", "both", "x", "unlisted", "x"),
        ]
    )
    assert wire.call(commands.discard("dead", "letters", ["none"])) == 0
    names = ["both", "listed", "unlisted", "none", "both"]
    assert wire.call(commands.discard("dead", "letters", names)) == 3
    assert wire.call(("KEYS", "*")) == []


def test_a_run_that_has_gone_takes_no_answer(server, wire):
    keys = ("run", "parked", "waits", "signals", "timers", "stream", "quarantined", "counted")
    ask = commands.signal(*keys, "r", "f", "go", "", b"signal go\n", 10, 10)
    assert wire.call(ask) == commands.Delivered.NO_RUN
    assert wire.call(("KEYS", "*")) == []


def test_another_priority_is_told_of_every_state(hands, wire):
    run = hands.keys.run("r").base
    said = [wire.call(commands.prioritize(run, each)) for each in ("high", "high", "", "")]
    assert said == [1, 0, 1, 0]
    for state in ("done", "cancelled"):
        wire.call(("HSET", run, "state", state))
        assert wire.call(commands.prioritize(run, "low")) == commands.Prioritized.RUN_OVER
    assert wire.call(commands.prioritize("none", "low")) == commands.Prioritized.NO_RUN
    assert wire.call(("HGET", run, "priority")) == b""
