"""Entries that are not ours or damaged are set aside and stop nothing."""

import pytest

from pauseflow import Flow
from pauseflow.client import RunState
from pauseflow.errors import MalformedData, RunFailed
from support.cluster import Cluster
from support.hands import Hands
from support.inventory import contents

FLOW = Flow("f")
FLOW.map(lambda x: x + 1, name="s0")

DAMAGED = [
    ("x", "y"),
    ("e",  ""),
    ("e", "garbage"),
    ("e", b"\xff\xfe\x00"),
    ("e", "1 r 0 0 0 1 0 1 0"),
    ("e", "2 r 0 0 0 1 0 1 0\n\x01"),
    ("e", "1 r 0 0 0 1 0 1\n\x01"),
    ("e", "1 r x 0 0 1 0 1 0\n\x01"),
    ("e", "1 r 0 0 0 99999999 0 1 0\n\x01"),
    ("e", "1 r 0 0 0 1 2 1 0\n\x01"),
    ("e", "1 r 0 0 0 1 0 1 99\n\x01"),
    ("e", "1 r -1 0 0 1 0 1 0\n\x01"),
    ("e", "1 \u00e9 0 0 0 1 0 1 0\n\x01"),
    ("e", "1 a:b 0 0 0 1 0 1 0\n\x01"),
    ("e", "1 r 0 0 0 1 0 1 0\n\x01", "p", "1 0 1 0\n\x01"),
    ("e", b"1 r 0 0 0 1 0 1 0\n\xc1"),
    ("e", b"1 r 0 0 0 2 0 1 0\n\x01\xda"),
    ("e", b"1 r 0 0 0 1 0 1 1\n\xc1\x01"),
    ("e", b"1 r 0 0 0 1 0 1 1\n\x01\x01"),
    ("e", b"1 r 0 0 0 1 0 1 3\n\x81\x05\x01\x01"),
    ("e", "1 r 0 0 0 1 0 1 0\n\x01", "more", "fields"),
]  # fmt: skip


@pytest.mark.parametrize("fields", DAMAGED, ids=range(len(DAMAGED)))
def test_a_damaged_entry_is_set_aside_and_others_go_on(server, wire, fields):
    with Cluster(server, FLOW) as cluster:
        stream = cluster.keys.stream("f", "s0")
        cluster.client.submit(FLOW, 1, run_id="before")
        wire.call(("XADD", stream, "*", *fields))
        cluster.client.submit(FLOW, 2, run_id="after")
        cluster.settle()
        assert list(cluster.client.results("before")) == [2]
        assert list(cluster.client.results("after")) == [3]
        ((_, kept),) = wire.call(("XRANGE", cluster.keys.quarantine, "-", "+"))
        kept = dict(zip(kept[::2], kept[1::2], strict=True))
        assert kept[b"stream"].decode() == stream
        assert kept[b"reason"]
        assert kept[b"body"] == b"\n".join(
            word if isinstance(word, bytes) else word.encode() for word in fields
        )
        assert wire.call(("XLEN", stream)) == 0
        assert wire.call(("XPENDING", stream, "workers"))[0] == 0


def test_a_run_whose_chunk_is_damaged_halts_and_keeps_it(server, wire):
    with Cluster(server, FLOW) as cluster:
        stream = cluster.keys.stream("f", "s0")
        cluster.client.submit(FLOW, 1, run_id="r")
        ((entry, (_, head, *_)),) = wire.call(("XRANGE", stream, "-", "+"))
        wire.call(("XDEL", stream, entry))
        wire.call(("XADD", stream, "*", "e", head, "p", b"1 0 1 0\n\xc1"))
        cluster.settle()
        info = cluster.client.run("r")
        assert info.state is RunState.HALTED
        assert "stage 's0' can't read the chunk that begins with record r:s0:0" in info.error
        assert [(each.stage, each.why) for each in info.parked] == [("s0", "failed")]
        assert wire.call(("XLEN", cluster.keys.quarantine)) == 1
        with pytest.raises(RunFailed, match="can't read the chunk"):
            list(cluster.client.results("r", follow=True))
        assert cluster.client.retry("r") == 1
        cluster.settle()
        assert cluster.client.run("r").state is RunState.HALTED
        wire.call(("FLUSHALL",))


def test_a_damaged_chunk_that_is_not_the_runs_own_does_not_halt_it(server, wire):
    with Cluster(server, FLOW) as cluster:
        stream = cluster.keys.stream("f", "s0")
        feed = cluster.client.open(FLOW, run_id="r")
        cluster.settle()
        wire.call(("XADD", stream, "*", "e", b"1 r 0 0 0 1 0 0 0\n\xc1"))
        cluster.settle()
        feed.append(1)
        feed.close()
        cluster.settle()
        assert list(cluster.client.results("r")) == [2]
        assert cluster.client.run("r").state is RunState.DONE


def test_an_entry_of_a_run_that_does_not_exist_is_dropped(server, wire):
    with Cluster(server, FLOW) as cluster:
        stream = cluster.keys.stream("f", "s0")
        cluster.settle()
        wire.call(("XADD", stream, "*", "e", b"1 nobody 0 0 0 1 0 1 0\n\x01"))
        cluster.settle()
        assert wire.call(("XLEN", stream)) == 0
        assert wire.call(("KEYS", "*nobody*")) == []


def quarantine_all(hands):
    return hands.wire.exchange([hands.chunks.quarantine(entry, "why") for entry in hands.take()])


def test_only_ones_own_entries_are_set_aside(server, wire):
    hands, other = Hands(server, FLOW), Hands(server, FLOW, "other")
    wire.call(("XADD", hands.keys.stream("f", "s0"), "*", "x", "y"))
    (entry,) = hands.take()
    assert isinstance(entry.envelope, MalformedData)
    before = contents(wire)
    assert wire.call(other.chunks.quarantine(entry, "why")) == 0
    assert contents(wire) == before
    assert wire.call(hands.chunks.quarantine(entry, "why")) == 1
    assert wire.call(hands.chunks.quarantine(entry, "why")) == 0


def test_the_quarantine_keeps_the_newest(server, wire, monkeypatch):
    monkeypatch.setattr("pauseflow.store.chunks.QUARANTINE_ENTRIES", 3)
    hands = Hands(server, FLOW)
    for number in range(5):
        wire.call(("XADD", hands.keys.stream("f", "s0"), "*", "n", number))
    assert quarantine_all(hands) == [1] * 5
    kept = [fields[-1] for _, fields in wire.call(("XRANGE", hands.keys.quarantine, "-", "+"))]
    assert kept == [b"n\n2", b"n\n3", b"n\n4"]


def test_a_huge_body_is_kept_in_part(server, wire):
    hands = Hands(server, FLOW)
    wire.call(("XADD", hands.keys.stream("f", "s0"), "*", "big", "x" * 100_000))
    quarantine_all(hands)
    ((_, fields),) = wire.call(("XRANGE", hands.keys.quarantine, "-", "+"))
    assert len(fields[-1]) == 4096


def test_an_entry_that_was_deleted_meanwhile_leaves_its_reason(server, wire):
    hands = Hands(server, FLOW)
    stream = hands.keys.stream("f", "s0")
    wire.call(("XADD", stream, "*", "x", "y"))
    (entry,) = hands.take()
    wire.call(("XDEL", stream, entry.id))
    assert wire.call(hands.chunks.quarantine(entry, "why")) == 1
    ((_, fields),) = wire.call(("XRANGE", hands.keys.quarantine, "-", "+"))
    assert fields[-3:] == [b"why", b"body", b""]


def test_a_client_tells_what_is_set_aside_the_newest_first(server, wire):
    with Cluster(server, FLOW) as cluster:
        stream = cluster.keys.stream("f", "s0")
        assert cluster.client.set_aside() == (0, [])
        wire.call(("XADD", stream, "1-1", "x", "y"))
        wire.call(("XADD", stream, "1-2", "e", "garbage"))
        cluster.settle()
        count, entries = cluster.client.set_aside()
        assert count == 2
        assert [(each.stream, each.entry) for each in entries] == [(stream, "1-2"), (stream, "1-1")]
        assert "not a chunk" in entries[0].reason
        assert cluster.client.set_aside(limit=1) == (2, entries[:1])
