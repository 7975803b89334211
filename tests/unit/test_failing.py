"""What becomes of a record that a stage fails on, as its options say."""

import asyncio
import datetime as dt
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pauseflow import Backoff, Flow, FlowDefinitionError, PauseFlow, RetryAfter
from pauseflow.errors import ForeignFrame, MalformedData, NotSerializable, StageTimeout
from pauseflow.failing import Dead, FailurePolicy, Fallback, Halt, Retry

ERRORS = st.sampled_from([ValueError(), OSError(), RetryAfter(3), StageTimeout("late")])


def parse(record):
    return record


def pages(record):
    yield record


def instead(error, record):
    return record


def never():
    return 0.0


def policy(kind="map", fn=parse, **options):
    """The policy of a stage with these options."""
    flow = Flow("f")
    getattr(flow, kind)(fn, **options)
    return flow.graph.root.failing


def decide(given, error, failures=0):
    return given.decide(error, failures, never)


def test_a_stage_that_says_nothing_halts_its_run():
    assert decide(policy(), ValueError()) == Halt()
    assert policy() == FailurePolicy()


def test_failures_are_retried_as_often_as_it_says_and_later_each_time():
    given = policy(retries=3, on_error="dead")
    assert [decide(given, ValueError(), failures) for failures in range(5)] == [
        Retry(1.0), Retry(2.0), Retry(4.0), Dead(), Dead(),
    ]  # fmt: skip
    assert decide(policy(retries=0), ValueError()) == Halt()


@pytest.mark.parametrize(
    ("backoff", "waits"),
    [
        (3, [3.0, 6.0, 12.0]),
        (0, [0.0, 0.0, 0.0]),
        ("500ms", [0.5, 1.0, 2.0]),
        ("2m", [120.0, 240.0, 300.0]),
        (dt.timedelta(hours=1), [3600.0] * 3),
        (Backoff(7, factor=1), [7.0] * 3),
        (Backoff(1, factor=10, most=50), [1.0, 10.0, 50.0]),
    ],
)
def test_the_wait_before_a_retry_is_the_stages_own(backoff, waits):
    given = policy(retries=9, backoff=backoff)
    assert [decide(given, ValueError(), failures) for failures in range(3)] == [
        Retry(wait) for wait in waits
    ]


@given(
    backoff=st.builds(
        Backoff,
        st.floats(0, 1e6),
        factor=st.floats(1, 1000),
        most=st.floats(0, 1e6),
        jitter=st.floats(0, 1),
    ),
    failures=st.integers(0, 10**6),
    chance=st.floats(0, 1),
)
def test_a_wait_is_never_longer_than_the_longest_nor_shorter_than_its_share(
    backoff, failures, chance
):
    whole = backoff.seconds(failures, never)
    wait = backoff.seconds(failures, lambda: chance)
    assert whole <= backoff.most
    assert whole * (1 - backoff.jitter) - 1e-6 <= wait <= whole
    assert backoff.seconds(failures + 1, never) >= whole


def test_only_what_is_worth_it_is_retried():
    given = policy(retries=3, retry_on=(OSError, LookupError), give_up_on=FileNotFoundError)
    assert decide(given, ConnectionError()) == Retry(1.0)
    assert decide(given, KeyError()) == Retry(1.0)
    assert decide(given, FileNotFoundError()) == Halt()
    assert decide(given, ValueError()) == Halt()


@pytest.mark.parametrize("error", [SystemExit(1), GeneratorExit(), asyncio.CancelledError()])
def test_what_is_no_exception_is_not_retried(error):
    assert decide(policy(retries=3, on_error="dead"), error) == Dead()


@pytest.mark.parametrize(
    "error",
    [
        NotSerializable("socket"),
        MalformedData("no"),
        ForeignFrame("f", frame_fingerprint="a", code_fingerprint="b"),
    ],
)
def test_what_would_fail_again_for_certain_is_not_retried(error):
    assert decide(policy(retries=3), error) == Halt()
    assert decide(policy(retries=3), ExceptionGroup("", [ValueError(), error])) == Halt()


def test_a_timeout_is_a_failure_like_others():
    assert decide(policy(retries=3), StageTimeout("late")) == Retry(1.0)
    assert decide(policy(retries=3, give_up_on=StageTimeout), StageTimeout("late")) == Halt()


def test_a_stage_may_say_itself_when_to_try_again():
    unlimited, thrice = policy(), policy(retries=3, retry_on=OSError)
    assert decide(unlimited, RetryAfter(30), 10**6) == Retry(30.0)
    assert decide(thrice, RetryAfter(0), 2) == Retry(0.0)
    assert decide(thrice, RetryAfter(30), 3) == Halt()
    assert decide(policy(retries=3, give_up_on=RetryAfter), RetryAfter(30)) == Halt()
    assert decide(policy(retries=0), RetryAfter(30)) == Halt()


def test_a_group_is_retried_if_everything_in_it_is():
    def group(*errors):
        return BaseExceptionGroup("several", errors)

    given = policy(retries=3, retry_on=OSError, give_up_on=FileNotFoundError)
    assert decide(given, group(OSError(), group(ConnectionError()))) == Retry(1.0)
    assert decide(given, group(OSError(), PauseFlow())) == Retry(1.0)
    assert decide(given, group(OSError(), RetryAfter(60), RetryAfter(20))) == Retry(60.0)
    assert decide(given, group(OSError(), ValueError())) == Halt()
    assert decide(given, group(OSError(), FileNotFoundError())) == Halt()
    assert decide(policy(retries=3), group(OSError(), SystemExit())) == Halt()
    assert decide(policy(), group(RetryAfter(60), RetryAfter(20))) == Retry(60.0)
    assert decide(policy(), group(RetryAfter(60), OSError())) == Halt()
    assert decide(policy(retries=1, retry_on=ExceptionGroup), group(ValueError())) == Retry(1.0)


@given(
    error=ERRORS,
    failures=st.integers(0, 9),
    retries=st.none() | st.integers(0, 9),
    ends=st.sampled_from([{}, {"on_error": "dead"}, {"fallback": instead}]),
)
def test_a_record_is_retried_or_comes_to_the_end_that_was_asked_for(error, failures, retries, ends):
    given = policy(retries=retries, **ends)
    match decide(given, error, failures):
        case Retry(seconds):
            assert seconds >= 0
            assert isinstance(error, RetryAfter) if retries is None else failures < retries
        case Fallback(make):
            assert make is ends["fallback"]
        case Dead():
            assert ends == {"on_error": "dead"}
        case Halt():
            assert ends == {}


def test_a_fallback_is_what_a_function_as_on_error_is():
    for made in (policy(fallback=instead), policy(on_error=instead)):
        assert decide(made, ValueError()) == Fallback(instead)
        assert made.last() == Halt()
    dead = policy("branch", pages, fallback=instead, on_error="dead")
    assert decide(dead, ValueError()) == Fallback(instead)
    assert dead.last() == Dead()


def test_finished_is_retried_as_its_branch_is():
    flow = Flow("f")
    flow.branch(
        pages, finished=lambda: None, retries=2, fallback=instead, timeout=3, on_error="dead"
    )
    over = flow.graph["pages.finished"]
    assert over.failing == policy(retries=2, on_error="dead")
    assert over.timeout is None


def test_retry_after_tells_its_wait_and_reason():
    assert RetryAfter(dt.timedelta(minutes=2)).seconds == 120.0
    assert RetryAfter("120").seconds == 120.0
    assert str(RetryAfter(2.5)) == "try again in 2.5 s"
    copy = pickle.loads(pickle.dumps(RetryAfter(90, "429 from example.org")))
    assert str(copy) == "429 from example.org: try again in 90 s"
    assert copy.seconds == 90


@pytest.mark.parametrize(
    "seconds", [-1, float("nan"), float("inf"), 10**400, "tomorrow", None, True]
)
def test_a_wait_that_is_none_is_refused_where_it_is_written(seconds):
    with pytest.raises((TypeError, ValueError), match="RetryAfter's seconds"):
        RetryAfter(seconds)


@pytest.mark.parametrize(
    "given", [{"first": -1}, {"factor": 0.5}, {"jitter": 2}, {"most": None}, {"first": True}]
)
def test_a_backoff_that_makes_no_sense_is_refused_where_it_is_written(given):
    with pytest.raises((TypeError, ValueError), match=next(iter(given))):
        Backoff(**given)


def test_the_fingerprint_does_not_tell_how_failures_are_dealt_with():
    plain, careful = Flow("f"), Flow("f")
    plain.map(parse)
    careful.map(parse, retries=3, on_error="dead", timeout=3)
    assert plain.graph.fingerprint == careful.graph.fingerprint


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"retries": -1}, ["stage 'parse': retries=-1 must be a number, 0 or more"]),
        ({"retries": True}, ["retries=True"]),
        ({"retries": "3"}, ["retries='3'"]),
        ({"retrys": 3}, ["did you mean retries="]),
        ({"retry_on": OSError}, ["retry_on=", "add retries=5"]),
        ({"backoff": 2}, ["backoff=", "add retries=5"]),
        ({"retries": 1, "backoff": -1}, ["backoff=-1", "0 to 100 years"]),
        ({"retries": 1, "backoff": "soon"}, ["backoff='soon'", "'500ms'"]),
        ({"retries": 1, "backoff": [1, 2]}, ["backoff=[1, 2]", "or a Backoff"]),
        (
            {"retries": 1, "retry_on": "OSError"},
            ["retry_on= takes an exception class", "'OSError'"],
        ),
        ({"retries": 1, "retry_on": (OSError, 3)}, ["and 3 is none"]),
        ({"retries": 1, "retry_on": ()}, ["retry_on=() names no exception"]),
        ({"retries": 1, "retry_on": BaseException}, ["derives from Exception"]),
        ({"retries": 1, "give_up_on": ValueError()}, ["give_up_on=", "ValueError()"]),
        ({"on_error": "deed"}, ["on_error='deed'", "did you mean 'dead'"]),
        ({"on_error": "ignore"}, ["'halt', 'dead', or a function"]),
        ({"on_error": instead, "fallback": instead}, ["on_error= or fallback=, not both"]),
        ({"fallback": 3}, ["fallback=...", "3"]),
        ({"fallback": parse}, ["the error and the record", "parse(record)"]),
        ({"fallback": lambda: 3}, ["the error and the record"]),
        ({"timeout": 0}, ["timeout=0", "more than no time"]),
        ({"timeout": "x"}, ["'parse': timeout='x'"]),
        ({"timeout": 3, "threads": 4}, ["timeout= and threads=4", "concurrency=4"]),
    ],
)
def test_a_mistake_is_found_when_it_is_written_and_says_what_to_write(options, parts):
    with pytest.raises(FlowDefinitionError) as caught:
        policy(**options)
    for part in parts:
        assert part in str(caught.value)


def test_a_filter_and_an_each_have_no_output_to_fall_back_on():
    with pytest.raises(FlowDefinitionError, match="return True or False"):
        policy("filter", fallback=instead)
    with pytest.raises(FlowDefinitionError, match="on_error='dead'"):
        policy("each", on_error=instead)


async def later(error, record):
    return record


def several(error, record):
    yield record


@pytest.mark.parametrize("fallback", [later, several])
def test_a_fallback_is_a_plain_function(fallback):
    with pytest.raises(FlowDefinitionError, match="a plain function that returns one record"):
        policy(fallback=fallback)
