"""The letterbox: dead letters that are found, tried again, edited, dropped; and records skipped."""

from dataclasses import replace

import pytest

from pauseflow import Flow, codec
from pauseflow.client import RunState
from pauseflow.codec import Marker
from pauseflow.errors import (
    LetterRefused,
    NotSerializable,
    SkipRefused,
    UnknownLetter,
    UnknownName,
    UnknownRun,
)
from pauseflow.stages.state import State
from pauseflow.store import commands
from pauseflow.store.chunks import DeadLetter
from pauseflow.store.commands import Amended, Revived, Skipped
from pauseflow.store.letterbox import Letterbox, root_of
from pauseflow.store.letters import Letter
from pauseflow.store.runs import Runs
from pauseflow.store.skipping import told
from support.hands import FixedTuning, Hands
from support.inventory import contents


def same(x):
    return x


FLOW = Flow("f")
FLOW.branch(lambda x: [x], name="split", finished=lambda: None).map(same, name="s1").each(
    same, name="s2"
)
LINE = Flow("line")
LINE.map(same, name="s0").map(same, name="s1", ordered=False)


def letter(ordinal=0, *, run="r", flow="line", stage="s0", error="ValueError", since=0, **more):
    given = {
        "attempts": 2, "crashes": 0, "error": "no", "traceback": "Traceback", "is_marker": False,
        "item": codec.encode(ordinal), "state": b"",
    }  # fmt: skip
    return Letter(
        run=run, flow=flow, stage=stage, ordinal=ordinal, since=since, error_type=error,
        **given | more,
    )  # fmt: skip


@pytest.fixture
def post(client, wire):
    """Puts letters into the box, as commits would."""

    def post(*letters):
        for each in letters:
            wire.call(("ZADD", client._keys.dead, each.since, each.key))
            wire.call(("HSET", client._keys.letters, each.key, each.pack()))

    return post


@pytest.fixture
def box(client):
    return Letterbox(client._keys, client._wire)


@pytest.fixture
def hands(server):
    return Hands(server, LINE, tuning=FixedTuning(target=4, piece=4))


def ordinals(letters):
    return [each.ordinal for each in letters]


# finding


def test_letters_come_newest_first_and_only_those_that_are_meant(client, post):
    post(
        letter(0, since=5),
        letter(1, since=7, run="q"),
        letter(2, since=6, flow="f", stage="s1"),
        letter(3, since=1, error="Outer.Refused"),
    )
    assert ordinals(client.dead()) == [1, 2, 0, 3]
    assert ordinals(client.dead(run="q")) == [1]
    assert ordinals(client.dead(flow="f")) == [2]
    assert ordinals(client.dead(stage="s0", run="r")) == [0, 3]
    assert ordinals(client.dead(error="shop.Refused")) == [3]
    assert ordinals(client.dead(error="KeyError")) == []
    assert client.count_dead() == 4
    found = client.dead_letter("q:s0:1")
    assert (found.record, found.attempts, found.died.timestamp()) == (1, 2, 0.007)


def test_many_letters_of_one_moment_are_read_in_pages_while_they_are_dropped(client, post):
    post(*(letter(number, since=number // 100) for number in range(300)))
    found = []
    for each in client.dead():
        found.append(each.ordinal)
        assert client.drop_dead([each.key]) == 1
    assert sorted(found) == list(range(300))
    assert client.count_dead() == 0


def test_letters_of_one_moment_are_read_to_the_last_however_many(client, post):
    post(*(letter(number, since=5) for number in range(150)), letter(150, since=6))
    assert sorted(ordinals(client.dead())) == list(range(151))


def test_a_letter_that_cannot_be_read_is_not_overlooked(client, post, wire):
    post(letter(0))
    for text in (b"\xc1", codec.encode(("other", "parts"))):
        wire.call(("HSET", client._keys.letters, "r:s0:0", text))
        (found,) = client.dead()
        assert (found.key, found.error_type) == ("r:s0:0", "MalformedData")
        for refused in (
            lambda: client.retry_dead(LINE, ["r:s0:0"]),
            lambda: client.edit_dead("r:s0:0", 1),
        ):
            with pytest.raises(LetterRefused, match="can't be read"):
                refused()
    assert client.drop_dead(["r:s0:0"]) == 1
    wire.call(("ZADD", client._keys.dead, 1, "what is this"))
    wire.call(("HSET", client._keys.letters, "what is this", "x"))
    assert list(client.dead()) == []


def test_dropped_letters_are_gone_from_both_keys(client, post, wire):
    post(letter(0), letter(1))
    assert client.drop_dead(["r:s0:0", "nobody:s0:0"]) == 1
    assert wire.call(("ZRANGE", client._keys.dead, 0, -1)) == [b"r:s0:1"]
    assert wire.call(("HKEYS", client._keys.letters)) == [b"r:s0:1"]


@pytest.mark.parametrize(
    "ask",
    [
        lambda client: client.dead_letter("r:s0:9"),
        lambda client: client.retry_dead(LINE, ["r:s0:0", "r:s0:9"]),
        lambda client: client.edit_dead("r:s0:9", 1),
    ],
    ids=["show", "retry", "edit"],
)
def test_an_unknown_letter_is_said(client, post, wire, ask):
    post(letter(0))
    before = contents(wire)
    with pytest.raises(UnknownLetter, match="no dead letter 'r:s0:9'"):
        ask(client)
    assert contents(wire) == before


# editing


def test_an_edited_letter_keeps_its_key_and_loses_how_far_it_had_come(client, post):
    post(letter(0, state=State({0: b"frame"}).pack()))
    client.edit_dead("r:s0:0", {"a": [1]})
    found = client.dead_letter("r:s0:0")
    assert (found.record, found.state, found.error) == ({"a": [1]}, b"", "no")


def test_an_edit_that_has_no_encoding_changes_nothing(client, post, wire):
    marker = codec.encode(Marker("split", 0, None))
    post(letter(0), letter(1, stage="s1", is_marker=True, item=marker))
    before = contents(wire)
    with pytest.raises(NotSerializable):
        client.edit_dead("r:s0:0", object())
    with pytest.raises(LetterRefused, match="end of a series"):
        client.edit_dead("r:s1:1", 1)
    assert contents(wire) == before


def test_an_edit_is_of_the_letter_that_was_read(client, post, box):
    post(letter(0))
    text, other = letter(0).pack(), letter(0, error="KeyError").pack()
    ask = lambda *words: Amended(client._wire.call(commands.amend(client._keys.letters, *words)))  # noqa: E731
    assert ask("r:s0:0", other, text) is Amended.CHANGED
    assert ask("r:s0:1", text, text) is Amended.GONE
    assert ask("r:s0:0", text, other) is Amended.DONE
    assert client.dead_letter("r:s0:0").error_type == "KeyError"
    for status, error in ((Amended.GONE, UnknownLetter), (Amended.CHANGED, LetterRefused)):
        box._wire = _Answering(client._wire, "EVALSHA", int(status))
        with pytest.raises(error):
            box.edit("r:s0:0", 1)


# trying again


def test_a_letter_that_is_tried_again_is_a_run_of_one_record_from_its_stage_on(
    client, post, hands, wire
):
    post(letter(7, run="orders", state=State({0: b"frame"}).pack()))
    assert client.retry_dead(LINE, ["orders:s0:7"]) == {"orders:s0:7": "orders.again-1"}
    assert client.count_dead() == 0
    assert wire.call(("EXISTS", client._keys.letters)) == 0
    info = client.run("orders.again-1")
    assert (info.flow, info.state, info.position) == ("line", RunState.RUNNING, 1)
    assert [(s.name, s.arrived, s.in_flight) for s in info.stages] == [("s0", 1, 1), ("s1", 0, 0)]
    (entry,) = hands.take()
    assert hands.values(entry) == [7]
    assert (entry.envelope.ordinal, entry.envelope.ended) == (7, True)
    assert State.parse(entry.envelope.frames, 1) == State({0: b"frame"}, origin="orders")
    hands.commit(entry, [70])
    (entry,) = hands.take()
    hands.put(entry, hands.result(entry, [71]))
    assert list(client.results("orders.again-1")) == [71]
    assert client.run("orders.again-1").state is RunState.DONE


def test_only_the_ends_after_the_stage_count(client, post, wire):
    flow = Flow("two")
    flow.map(same, name="top").branch(same, name="split", finished=lambda: None)
    post(letter(0, flow="two", stage="split"))
    (run_id,) = client.retry_dead(flow, ["r:split:0"]).values()
    leaves, stages = wire.call(("HMGET", client._keys.run(run_id).base, "leaves", "stages"))
    after = stages.decode().split(" ")
    assert after[0] == "split"
    assert "top" not in after
    graph = flow.graph
    ends = [name for name in after if all(o.target is None for o in graph.outlets(name))]
    assert int(leaves) == len(ends)


def test_numbers_count_up_and_are_never_given_twice(client, post):
    post(letter(0), letter(1), letter(2, run="r.again-1"))
    assert client.retry_dead(LINE, ["r:s0:0", "r:s0:1"]) == {
        "r:s0:0": "r.again-1",
        "r:s0:1": "r.again-2",
    }
    assert client.retry_dead(LINE, ["r.again-1:s0:2"]) == {"r.again-1:s0:2": "r.again-3"}
    assert client.retry_dead(LINE, []) == {}


def test_ids_do_not_grow_beyond_what_a_run_may_have():
    assert root_of("r.again-12") == "r"
    assert len(root_of("x" * 120)) == 100


def test_what_cannot_be_tried_again_keeps_all_letters(client, post, wire):
    lost = letter(1, stage="gone")
    post(letter(0), lost, letter(2, flow="f"), letter(3, state=b"\xc1"), letter(4, item=b"\xc1"))
    before = contents(wire)
    for bad, error, said in (
        (lost.key, UnknownName, "no stage 'gone'"),
        ("r:s0:2", LetterRefused, "is of flow 'f', not of 'line'"),
        ("r:s0:3", LetterRefused, "Edit it"),
        ("r:s0:4", LetterRefused, "Edit it"),
    ):
        with pytest.raises(error, match=said):
            client.retry_dead(LINE, ["r:s0:0", bad])
    assert contents(wire) == before


def test_every_answer_of_a_revival(client, post, box):
    box.now_ms = 5
    post(letter(0))
    (first,) = box.get(["r:s0:0"])
    other = replace(first, stored=letter(0, error="Other").pack())
    state = State()
    assert Revived(client._wire.call(box._revive(LINE.graph, other, state, "a"))) is Revived.CHANGED
    client.submit(LINE, 1, run_id="a")
    assert Revived(client._wire.call(box._revive(LINE.graph, first, state, "a"))) is Revived.THERE
    assert client.count_dead() == 1
    assert Revived(client._wire.call(box._revive(LINE.graph, first, state, "b"))) is Revived.MADE
    assert client.run("b").created.timestamp() == 0.005
    assert Revived(client._wire.call(box._revive(LINE.graph, first, state, "b"))) is Revived.GONE


def test_a_letter_that_somebody_else_takes_is_left_out(client, post, box):
    post(letter(0), letter(1))
    letters = list(box.get(["r:s0:0", "r:s0:1"]))
    client.drop_dead(["r:s0:0"])
    assert box.revive(LINE.graph, letters) == {"r:s0:1": "r.again-2"}


# skipping


def fed(client, hands, records, *, run_id="r"):
    """The one chunk of a run of these records."""
    runs = Runs(client._keys, client._wire, FixedTuning(target=4))
    runs.open(LINE.graph, run_id)
    runs.append(LINE.graph, run_id, 0, records, close=True)
    (entry,) = hands.take()
    return entry


def halt(client, hands, *, records=3, failures=0, stage="s0", run_id="r", note="", **more):
    """A run whose first record at a stage has failed."""
    entry = fed(client, hands, list(range(records)), run_id=run_id)
    if stage != "s0":
        hands.commit(entry, hands.values(entry))
        (entry,) = hands.take()
    rest = entry.envelope
    frames = {index: b"frame %d" % index for index in (0, 2) if index < records}
    rest.frames = State(frames, failures=failures).pack()
    result = hands.result(entry, done=0, unfinished=True, error="it broke", **more)
    result.parks.append(hands.park(rest, why="failed", note=note))
    hands.put(entry, result)


NOTE = "Traceback (most recent call last):\n  File x\nshop.Refused: not\n  today\n"


def test_a_skipped_record_is_a_dead_letter_and_the_rest_goes_on(client, hands):
    halt(client, hands, failures=2, note=NOTE)
    client._skipping.now_ms = 9
    assert client.skip("r") == ["r:s0:0"]
    found = client.dead_letter("r:s0:0")
    assert (found.record, found.error_type, found.error) == (0, "Refused", "not\n  today")
    assert (found.traceback, found.attempts, found.since) == (NOTE, 3, 9)
    assert State.parse(found.state, 1).frames == {0: b"frame 0"}
    info = client.run("r")
    assert (info.state, info.error, info.stages[0].parked) == (RunState.RUNNING, "", 0)
    (entry,) = hands.take()
    assert hands.values(entry) == [1, 2]
    assert (entry.envelope.ordinal, entry.envelope.seq, entry.envelope.ended) == (1, 0, True)
    assert State.parse(entry.envelope.frames, 2).frames == {1: b"frame 2"}
    hands.commit(entry, [1, 2])
    (entry,) = hands.take()
    hands.commit(entry, [1, 2], done=2)
    assert client.run("r").state is RunState.DONE
    assert client.skip("r") == []


@pytest.mark.parametrize("stage", ["s0", "s1"])
def test_a_rest_of_nothing_still_ends_the_run(client, hands, stage):
    halt(client, hands, records=1, stage=stage)
    assert client.skip("r") == [f"r:{stage}:0"]
    while entries := hands.take():
        for entry in entries:
            assert entry.envelope.count == 0
            hands.commit(entry)
    assert client.run("r").state is RunState.DONE
    assert list(client.results("r")) == []


def test_a_run_that_has_been_paused_stays_so(client, hands, wire):
    halt(client, hands, records=2)
    wire.call(("HSET", hands.keys.run("r").base, "state", "paused"))
    assert client.skip("r") == ["r:s0:0"]
    assert hands.take() == []
    assert wire.call(("HKEYS", hands.keys.run("r").parked)) == [b"s0:1"]
    assert wire.call(("HGET", hands.keys.run("r").base, "state")) == b"paused"
    wire.call(("HSET", hands.keys.run("r").base, "state", "running"))
    assert client._runs.wake("line", "r", ["s0:1"], why="paused") == 1
    (entry,) = hands.take()
    assert hands.values(entry) == [1]


def test_a_run_that_nothing_has_failed_in_has_nothing_to_skip(client, hands, wire):
    client.submit(LINE, 1, run_id="r")
    before = contents(wire)
    assert client.skip("r") == []
    assert contents(wire) == before
    with pytest.raises(UnknownRun):
        client.skip("other")


@pytest.mark.parametrize(
    ("items", "said"),
    [(b"\xc1", "damaged"), (b"\x01", "damaged"), (b"\x01\x02\x03\x04", "more records")],
)
def test_a_chunk_that_cannot_be_read_stays_and_says_what_to_do(client, hands, wire, items, said):
    entry = fed(client, hands, [1, 2, 3])
    entry.envelope.items = items
    entry.envelope.count = min(3, len(items) + 2)
    result = hands.result(entry, done=0, unfinished=True, error="it broke")
    result.parks.append(hands.park(entry.envelope, why="failed", note="damaged"))
    hands.put(entry, result)
    before = contents(wire)
    with pytest.raises(SkipRefused, match="cancel the run"):
        client.skip("r")
    assert contents(wire) == before


@pytest.mark.parametrize(
    ("count", "items", "said"),
    [
        (0, b"", "it holds no records"),
        (2, b"\xda\xff", "its records are damaged"),
        (1, b"\x01\x02", "it holds more records than it says"),
    ],
)
def test_what_is_wrong_with_a_chunk_that_cannot_be_skipped_is_told(
    client, hands, count, items, said
):
    entry = fed(client, hands, [1, 2, 3])
    entry.envelope.items, entry.envelope.count = items, count
    result = hands.result(entry, done=0, unfinished=True, error="it broke")
    result.parks.append(hands.park(entry.envelope, why="failed", note="damaged"))
    hands.put(entry, result)
    with pytest.raises(SkipRefused, match=said):
        client.skip("r")
    client.cancel("r")


def test_every_answer_of_a_skip(client, hands, wire):
    halt(client, hands)
    skipping = client._skipping
    wire_of = skipping._wire
    for status, error, said in (
        (Skipped.CHANGED, SkipRefused, "somebody else"),
        (Skipped.NO_RUN, UnknownRun, "no run 'r'"),
        (Skipped.RUN_OVER, SkipRefused, "is over"),
    ):
        skipping._wire = _Answering(wire_of, "EVALSHA", int(status))
        with pytest.raises(error, match=said):
            client.skip("r")
    skipping._wire = wire_of
    run, keys = client._keys.run("r"), client._keys
    stream = keys.stream("line", "s0")

    def ask(field="s0:0", text=None, books="b:s0", base=run.base):
        text = wire.call(("HGET", run.parked, "s0:0")) if text is None else text
        items = [field, text, books, b"1 r 0 1 0 0 0 1 0\n", "r:s0:0", letter(0).pack()]
        command = commands.skip(base, run.parked, keys.dead, keys.letters, [stream], 7, 1, items)
        return wire_of.call(command)

    before = contents(wire)
    assert ask(text=b"other") == Skipped.CHANGED
    assert ask(field="s0:5") == Skipped.CHANGED
    assert ask(books="b:none") == Skipped.CHANGED
    for state in ("done", "cancelled"):
        wire.call(("HSET", run.base, "state", state))
        assert ask() == Skipped.RUN_OVER
    wire.call(("HSET", run.base, "state", "halted"))
    assert contents(wire) == before
    assert ask(base=keys.run("other").base) == Skipped.NO_RUN
    assert ask() == 1
    assert ask(text=b"other") == Skipped.CHANGED


def test_what_dies_in_a_commit_is_listed(client, hands):
    client.submit(LINE, 1, run_id="r")
    (entry,) = hands.take()
    dead = letter(0)
    hands.put(entry, hands.result(entry, done=1, dead=[DeadLetter(dead.key, dead.pack())]))
    assert list(client.dead()) == [dead]
    while entries := hands.take():
        for entry in entries:
            hands.commit(entry)
    assert client.run("r").state is RunState.DONE


GROUP = """\
  + Exception Group Traceback (most recent call last):
  |   File x
  | ExceptionGroup: all of it (2 sub-exceptions)
  +-+---
    | ValueError: no
"""


@pytest.mark.parametrize(
    ("note", "expected"),
    [
        (NOTE, ("Refused", "not\n  today")),
        ("Traceback (most recent call last):\n  File x\nFoo\n", ("Foo", "")),
        ("half of a l: ine\n  File x\nValueError: no\n", ("ValueError", "no")),
        (GROUP, ("ExceptionGroup", "all of it (2 sub-exceptions)")),
        ("the bytes are no value", ("MalformedData", "the bytes are no value")),
    ],
)
def test_a_traceback_tells_type_and_text(note, expected):
    assert told(note) == expected


class _Answering:
    """A connection that answers one kind of command by itself."""

    def __init__(self, wire, name, answer):
        self._wire, self._name, self._answer = wire, name, answer

    def call(self, command):
        return self._answer if command[0] == self._name else self._wire.call(command)
