"""PauseFlow: what it can be told."""

import datetime as dt

import pytest

from pauseflow import PauseFlow

NOW = 1_700_000_000.0
MOMENT = dt.datetime(2030, 1, 2, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("pause", "wake"),
    [
        (PauseFlow(), None),
        (PauseFlow(after=0), NOW),
        (PauseFlow(after=1.5), NOW + 1.5),
        (PauseFlow(after=dt.timedelta(minutes=1)), NOW + 60),
        (PauseFlow(after=dt.timedelta(days=36_500)), NOW + 36_500 * 86_400),
        (PauseFlow(at=MOMENT), MOMENT.timestamp()),
        (PauseFlow(at=MOMENT.astimezone().replace(tzinfo=None)), MOMENT.timestamp()),
    ],
)
def test_when_it_goes_on(pause, wake):
    assert pause.wake_at(NOW) == wake


@pytest.mark.parametrize(
    "after", [-1, float("nan"), float("inf"), 1e300, dt.timedelta(-1), dt.timedelta.max]
)
def test_a_time_that_never_comes_is_refused(after):
    with pytest.raises(ValueError, match=r"PauseFlow\(after=.*from 0 to 100 years"):
        PauseFlow(after=after)


@pytest.mark.parametrize(
    "at", [dt.datetime.max, dt.datetime.max.replace(tzinfo=dt.UTC), dt.datetime.min]
)
def test_a_moment_that_never_comes_is_refused(at):
    with pytest.raises(ValueError, match=r"PauseFlow\(at=.*year 9999"):
        PauseFlow(at=at)


@pytest.mark.parametrize("after", ["5", MOMENT, [1], b"1", True])
def test_what_is_no_time_span_is_refused(after):
    with pytest.raises(TypeError, match="give seconds or a timedelta"):
        PauseFlow(after=after)


@pytest.mark.parametrize("at", [5, "2030-01-02", MOMENT.date(), dt.timedelta(1)])
def test_what_is_no_moment_is_refused(at):
    with pytest.raises(TypeError, match="give a datetime"):
        PauseFlow(at=at)


def test_one_time_is_enough():
    with pytest.raises(ValueError, match="not both"):
        PauseFlow(after=1, at=MOMENT)


def test_what_it_waits_for():
    class Job:
        id = "abc"

    assert PauseFlow().waits_for is None
    assert PauseFlow(until="approval:7").waits_for == "approval:7"
    assert PauseFlow(job="abc").waits_for == PauseFlow(job=Job()).waits_for == "job:abc"
    assert PauseFlow(until="x", timeout=dt.timedelta(minutes=1)).wake_at(NOW) == NOW + 60
    assert PauseFlow(until="x").wake_at(NOW) is None
    assert PauseFlow.waiting("x", NOW).wake_at(0) == NOW


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"until": "x", "job": "y"}, "until= and job=, not both"),
        ({"until": "x", "after": 1}, "after= and until=, not both"),
        ({"timeout": 5}, "goes with until= or job="),
        ({"after": 1, "timeout": 5}, "goes with until= or job="),
        ({"until": "x", "timeout": -1}, "timeout=-1"),
        ({"until": ""}, "can't be called"),
        ({"until": "two words"}, "can't be called"),
        ({"until": "line\nline"}, "can't be called"),
        ({"until": "job:1"}, "can't be called"),
        ({"until": "é" * 101}, "can't be called"),
        ({"job": ""}, "not the id of a job"),
        ({"job": "a b"}, "not the id of a job"),
    ],
)
def test_a_wait_that_makes_no_sense_is_refused(options, told):
    with pytest.raises(ValueError, match=told):
        PauseFlow(**options)


@pytest.mark.parametrize("options", [{"until": 5}, {"job": 5}, {"until": "x", "timeout": "5"}])
def test_a_wait_for_what_is_no_name_is_refused(options):
    with pytest.raises(TypeError):
        PauseFlow(**options)


@pytest.mark.parametrize(
    ("pause", "shown"),
    [
        (PauseFlow(), "PauseFlow()"),
        (PauseFlow(after=2), "PauseFlow(after=2)"),
        (PauseFlow(until="ok", timeout=3), "PauseFlow(until='ok', timeout=3)"),
        (PauseFlow(job="j"), "PauseFlow(job='j')"),
    ],
)
def test_how_it_is_shown(pause, shown):
    assert repr(pause) == shown
