"""A stage has ended when nothing more will come to it and all of it is done."""

import pytest

from pauseflow import Flow
from support.hands import Hands


def stages(**options):
    flow = Flow("f")
    flow.branch(range, name="a", **options).map(lambda x: x, name="b", **options)
    return flow


def ended(client):
    return [stage.ended for stage in client.run("r").stages]


@pytest.mark.parametrize("ordered", [True, False], ids=["ordered", "unordered"])
def test_one_stage_ends_after_the_other(server, client, ordered):
    flow = stages(ordered=ordered)
    hands = Hands(server, flow)
    client.submit(flow, 2, run_id="r")
    assert ended(client) == [False, False]
    hands.commit(*hands.at("a"), [0, 1])
    assert ended(client) == [True, False]
    (entry,) = hands.at("b")
    hands.put(entry, hands.result(entry, [0], rest=True, done=1))
    assert ended(client) == [True, False]
    hands.commit(*hands.at("b"), [1])
    assert ended(client) == [True, True]


def test_every_stage_of_a_fed_run_has_ended_when_it_is_done(server, client):
    flow = stages()
    hands = Hands(server, flow)
    feed = client.open(flow, run_id="r")
    feed.append(1)
    hands.commit(*hands.at("a"), [0])
    hands.commit(*hands.at("b"), [0])
    assert ended(client) == [False, False]
    feed.close()
    while entries := hands.take():
        for entry in entries:
            hands.commit(entry)
    assert client.run("r").state.value == "done"
    assert ended(client) == [True, True]
