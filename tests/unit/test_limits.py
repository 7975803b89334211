"""rate= and limit= as authors write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pauseflow.errors import FlowDefinitionError, NotSerializable
from pauseflow.limits import Limit, Rate, key_text

SECOND = 1_000_000


@pytest.mark.parametrize(
    ("text", "count", "period", "burst", "interval", "shown"),
    [
        ("50/s", 50, SECOND, 5, 20_000, "50/s"),
        ("10/min", 10, 60 * SECOND, 1, 6_000_000, "10/min"),
        ("1000/hour", 1000, 3600 * SECOND, 1, 3_600_000, "1000/hour"),
        ("5/2s", 5, 2 * SECOND, 1, 400_000, "5/2s"),
        ("1/10m", 1, 600 * SECOND, 1, 600 * SECOND, "1/10min"),
        (" 7 / 1 Second ", 7, SECOND, 1, 142_858, "7/s"),
        ("3/60s", 3, 60 * SECOND, 1, 20 * SECOND, "3/min"),
        ("2/100ms", 2, 100_000, 2, 50_000, "2/100ms"),
        ("1/day", 1, 86_400 * SECOND, 1, 86_400 * SECOND, "1/day"),
        ("100000/s", 100_000, SECOND, 10_000, 10, "100000/s"),
    ],
)
def test_a_rate_is_read_as_it_is_meant(text, count, period, burst, interval, shown):
    rate = Rate(text)
    assert (rate.count, rate.period, rate.burst, rate.interval) == (count, period, burst, interval)
    assert rate.text == shown


@given(st.integers(1, 1000), st.integers(1, 100), st.sampled_from(["s", "min", "hour", "d"]))
def test_a_rate_reads_what_it_shows(count, many, unit):
    rate = Rate(f"{count}/{many}{unit}")
    assert Rate(rate.text) == rate
    assert rate.interval * rate.count >= rate.period


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "write a number, / and a time: '50/s'"),
        ("50", "write a number, / and a time"),
        ("fast", "write a number, / and a time"),
        ("50/", "write a number, / and a time"),
        ("-1/s", "write a number, / and a time"),
        ("1.5/s", "write a number, / and a time"),
        ("10/fortnight", "'fortnight' is no unit of time. Use ms, s, min, hour or day"),
        ("0/s", "To stop a stage, pause it"),
        ("5/0s", "To stop a stage, pause it"),
        ("1/400day", "more than a year"),
        ("100001/s", "leave rate= out"),
        ("99999999999999999999/ms", "leave rate= out"),
        (50, "write it as text, such as '50/s'"),
        (None, "write it as text"),
        (("10/min",), r"write rate=\('50/s', key_function\)"),
        (("10/min", "host"), "where the function takes the record"),
        ((5, str), "write it as text"),
        (["10/min", str], "write it as text"),
    ],
)
def test_what_is_no_rate_is_refused_with_what_to_write(text, said):
    with pytest.raises(FlowDefinitionError, match=f"^stage 'fetch': .*{said}") as caught:
        Rate.of(text, stage="fetch")
    assert caught.value.__cause__ is None
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0, "a number from 1"),
        (-3, "a number from 1"),
        (True, "a number from 1"),
        (2.0, "a number from 1"),
        ("3", "a number from 1"),
        (10**7, "to 1,000,000"),
        ((3,), r"write limit=\(3, key_function\)"),
        ((3, "host"), "where the function takes the record"),
        (("3", str), "a number from 1"),
    ],
)
def test_what_is_no_limit_is_refused_with_what_to_write(value, said):
    with pytest.raises(FlowDefinitionError, match=f"^stage 'fetch': .*{said}"):
        Limit.of(value, stage="fetch")


@pytest.mark.parametrize("made", [lambda **o: Rate("1/s", **o), lambda **o: Limit(1, **o)])
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"key": "host"}, "must be a function of the record"),
        ({"name": "a b"}, "must begin with a letter"),
        ({"name": ""}, "must begin with a letter"),
        ({"name": 3}, "must begin with a letter"),
    ],
)
def test_options_that_make_no_sense_are_refused(made, options, said):
    with pytest.raises(FlowDefinitionError, match=said):
        made(**options)


@pytest.mark.parametrize("burst", [0, -1, True, 1.5, "2"])
def test_a_burst_is_a_number(burst):
    with pytest.raises(FlowDefinitionError, match="burst="):
        Rate("1/s", burst=burst)


def test_the_short_ways_of_writing_mean_the_classes():
    def host(record):
        return record["host"]

    assert Rate.of("10/min", stage="s") == Rate("10/min")
    assert Rate.of(("10/min", host), stage="s") == Rate("10/min", key=host)
    assert Limit.of(3, stage="s") == Limit(3)
    assert Limit.of((3, host), stage="s") == Limit(3, key=host)
    rate, limit = Rate("1/s", name="api", burst=4), Limit(2, name="api")
    assert Rate.of(rate, stage="s") is rate
    assert Limit.of(limit, stage="s") is limit
    assert (rate.burst, rate.name, limit.name) == (4, "api", "api")
    assert "name='api'" in repr(rate)
    assert repr(Limit(2)) == "Limit(2)"


@pytest.mark.parametrize(
    ("one", "other"),
    [("example.org", b"example.org"), (None, "None"), (True, 1), (1.5, "1.5"), ((1, 2), (1, 3)),
     ("x" * 100, "x" * 101), ("\ud800", "\ud801")],
)  # fmt: skip
def test_keys_that_differ_stay_apart(one, other):
    assert key_text(one) != key_text(other)
    assert key_text(one) == key_text(one)
    assert key_text(one).encode().decode().isprintable()
    assert len(key_text(one)) <= 80


def test_keys_that_are_text_or_whole_numbers_can_be_read():
    assert key_text("example.org") == "example.org"
    assert key_text(7) == key_text("7") == "7"


def test_a_key_without_an_encoding_is_told():
    with pytest.raises(NotSerializable):
        key_text(object())
