"""Urgent runs come first, and nothing waits for ever."""

import pytest

from pauseflow import Flow, PauseFlow, UnknownRun
from pauseflow.client import RunState
from pauseflow.errors import RunOver
from pauseflow.store.chunks import Entry
from pauseflow.store.lanes import Lane
from pauseflow_workers.readahead import TURNS, ReadAhead
from support.cluster import Cluster


def entries(*lanes):
    return [Entry("f", "s", b"%d" % at, None, lane) for at, lane in enumerate(lanes)]


def taken(ahead):
    found = []
    while (entry := ahead.take()) is not None:
        found.append((entry.lane, int(entry.id)))
    return found


def flow_of(*names):
    flow = Flow("f")
    handle = flow
    for name in names:
        handle = handle.map(lambda x: x, name=name)
    return flow


def test_the_most_urgent_comes_first_and_in_its_order():
    ahead = ReadAhead()
    for entry in entries(Lane.LOW, Lane.NORMAL, Lane.HIGH, Lane.NORMAL, Lane.HIGH):
        ahead.add([entry])
    assert taken(ahead) == [
        (Lane.HIGH, 2), (Lane.HIGH, 4), (Lane.NORMAL, 1), (Lane.NORMAL, 3), (Lane.LOW, 0),
    ]  # fmt: skip


def test_one_in_eight_is_of_the_least_urgent():
    ahead = ReadAhead()
    ahead.add(entries(*[Lane.HIGH] * 20, Lane.LOW, Lane.LOW))
    order = [lane for lane, _ in taken(ahead)]
    assert order.index(Lane.LOW) == TURNS - 1
    assert order[:TURNS].count(Lane.LOW) == 1


def test_what_was_put_back_comes_before_the_rest_of_its_lane():
    ahead = ReadAhead()
    ahead.add(entries(Lane.NORMAL, Lane.NORMAL))
    first = ahead.take()
    ahead.add([Entry("f", "s", b"9", None, Lane.HIGH)])
    ahead.put_back([first])
    assert [number for _, number in taken(ahead)] == [9, 0, 1]


def test_what_is_less_urgent_is_not_read_while_some_waits_here():
    ahead = ReadAhead()
    assert ahead.last_lane() is Lane.LOW
    ahead.add(entries(Lane.HIGH, Lane.LOW))
    assert {ahead.last_lane() for _ in range(3 * TURNS)} == {Lane.HIGH}
    ahead.take_all()
    ahead.add(entries(Lane.NORMAL))
    read = [ahead.last_lane() for _ in range(3 * TURNS)]
    assert read.count(Lane.LOW) == 3
    assert read.count(Lane.NORMAL) == 3 * (TURNS - 1)


def test_an_urgent_run_overtakes_a_thousand_that_wait(fake):
    flow = flow_of("a", "b")
    with Cluster(fake, flow) as cluster:
        for number in range(300):
            cluster.client.submit(flow, number, run_id=f"r{number}")
        cluster.client.submit(flow, -1, run_id="urgent", priority="high")
        cluster.client.submit(flow, -2, run_id="idle", priority="low")
        for _ in range(6):
            cluster.step(cluster.workers[0])
            if cluster.client.run("urgent").state is RunState.DONE:
                break
        done = sum(run.state is RunState.DONE for run in cluster.client.runs(limit=400))
        assert cluster.client.run("urgent").state is RunState.DONE
        assert done < 200
        assert cluster.client.run("urgent").priority == "high"
        cluster.settle()
        assert cluster.client.run("idle").state is RunState.DONE


@pytest.mark.parametrize("priority", ["high", "low"])
def test_a_run_keeps_its_priority_through_pauses_signals_and_lost_workers(fake, priority):
    def waits(number):
        yield PauseFlow(after=1)
        yield (yield PauseFlow(until="go"))
        yield number

    flow = Flow("f")
    flow.branch(waits)
    with Cluster(fake, flow) as cluster:
        cluster.client.submit(flow, 5, run_id="local", priority=priority)
        cluster.settle()
        cluster.advance(2)
        cluster.settle()
        cluster.client.signal("local", "go", "gone")
        stream = f"{cluster.keys.stream('f', 'waits')}:{priority}"
        assert cluster.wire.call(("XLEN", stream)) == 1
        assert cluster.wire.call(("XLEN", cluster.keys.stream("f", "waits"))) == 0
        (lost,) = cluster.workers
        lost._exchange.fill(block=False)
        cluster.lose(lost)
        cluster.hire()
        assert cluster.bury() == 1
        assert cluster.finish() == ["gone", 5]


def test_another_priority_holds_for_what_comes_next(fake):
    flow = flow_of("a", "b")
    with Cluster(fake, flow) as cluster:
        cluster.client.submit(flow, 1, run_id="local")
        assert cluster.client.prioritize("local", "high")
        assert not cluster.client.prioritize("local", "high")
        assert cluster.finish() == [1]
        with pytest.raises(RunOver):
            cluster.client.prioritize("local", "low")
    with pytest.raises(UnknownRun):
        cluster.client.prioritize("nobody", "low")
    with pytest.raises(ValueError, match="high, normal, low"):
        cluster.client.prioritize("local", "urgent")


def test_results_and_order_do_not_depend_on_it(fake):
    flow = flow_of("a", "b", "c")
    with Cluster(fake, flow, workers=2) as cluster:
        for priority in ("low", "high", "normal"):
            with cluster.client.open(flow, run_id=priority, priority=priority) as run:
                run.extend(range(100))
            cluster.step(cluster.workers[0])
            cluster.client.prioritize(priority, "low")
        for priority in ("low", "high", "normal"):
            assert cluster.finish(priority) == list(range(100))


def test_streams_of_other_priorities_are_read_from_the_first_such_run_on(fake):
    flow = flow_of("a", "b")
    with Cluster(fake, flow) as cluster:
        (worker,) = cluster.workers

        def streams():
            command = worker._chunks.read(1, block=False)
            return command.count(">")

        cluster.client.submit(flow, 1, run_id="usual")
        cluster.step(worker)
        worker.renew()
        assert streams() == 2
        cluster.client.submit(flow, 2, run_id="urgent", priority="high")
        worker.renew()
        assert streams() == 6
        cluster.settle()
        assert cluster.client.run("urgent").state is RunState.DONE
