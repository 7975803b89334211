"""What was read for a worker is in its hands or goes back to the stream, and never both."""

import pytest

from pauseflow import Flow
from pauseflow.client import Client
from pauseflow.store.keys import Keys
from support.threads import worker_of

FLOW = Flow("f")
FLOW.map(lambda x: x, name="s")

CHUNKS = 3


class Late:
    """A wire over which a moment passes after commands of one kind.

    Args:
        wire: the wire.
        after: the first word of these commands.
        happens: what happens then, once.
    """

    def __init__(self, wire, after, happens):
        self._wire, self._after, self._happens = wire, after, happens

    def __getattr__(self, name):
        return getattr(self._wire, name)

    def exchange(self, commands):
        replies = self._wire.exchange(commands)
        if self._happens is not None and any(words[0] == self._after for words in commands):
            happens, self._happens = self._happens, None
            happens()
        return replies


@pytest.fixture
def wire(fake):
    wire = fake.wire()
    yield wire
    wire.close()


@pytest.fixture
def client(fake):
    with Client(fake) as connected:
        yield connected


@pytest.fixture
def worker(fake, client):
    worker = worker_of(fake, FLOW)
    worker._connect()
    worker._exchange._how_many = lambda: CHUNKS
    for number in range(CHUNKS):
        client.submit(FLOW, number, run_id=f"r{number}")
    worker._exchange._send(read=True)  # its reply lies unread
    yield worker
    while worker.run_once():
        pass
    worker._leave()
    worker._wire.close()
    worker._side_wire.close()
    worker._turnstile.close()


def pending(wire):
    found = wire.call(("XPENDING", Keys().stream("f", "s"), "workers", "-", "+", 100))
    return {entry for entry, *_ in found}


def ahead(worker):
    return {entry.id for entry in worker._exchange._ahead}


def test_what_lies_unread_goes_back_and_is_left_out_when_it_is_read(worker, wire):
    worker.help()
    assert pending(wire) == set()
    worker._exchange.flush_sent()
    assert ahead(worker) == set()


def test_what_lies_unread_in_a_second_reply_is_left_out_of_that(worker, wire, client):
    client.submit(FLOW, 0, run_id="another")
    worker._exchange._send(read=True)
    assert len(pending(wire)) == CHUNKS + 1
    worker.help()
    worker._exchange.flush_sent()
    assert ahead(worker) == pending(wire) == set()
    assert worker._exchange._strays == set()


@pytest.mark.parametrize("after", ["XPENDING", "EVALSHA"])
def test_what_is_read_while_strays_are_looked_for_is_kept_or_given_back(worker, wire, after):
    """The other thread was not stuck, but slow: it reads on while this one helps it."""
    worker._side_wire = Late(worker._side_wire, after, worker._exchange.flush_sent)
    worker.help()
    assert ahead(worker) == pending(wire)
    assert len(ahead(worker)) == (CHUNKS if after == "XPENDING" else 0)


def test_strays_of_a_reply_that_never_came_are_forgotten(worker):
    worker.help()
    worker._wire.close()
    worker._exchange._take_back()
    assert worker._exchange._strays == set()
