"""Commits, and what is given back, that a server answers with an error."""

import pytest

from pauseflow import Flow
from pauseflow.client import RunState
from pauseflow.errors import (
    ServerFull,
    ServerReadOnly,
    ServerRefused,
    ServerUnreachable,
    StoreError,
)
from pauseflow.store.scripts import SOURCES
from pauseflow.store.server import Server
from support.cluster import Cluster
from support.faults import Faults, ShakyServer

FLOW = Flow("f")
FLOW.map(lambda x: 10 * x, name="s0")


class RefusingServer(Server):
    """A server that answers some scripts with errors, and does not run them.

    Args:
        server: the server behind it.
        word: what is in the text of these scripts.
    """

    def __init__(self, server, word):
        super().__init__(server._pool, server.address)
        self._shas = {sha for sha, text in SOURCES.items() if word in text}
        self.errors = []

    def wire(self, timeout=10.0):
        wire = super().wire(timeout)
        send = wire.send
        wire.send = lambda commands: send([self._instead(command) for command in commands])
        return wire

    def _instead(self, command):
        if command[0] == "EVALSHA" and command[1] in self._shas and self.errors:
            return ("EVAL", f"return redis.error_reply('{self.errors.pop(0)}')", 0)
        return command


COMMIT = "-- Commits what a worker did"
GIVE_BACK = "-- A worker returns entries"


@pytest.fixture
def cluster(fake):
    with Cluster(fake, FLOW, workers=0) as cluster:
        yield cluster


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        ("OOM command not allowed when used memory > maxmemory", ServerFull),
        ("READONLY You can not write against a read only replica.", ServerReadOnly),
    ],
)
def test_a_commit_that_a_server_has_no_room_for_is_sent_again(fake, cluster, error, raised):
    refusing = RefusingServer(fake, COMMIT)
    worker = cluster.hire(refusing)
    cluster.client.submit(FLOW, 7, run_id="r")
    refusing.errors = [error]
    with pytest.raises(raised):
        worker.run_once()
    assert cluster.client.run("r").stages[0].done == 0
    worker.run_once()
    assert list(cluster.client.results("r")) == [70]
    assert cluster.client.set_aside() == (0, [])


def test_a_worker_without_the_right_to_commit_says_so_and_another_takes_over(fake, cluster):
    refusing = RefusingServer(fake, COMMIT)
    worker = cluster.hire(refusing)
    cluster.client.submit(FLOW, 7, run_id="r")
    refusing.errors = ["NOPERM this user has no permissions to run the evalsha command"] * 3
    with pytest.raises(ServerRefused, match="denies a command"):
        worker.run_once()
    cluster.lose(worker)
    cluster.bury()
    cluster.hire()
    assert cluster.finish("r") == [70]


def test_a_commit_that_fails_for_no_known_reason_is_told_and_its_chunk_is_kept(
    fake, cluster, caplog
):
    refusing = RefusingServer(fake, COMMIT)
    worker = cluster.hire(refusing)
    cluster.client.submit(FLOW, 7, run_id="r")
    refusing.errors = ["ERR nobody knows"]
    worker.run_once()
    assert "commit of f:s0: fakeredis answered with an error: " in caplog.text
    assert cluster.client.set_aside() == (0, [])
    assert cluster.client.run("r").state is RunState.RUNNING
    cluster.lose(worker)
    cluster.bury()
    cluster.hire()
    assert cluster.finish("r") == [70]


def read_ahead(cluster, worker):
    """Has the worker read three chunks, and begin none."""
    worker._connect()
    worker._exchange._how_many = lambda: 3
    for number in range(3):
        cluster.client.submit(FLOW, number, run_id=f"r{number}")
    worker._exchange.fill(block=False)
    assert worker._exchange.ahead == 3


def all_is_done_once(cluster):
    cluster.settle()
    assert [list(cluster.client.results(f"r{number}")) for number in range(3)] == [[0], [10], [20]]
    assert [cluster.client.run(f"r{number}").stages[0].done for number in range(3)] == [1, 1, 1]


def test_what_a_server_does_not_take_back_stays_in_hand(fake, cluster):
    refusing = RefusingServer(fake, GIVE_BACK)
    worker = cluster.hire(refusing)
    read_ahead(cluster, worker)
    refusing.errors = ["OOM command not allowed when used memory > maxmemory"]
    with pytest.raises(ServerFull):
        worker._exchange.give_back(worker._wire)
    assert worker._exchange.ahead == 3
    all_is_done_once(cluster)


def test_what_is_given_up_with_a_connection_is_read_no_more(fake, cluster):
    worker = cluster.hire(ShakyServer(fake, Faults()))
    read_ahead(cluster, worker)
    worker._attempt_next()
    worker._exchange._send(read=True)
    worker._wire.receive = lost
    worker._exchange.drain()
    del worker._wire.receive
    worker._wire.close()
    assert not worker._exchange._sent
    all_is_done_once(cluster)


def lost():
    raise ServerUnreachable("gone")


def test_a_suspect_of_which_nothing_can_be_read_is_taken_up_later(fake, cluster):
    faults = Faults(match="GET")
    worker = cluster.hire(ShakyServer(fake, faults))
    cluster.client.submit(FLOW, 7, run_id="r")
    stream = cluster.keys.stream("f", "s0")
    ((entry, words),) = cluster.wire.call(("XRANGE", stream, "-", "+"))
    suspect = words[1].replace(b"1 r 0 0 0 ", b"1 r 0 0 2 ", 1)
    assert suspect != words[1]
    cluster.wire.call(("XDEL", stream, entry))
    cluster.wire.call(("XADD", stream, "*", words[0], suspect, *words[2:]))
    faults.plan = ["lost"]
    with pytest.raises(StoreError):
        worker.run_once()
    assert worker._exchange.ahead == 1
    assert cluster.finish("r") == [70]


def test_a_chunk_that_was_given_away_is_not_taken_up_again(fake, cluster):
    worker = cluster.hire()
    read_ahead(cluster, worker)
    exchange = worker._exchange
    given = exchange.begin()
    assert exchange.give_away() == given
    exchange.take_up_later(given)
    assert exchange.ahead == 2
    cluster.wire.exchange(worker._chunks.give_back([given]))
    all_is_done_once(cluster)
