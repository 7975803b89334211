"""Schedules as they are declared: rules, ticks, missed ticks, and what is refused."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pauseflow import Flow, codec
from pauseflow.cron import Cron
from pauseflow.errors import FlowDefinitionError, NotSerializable
from pauseflow.schedule import AT_MOST, Every, Schedule
from pauseflow.store.keys import valid_run_id

PARIS = "Europe/Paris"


def flow_of(name="f"):
    flow = Flow(name)
    flow.map(lambda x: x, name="keep")
    return flow


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def ticks(rule, after, count):
    """The next ticks, as day and time in UTC."""
    found = []
    for _ in range(count):
        after = rule.after(after)
        found.append(after)
    return [f"{tick:%d %H:%M}" for tick in found]


# intervals


@pytest.mark.parametrize(
    ("interval", "seconds"),
    [
        ("5m", 300),
        ("90s", 90),
        ("1h30m", 5400),
        ("1d", 86_400),
        ("1d 2h 3m 4s", 93_784),
        ("10min", 600),
        (15, 15),
        (60.0, 60),
        (timedelta(minutes=2), 120),
    ],
)
def test_an_interval_is_a_text_seconds_or_a_timedelta(interval, seconds):
    assert Every.of(interval).seconds == seconds


@given(st.integers(1, 366 * 86_400))
def test_an_intervals_text_means_that_interval(seconds):
    assert Every.of(Every(seconds).text) == Every(seconds)


@pytest.mark.parametrize(
    "interval",
    ["", "5", "5x", "m5", "5m1h", "1.5s", "-5m", "0s", "400d", 0, 0.5, -1, True, None,
     float("nan"), float("inf"), timedelta(milliseconds=1), timedelta(days=400), b"5m"],
)  # fmt: skip
def test_what_is_no_interval_is_refused_when_the_flow_is_built(interval):
    with pytest.raises(FlowDefinitionError, match=r"^flow 'f': every\(.*\): give ") as refused:
        flow_of().every(interval)
    assert "\n" not in str(refused.value)


@given(
    st.integers(1, 100_000),
    st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC)),
)
def test_intervals_are_counted_from_1970_so_that_all_agree(seconds, moment):
    tick = Every(seconds).after(moment)
    assert timedelta() < tick - moment <= timedelta(seconds=seconds)
    assert tick.timestamp() % seconds == 0


# cron


def test_cron_follows_the_clocks_of_its_zone():
    assert ticks(Cron("0 3 * * *", PARIS), utc("2024-01-10"), 2) == ["10 02:00", "11 02:00"]
    assert ticks(Cron("0 3 * * *", PARIS), utc("2024-07-10"), 2) == ["10 01:00", "11 01:00"]
    assert ticks(Cron("*/20 8 * * mon", "UTC"), utc("2024-07-13"), 4) == [
        "15 08:00", "15 08:20", "15 08:40", "22 08:00",
    ]  # fmt: skip
    assert ticks(Cron("@monthly", "UTC"), utc("2024-07-13"), 1) == ["01 00:00"]


def test_a_tick_is_after_the_moment_and_not_at_it():
    rule = Cron("0 3 * * *", "UTC")
    assert rule.after(utc("2024-01-10T03:00")) == utc("2024-01-11T03:00")
    assert rule.after(utc("2024-01-10T02:59:59.999")) == utc("2024-01-10T03:00")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # At 2:00, which is 1:00 UTC, the clocks go forward to 3:00.
        ("30 2 * * *", ["30 01:30", "31 01:00", "01 00:30"]),
        ("0,30 2 * * *", ["30 01:00", "30 01:30", "31 01:00", "01 00:00"]),
        ("0 2,3 * * *", ["30 01:00", "30 02:00", "31 01:00", "01 00:00"]),
        ("0 3 * * *", ["30 02:00", "31 01:00", "01 01:00"]),
    ],
)
def test_a_set_hour_that_is_skipped_in_spring_ticks_once_when_the_clocks_have_changed(
    text, expected
):
    assert ticks(Cron(text, PARIS), utc("2024-03-30T00:00"), len(expected)) == expected


def test_any_hour_leaves_out_what_is_skipped_in_spring():
    after = utc("2024-03-30T23:59")
    assert ticks(Cron("5 * * * *", PARIS), after, 3) == ["31 00:05", "31 01:05", "31 02:05"]
    assert ticks(Cron("30 */2 * * *", PARIS), after, 2) == ["31 02:30", "31 04:30"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # At 3:00, which is 1:00 UTC, the clocks go back to 2:00.
        ("30 2 * * *", ["27 00:30", "28 01:30"]),
        ("0,30 2 * * *", ["27 00:00", "27 00:30", "28 01:00"]),
        ("0 3 * * *", ["27 02:00", "28 02:00"]),
        ("0 1-3 * * *", ["26 23:00", "27 00:00", "27 02:00", "28 00:00"]),
    ],
)
def test_a_set_hour_that_comes_twice_in_autumn_ticks_the_first_time(text, expected):
    assert ticks(Cron(text, PARIS), utc("2024-10-26T12:00"), len(expected)) == expected


def test_any_hour_ticks_in_both_hours_of_one_name():
    after = utc("2024-10-26T23:59")
    hourly = ["27 00:05", "27 01:05", "27 02:05", "27 03:05"]
    assert ticks(Cron("5 * * * *", PARIS), after, 4) == hourly


ZONES = [
    "Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "UTC",
    "Pacific/Apia", "Antarctica/Troll", "Europe/Dublin", "America/Santiago",
]  # fmt: skip


@given(
    st.sampled_from(["*/7 * * * *", "30 * * * *", "*/15 */2 * * *", "0 0,12 * * *", "30 2 * * *"]),
    st.sampled_from(ZONES),
    st.datetimes(datetime(2011, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),
)
def test_ticks_do_not_depend_on_when_one_looks(text, zone, moment):
    rule = Cron(text, zone)
    found = [moment]
    for _ in range(20):
        found.append(rule.after(found[-1]))
    for before, tick in pairwise(found):
        assert before < tick
        assert rule.after(before + (tick - before) / 2) == tick
        assert rule.after(tick - timedelta(microseconds=1)) == tick


@given(
    st.sampled_from(["*/7 * * * *", "30 * * * *", "5 */3 * * *"]),
    st.sampled_from(ZONES),
    st.datetimes(datetime(2011, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),
)
def test_any_hour_ticks_whenever_the_clocks_show_such_a_time(text, zone, moment):
    start = moment.replace(second=0, microsecond=0)
    minutes, hours = text.split()[:2]

    def named(local):
        step = int(minutes.removeprefix("*/"))
        right = local.minute % step == 0 if "/" in minutes else local.minute == step
        return right and ("/" not in hours or local.hour % 3 == 0)

    shown = (start + timedelta(minutes=each) for each in range(1, 8 * 60))
    expected = [each for each in shown if named(each.astimezone(ZoneInfo(zone)))]
    rule, found = Cron(text, zone), [start]
    for _ in expected:
        found.append(rule.after(found[-1]))
    assert found[1:] == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("0 3 * *", "it has 4"),
        ("* * * * * *", "it has 6"),
        ("", "it has 0"),
        ("@never", "it has 1"),
        ("60 * * * *", "out of range"),
        ("*/0 * * * *", "step"),
        ("0 3 * * funday", "'funday' is not the name"),
        ("r * * * *", "'r' is not the name"),
        ("h * * * *", "'h' is not the name"),
        ("0 0 31 2 *", "never comes"),
        (7, "not a text"),
        (None, "not a text"),
    ],
)
def test_what_is_no_cron_is_refused_when_the_flow_is_built(text, says):
    with pytest.raises(FlowDefinitionError, match=r"^flow 'f': cron ") as refused:
        flow_of().cron(text)
    assert says in str(refused.value)
    assert "'0 3 * * *' is every day at 3:00" in str(refused.value)


@pytest.mark.parametrize(
    ("zone", "hint"),
    [
        ("Europe/Pariss", "did you mean 'Europe/Paris'?"),
        ("europe/paris", "did you mean 'Europe/Paris'?"),
        ("paris", "did you mean 'Europe/Paris'?"),
        ("../../etc/passwd", "such as 'Europe/Paris'"),
        ("Europe", "did you mean"),
        ("", "such as 'Europe/Paris'"),
        ("x" * 1000, "such as 'Europe/Paris'"),
        ("a\0b", "such as 'Europe/Paris'"),
    ],
)
def test_a_zone_that_is_none_is_refused_when_the_flow_is_built(zone, hint):
    with pytest.raises(FlowDefinitionError, match="there is no time zone of this name") as refused:
        flow_of().cron("0 3 * * *", tz=zone)
    assert hint in str(refused.value)


def test_a_zone_may_be_given_as_one():
    assert flow_of().cron("0 3 * * *", tz=ZoneInfo(PARIS)).zone == PARIS
    assert flow_of().cron("0 3 * * *", tz=UTC).zone == "UTC"
    assert flow_of().cron("0 3 * * *").zone == "UTC"


def test_a_machine_without_zones_is_told_what_to_install(monkeypatch):
    monkeypatch.setattr("pauseflow.cron.available_timezones", set)
    with pytest.raises(FlowDefinitionError, match="pip install tzdata"):
        flow_of().cron("0 3 * * *", tz="No/Where")


# a flow's schedules


def test_a_flow_has_as_many_schedules_as_one_likes():
    flow = flow_of("orders")
    given = [
        flow.every("5m"),
        flow.every("90m", value={"deep": True}, missed="skip"),
        flow.cron("0 3 * * *", tz=PARIS),
        flow.cron("0 4 * * *", tz=PARIS, name="later"),
    ]
    assert flow.graph.schedules == tuple(given)
    assert [each.full_name for each in given] == [
        "orders.every-5m", "orders.every-1h30m", "orders.cron", "orders.later",
    ]  # fmt: skip
    assert given[0].run_id(utc("2024-05-06T07:05")) == "orders.every-5m.20240506T070500"


def test_the_record_is_the_one_given_or_the_time_of_the_tick():
    flow = flow_of()
    tick = utc("2024-05-06T07:05").astimezone(ZoneInfo(PARIS))
    assert codec.decode(flow.every("5m").input(tick)) == tick
    assert codec.decode(flow.every("6m", value=None).input(tick)) is None
    assert codec.decode(flow.every("7m", value=[1, {2}]).input(tick)) == [1, {2}]


def test_the_record_is_as_it_was_when_the_schedule_was_made():
    record = {"n": 1}
    schedule = flow_of().every("5m", value=record)
    record["n"] = 2
    assert codec.decode(schedule.input(utc("2024-05-06"))) == {"n": 1}


def test_mistakes_are_found_when_the_flow_is_built():
    flow = flow_of()
    flow.every("5m")
    for mistake, says in [
        (lambda: flow.every("300s"), "two schedules are called 'every-5m': give one a name="),
        (lambda: flow.every("6m", name="a b"), "can't be called 'a b'"),
        (lambda: flow.every("6m", name="a.b"), "can't be called 'a.b'"),
        (lambda: flow.every("6m", name=7), "can't be called 7"),
        (lambda: flow.every("6m", name="n" * 103), "is too long"),
        (lambda: flow.every("6m", missed="never"), "missed='never': give 'skip'"),
    ]:
        with pytest.raises(FlowDefinitionError, match="flow 'f'") as refused:
            mistake()
        assert says in str(refused.value)
    with pytest.raises(NotSerializable):
        flow.every("6m", value=object())
    assert len(flow.graph.schedules) == 1
    with pytest.raises(FlowDefinitionError, match="'every-6m' comes too late"):
        flow.every("6m")


def test_the_longest_name_still_makes_a_run_id():
    schedule = flow_of("f" * 80).every("5m", name="n" * 23)
    run_id = schedule.run_id(utc("2024-05-06T07:05"))
    assert len(run_id) == 120
    assert valid_run_id(run_id)


def test_a_schedule_does_not_change_what_a_run_here_does():
    flow = flow_of()
    flow.every("1s")
    assert flow.run(7) == [7]


# missed ticks


def schedule_of(rule, missed):
    return Schedule("f", "s", rule, missed)


NOW = utc("2024-05-06T12:00:30")


def test_a_tick_that_has_just_come_is_due_whatever_the_rule():
    for missed in ("skip", "once", "all"):
        due = schedule_of(Every(3600), missed).due(utc("2024-05-06T11:30"), NOW)
        assert due == [utc("2024-05-06T12:00")]
        assert schedule_of(Every(3600), missed).due(utc("2024-05-06T12:00"), NOW) == []


def test_of_several_missed_ticks_the_rule_says_which_run():
    after = utc("2024-05-06T08:59")
    hours = [utc(f"2024-05-06T{hour:02}:00") for hour in (9, 10, 11, 12)]
    assert schedule_of(Every(3600), "skip").due(after, NOW) == hours[-1:]
    assert schedule_of(Every(3600), "once").due(after, NOW) == hours[-1:]
    assert schedule_of(Every(3600), "all").due(after, NOW) == hours


def test_a_tick_over_a_minute_late_is_skipped_if_so_ruled():
    late = utc("2024-05-06T12:20")
    after = utc("2024-05-06T08:59")
    assert schedule_of(Every(3600), "skip").due(after, late) == []
    assert schedule_of(Every(3600), "once").due(after, late) == [utc("2024-05-06T12:00")]


@pytest.mark.parametrize("rule", [Every(1), Cron("* * * * *", PARIS)])
def test_after_years_the_latest_are_found_at_once(rule):
    found = schedule_of(rule, "all").due(utc("2014-05-06"), NOW)
    assert len(found) == AT_MOST
    assert found == sorted(set(found))
    assert found[-1] <= NOW < rule.after(found[-1])
    assert schedule_of(rule, "once").due(utc("2014-05-06"), NOW) == found[-1:]


def test_a_rare_tick_is_found_too():
    rule = Cron("0 0 29 2 *", PARIS)
    found = schedule_of(rule, "all").due(utc("2010-01-01"), NOW)
    assert [f"{each.astimezone(ZoneInfo(PARIS)):%Y-%m-%d}" for each in found] == [
        "2012-02-29", "2016-02-29", "2020-02-29", "2024-02-29",
    ]  # fmt: skip
