"""A client that waits, follows and connects, at real servers."""

import pytest

from pauseflow import Flow
from pauseflow.client import Client, RunState
from pauseflow.store.server import Server
from support.threads import running, worker_of

FLOW = Flow("f")
FLOW.map(lambda x: x + 1, name="inc")


def test_waiting_for_a_run_that_takes_too_long_says_so(real):
    with Client(real) as client:
        client.submit(FLOW, 1, run_id="r")
        with pytest.raises(TimeoutError, match=r"not done after 0\.01 seconds"):
            client.wait("r", timeout=0.01)
        with running(worker_of(real, FLOW)):
            assert client.wait("r").state is RunState.DONE
            assert client.wait("r", timeout=0).results.count == 1


def test_following_gives_results_as_they_come_and_ends_with_the_run(real):
    with Client(real) as client, running(worker_of(real, FLOW)):
        feed = client.open(FLOW, run_id="r")
        results = client.results("r", follow=True)
        for number in range(5):
            feed.append(number)
            assert next(results) == number + 1
        feed.close()
        assert list(results) == []


def test_a_server_makes_as_many_connections_as_one_likes(real):
    for _ in range(150):
        wire = real.wire()
        wire.call(("PING",))
        wire.close()


def test_a_connection_can_be_closed_twice_and_opened_again(real):
    wire = Server.wire(real)
    wire.close()
    wire.close()
    assert wire.call(("PING",)) == b"PONG"
    wire.close()
