"""Runs that wait for signals, and records that are tried again or set aside, through the engine.

With the test kit, as users have it; and with its cluster where a test looks closer.
"""

import pytest

from pauseflow import Flow, PauseFlow, SignalTimeout, StageFailed, current
from pauseflow.client import RunState
from pauseflow.failing import RetryAfter
from pauseflow.testing import assert_resumable
from support.cluster import Cluster
from support.hands import FixedTuning


def ask(document):
    try:
        answer = yield PauseFlow(until="approval", timeout=3600)
    except SignalTimeout:
        answer = "nobody came"
    yield (document, answer)


ASKING = Flow("f")
ASKING.branch(ask)


def approved(document):
    if current().signalled is None:
        raise PauseFlow(until=f"approval:{document}")
    return (document, current().signal)


def test_a_run_waits_for_a_signal_and_goes_on_with_its_data(flow_engine):
    flow_engine.submit(ASKING, "doc")
    (parked,) = flow_engine.parked
    assert (parked.why, parked.waits_for) == ("signal", "approval")
    assert flow_engine.signal("approval", {"by": "me"})
    assert flow_engine.finish() == [("doc", {"by": "me"})]


def test_a_signal_that_does_not_come_in_time_is_raised_at_the_pause(flow_engine):
    run = flow_engine.submit(ASKING, "doc")
    flow_engine.advance(3599)
    assert flow_engine.client.run(run).state is RunState.RUNNING
    flow_engine.advance(2)
    assert flow_engine.finish() == [("doc", "nobody came")]


def test_a_wait_for_a_signal_may_be_cut_off_anywhere():
    assert_resumable(ASKING, "doc", signals={"approval": "yes"}, exhaustive=True)


def test_a_wait_in_vain_may_be_cut_off_anywhere():
    assert_resumable(ASKING, "doc", signals={})


def test_the_worker_that_goes_on_is_another_one(fake):
    with Cluster(fake, ASKING) as cluster:
        cluster.client.submit(ASKING, "doc", run_id="local")
        cluster.settle()
        cluster.lose(cluster.workers[0])
        cluster.hire()
        cluster.client.signal("local", "approval", 1)
        assert cluster.finish() == [("doc", 1)]


def test_many_records_wait_at_once_in_an_unordered_stage(flow_engine):
    flow = Flow("f")
    flow.map(approved, ordered=False)
    flow_engine.feed(flow, range(50))
    assert len(flow_engine.parked) == 50
    for number in reversed(range(50)):
        assert flow_engine.signal(f"approval:{number}", -number)
    assert sorted(flow_engine.finish()) == [(n, -n) for n in range(50)]


def test_in_an_ordered_stage_the_rest_of_the_run_waits_behind(flow_engine):
    flow = Flow("f")
    flow.map(approved)
    flow_engine.feed(flow, range(5))
    for number in range(5):
        assert flow_engine.results == [(n, -n) for n in range(number)]
        assert flow_engine.signal(f"approval:{number}", -number)
    assert flow_engine.finish() == [(n, -n) for n in range(5)]


def collect(count):
    for _ in range(count):
        yield (yield PauseFlow(until="tick"))


def test_a_wait_in_a_loop_takes_one_signal_a_time(flow_engine):
    flow = Flow("f")
    flow.branch(collect)
    with_early = flow_engine.submit(flow, 3)
    flow_engine.signal("tick", "early")
    assert flow_engine.results_of(with_early) == ["early"]
    flow_engine.signal("tick", "b")
    assert flow_engine.results_of(with_early) == ["early", "b"]
    flow_engine.signal("tick", "c")
    assert flow_engine.finish() == ["early", "b", "c"]


def test_signals_in_a_loop_are_each_taken_once_wherever_it_is_cut_off():
    flow = Flow("f")
    flow.branch(collect)
    assert_resumable(flow, 3, signals=Ticks())


class Ticks:
    """Gives another answer each time."""

    def __init__(self):
        self.given = 0

    def __call__(self, _):
        self.given += 1
        return self.given


def test_a_function_that_fails_after_its_signal_still_has_it(flow_engine):
    tries = []

    def ship(order):
        if current().signalled is None:
            raise PauseFlow(until="paid")
        tries.append(current().signal)
        if len(tries) < 3:
            raise ConnectionError("no answer")
        return (order, current().signal)

    flow = Flow("f")
    flow.map(ship, retries=5, backoff=1)
    flow_engine.submit(flow, 7)
    flow_engine.signal("paid", "cash")
    assert flow_engine.finish() == [(7, "cash")]
    assert tries == ["cash"] * 3


def test_a_record_is_tried_again_after_its_backoff_and_others_wait_in_order(flow_engine):
    tries = []

    def flaky(number):
        tries.append((number, current().attempt))
        if number == 1 and current().attempt < 2:
            raise ConnectionError("no answer")
        return number

    flow = Flow("f")
    flow.map(flaky, retries=2, backoff=10)
    flow_engine.feed(flow, range(4))
    (parked,) = flow_engine.parked
    assert parked.why == "retry"
    assert "no answer" in parked.note
    assert 4 < (parked.wake - flow_engine.now).total_seconds() <= 10
    assert flow_engine.finish() == [0, 1, 2, 3]
    assert [attempt for number, attempt in tries if number == 1] == [0, 1, 2]


def test_progress_starts_the_count_anew(flow_engine):
    failed = set()

    def pages(count):
        for page in range(count):
            if page not in failed:
                failed.add(page)
                raise ConnectionError(page)
            yield PauseFlow(after=1)  # each page is committed before the next
            yield page

    flow = Flow("f")
    flow.branch(pages, retries=1, backoff=1)
    assert flow_engine.run(flow, 5) == list(range(5))


def test_when_retries_are_used_up_the_run_halts_at_that_record(flow_engine):
    broken = [True]

    def brittle(number):
        if number == 2 and broken:
            raise ValueError("a bug")
        return number

    flow = Flow("f")
    flow.map(brittle, retries=2, backoff=1)
    run = flow_engine.feed(flow, range(4))
    with pytest.raises(StageFailed, match="a bug") as halted:
        flow_engine.finish()
    assert halted.value.key == f"{run}:brittle:2"
    assert flow_engine.client.run(run).state is RunState.HALTED
    assert "a bug" in flow_engine.client.run(run).error
    broken.clear()
    flow_engine.retry()
    assert flow_engine.finish() == [0, 1, 2, 3]


@pytest.mark.parametrize("ordered", [True, False])
def test_a_dead_record_is_set_aside_and_the_run_goes_on(flow_engine, ordered):
    def brittle(number):
        if number % 3 == 2:
            raise ValueError(f"not {number}")
        return number

    flow = Flow("f")
    flow.map(brittle, ordered=ordered, on_error="dead", retries=1, backoff=1)
    run = flow_engine.feed(flow, range(9))
    assert sorted(flow_engine.finish()) == [0, 1, 3, 4, 6, 7]
    letters = {letter.key: letter for letter in flow_engine.dead}
    assert sorted(letters) == [f"{run}:brittle:{number}" for number in (2, 5, 8)]
    letter = letters[f"{run}:brittle:5"]
    assert (letter.error_type, letter.error, letter.attempts) == ("ValueError", "not 5", 2)
    assert "brittle" in letter.traceback


def test_a_dead_record_among_many_in_one_chunk(fake):
    def brittle(number):
        if number in (3, 4, 99):
            raise ValueError(number)
        return number

    flow = Flow("f")
    flow.map(brittle, on_error="dead").map(lambda x: x, name="after")
    with Cluster(fake, flow) as cluster:
        cluster.client._tuning = cluster.client._runs._tuning = FixedTuning(target=100)
        with cluster.client.open(flow, run_id="local") as run:
            run.extend(range(100))
        assert cluster.finish() == [n for n in range(100) if n not in (3, 4, 99)]
        assert cluster.wire.call(("ZCARD", cluster.keys.dead)) == 3
        cluster.wire.call(("DEL", cluster.keys.letters, cluster.keys.dead))


def test_a_fallback_takes_the_place_of_what_failed(flow_engine):
    def brittle(number):
        if number == 1:
            raise ValueError("no")
        return number

    flow = Flow("f")
    flow.map(brittle, fallback=lambda error, record: f"{record}: {error}")
    flow_engine.feed(flow, range(3))
    assert flow_engine.finish() == [0, "1: no", 2]


def test_retry_after_says_when(flow_engine):
    tries = []

    def limited(number):
        tries.append(number)
        if len(tries) < 4:
            raise RetryAfter(30)
        return number

    flow = Flow("f")
    flow.map(limited)
    flow_engine.submit(flow, 5)
    began = flow_engine.now
    (parked,) = flow_engine.parked
    assert parked.why == "retry"
    assert (parked.wake - began).total_seconds() == pytest.approx(30, abs=1)
    assert flow_engine.finish() == [5]
    assert (flow_engine.now - began).total_seconds() >= 3 * 30


def test_a_pause_is_never_a_failure(flow_engine):
    tries = []

    def patient(number):
        tries.append(current().attempt)
        if len(tries) < 20:
            raise PauseFlow(after=1)
        return number

    flow = Flow("f")
    flow.map(patient, retries=1)
    assert flow_engine.run(flow, 5) == [5]
    assert set(tries) == {0}


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("on_error", ["halt", "dead", "fallback"])
def test_what_a_series_gave_before_it_failed_is_kept(fake, ordered, on_error):
    given, broken = [], [True]

    def pages(count):
        for page in range(count):
            given.append(page)
            if page == 5 and broken:
                raise ValueError("a bug")
            yield page

    how = (
        {"fallback": lambda error, _: str(error)}
        if on_error == "fallback"
        else {"on_error": on_error}
    )
    flow = Flow("f")
    flow.branch(pages, ordered=ordered, **how)
    with Cluster(fake, flow) as cluster:
        cluster.client.submit(flow, 8, run_id="local")
        cluster.settle()
        before = list(cluster.client.results("local"))
        assert before == [0, 1, 2, 3, 4] + (["a bug"] if on_error == "fallback" else [])
        assert given.count(5) == 2
        broken.clear()
        if on_error == "halt":
            cluster.client.retry("local")
            assert cluster.finish() == list(range(8))
            assert given.count(4) == 2
        cluster.wire.call(("DEL", cluster.keys.letters, cluster.keys.dead))


def test_a_failure_that_passes_does_not_slow_down_a_long_series(fake):
    failed = []

    def numbers(count):
        for number in range(count):
            if number == 500 and not failed:
                failed.append(number)
                raise ConnectionError("once")
            yield number

    flow = Flow("f")
    flow.branch(numbers, retries=1)
    with Cluster(fake, flow) as cluster:
        cluster.client.submit(flow, 3_000, run_id="local")
        assert cluster.settle() < 1_500
        assert cluster.finish() == list(range(3_000))


def test_a_fallback_knows_where_it_is(flow_engine):
    flow = Flow("f")
    flow.map(lambda n: 1 // n, name="divide", fallback=lambda *_: current().key)
    assert flow_engine.run(flow, 0, run_id="local") == ["local:divide:0"]


def test_a_fallback_that_fails_too_halts_the_run(flow_engine):
    def worse(*_):
        raise SystemExit("worse")

    flow = Flow("f")
    flow.map(lambda n: 1 // n, name="divide", fallback=worse)
    run = flow_engine.submit(flow, 0)
    assert flow_engine.client.run(run).state is RunState.HALTED
    assert "SystemExit: worse" in flow_engine.client.run(run).error


def test_what_waits_is_not_done(fake):
    flow = Flow("f")
    flow.map(approved, ordered=False, retries=1)
    with Cluster(fake, flow) as cluster:
        with cluster.client.open(flow, run_id="local") as run:
            run.extend(range(5))
        cluster.settle()
        assert cluster.client.run("local").stages[0].done == 0
        for number in range(5):
            cluster.client.signal("local", f"approval:{number}")
        cluster.settle()
        (stage,) = cluster.client.run("local").stages
        assert (stage.arrived, stage.done, stage.parked) == (5, 5, 0)
