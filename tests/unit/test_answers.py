"""What a record that waited for a signal or a job is woken with, at each kind of stage."""

import pytest

from pauseflow import Flow, JobFailed, MalformedData, PauseFlow, SignalTimeout, current
from pauseflow.answer import Answer
from pauseflow.stages import Budget, Done, Failed, Paused, Work, runner_for
from pauseflow.stages.state import State

YES = Answer.of_signal("approval", "yes")
LATE = Answer("timeout", "approval")


def ask(document):
    answer = yield PauseFlow(until="approval", timeout=60)
    yield (document, answer)


def ask_kindly(document):
    try:
        answer = yield PauseFlow(until="approval")
    except SignalTimeout as late:
        answer = f"late: {late.name}"
    yield (document, answer)


def ask_by_raising(document):
    yield "asked"
    raise PauseFlow(until="approval")
    yield (document, "never told")


def wait_for(name):
    if current().signalled != name:
        raise PauseFlow(until=name)
    return current().signal


def ask_below(document):
    yield "first"
    answer = wait_for("approval")
    yield (document, answer)


def approved(document):
    return (document, wait_for("approval"))


async def approved_later(document):
    return (document, wait_for("approval"))


async def ask_async(document):
    answer = yield PauseFlow(until="approval")
    yield (document, answer)


class Asking:
    def __init__(self, document):
        self.document = document
        self.asked = False

    def __iter__(self):
        return self

    def __next__(self):
        if self.asked:
            raise StopIteration
        answer = wait_for("approval")
        self.asked = True
        return (self.document, answer)


BRANCHES = [ask, ask_kindly, ask_below, ask_async, Asking]
FUNCTIONS = [approved, approved_later]


def runner(fn, **options):
    flow = Flow("f")
    flow.map(fn, **options) if fn in FUNCTIONS else flow.branch(fn, **options)
    return runner_for(flow.graph.root, "f")


def first_pause(running, items):
    outcome = running.run(Work("r", 0, items), Budget(1.0))
    assert isinstance(outcome.end, Paused), outcome.end
    assert outcome.end.pause.waits_for == "approval"
    return outcome


def at_once(fn):
    return {"concurrency": 2} if fn in (approved_later, ask_async) else {"threads": 2}


@pytest.mark.parametrize(
    ("fn", "options"),
    [(fn, options) for fn in (*BRANCHES, *FUNCTIONS) for options in ({}, at_once(fn))],
)
def test_the_answer_of_a_signal_reaches_the_record_that_waited(fn, options):
    running = runner(fn, **options)
    before = first_pause(running, ["doc"])
    work = Work("r", 0, ["doc"], before.frames, answer=YES)
    outcome = running.run(work, Budget(1.0))
    assert isinstance(outcome.end, Done)
    assert outcome.outputs[-1] == ("doc", "yes")
    running.close()


@pytest.mark.parametrize("fn", [ask, ask_async, ask_kindly])
def test_without_an_answer_it_waits_again(fn):
    running = runner(fn)
    before = first_pause(running, ["doc"])
    again = running.run(Work("r", 0, ["doc"], before.frames), Budget(1.0))
    assert isinstance(again.end, Paused)
    assert again.end.pause.waits_for == "approval"
    assert again.outputs == []
    running.close()


@pytest.mark.parametrize("fn", [ask, ask_async, ask_below, Asking, *FUNCTIONS])
def test_a_timeout_is_raised_at_the_pause(fn):
    running = runner(fn)
    before = first_pause(running, ["doc"])
    outcome = running.run(Work("r", 0, ["doc"], before.frames, answer=LATE), Budget(1.0))
    assert isinstance(outcome.end, Failed)
    assert isinstance(outcome.end.error, SignalTimeout)
    running.close()


def test_a_timeout_can_be_caught():
    running = runner(ask_kindly)
    before = first_pause(running, ["doc"])
    outcome = running.run(Work("r", 0, ["doc"], before.frames, answer=LATE), Budget(1.0))
    assert outcome.outputs == [("doc", "late: approval")]


def test_a_failed_job_is_raised_at_the_pause():
    def waits(_):
        yield (yield PauseFlow(job="j1"))

    running = runner(waits)
    before = running.run(Work("r", 0, [1]), Budget(1.0))
    assert before.end.pause.waits_for == "job:j1"
    lost = Answer.of_failed("j1", "ValueError", "no", "Traceback ...")
    outcome = running.run(Work("r", 0, [1], before.frames, answer=lost), Budget(1.0))
    assert isinstance(outcome.end.error, JobFailed)
    assert str(outcome.end.error) == "job 'j1' failed: ValueError: no"
    done = Answer.of_done("j1", {"a": 1})
    assert running.run(Work("r", 0, [1], before.frames, answer=done), Budget(1.0)).outputs == [
        {"a": 1}
    ]


def test_raised_in_the_body_it_goes_on_after_that_point():
    running = runner(ask_by_raising)
    before = first_pause(running, ["doc"])
    assert before.outputs == ["asked"]
    outcome = running.run(Work("r", 0, ["doc"], before.frames, answer=YES), Budget(1.0))
    assert outcome.outputs == [("doc", "never told")]
    late = running.run(Work("r", 0, ["doc"], before.frames, answer=LATE), Budget(1.0))
    assert isinstance(late.end, Failed)
    assert isinstance(late.end.error, SignalTimeout)


def test_an_answer_is_that_of_its_record_alone():
    told = []

    def look(document):
        told.append((document, current().signalled))
        return document

    flow = Flow("f")
    flow.map(look)
    runner_for(flow.graph.root, "f").run(Work("r", 7, ["a", "b"], answer=YES), Budget(1.0))
    assert told == [("a", "approval"), ("b", None)]


def test_a_later_record_of_a_parallel_chunk_still_waits_when_its_turn_comes():
    """What waits ahead of its turn must not go on with nothing."""
    flow = Flow("f")
    flow.branch(ask, threads=3)
    running = runner_for(flow.graph.root, "f")
    before = first_pause(running, ["a", "b", "c"])
    work = Work("r", 0, ["a", "b", "c"], before.frames, answer=YES)
    outcome = running.run(work, Budget(1.0))
    assert outcome.outputs == [("a", "yes")]
    assert outcome.consumed == 1
    assert isinstance(outcome.end, Paused)
    assert outcome.end.pause.waits_for == "approval"
    assert outcome.end.pause.wake_at(0.0) is not None
    running.close()


def test_what_is_written_down_comes_back():
    state = State({0: b"f1", 3: b"x"}, YES, 2)
    assert State.parse(state.pack(), 4) == state
    assert State().pack() == b""
    assert State.parse(b"", 0) == State()


@pytest.mark.parametrize("data", [b"\x00", b"\x93\x01\x02\x03", State({5: b"x"}).pack()])
def test_damaged_state_is_malformed(data):
    with pytest.raises(MalformedData):
        State.parse(data, 4)


@pytest.mark.parametrize("data", [b"", b"signal", b"signal x", b"no approval\n", b"x" * 1000])
def test_a_damaged_answer_is_malformed(data):
    with pytest.raises(MalformedData):
        Answer.parse(data).value()
