"""The connection to a server: replies in order, and errors in our words, whatever breaks."""

import pytest

from pauseflow.client import Client
from pauseflow.errors import ServerReadOnly, ServerUnreachable, StoreError
from pauseflow.store import commands
from support.faults import Faults, ShakyServer


def test_replies_that_lie_unread_are_not_taken_for_others(server, wire):
    wire.send([("PING",)])
    with pytest.raises(RuntimeError, match="receive what was sent before"):
        wire.exchange([("EXISTS", "x")])
    assert wire.receive() == [b"PONG"]
    assert wire.exchange([("EXISTS", "x")]) == [0]


def test_scripts_that_were_forgotten_are_loaded_between_batches_that_are_under_way(server, wire):
    wire.exchange([("SCRIPT", "FLUSH"), ("HSET", "run", "x", 1)])
    wire.send([("HSET", "run", "y", 2), commands.rates("run", "{}")])
    wire.send([commands.rates("none", ""), ("HGET", "run", "x")])
    wire.send([("HGET", "run", "y")])
    assert [wire.receive() for _ in range(3)] == [[1, 1], [0, b"1"], [b"2"]]
    wire.call(("DEL", "run"))


def test_the_first_error_among_several_replies_is_raised_and_all_is_done(server, wire):
    wire.call(("SET", "text", "x"))
    with pytest.raises(StoreError, match="WRONGTYPE"):
        wire.call_all([("LPUSH", "text", 1), ("SET", "later", 2), ("NO SUCH COMMAND",)])
    assert wire.call_all([("GET", "text"), ("DEL", "text", "later")]) == [b"x", 2]
    assert wire.call_all([]) == []


def test_a_connection_that_ends_before_the_reply_is_told_and_made_anew(real):
    wire, other = real.wire(), real.wire()
    number = wire.call(("CLIENT", "ID"))
    wire.send([("BLPOP", "nothing", 0)])
    other.call(("CLIENT", "KILL", "ID", number))
    with pytest.raises(ServerUnreachable, match="no Redis answers"):
        wire.receive()
    assert wire.call(("PING",)) == b"PONG"
    assert wire.call(("CLIENT", "ID")) != number
    wire.close()
    other.close()


def test_a_server_that_has_become_a_copy_is_asked_for_anew(real):
    wire, other = real.wire(), real.wire()
    number = wire.call(("CLIENT", "ID"))
    other.call(("REPLICAOF", "127.0.0.1", "1"))
    try:
        with pytest.raises(ServerReadOnly, match="Give the URL of the primary"):
            wire.call(("SET", "x", 1))
    finally:
        other.call(("REPLICAOF", "NO", "ONE"))
    assert wire.call_all([("SET", "x", 1), ("DEL", "x")]) == [b"OK", 1]
    assert wire.call(("CLIENT", "ID")) != number
    wire.close()
    other.close()


def test_a_server_that_goes_while_it_is_asked_about_itself_is_not_one_that_denies_it(fake):
    with Client(ShakyServer(fake, Faults(["reply"], match="INFO"))) as client:
        with pytest.raises(ServerUnreachable, match="broke"):
            client.inspection.server()
        assert client.inspection.server().product is None
