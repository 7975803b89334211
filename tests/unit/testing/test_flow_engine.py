"""flow_engine: flows in a user's test, with signals, failures, time and several workers."""

import datetime as dt
import logging
import random
import time
from datetime import UTC, date, datetime, timedelta
from time import time as present

import pytest

from pauseflow import (
    Backoff,
    Flow,
    JobFailed,
    PauseFlow,
    Rate,
    RunCancelled,
    SignalRefused,
    SignalTimeout,
    StageFailed,
    current,
)
from pauseflow.errors import SettingsError
from pauseflow.testing import FlowEngine, Standstill

TRIED = []


@pytest.fixture(autouse=True)
def nothing_tried():
    TRIED.clear()


def numbers(count):
    yield from range(count)


def double(number):
    return number * 2


def approve(order):
    answer = yield PauseFlow(until="approval", timeout=timedelta(days=2))
    yield (order, answer)


def forever(_):
    yield PauseFlow(until="approval")


def approve_or_not(order):
    try:
        answer = yield PauseFlow(until="approval", timeout=60)
    except SignalTimeout:
        answer = "nobody came"
    yield answer


def nap(number):
    yield number
    yield PauseFlow(after=timedelta(hours=3))
    yield present()


def flow_of(*stages, name="orders"):
    flow = handle = Flow(name)
    for stage in stages:
        kind, fn, options = (*stage, {})[:3]
        handle = getattr(handle, kind)(fn, **options)
    return flow


APPROVALS = flow_of(("branch", approve))


# results


def test_a_run_gives_what_it_gives_in_production(flow_engine):
    flow = flow_of(("branch", numbers), ("map", double))
    assert flow_engine.run(flow, 4) == [0, 2, 4, 6]
    assert flow_engine.results == [0, 2, 4, 6]
    assert [info.id for info in flow_engine.runs] == ["orders-1"]


def test_results_are_those_of_all_runs_or_of_one(flow_engine):
    flow, other = flow_of(("branch", numbers)), flow_of(("map", double), name="other")
    assert flow_engine.run(flow, 2, run_id="a") == [0, 1]
    assert flow_engine.run(other, 4, run_id="b") == [8]
    assert flow_engine.results == [0, 1, 8]
    assert flow_engine.results_of("b") == [8]
    with pytest.raises(Exception, match="there is no run 'c' here; there are: a, b"):
        flow_engine.results_of("c")


def test_two_flows_of_one_name_are_a_mistake(flow_engine):
    flow_engine.run(flow_of(("map", double)), 1)
    with pytest.raises(SettingsError, match="two flows are called 'orders'"):
        flow_engine.run(flow_of(("map", str)), 1)


def test_many_records_are_fed(flow_engine):
    flow = flow_of(("branch", numbers), ("map", double))
    run = flow_engine.feed(flow, [1] * 300)
    assert flow_engine.results_of(run) == [0] * 300


def test_many_records_are_fed_although_each_pauses(flow_engine):
    flow = flow_of(("branch", nap))
    start = flow_engine.now
    run = flow_engine.feed(flow, range(150))
    assert flow_engine.finish(run)[::2] == list(range(150))
    assert flow_engine.now - start > timedelta(days=1)


def test_a_feed_of_a_run_that_halts_says_why(flow_engine):
    with pytest.raises(StageFailed, match="ZeroDivisionError"):
        flow_engine.feed(flow_of(("map", lambda x: 1 / x, {"name": "divide"})), [0] * 500)


# signals


def test_a_run_that_waits_for_a_signal_says_so(flow_engine):
    with pytest.raises(Standstill) as caught:
        flow_engine.run(APPROVALS, "tea")
    message = str(caught.value)
    assert "run 'orders-1' waits for somebody" in message
    assert "record orders-1:approve:0 waits for signal 'approval'" in message
    assert "flow_engine.signal('approval', data)" in message
    (parked,) = caught.value.parked
    assert parked.waits_for == "approval"


def test_a_signal_is_what_the_pause_evaluates_to(flow_engine):
    flow_engine.submit(APPROVALS, "tea")
    (parked,) = flow_engine.parked
    assert (parked.stage, parked.why, parked.waits_for) == ("approve", "signal", "approval")
    assert parked.wake == flow_engine.now + timedelta(days=2)
    assert flow_engine.signal("approval", "yes")
    assert flow_engine.results == [("tea", "yes")]
    assert flow_engine.parked == []


def test_a_signal_that_comes_early_is_kept(flow_engine):
    flow = flow_of(("branch", nap), ("branch", approve))
    flow_engine.submit(flow, 1)
    assert flow_engine.signal("approval", "first")
    assert not flow_engine.signal("approval", "second")
    results = flow_engine.finish()
    assert [answer for _, answer in results] == ["first", "second"]


def test_signals_are_given_as_to_flow_run(flow_engine):
    assert flow_engine.run(APPROVALS, 1, signals={"approval": "yes"}) == [(1, "yes")]
    assert flow_engine.run(APPROVALS, 2, signals=lambda name: name.upper()) == [(2, "APPROVAL")]
    flow = flow_of(("branch", approve_or_not), name="patience")
    assert flow_engine.run(flow, 3, signals={}) == ["nobody came"]

    def never(name):
        raise SignalTimeout(name)

    assert flow_engine.run(flow, 4, signals=never) == ["nobody came"]


def test_a_signal_goes_to_the_run_that_waits_for_it(flow_engine):
    flow_engine.submit(flow_of(("branch", nap), name="naps"), 1)
    flow_engine.submit(APPROVALS, "tea")
    assert flow_engine.signal("approval", "yes")
    assert flow_engine.results_of("orders-2") == [("tea", "yes")]


def test_a_signal_to_nobody_in_particular_is_refused(flow_engine):
    with pytest.raises(Standstill, match="there is no run"):
        flow_engine.signal("approval")
    flow_engine.submit(APPROVALS, 1, run_id="a")
    flow_engine.submit(APPROVALS, 2, run_id="b")
    with pytest.raises(Standstill, match="Give run=, one of: a, b"):
        flow_engine.signal("approval")
    flow_engine.signal("approval", run="a")
    flow_engine.signal("approval", run="b")
    with pytest.raises(SignalRefused, match=r"all runs are over: a \(done\), b \(done\)"):
        flow_engine.signal("approval")


def test_a_broadcast_wakes_all_that_wait(flow_engine):
    flow = flow_of(("branch", numbers), ("branch", approve, {"ordered": False}))
    flow_engine.submit(flow, 3)
    assert len(flow_engine.parked) == 3
    assert flow_engine.signal("approval", "all", broadcast=True)
    assert sorted(flow_engine.results) == [(0, "all"), (1, "all"), (2, "all")]


# time


def test_a_pause_of_hours_takes_no_time(flow_engine):
    began, start = time.perf_counter(), flow_engine.now
    assert flow_engine.run(flow_of(("branch", nap)), 1) == [1, start.timestamp() + 3 * 3600]
    assert flow_engine.now == start + timedelta(hours=3)
    assert time.perf_counter() - began < 60


def test_time_stands_still_until_it_is_put_forward(flow_engine):
    flow_engine.submit(flow_of(("branch", nap)), 1)
    assert flow_engine.results == [1]
    assert present() == time.time() == flow_engine.now.timestamp()
    flow_engine.advance(hours=2, minutes=59)
    assert flow_engine.results == [1]
    (parked,) = flow_engine.parked
    assert parked.why == "pause"
    assert parked.wake == flow_engine.now + timedelta(minutes=1)
    flow_engine.advance("1m")
    assert len(flow_engine.results) == 2


def test_what_is_due_on_the_way_happens_at_its_time(flow_engine):
    def steps(count):
        for _ in range(count):
            yield time.time()
            yield PauseFlow(after=600)

    start = flow_engine.now.timestamp()
    flow_engine.submit(flow_of(("branch", steps)), 3)
    flow_engine.advance(days=30)
    assert flow_engine.results == [start, start + 600, start + 1200]
    assert flow_engine.results_of("orders-1") == flow_engine.results, "long after it has expired"


def test_a_timeout_comes_when_time_passes(flow_engine):
    flow_engine.submit(flow_of(("branch", approve_or_not)), 1)
    flow_engine.advance(59)
    assert flow_engine.results == []
    flow_engine.advance(timedelta(seconds=1))
    assert flow_engine.results == ["nobody came"]


def test_advance_takes_one_span(flow_engine):
    for arguments in ({}, {"span": 1, "hours": 2}):
        with pytest.raises(TypeError, match="one span of time"):
            flow_engine.advance(**arguments)


def dated(_):
    return (date.today(), datetime.now(UTC), dt.datetime.now(UTC), datetime.today(), present())


def test_dates_are_those_of_the_virtual_clock(flow_engine):
    start = datetime(2031, 5, 17, 12, tzinfo=UTC)
    engine = flow_engine(start=start)
    ((day, *moments, seconds),) = engine.run(flow_of(("map", dated)), 1)
    assert day == date(2031, 5, 17)
    assert moments[:2] == [start, start]
    assert moments[2] == start.astimezone().replace(tzinfo=None)
    assert seconds == start.timestamp()
    assert isinstance(start, datetime)
    engine.close()
    assert datetime.now(UTC) < start


def until_tomorrow(number):
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    yield PauseFlow(at=tomorrow)
    yield (number, datetime.now(UTC) - tomorrow)


def test_a_pause_until_a_moment_is_one_of_the_virtual_clock(flow_engine):
    flow = flow_of(("branch", numbers), ("branch", until_tomorrow))
    start = flow_engine.now
    nothing = timedelta()
    assert flow_engine.run(flow, 3) == [(0, nothing), (1, nothing), (2, nothing)]
    assert flow_engine.now - start == timedelta(days=3)


def test_schedules_start_their_runs(flow_engine):
    flow = flow_of(("map", lambda tick: tick.hour, {"name": "hour"}))
    flow.every("12h")
    engine = flow_engine(flow, start=datetime(2031, 1, 1, 1, tzinfo=UTC))
    engine.advance(hours=10)
    assert engine.results == []
    engine.advance(days=2)
    assert engine.results == [12, 0, 12, 0]
    assert engine.runs[0].id == "orders.every-12h.20310101T120000"


def test_a_rate_does_not_make_a_test_slow(flow_engine):
    flow = flow_of(("branch", numbers), ("map", double, {"rate": Rate("1/h")}))
    start = flow_engine.now
    assert flow_engine.run(flow, 6) == [0, 2, 4, 6, 8, 10]
    assert timedelta(hours=4) < flow_engine.now - start < timedelta(hours=7)


# failures


def always(_):
    raise ValueError("not today")


def sometimes(number):
    TRIED.append(number)
    if len(TRIED) < 3:
        raise OSError("busy")
    return number


def test_a_run_that_halts_raises_what_the_stage_raised(flow_engine):
    with pytest.raises(StageFailed, match="stage 'always' failed on record 'orders-1:always:0'"):
        flow_engine.run(flow_of(("map", always)), 1)
    with pytest.raises(StageFailed) as caught:
        flow_engine.finish()
    assert isinstance(caught.value.__cause__, ValueError)
    assert str(caught.value.__cause__) == "not today"
    (parked,) = flow_engine.parked
    assert parked.why == "failed"
    assert str(parked) == "record orders-1:always:0 failed: ValueError: not today"


def test_a_halted_run_is_tried_again(flow_engine):
    flow = flow_of(("map", sometimes))
    flow_engine.submit(flow, 5)
    flow_engine.retry()
    flow_engine.retry()
    assert flow_engine.finish() == [5]
    assert TRIED == [5, 5, 5]


def test_a_value_without_an_encoding_is_told(flow_engine):
    with pytest.raises(StageFailed, match="object has no encoding"):
        flow_engine.run(flow_of(("map", lambda _: object(), {"name": "thing"})), 1)


def test_retries_take_no_time(flow_engine):
    patience = {"retries": 5, "backoff": Backoff(first=3600, factor=2)}
    start = flow_engine.now
    assert flow_engine.run(flow_of(("map", sometimes, patience)), 5) == [5]
    assert flow_engine.now - start > timedelta(minutes=1)


def test_dead_letters_are_there_to_be_seen(flow_engine, caplog):
    caplog.set_level(logging.CRITICAL)
    flow = flow_of(
        ("branch", numbers), ("map", lambda x: 6 // x, {"name": "d", "on_error": "dead"})
    )
    assert flow_engine.run(flow, 3) == [6, 3]
    (letter,) = flow_engine.dead
    assert (letter.key, letter.record) == ("orders-1:d:0", 0)
    assert letter.error_type == "ZeroDivisionError"


def test_a_run_that_never_ends_is_found_out(flow_engine, monkeypatch):
    monkeypatch.setattr("pauseflow.testing.course.PAUSES", 20)

    def poll(_):
        raise PauseFlow(after=1)

    with pytest.raises(Standstill, match="has paused 20 times and is not done"):
        flow_engine.run(flow_of(("map", poll)), 1)


def test_a_run_that_somebody_paused_says_so(flow_engine):
    run = flow_engine.submit(APPROVALS, 1)
    flow_engine.client.pause(run)
    with pytest.raises(Standstill, match=r"was paused: flow_engine.client.resume\('orders-1'\)"):
        flow_engine.finish()


def test_a_run_that_was_cancelled_says_so(flow_engine):
    run = flow_engine.submit(APPROVALS, 1)
    flow_engine.client.cancel(run)
    with pytest.raises(RunCancelled, match="run 'orders-1' was cancelled"):
        flow_engine.finish(run)


def test_a_run_whose_input_is_open_says_so(flow_engine):
    flow = flow_of(("map", double))
    flow_engine.run(flow, 1)
    flow_engine.client.open(flow, run_id="open").append(1)
    with pytest.raises(Standstill, match="the input of run 'open' was not closed"):
        flow_engine.finish("open")
    assert flow_engine.results_of("open") == [2]


def test_a_feed_that_waits_for_somebody_says_so(flow_engine):
    with pytest.raises(
        Standstill, match=r"takes no more after [0-9]+ records:\n.* waits for signal 'approval'"
    ):
        flow_engine.feed(flow_of(("branch", forever)), range(1_000))


# jobs

JOBS = Flow("jobs")


def render(page):
    TRIED.append(current().key)
    if page == 2 and len(TRIED) < 3:
        raise OSError("no memory")
    return page * 10


def pages(count):
    yield from range(count)


JOBS.branch(pages).job(render, retry=2).map(str)
FAILING = Flow("failing")
FAILING.job(render, name="failing")


def wait_for_job(job):
    try:
        answer = yield PauseFlow(job=job)
    except JobFailed as error:
        answer = error.error_type
    yield answer


def test_job_stages_run_here_and_now(flow_engine):
    assert flow_engine.run(JOBS, 3) == ["0", "10", "20"]
    assert sorted(set(TRIED)) == ["jobs-1:render:0", "jobs-1:render:1", "jobs-1:render:2"]


def test_a_job_that_fails_halts_the_run(flow_engine):
    with pytest.raises(StageFailed, match="OSError: no memory") as caught:
        flow_engine.run(FAILING, 2)
    assert isinstance(caught.value.__cause__, JobFailed)


def test_jobs_of_other_code_end_when_the_test_says_so(flow_engine):
    flow = flow_of(("branch", wait_for_job))
    with pytest.raises(Standstill, match=r"waits for job 'j1': flow_engine.end_job\('j1', value\)"):
        flow_engine.run(flow, "j1")
    flow_engine.end_job("j1", 7)
    assert flow_engine.results == [7]
    flow_engine.submit(flow, "j2")
    flow_engine.end_job("j2", error=MemoryError())
    assert flow_engine.results == [7, "MemoryError"]
    with pytest.raises(Standstill, match="nothing waits for job 'j2'"):
        flow_engine.end_job("j2")
    assert flow_engine.run(flow, "j3", signals={"job:j3": 3}) == [3]

    def lost(name):
        raise JobFailed(name, "Lost", "nowhere")

    assert flow_engine.run(flow, "j4", signals=lost) == ["Lost"]


# how it runs


def test_it_works_without_pytest():
    flow = flow_of(("branch", numbers), ("map", double))
    with FlowEngine(flow, seed=4) as engine:
        assert engine.run(flow, 2) == [0, 2]
    assert time.time() == pytest.approx(time.time_ns() / 1e9, abs=5)


def test_an_error_in_the_block_tells_how_things_stand():
    def fail():
        with FlowEngine(seed=4) as engine:
            engine.submit(APPROVALS, 1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        fail()
    (note,) = caught.value.__notes__
    assert "flow engine: seed 4, the time is" in note
    assert "run orders-1: running" in note
    assert "waits for signal 'approval'" in note


def who_ran_what(seed, workers=3):
    """The order in which records came to be worked on."""
    seen = []
    flow = Flow("f")
    flow.branch(numbers).map(lambda x: (seen.append(x), x)[1], name="see", ordered=False).map(
        lambda x: (x, random.random()), name="draw"
    )
    with FlowEngine(flow, workers=workers, seed=seed) as engine:
        return engine.run(flow, 40), seen


def test_the_same_seed_gives_the_same_course():
    courses = [who_ran_what(seed) for seed in range(6)]
    assert courses == [who_ran_what(seed) for seed in range(6)]
    assert len({repr(course) for course in courses}) > 1


def test_the_numbers_of_the_process_are_as_before():
    random.seed(7)
    expected = random.random()
    random.seed(7)
    who_ran_what(3)
    assert random.random() == expected


def test_several_workers_keep_the_order(flow_engine):
    flow = flow_of(
        ("branch", numbers), ("map", double), ("branch", lambda x: [x, x], {"name": "t"})
    )
    engine = flow_engine(flow, workers=3)
    assert engine.run(flow, 50) == [2 * n for n in range(50) for _ in "ab"]


def test_there_is_no_such_server(flow_engine):
    with pytest.raises(SettingsError, match='give "fake" or "embedded"'):
        flow_engine(server="mysql")


def test_it_is_the_same_on_a_real_server(flow_engine):
    engine = flow_engine(APPROVALS, server="embedded")
    naps = flow_of(("branch", nap), name="naps")
    start = engine.now.timestamp()
    assert engine.run(naps, 1) == [1, start + 3 * 3600]
    engine.submit(APPROVALS, "tea")
    assert engine.signal("approval", "yes")
    assert engine.results == [1, start + 3 * 3600, ("tea", "yes")]
    assert engine.run(JOBS, 2) == ["0", "10"]
