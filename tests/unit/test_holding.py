"""Runs, flows and stages that people hold, through stepped workers on fakeredis."""

import logging

import pytest

from pauseflow import Flow, FlowDefinitionError, PauseFlow, current
from pauseflow.client import RunState
from pauseflow.errors import MalformedData, RunCancelled, SignalTimeout, StoreError
from pauseflow.store.envelope import Envelope
from support.cluster import Cluster
from support.faults import Faults, ShakyServer
from support.hands import FixedTuning

DONE = []


@pytest.fixture(autouse=True)
def nothing_done():
    DONE.clear()


@pytest.fixture
def small(monkeypatch):
    """Chunks of four records, two of them at a time."""
    monkeypatch.setattr(
        "pauseflow_workers.worker.Tuning", lambda: FixedTuning(target=4, window=2, limit=16)
    )


def line(*stages, **options):
    flow = Flow("f", **options)
    handle = flow
    for kind, fn, *more in stages:
        handle = getattr(handle, kind)(fn, **dict(*more))
    return flow


def spread(n):
    yield from range(n)


def see(x):
    DONE.append(x)
    return x


def hear(cluster):
    for worker in cluster.workers:
        worker.renew()


# a run


def test_a_generator_that_is_paused_in_its_middle_goes_on_there(fake, small):
    flow = line(("branch", spread), ("map", see))
    with Cluster(fake, flow, workers=2) as cluster:
        cluster.client.submit(flow, 300, run_id="local")
        cluster.step(cluster.workers[0])
        for number in range(5):
            cluster.client.pause("local")
            if number % 2:
                hear(cluster)
            cluster.settle()
            stood = len(DONE)
            assert 0 < stood < 300
            assert {each.why for each in cluster.client.run("local").parked} <= {"paused"}
            cluster.settle()
            assert len(DONE) == stood
            cluster.client.resume("local")
            for worker in cluster.workers:
                cluster.step(worker)
        assert cluster.finish() == list(range(300))
    assert sorted(DONE) == list(range(300)), "nothing is done twice"


def test_chunks_of_a_held_run_are_not_begun(fake, small):
    flow = line(("branch", spread), ("map", see))
    with Cluster(fake, flow) as cluster:
        cluster.client.submit(flow, 100, run_id="local")
        cluster.step(cluster.workers[0])
        cluster.client.pause("local")
        hear(cluster)
        before = list(DONE)
        cluster.settle()
        assert before == DONE
        cluster.client.resume("local")
        assert cluster.finish() == list(range(100))


def test_a_worker_that_has_not_heard_of_the_resume_does_not_strand_anything(fake, small):
    flow = line(("branch", spread), ("map", see))
    with Cluster(fake, flow) as cluster:
        cluster.client.submit(flow, 100, run_id="local")
        cluster.step(cluster.workers[0])
        cluster.client.pause("local")
        hear(cluster)
        cluster.client.resume("local")
        assert cluster.finish() == list(range(100))


def test_the_answer_that_a_record_was_woken_with_is_kept(fake):
    def wait(x):
        answer = yield PauseFlow(until="go")
        yield x, answer

    flow = line(("branch", wait, {"ordered": False}))
    with Cluster(fake, flow) as cluster:
        cluster.client.submit(flow, 1, run_id="local")
        cluster.settle()
        cluster.client.pause("local")
        hear(cluster)
        assert cluster.client.signal("local", "go", {"yes": 1})
        cluster.settle()
        assert [each.why for each in cluster.client.run("local").parked] == ["paused"]
        cluster.client.resume("local")
        assert cluster.finish() == [(1, {"yes": 1})]


def test_a_timeout_that_comes_meanwhile_is_kept(fake):
    def wait(x):
        said = "came"
        try:
            yield PauseFlow(until="go", timeout=10)
        except SignalTimeout:
            said = "did not come"
        yield said

    flow = line(("branch", wait))
    with Cluster(fake, flow) as cluster:
        cluster.client.submit(flow, 1, run_id="local")
        cluster.settle()
        cluster.client.pause("local")
        cluster.advance(11)
        cluster.settle()
        assert [each.why for each in cluster.client.run("local").parked] == ["paused"]
        cluster.client.resume("local")
        assert cluster.finish() == ["did not come"]


def test_parked_records_of_an_unordered_stage_come_back_one_by_one(fake, small):
    def later(x):
        see(x)
        if DONE.count(x) == 1:
            raise PauseFlow(after=5 + x)
        return x

    flow = line(("branch", spread), ("map", later, {"ordered": False}))
    with Cluster(fake, flow, workers=2) as cluster:
        cluster.client.submit(flow, 20, run_id="local")
        cluster.settle()
        assert cluster.client.run("local").stages[1].parked == 20
        cluster.client.pause("local")
        cluster.advance(15)
        cluster.settle()
        whys = [each.why for each in cluster.client.run("local").parked]
        assert sorted(whys) == ["pause"] * 9 + ["paused"] * 11
        cluster.client.resume("local")
        assert sorted(cluster.finish(far=30)) == list(range(20))


def test_the_crashes_against_a_chunk_are_kept_while_its_run_is_paused(fake):
    flow = line(("map", see))
    with Cluster(fake, flow, workers=0) as cluster:
        cluster.client.submit(flow, 1, run_id="local")
        first = cluster.hire()
        first._connect()
        cluster.wire.call(first._chunks.read(1, block=False))
        cluster.lose(first)
        cluster.bury()
        cluster.client.pause("local")
        second = cluster.hire()
        cluster.settle()
        cluster.client.resume("local")
        (entry,) = second._chunks.entries(second._wire.call(second._chunks.read(1, block=False)))
        assert isinstance(entry.envelope, Envelope)
        assert entry.envelope.crashes == 1
        assert DONE == []
        second._wire.call(second._chunks.give_back([entry])[0])
        assert cluster.finish() == [1]


def test_a_damaged_chunk_of_a_held_run_is_set_aside(fake, caplog):
    flow = line(("map", see))
    with Cluster(fake, flow) as cluster:
        cluster.client.submit(flow, 1, run_id="local")
        stream = cluster.keys.stream("f", "see")
        ((entry, _),) = cluster.wire.call(("XRANGE", stream, "-", "+"))
        cluster.wire.call(("XDEL", stream, entry))
        cluster.wire.call(
            ("XADD", stream, "*", "e", b"1 local 0 0 0 1 0 1 2\n\xc1\xc1\x01", "s", b"?")
        )
        cluster.client.pause("local")
        cluster.settle()
        assert "is set aside" in caplog.text
        cluster.client.resume("local")
        assert cluster.client.run("local").state is RunState.HALTED
        cluster.client.cancel("local")


@pytest.mark.parametrize("fault", ["lost", "reply"])
@pytest.mark.parametrize("after", range(3))
def test_a_connection_that_breaks_while_a_chunk_is_put_off_loses_nothing(fake, fault, after):
    flow = line(("branch", spread), ("map", see))
    faults = Faults([""] * after + [fault], match="changes")
    with Cluster(fake, flow, workers=0) as cluster:
        shaky = cluster.hire(ShakyServer(fake, faults))
        cluster.client.submit(flow, 3, run_id="local")
        cluster.client.pause("local")
        for _ in range(4):
            try:
                shaky.run_once()
                shaky.renew()
            except Exception:  # noqa: BLE001 - it connects again, as `run` would have it do
                shaky._connected = False
        assert faults.happened or after == 2
        cluster.client.resume("local")
        hear(cluster)
        assert cluster.finish() == [0, 1, 2]


# a flow, a stage


def test_a_stage_that_is_held_is_left_alone_and_the_others_go_on(fake, small):
    flow = line(("branch", spread), ("map", see))
    with Cluster(fake, flow, workers=2) as cluster:
        cluster.client.pause_flow("f", "see")
        hear(cluster)
        cluster.client.submit(flow, 100, run_id="local")
        cluster.settle()
        assert DONE == []
        stages = cluster.client.run("local").stages
        assert stages[0].emitted > 10
        cluster.client.resume_flow("f", "see")
        hear(cluster)
        assert cluster.finish() == list(range(100))


def test_a_worker_that_starts_later_finds_its_flow_held(fake):
    flow = line(("branch", spread), ("map", see))
    with Cluster(fake, flow, workers=0) as cluster:
        cluster.client.submit(flow, 3, run_id="local")
        cluster.client.pause_flow("f")
        worker = cluster.hire()
        assert cluster.settle() == 0
        assert cluster.client.run("local").stages[0].done == 0
        cluster.client.resume_flow("f")
        worker.renew()
        assert cluster.finish() == [0, 1, 2]


def test_chunks_that_were_read_ahead_are_given_back(fake, small):
    flow = line(("map", see))
    other = Flow("g")
    other.map(lambda x: x, name="plain")
    with Cluster(fake, flow, other) as cluster:
        (worker,) = cluster.workers
        worker._connect()
        for number in range(5):
            cluster.client.submit(flow, number, run_id=f"r{number}")
        worker._exchange._how_many = lambda: 10
        worker._exchange.fill(block=False)
        assert worker._exchange.ahead == 5
        cluster.client.pause_flow("f")
        worker.renew()
        worker.run_once()
        assert DONE == []
        stream = cluster.keys.stream("f", "see")
        assert cluster.wire.call(("XPENDING", stream, "workers"))[0] == 0
        cluster.client.submit(other, 7, run_id="local")
        assert cluster.finish() == [7]
        cluster.client.resume_flow("f")
        worker.renew()
        cluster.settle()
        assert sorted(DONE) == [0, 1, 2, 3, 4]


def test_a_slice_that_is_run_when_its_stage_is_held_is_the_last(fake):
    def held(n):
        for number in range(n):
            if number == 5:
                cluster.client.pause_flow("f")
                hear(cluster)
            yield number

    flow = line(("branch", held))
    with Cluster(fake, flow) as cluster:
        cluster.client.submit(flow, 1000, run_id="local")
        cluster.settle()
        assert 6 <= cluster.client.run("local").results.count <= 64
        cluster.client.resume_flow("f")
        hear(cluster)
        assert cluster.finish() == list(range(1000))


def test_a_slice_that_is_run_when_its_run_is_paused_is_the_last(fake):
    def held(n):
        for number in range(n):
            if number == 5:
                cluster.client.pause("local")
                hear(cluster)
            yield number

    flow = line(("branch", held))
    with Cluster(fake, flow) as cluster:
        cluster.client.submit(flow, 1000, run_id="local")
        cluster.settle()
        assert 6 <= cluster.client.run("local").results.count <= 64
        cluster.client.resume("local")
        assert cluster.finish() == list(range(1000))


# cancelled


def told(run_id):
    DONE.append((run_id, current().stage, current().key))


def test_a_cancelled_run_stops_and_on_cancel_is_told_once(fake, small):
    def endless(_):
        yield from range(10**9)

    flow = line(("branch", endless), ("map", lambda x: x, {"name": "keep"}), on_cancel=told)
    with Cluster(fake, flow, workers=2) as cluster:
        cluster.client.submit(flow, 1, run_id="local")
        for _ in range(5):
            for worker in cluster.workers:
                cluster.step(worker)
        cluster.client.cancel("local")
        cluster.settle()
        assert cluster.client.run("local").state is RunState.CANCELLED
        assert DONE == [("local", "on_cancel", "local.on_cancel:on_cancel:0")]
        assert cluster.client.run("local.on_cancel").state is RunState.DONE
        with pytest.raises(RunCancelled):
            cluster.client.wait("local")


def test_on_cancel_that_fails_is_tried_again_and_then_set_aside(fake, caplog):
    def fails(run_id):
        DONE.append(run_id)
        raise ConnectionError("no refund")

    caplog.set_level(logging.WARNING)
    flow = line(("map", see), on_cancel=fails)
    with Cluster(fake, flow) as cluster:
        cluster.client.submit(flow, 1, run_id="local")
        cluster.client.cancel("local")
        cluster.finish("local.on_cancel", far=400)
        assert DONE == ["local"] * 6
        assert "no refund" in caplog.text
        (letter,) = cluster.client.dead()
        assert letter.error == "no refund"


def test_on_cancel_may_be_async_and_may_pause(fake):
    async def telling(run_id):
        DONE.append(run_id)
        if len(DONE) == 1:
            raise PauseFlow(after=5)

    flow = line(("map", see), on_cancel=telling)
    with Cluster(fake, flow) as cluster:
        cluster.client.submit(flow, 1, run_id="local")
        cluster.client.cancel("local")
        cluster.finish("local.on_cancel", far=6)
        assert DONE == ["local", "local"]


def test_a_lost_worker_does_not_lose_the_telling(fake):
    flow = line(("map", see), on_cancel=told)
    with Cluster(fake, flow, workers=0) as cluster:
        cluster.client.submit(flow, 1, run_id="local")
        cluster.client.cancel("local")
        first = cluster.hire()
        first._connect()
        first._exchange.fill(block=False)
        assert first._exchange.ahead == 2
        cluster.lose(first)
        cluster.bury()
        cluster.hire()
        cluster.settle()
        assert [run_id for run_id, *_ in DONE] == ["local"]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (lambda: None, "is called with one record"),
        (lambda a, b: None, "is called with one record"),
        (spread, "generator function"),
        ("told", "can't be called"),
    ],
)
def test_an_on_cancel_that_can_not_work_is_refused(given, says):
    with pytest.raises(FlowDefinitionError, match=says):
        Flow("f", on_cancel=given)


def test_a_question_that_fails_changes_nothing_of_what_is_held(fake):
    flow = line(("map", see))
    with Cluster(fake, flow) as cluster:
        (worker,) = cluster.workers
        cluster.client.submit(flow, 7, run_id="local")
        cluster.client.pause("local")
        hear(cluster)
        held = worker._holds._held
        assert not worker._holds.hear(worker._wire, StoreError("what people hold is odd"))
        assert worker._holds._held is held
        cluster.settle()
        assert DONE == []
        cluster.client.cancel("local")


def test_a_damaged_chunk_is_not_put_off(fake):
    flow = line(("map", see))
    with Cluster(fake, flow) as cluster:
        (worker,) = cluster.workers
        cluster.wire.call(("XADD", cluster.keys.stream("f", "see"), "*", "e", "nonsense"))
        worker._connect()
        (entry,) = worker._chunks.entries(worker._wire.call(worker._chunks.read(1, block=False)))
        assert not worker._holds.holds(entry)
        with pytest.raises(MalformedData):
            worker._holds.put_off(entry)
