"""assert_resumable finds flows that are wrong, says where, and lets right ones pass."""

import random
import runpy
import time
from pathlib import Path

import pytest

from pauseflow import Flow, PauseFlow, StageFailed, current
from pauseflow.testing import NotResumed, assert_resumable

EXAMPLES = Path(__file__).parents[3] / "examples"


def flow_of(*stages, name="orders"):
    flow = handle = Flow(name)
    for stage in stages:
        kind, fn, options = (*stage, {})[:3]
        handle = getattr(handle, kind)(fn, **options)
    return flow


def numbers(count):
    yield from range(count)


def double(number):
    return number * 2


def failure(flow, value, **options):
    """What is said of a flow that is wrong."""
    with pytest.raises(NotResumed) as caught:
        assert_resumable(flow, value, **options)
    return str(caught.value)


# right ones


def pausing(count):
    total = 0
    for number in range(count):
        total += number
        yield total
        yield PauseFlow(after=3600)


class Countdown:
    def __init__(self, count):
        self.left = count

    def __iter__(self):
        return self

    def __next__(self):
        if not self.left:
            raise StopIteration
        self.left -= 1
        if self.left % 2:
            raise PauseFlow
        return self.left


async def later(number):
    if current().attempt == 0 and number % 2:
        raise OSError
    return number


def growing(count):
    row = []
    for number in range(count):
        row.append(number)
        yield row


@pytest.mark.parametrize(
    "stages",
    [
        [("branch", numbers), ("map", double)],
        [("branch", pausing), ("filter", bool), ("map", double)],
        [("branch", Countdown)],
        [("branch", growing), ("map", len)],
        [("branch", numbers), ("branch", pausing, {"ordered": False}), ("map", double)],
        [("branch", numbers, {"finished": lambda: None}), ("branch", pausing)],
        [("branch", numbers), ("map", later, {"retries": 3, "backoff": 60})],
        [("branch", numbers), ("map", lambda x: 6 // x, {"name": "d", "on_error": "dead"})],
        [("branch", pausing, {"threads": 2}), ("map", double, {"threads": 2})],
    ],
    ids=[
        "plain",
        "pauses",
        "iterator",
        "growing",
        "unordered",
        "finished",
        "retries",
        "dead",
        "threads",
    ],
)
def test_right_flows_pass(stages):
    assert_resumable(flow_of(*stages), 4, seconds=0.1)


@pytest.mark.parametrize(("name", "value"), [("a", 2), ("b", 3), ("c", 5)])
def test_the_flows_of_the_mail_pass(name, value, capsys):
    flow = runpy.run_path(str(EXAMPLES / "seed.py"))[name]
    assert_resumable(flow, value, exhaustive=name == "c")


def test_the_approvals_pass_with_a_person_that_remembers(tmp_path):
    (tmp_path / "long.md").write_text("# Long\n" + "word " * 1_200)
    (tmp_path / "short.md").write_text("# Short\nenough\n")
    example = runpy.run_path(str(EXAMPLES / "approvals.py"))
    folder = str(tmp_path)
    assert_resumable(example["flow"], folder, signals=example["Person"](folder).decide)


def test_a_flow_that_halts_says_so():
    with pytest.raises(StageFailed, match="ZeroDivisionError"):
        assert_resumable(flow_of(("map", lambda x: 1 / x, {"name": "divide"})), 0)


# wrong ones

SEEN = set()
POSITIONS = {}
COUNTED = []


@pytest.fixture(autouse=True)
def nothing_yet(monkeypatch):
    monkeypatch.setattr("pauseflow.testing.resumable.NARROWING_SECONDS", 60)
    SEEN.clear()
    POSITIONS.clear()
    COUNTED.clear()


def first_time(number):
    """Wrong: what was seen is known to this process only, and what is done again was seen."""
    if number in SEEN:
        return False
    SEEN.add(number)
    return True


def test_a_filter_that_remembers_in_a_global_is_found():
    message = failure(flow_of(("branch", numbers), ("filter", first_time)), 3)
    assert "did not do the same when it was run twice" in message
    assert "stage 'first_time', record resumed:first_time:0 (0)" in message
    assert "the global 'SEEN'" in message


def numbered(count):
    """Wrong: the number lives in the function around it."""
    last = 0

    def number(record):
        nonlocal last
        last = 0 if record == 0 else last + 1
        return (last, record)

    return flow_of(("branch", numbers), ("map", number))


def test_a_closure_that_counts_is_found():
    message = failure(numbered(5), 5)
    assert "it parts at stage 'number', record resumed:number:1 (1)" in message
    assert "without interruption: [(1, 1)]" in message
    assert "with it: [(2, 1)]" in message
    assert "resumed:number:1, which was done (1 given)" in message
    assert "before its call arrived" in message
    assert "repeat it with: assert_resumable(orders, ..., seed=0" in message
    assert "'last', in the function around 'number'" in message


class Pages:
    """Wrong: where it stands is the class's, which no frame has."""

    def __init__(self, count):
        self.count = count
        POSITIONS[count] = 0

    def __iter__(self):
        return self

    def __next__(self):
        if POSITIONS[self.count] == self.count:
            raise StopIteration
        POSITIONS[self.count] += 1
        return POSITIONS[self.count]


def test_an_iterator_whose_position_is_elsewhere_is_found():
    message = failure(flow_of(("branch", Pages), ("map", double)), 5)
    assert "it parts at stage 'Pages', record resumed:Pages:0 (5)" in message
    assert "without interruption: [1, 2, 3, 4, 5]" in message
    assert "the global 'POSITIONS'" in message


def remembering(count):
    """Wrong, but not for as long as it stays in one process."""
    POSITIONS["size"] = count
    for number in range(3):
        yield number
        yield PauseFlow()
    yield POSITIONS.get("size", "forgotten")


def test_what_another_process_would_not_have_is_found():
    flow = flow_of(("branch", remembering), ("map", str))
    message = failure(flow, 7)
    assert "as it was at first" in message
    assert "it parts at stage 'remembering', record resumed:remembering:0 (7)" in message
    assert "with it: [0, 1, 2, 'forgotten']" in message
    assert_resumable(flow, 7, afresh=False, seconds=0.2)


def tagged(record, tags=[]):  # noqa: B006 # what is to be found
    """Wrong: one list for all records."""
    if record == 0:
        tags.clear()
    tags.append(record)
    return list(tags)


def test_a_default_that_records_share_is_found():
    message = failure(flow_of(("branch", numbers), ("map", tagged)), 3)
    assert "it parts at stage 'tagged', record resumed:tagged:1 (1)" in message
    assert "a parameter's default of 'tagged'" in message


def drawn(number):
    return number + random.random()


def test_random_numbers_are_told_of():
    message = failure(flow_of(("branch", numbers), ("map", drawn)), 3)
    assert "did not do the same when it was run twice" in message
    assert "stage 'drawn', record resumed:drawn:0 (0)" in message
    assert "Does it depend on random numbers" in message


def stamped(number):
    return (number, time.time())


def test_the_time_is_the_same_in_each_run():
    assert_resumable(flow_of(("branch", pausing), ("map", stamped)), 3, seconds=0.3)


def sends(number):
    """Right: the world outside hears of it more often, and is told by what."""
    COUNTED.append(current().key)
    return number


def test_effects_outside_may_come_again():
    assert_resumable(flow_of(("branch", numbers), ("map", sends)), 3, seconds=0.2)
    assert set(COUNTED) == {f"resumed:sends:{number}" for number in range(3)}
    assert len(COUNTED) > 20


def flaky(number):
    """The world outside is played by a global: it is busy once."""
    COUNTED.append(number)
    if COUNTED.count(number) == 1:
        raise PauseFlow(after=5)
    return number


def test_a_world_outside_that_is_played_by_a_global_does_not_end_the_test():
    assert_resumable(flow_of(("branch", numbers), ("map", flaky)), 3, seconds=0.2)


def test_it_is_bounded_in_time():
    began = time.perf_counter()
    assert_resumable(flow_of(("branch", numbers), ("map", double)), 40, seconds=0.1)
    assert time.perf_counter() - began < 30


def test_of_many_steps_one_is_told_if_there_is_no_time_to_find_it(monkeypatch):
    monkeypatch.setattr("pauseflow.testing.resumable.NARROWING_SECONDS", 0)
    message = failure(numbered(3), 3)
    assert "the last of 10 steps: the worker was thrown away when it committed" in message
    assert "results: [(0, 0), (2, 1), (4, 2)], rather than [(0, 0), (1, 1), (2, 2)]" in message


def fails_the_second_time(number):
    COUNTED.append(number)
    if COUNTED.count(number) > 3:
        raise ValueError("seen")
    return number


def test_a_run_that_halts_only_with_interruptions_is_found():
    message = failure(flow_of(("map", fails_the_second_time)), 1, afresh=False)
    assert "stage 'fails_the_second_time' failed on record" in message
    assert "ValueError: seen" in message


def sometimes_dead(number):
    COUNTED.append(number)
    if COUNTED.count(number) > 4:
        raise ValueError("seen")
    return number


def test_other_dead_letters_are_found():
    flow = flow_of(("branch", numbers), ("map", sometimes_dead, {"on_error": "dead"}))
    message = failure(flow, 2, afresh=False)
    assert "dead letters: [('sometimes_dead'," in message
    assert "by now it does not give the same without any interruption either" in message


def test_the_seed_repeats_a_failure():
    assert failure(numbered(3), 3, seed=7) == failure(numbered(3), 3, seed=7)
    assert "seed=7" in failure(numbered(3), 3, seed=7)
