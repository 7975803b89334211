"""The gate: which records of a chunk run now, and what becomes of the others."""

import time
from dataclasses import replace

import pytest

from pauseflow import Flow, PauseFlow
from pauseflow.answer import Answer
from pauseflow.codec import Marker
from pauseflow.errors import MalformedData, ServerRefused, ServerUnreachable
from pauseflow.limits import Rate
from pauseflow.stages import Budget, Done, Failed, Paused, Sliced, Work, runner_for
from pauseflow.stages.frame import Frame
from pauseflow.store.keys import Keys
from pauseflow.store.permits import Permits
from pauseflow_workers.gate import Gate, GatedRunner, Refused
from pauseflow_workers.turnstile import Turnstile
from support import jobflows

NOW = 2_000_000_000  # ms, virtual; what is refused "now" by it is long past by ours
HOSTS = ["a", "a", "b", "a", "c", "b"]


class Post:
    """One worker's gated runner of one stage, under a virtual clock."""

    def __init__(self, server, stage, name="w"):
        self.keys, self.seen = Keys(), []
        self.permits = Permits(self.keys, name)
        self.wire = server.wire()
        self.turnstile = Turnstile(self.wire, self.permits)
        self.gate = Gate("f", stage, self.turnstile)
        self.gate._reach = 64
        self.runner = GatedRunner(runner_for(stage, "f"), self.gate)
        self.at(0)

    def at(self, ms):
        self.permits.now_us = (NOW + ms) * 1000
        wire = self.wire if not self.turnstile._under_way else None
        if wire:
            wire.call(("ZADD", self.keys.leases, NOW + ms + 2_500, self.permits._worker))
        return self

    def run(self, items, **options):
        budget = options.pop("budget", None) or Budget(5)
        return self.runner.run(Work(options.pop("run", "r"), 0, items, **options), budget)


def stage_of(build, **options):
    flow = Flow("f")
    build(flow, options)
    return flow.graph.stages[0]


def map_stage(fn, **options):
    return stage_of(lambda flow, options: flow.map(fn, name="s", **options), **options)


def branch_stage(fn, **options):
    return stage_of(lambda flow, options: flow.branch(fn, name="s", **options), **options)


def double(value):
    return 2 * value


def ident(value):
    return value


@pytest.fixture
def server(fake):
    yield fake
    wire = fake.wire()
    wire.call(("FLUSHALL",))


def test_an_ordered_stage_runs_what_has_a_permit_and_the_rest_waits(server):
    post = Post(server, map_stage(double, rate=Rate("10/s", burst=3)))
    outcome = post.run([1, 2, 3, 4, 5])
    assert (outcome.outputs, outcome.consumed, outcome.frames) == ([2, 4, 6], 3, {})
    match outcome.end:
        case Paused(Refused(why="rate", wake=wake, note="10/s (rate:f/s)")):
            assert wake == NOW + 100
        case _:
            raise AssertionError(outcome.end)
    outcome = post.run([4, 5])
    assert (outcome.outputs, outcome.consumed) == ([], 0)
    assert isinstance(outcome.end, Paused)
    assert post.at(100).run([4]).outputs == [8]


def test_a_whole_chunk_with_permits_is_done(server):
    post = Post(server, map_stage(double, rate="1000/s", limit=3))
    outcome = post.run([1, 2, 3])
    assert (outcome.outputs, outcome.end) == ([2, 4, 6], Done())
    assert post.run([]).end == Done()


def test_a_bounded_number_is_asked_for_and_the_rest_goes_on_at_once(server):
    post = Post(server, map_stage(ident, rate="100000/s"))
    outcome = post.run(list(range(100)))
    assert (len(outcome.outputs), outcome.consumed, outcome.end) == (64, 64, Sliced())


def test_a_slow_stage_soon_asks_for_no_more_than_it_comes_to(server):
    post = Post(server, map_stage(ident, rate=Rate("10/s", burst=60)))
    alone = Budget(0.0, max_outputs=1, stride=1)
    assert post.run(list(range(50)), budget=alone).consumed == 1
    assert post.gate._reach == 1
    assert post.run(list(range(50))).consumed == 1
    assert [post.run(list(range(50))).consumed for _ in range(3)] == [2, 4, 8]
    left = post.run(list(range(64)))
    assert (left.consumed, isinstance(left.end, Sliced)) == (16, True)
    assert post.run(list(range(64))).consumed == 60 - 1 - 1 - 2 - 4 - 8 - 16, "none was lost"


@pytest.mark.parametrize("options", [{}, {"threads": 2}])
def test_where_records_do_not_wait_for_each_other_each_host_goes_at_its_own_pace(server, options):
    stage = map_stage(ident, rate=("10/s", ident), ordered=False, **options)
    post = Post(server, stage)
    outcome = post.run(list(HOSTS))
    assert sorted(outcome.outputs) == ["a", "b", "c"]
    assert (outcome.consumed, outcome.end) == (6, Done())
    waits = {each.index: (each.pause.wake - NOW, each.frame) for each in outcome.parked}
    assert waits == {1: (100, None), 3: (200, None), 5: (100, None)}
    assert outcome.parked[0].pause.note == "10/s (rate:f/s:a)"
    post.runner.close()


def test_a_slice_that_ends_early_leaves_the_refused_as_they_were(server):
    stage = map_stage(ident, rate=("10/s", ident), ordered=False)
    outcome = Post(server, stage).run(list(HOSTS), budget=Budget(0.0, max_outputs=1, stride=1))
    assert (outcome.consumed, outcome.frames, outcome.end) == (1, {}, Sliced())


def test_a_limit_is_for_the_whole_fleet_and_free_when_the_work_is_over(server):
    stage = map_stage(lambda x: others.run([x]).end, limit=1)
    others = Post(server, map_stage(ident, limit=1), "w2")
    post = Post(server, stage)
    (end,) = post.run([1]).outputs
    assert (end.pause.why, end.pause.note) == ("limit", "1 at once (limit:f/s)")
    post.turnstile.settle()
    assert others.run([1]).end == Done()


def test_no_more_run_at_once_than_have_a_slot(server):
    most, now = [], []

    def busy(value):
        now.append(value)
        most.append(len(now))
        now.remove(value)
        return value

    stage = map_stage(busy, limit=2, threads=8)
    post = Post(server, stage)
    outcome = post.run(list(range(20)))
    assert (outcome.outputs, outcome.consumed, outcome.end) == ([0, 1], 2, Sliced())
    assert max(most) <= 2
    post.runner.close()


def test_stages_of_one_name_share(server):
    one = Post(server, map_stage(ident, rate=Rate("1/s", name="api")))
    other = Post(server, map_stage(double, rate=Rate("1/s", name="api")), "w2")
    assert one.run([1]).outputs == [1]
    assert other.run([1]).outputs == []


def test_markers_and_what_is_done_need_no_permit(server):
    post = Post(server, map_stage(ident, rate="1/min"))
    marker = Marker("b", 0, None)
    outcome = post.run([marker, 1, marker, 2, marker], marked=True)
    assert (outcome.consumed, outcome.outputs[1], outcome.marked) == (3, 1, True)


def test_a_generator_needs_a_permit_after_a_pause_but_not_after_a_slice(server):
    def pages(url):
        for page in range(3):
            yield page
            yield PauseFlow(after=0)

    post = Post(server, branch_stage(pages, rate="1/min"))
    outcome = post.run(["url"])
    assert (outcome.outputs, isinstance(outcome.end, Paused)) == ([0], True)
    assert not isinstance(outcome.end.pause, Refused)
    frames = outcome.frames
    outcome = post.run(["url"], frames=frames)
    assert isinstance(outcome.end.pause, Refused)
    assert outcome.frames == frames
    outcome = post.at(60_000).run(["url"], frames=frames)
    assert (outcome.outputs, isinstance(outcome.end, Paused)) == ([1], True)

    def counting(_):
        yield from range(4)

    post = Post(server, branch_stage(counting, rate="1/min"), "w2").at(200_000)
    frames, outputs = {}, []
    for _ in range(10):
        budget = Budget(0.0, max_outputs=1, stride=1)
        outcome = post.run(["url"], frames=frames, budget=budget)
        frames = outcome.frames
        outputs += outcome.outputs
        if outcome.end == Done():
            break
        assert isinstance(outcome.end, Sliced)
    assert outputs == [0, 1, 2, 3]


def test_a_retry_counts(server):
    post = Post(server, map_stage(ident, rate="1/min"))
    assert post.run([1]).end == Done()
    assert isinstance(post.run([1], failures=1).end, Paused)


def test_what_fails_or_pauses_has_used_its_permit(server):
    def fail(value):
        raise ValueError(value)

    post = Post(server, map_stage(fail, rate=Rate("1/min", burst=3)))
    ends = [type(post.run([1, 2, 3]).end) for _ in range(4)]
    assert ends == [Failed, Failed, Failed, Paused]


def test_a_failing_key_function_is_the_records_failure(server):
    post = Post(server, map_stage(double, rate=("10/s", lambda record: record["host"])))
    outcome = post.run([{"host": "a"}, {}, {"host": "b"}])
    assert isinstance(outcome.end, Failed), "dicts can't be doubled, and that is the first failure"
    post = Post(server, map_stage(ident, rate=("10/s", lambda record: record["host"])), "w2")
    outcome = post.at(1_000).run([{"host": "a"}, {}, {"host": "b"}])
    assert (outcome.consumed, outcome.end) == (1, Sliced())
    outcome = post.run([{}, {"host": "b"}])
    assert (outcome.consumed, outcome.outputs) == (0, [])
    assert isinstance(outcome.end, Failed)
    assert isinstance(outcome.end.error, KeyError)


@pytest.mark.parametrize("error", [ServerUnreachable("gone"), ServerUnreachable("again")])
def test_without_an_answer_all_wait_a_while_and_slots_are_freed_later(server, monkeypatch, error):
    post = Post(server, map_stage(ident, rate="100/s", limit=1))
    taken = post.wire.receive

    def lost():
        taken()
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(post.wire, "receive", lost)
        outcome = post.run([1, 2])
    assert (outcome.consumed, outcome.end.pause.why) == (0, "rate")
    assert str(error) in outcome.end.pause.note
    other = Post(server, map_stage(ident, limit=1), "w2")
    assert isinstance(other.run([1]).end, Paused), "the slot was given, and nobody knows"
    post.turnstile.settle()
    assert other.run([1]).end == Done()


def test_a_worker_without_rights_is_told(server, monkeypatch):
    post = Post(server, map_stage(ident, limit=1))
    monkeypatch.setattr(post.wire, "receive", lambda: [ServerRefused("NOPERM")])
    with pytest.raises(ServerRefused):
        post.run([1])


def test_an_admission_is_one_round_trip(server, monkeypatch):
    post = Post(server, map_stage(ident, rate=("1000/s", str), limit=(5, str), ordered=False))
    sent, send = [], post.wire.send
    monkeypatch.setattr(post.wire, "send", lambda commands: (sent.append(commands), send(commands)))
    for _ in range(3):
        post.run(list(range(30)))
    assert [[command[0] for command in commands] for commands in sent] == [["EVALSHA"]] * 6
    post.turnstile.settle()


def test_a_record_that_waits_alone_needs_a_permit_to_go_on_whatever_it_waits_for(server):
    def steps(value):
        yield value
        yield (PauseFlow() if value == 1 else PauseFlow(after=1))
        yield 10 * value

    post = Post(server, branch_stage(steps, rate=Rate("1/min", burst=2), ordered=False))
    outcome = post.run([1, 2])
    assert outcome.outputs == [1, 2]
    frames = {each.index: each.frame for each in outcome.parked}
    assert [Frame.from_bytes(frames[index]).wake is not None for index in (0, 1)] == [True, True]
    for index, value in enumerate([1, 2]):
        awake = replace(Frame.from_bytes(frames[index]), wake=1.0).to_bytes()
        outcome = post.run([value], frames={0: awake})
        assert isinstance(outcome.end.pause, Refused), "the burst is used up"
        assert outcome.frames == {0: awake}


def test_a_function_that_waits_alone_is_called_again_with_another_permit(server):
    def ask(value):
        raise PauseFlow(until="tea")

    post = Post(server, map_stage(ask, rate=Rate("1/min", burst=2), ordered=False))
    outcome = post.run([1, 2])
    assert [(each.index, each.frame) for each in outcome.parked] == [(0, None), (1, None)]
    assert isinstance(post.run([1]).end.pause, Refused)


def test_what_still_sleeps_or_is_done_needs_no_permit(server):
    post = Post(server, map_stage(ident, rate="1/min"))
    asleep = Frame(wake=time.time() + 1_000).to_bytes()
    done = Frame(done=True, held=["held"]).to_bytes()
    end = post.run([1], frames={0: asleep}).end
    assert isinstance(end, Paused)
    assert not isinstance(end.pause, Refused)
    assert post.run([1], frames={0: done}).outputs == ["held"]
    assert post.run([2]).outputs == [2], "the permit is still there"
    assert isinstance(post.run([3]).end, Paused)


def test_a_damaged_frame_fails_its_record_and_needs_no_permit(server):
    post = Post(server, map_stage(ident, rate="1/min"))
    end = post.run([1], frames={0: b"nonsense"}).end
    assert isinstance(end, Failed)
    assert isinstance(end.error, MalformedData)
    assert post.run([2]).outputs == [2], "the permit is still there"


def test_a_job_needs_a_permit_to_begin_and_none_to_be_looked_at(server):
    stage = stage_of(lambda flow, _: flow.job(jobflows.double, rate="1/min"))
    post = Post(server, stage)
    post.runner.connect(server, "default")
    outcome = post.run([1])
    assert isinstance(outcome.end, Paused)
    job = outcome.end.pause.waits_for
    assert job.startswith("job:")
    for options in ({}, {"answer": Answer.of_done(job.removeprefix("job:"), 2)}):
        outcome = post.run([1], frames=outcome.frames, **options)
        assert not isinstance(getattr(outcome.end, "pause", None), Refused)
    assert (outcome.outputs, outcome.end) == ([2], Done())
    assert isinstance(post.run([2]).end.pause, Refused)


def test_after_a_lost_answer_the_next_question_frees_what_was_given(server, monkeypatch):
    post = Post(server, map_stage(ident, limit=1))
    taken = post.wire.receive
    with monkeypatch.context() as patch:
        patch.setattr(post.wire, "receive", lambda: taken() and lost())
        post.run([1])
    other = Post(server, map_stage(ident, limit=1), "w2")
    assert isinstance(other.run([1]).end, Paused), "the slot was given, and nobody knows"
    assert post.run([1]).end == Done()
    post.turnstile.settle()
    assert other.run([1]).end == Done()


def lost():
    raise ServerUnreachable("gone")


def test_slots_whose_leaving_got_lost_are_freed_when_a_server_is_there_again(
    server, monkeypatch, caplog
):
    post = Post(server, map_stage(ident, limit=1))
    other = Post(server, map_stage(ident, limit=1), "w2")
    send, sent = post.wire.send, []

    def broken(commands):
        sent.append(commands)
        if len(sent) == 2:
            lost()
        send(commands)

    with monkeypatch.context() as patch:
        patch.setattr(post.wire, "send", broken)
        assert post.run([1]).end == Done()
    assert "leaving what is under a rate or limit: gone" in caplog.text
    assert isinstance(other.run([1]).end, Paused)
    with monkeypatch.context() as patch:
        patch.setattr(post.wire, "send", lambda _: lost())
        with pytest.raises(ServerUnreachable):
            post.turnstile.settle()
    post.turnstile.settle()
    assert other.run([1]).end == Done()


def test_slots_that_a_server_did_not_free_are_freed_later(server, monkeypatch, caplog):
    post = Post(server, map_stage(ident, limit=1))
    other = Post(server, map_stage(ident, limit=1), "w2")
    with monkeypatch.context() as patch:
        patch.setattr(post.permits, "leave", lambda *_: ("NO SUCH COMMAND",))
        assert post.run([1]).end == Done()
    assert isinstance(other.run([1]).end, Paused)
    post.turnstile.settle()
    assert "leaving what is under a rate or limit: fakeredis answered with an error" in caplog.text
    assert other.run([1]).end == Done()
