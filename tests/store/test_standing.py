"""Where a run stands, when there is more of it than one page, or when somebody changed it."""

from pauseflow import Flow, PauseFlow
from pauseflow.client import Client
from pauseflow.signing import KEY_VARIABLE
from pauseflow.store import standing
from pauseflow.store.standing import DAMAGED, Standings
from support.cluster import Cluster

LINE = Flow("f")
LINE.map(lambda x: x, name="s0")


def ask(number):
    yield PauseFlow(until="go")
    yield number


ASKING = Flow("asking")
ASKING.branch(ask, name="s0", ordered=False)


def test_streams_are_looked_at_page_by_page_up_to_a_limit(server, monkeypatch):
    monkeypatch.setattr(standing, "PAGE", 4)
    monkeypatch.setattr(standing, "ENTRIES_LOOKED_AT", 12)
    with Cluster(server, LINE) as cluster:
        for number in range(10):
            cluster.client.submit(LINE, number, run_id=f"r{number}")
        stack = cluster.client.stack("r9")
        assert (stack.ready, stack.unseen) == ({"s0": 1}, ())
        for number in range(10, 14):
            cluster.client.submit(LINE, number, run_id=f"r{number}")
        stack = cluster.client.stack("r13")
        assert (stack.ready, stack.unseen) == ({}, ("s0",))
        assert cluster.client.stack("r11").ready == {"s0": 1}
        cluster.settle()


def test_a_stage_with_much_in_several_streams_is_named_once(server, monkeypatch):
    monkeypatch.setattr(standing, "PAGE", 2)
    monkeypatch.setattr(standing, "ENTRIES_LOOKED_AT", 2)
    with Cluster(server, LINE) as cluster:
        for number in range(6):
            priority = "high" if number % 2 else "normal"
            cluster.client.submit(LINE, number, run_id=f"r{number}", priority=priority)
        assert cluster.client.stack("r5").unseen == ("s0",)
        cluster.settle()


def test_all_that_is_parked_is_found_however_much(server, monkeypatch):
    monkeypatch.setattr(standing, "PAGE", 10)
    with Cluster(server, ASKING) as cluster:
        with cluster.client.open(ASKING, run_id="r") as feed:
            feed.extend(range(200))
        cluster.settle()
        found = cluster.client.stack("r", limit=500)
        assert sorted(stand.key for stand in found.stands) == sorted(
            f"r:s0:{number}" for number in range(200)
        )
        assert found.more == 0
        cluster.client.cancel("r")


class Stammering:
    """A connection over which HSCAN gives each field twice, as it may."""

    def __init__(self, wire):
        self._wire = wire

    def call(self, command):
        cursor, flat = self._wire.call(command)
        return cursor, [*flat, *flat]


def test_what_a_scan_gives_twice_is_there_once(fake):
    with Cluster(fake, ASKING) as cluster:
        cluster.client.submit(ASKING, 7, run_id="r")
        cluster.settle()
        standings = Standings(cluster.keys, Stammering(cluster.wire))
        assert [stand.ordinal for stand in standings.parked("r")] == [0]
        cluster.client.cancel("r")


def test_a_chunk_that_somebody_changed_is_shown_as_damaged(server, monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, "0123456789abcdef0123456789abcdef")
    with Client(server) as client:
        client.submit(LINE, b"pay Alice", run_id="r")
        stream, wire = client._keys.stream("f", "s0"), server.wire()
        ((entry, words),) = wire.call(("XRANGE", stream, "-", "+"))
        wire.call(("XDEL", stream, entry))
        wire.call(("XADD", stream, "*", *(word.replace(b"Alice", b"Carol") for word in words)))
        (stand,) = client.stack("r").stands
        assert (stand.why, stand.key) == (DAMAGED, "r:s0:0")
        assert "its signature is wrong" in stand.note
        client.cancel("r")
        wire.call(("DEL", stream))
        wire.close()
