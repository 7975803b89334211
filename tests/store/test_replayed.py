"""An entry that was put into a stream again is dropped, and leaves the run's books alone."""

import pytest

from pauseflow import Flow
from pauseflow.client import RunState
from pauseflow.store.commands import Committed
from support.hands import Hands

FLOW = Flow("f")
FLOW.map(lambda x: x, name="a").map(lambda x: x, name="b")

UNORDERED = Flow("u")
UNORDERED.map(lambda x: x, name="a", ordered=False).map(lambda x: x, name="b")


@pytest.fixture(params=[FLOW, UNORDERED], ids=["ordered", "unordered"])
def hands(server, request):
    return Hands(server, request.param)


def replay(hands, stage):
    """Put what lies in a stage's stream there once more."""
    stream = hands.keys.stream(hands.flow.name, stage)
    for _, fields in hands.wire.call(("XRANGE", stream, "-", "+")):
        hands.wire.call(("XADD", stream, "*", *fields))


def test_a_chunk_that_is_done_already_is_dropped(hands, client):
    client.submit(hands.flow, 7, run_id="r")
    replay(hands, "a")
    first, again = hands.at("a")
    assert hands.commit(first, [7]) is Committed.YES
    assert hands.commit(again, [7]) is not Committed.YES
    (entry,) = hands.at("b")
    assert hands.commit(entry, [7]) is Committed.YES
    info = client.run("r")
    assert info.state is RunState.DONE
    assert [(stage.done, stage.in_flight, stage.held) for stage in info.stages] == [(1, 0, 0)] * 2
    assert list(client.results("r")) == [7]


def test_a_chunk_of_a_run_that_is_done_is_dropped(hands, client):
    client.submit(hands.flow, 7, run_id="r")
    hands.commit(*hands.at("a"), [7])
    replay(hands, "b")
    first, again = hands.at("b")
    assert hands.commit(first, [7]) is Committed.YES
    before = client.run("r")
    assert hands.commit(again, [7]) is not Committed.YES
    assert client.run("r") == before
    assert list(client.results("r", follow=True)) == [7]
    assert hands.pending("b") == []
