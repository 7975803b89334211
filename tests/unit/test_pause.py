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
