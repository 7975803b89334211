"""A stage's `timeout=`: what takes too long is interrupted, once, and nothing else is."""

import asyncio
import contextlib
import signal
import threading
import time

import pytest

from pauseflow import Flow, PauseFlow, StageFailed, StageTimeout
from pauseflow.stages import Budget, Done, Failed, Sliced, Work, runner_for
from pauseflow.stages.timeout import Timeout, limited

SHORT = 0.02
LONG = 30.0


def stage_of(kind, fn, timeout=SHORT, **options):
    flow = Flow("f")
    getattr(flow, kind)(fn, name="s", timeout=timeout, **options)
    return flow.graph.root


def outcome_of(kind, fn, items, timeout=SHORT, *, budget=None, **options):
    """What one slice of the stage comes to."""
    runner = runner_for(stage_of(kind, fn, timeout, **options), "f")
    try:
        return runner.run(Work("r", 0, list(items)), budget or Budget(LONG))
    finally:
        runner.close()


def in_a_thread(call):
    """What `call()` gives in a thread that is not the main one."""
    answers = []

    def run():
        try:
            answers.append(call())
        except BaseException as error:  # noqa: BLE001 # handed over
            answers.append(error)

    # A daemon: a call that is never interrupted fails its test, and doesn't outlive it.
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(LONG)
    (answer,) = answers
    if isinstance(answer, BaseException):
        raise answer
    return answer


def here(call):
    return call()


WHERE = [here, in_a_thread]


def spin(x=None):
    """Work for ever, in Python."""
    while True:
        pass


def hang_on_odd(x):
    if x % 2:
        spin()
    return x


async def wait_on_odd(x):
    if x % 2:
        await asyncio.Event().wait()
    return x


def series_that_hangs(x):
    yield x
    yield x + 1
    spin()


async def async_series_that_hangs(x):
    yield x
    yield x + 1
    await asyncio.Event().wait()


def is_late(end):
    return isinstance(end, Failed) and isinstance(end.error, StageTimeout)


def no_alarm():
    return signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("kind", ["map", "filter", "each"])
def test_a_function_that_takes_too_long_fails_on_its_record(where, kind):
    outcome = where(lambda: outcome_of(kind, hang_on_odd, [2, 4, 5, 6]))
    assert outcome.consumed == 2
    assert is_late(outcome.end)
    assert str(outcome.end.error) == (
        "stage 's' took longer than its timeout of 0.02 s over one record"
    )
    assert no_alarm()


@pytest.mark.parametrize("concurrency", [1, 3])
def test_an_async_function_that_takes_too_long_is_cancelled(concurrency):
    outcome = outcome_of("map", wait_on_odd, [2, 4, 5, 6], concurrency=concurrency)
    assert (outcome.consumed, outcome.outputs) == (2, [2, 4])
    assert is_late(outcome.end)


@pytest.mark.parametrize("where", WHERE)
def test_a_series_that_takes_too_long_over_a_value_fails(where):
    outcome = where(lambda: outcome_of("branch", series_that_hangs, [5]))
    assert (outcome.consumed, outcome.outputs) == (0, [])
    assert is_late(outcome.end)
    assert str(outcome.end.error).endswith("over one value of its series")


def test_an_async_series_that_takes_too_long_over_a_value_fails():
    outcome = outcome_of("branch", async_series_that_hangs, [5])
    assert (outcome.consumed, outcome.outputs) == (0, [])
    assert is_late(outcome.end)


def test_a_function_that_gives_a_series_is_interrupted_before_it_returns():
    assert is_late(outcome_of("branch", spin, [5]).end)


def test_the_time_is_for_one_value_and_not_for_the_series():
    def slow(x):
        for _ in range(8):
            until = time.monotonic() + 0.03
            while time.monotonic() < until:
                pass
            yield x

    outcome = outcome_of("branch", slow, [5], 0.15, budget=Budget(LONG, stride=1024))
    assert (outcome.end, len(outcome.outputs)) == (Done(), 8)


def test_what_came_before_in_an_earlier_slice_is_kept():
    stage = stage_of("branch", series_that_hangs)
    runner = runner_for(stage, "f")
    first = runner.run(Work("r", 0, [5]), Budget(0.0))
    second = runner.run(Work("r", 0, [5], first.frames), Budget(0.0))
    third = runner.run(Work("r", 0, [5], second.frames), Budget(0.0))
    assert [first.outputs, second.outputs, third.outputs] == [[5], [6], []]
    assert [first.end, second.end] == [Sliced(), Sliced()]
    assert is_late(third.end)
    assert third.frames == second.frames


def test_a_list_is_not_taken_value_by_value():
    outcome = outcome_of("branch", range, [3000], LONG, budget=Budget(LONG, stride=1024))
    assert outcome.outputs == list(range(3000))


@pytest.mark.parametrize("where", WHERE)
def test_what_is_quick_is_left_alone(where):
    def run():
        return outcome_of("map", lambda x: x + 1, range(200), LONG)

    outcome = where(run)
    assert (outcome.end, outcome.outputs) == (Done(), list(range(1, 201)))
    assert no_alarm()


@pytest.mark.parametrize("where", WHERE)
def test_a_pause_and_an_error_come_through(where):
    limit = Timeout("s", LONG)

    def pause():
        raise PauseFlow

    with pytest.raises(PauseFlow):
        where(lambda: limit.call(pause))
    with pytest.raises(ZeroDivisionError):
        where(lambda: limit.call(lambda: 1 / 0))
    assert no_alarm()


def test_a_sleep_is_cut_short():
    began = time.monotonic()
    with pytest.raises(StageTimeout):
        Timeout("s", SHORT).call(time.sleep, LONG)
    assert time.monotonic() - began < LONG / 2


@pytest.mark.parametrize("where", WHERE)
def test_who_catches_it_goes_on(where):
    def careful():
        try:
            spin()
        except StageTimeout:
            return sum(range(100_000))

    assert where(lambda: Timeout("s", SHORT).call(careful)) == sum(range(100_000))


@pytest.mark.parametrize("where", WHERE)
def test_whatever_is_over_in_time_or_not_nothing_is_raised_afterwards(where):
    """Around the moment when the time is over, a call returns or raises, and that is all."""

    def run():
        limit = Timeout("s", 0.001)
        late = 0
        for _ in range(300):
            until = time.perf_counter() + 0.001
            try:
                limit.call(_until, until)
            except StageTimeout:
                late += 1
            for _ in range(50):
                _until(0)
        return late

    assert 0 <= where(run) <= 300
    assert no_alarm()


def _until(moment):
    while time.perf_counter() < moment:
        pass


@contextlib.contextmanager
def alarm(handler, *timer):
    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, *timer)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class Rung(Exception):
    pass


def ring(*_):
    raise Rung


def test_an_alarm_that_was_set_before_is_set_again():
    with alarm(ring, 60, 7):
        with pytest.raises(StageTimeout):
            Timeout("s", SHORT).call(spin)
        assert signal.getsignal(signal.SIGALRM) is ring
        left, interval = signal.getitimer(signal.ITIMER_REAL)
        assert 50 < left < 60
        assert interval == 7


def test_an_alarm_that_was_set_before_goes_off_in_time():
    with alarm(ring, SHORT):
        with pytest.raises(Rung):
            Timeout("s", LONG).call(spin)
        assert signal.getsignal(signal.SIGALRM) is ring
        assert no_alarm()


def test_an_alarm_that_repeats_goes_on_during_the_call():
    rings = []

    def note(*_):
        rings.append(1)

    with alarm(note, SHORT / 4, SHORT / 4):
        with pytest.raises(StageTimeout):
            Timeout("s", SHORT * 3).call(spin)
        assert len(rings) >= 3
        assert signal.getitimer(signal.ITIMER_REAL)[1] == pytest.approx(SHORT / 4)


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize(("outer", "inner"), [(SHORT, LONG), (LONG, SHORT)])
def test_one_inside_the_other_is_raised_as_the_one_that_is_over(where, outer, inner):
    def nested():
        return Timeout("outer", outer).call(Timeout("inner", inner).call, spin)

    name = "outer" if outer < inner else "inner"
    with pytest.raises(StageTimeout, match=name):
        where(nested)
    assert no_alarm()


def test_a_timeout_of_the_authors_own_is_not_the_stages():
    async def impatient(x):
        async with asyncio.timeout(0.001):
            await asyncio.Event().wait()

    outcome = outcome_of("map", impatient, [1], LONG)
    assert type(outcome.end.error) is TimeoutError


def test_an_async_function_may_clean_up_when_its_time_is_over():
    told = []

    async def careful(x):
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            told.append("cleaned up")

    assert is_late(outcome_of("map", careful, [1]).end)
    assert told == ["cleaned up"]


def test_the_traceback_tells_where_it_stood():
    for fn in (hang_on_odd, wait_on_odd):
        with pytest.raises(StageFailed) as caught:
            Flow("f").map(fn, timeout=SHORT).flow.run(1)
        late = caught.value.__cause__
        assert isinstance(late, StageTimeout)
        names = []
        error = late
        while error is not None:
            traceback = error.__traceback__
            while traceback is not None:
                names.append(traceback.tb_frame.f_code.co_name)
                traceback = traceback.tb_next
            error = error.__cause__
        assert fn.__name__ in names


def test_a_stage_without_one_is_called_directly():
    stage = stage_of("map", hang_on_odd, None)
    assert limited(stage) is hang_on_odd
