"""Job stages: how they are declared, what goes to RQ and what comes back, without a process."""

import contextlib
import functools
import json
import os
import pickle
import sys
import time
import zlib
from base64 import b64encode
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rq import Queue
from rq.exceptions import AbandonedJobError
from rq.job import Job
from rq.serializers import resolve_serializer

from pauseflow import Flow, JobFailed, codec
from pauseflow.answer import Answer
from pauseflow.errors import (
    FlowDefinitionError,
    MalformedData,
    NotSerializable,
    PauseflowError,
    ServerFull,
    ServerRefused,
    ServerUnreachable,
)
from pauseflow.jobs import CodecSerializer, JobSpec, callbacks, performing
from pauseflow.jobs.call import Call
from pauseflow.jobs.endings import LOST, ending_of
from pauseflow.jobs.enqueuing import Enqueuer
from pauseflow.jobs.flowjob import FlowJob
from pauseflow.jobs.identity import JobKey, number_of
from pauseflow.jobs.spec import check_importable
from pauseflow.pause import PauseFlow
from pauseflow.stages import Budget, Failed, Outcome, Paused, Sliced, Work
from pauseflow.stages.frame import Frame
from pauseflow.stages.job import AHEAD, MOST_JOBS, JobRunner
from pauseflow.store.jobs import RqJob, RqJobs, rq_client
from support import jobflows
from support.servers import fake_server


@pytest.fixture
def fake():
    """A server in which RQ may leave whatever it leaves."""
    return fake_server()


# how a job stage is written


def test_a_job_stage_says_how_its_jobs_are():
    flow = Flow("f")
    flow.job(jobflows.double, queue="heavy", timeout="5m", result_ttl=timedelta(hours=2), retry=2)
    stage = flow.graph["double"]
    assert stage.job == JobSpec(queue="heavy", timeout=300, result_ttl=7200, retry=2)
    assert stage.timeout is None  # that one is for what runs in our own worker


def test_a_job_stage_needs_nothing_said():
    stage = Flow("f").job(jobflows.double).flow.graph["double"]
    assert stage.job == JobSpec(queue="pauseflow", timeout=600, result_ttl=3600, retry=0)
    assert stage.window > 4
    assert stage.ordered


class Thing:
    def method(self, record):
        return record

    @classmethod
    def made(cls, record):
        return record

    def __call__(self, record):
        return record


def wrapping(function):
    @functools.wraps(function)
    def wrapped(record):
        return function(record)

    return wrapped


@wrapping
def decorated(record):
    return record


def shadowed(record):
    return record


SHADOWED = shadowed


def shadowed(record):  # the name means this one now
    return record


@pytest.mark.parametrize("function", [decorated, Thing.made, len, Thing])
def test_what_has_a_name_can_be_a_job(function):
    check_importable(function, "s")


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (lambda x: x, "a lambda"),
        (functools.partial(shadowed), "functools.partial"),
        (Thing(), "an object of Thing"),
        (Thing().method, "not what"),
        (SHADOWED, "not what test_jobs.shadowed is"),
    ],
)
def test_what_has_no_name_is_refused_when_the_flow_is_built(function, why):
    with pytest.raises(FlowDefinitionError, match="can't be imported by name") as refused:
        Flow("f").job(function, name="s")
    assert why in str(refused.value)
    assert "stage 's'" in str(refused.value)
    assert "top level" in str(refused.value)


def test_a_nested_function_is_told_where_it_is_nested():
    def nested(x):
        return x

    with pytest.raises(FlowDefinitionError, match="defined inside test_a_nested_function_is_told"):
        Flow("f").job(nested)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"queue": ""}, "queue=''"),
        ({"queue": "a b"}, "queue='a b'"),
        ({"queue": 3}, "queue=3"),
        ({"timeout": 0}, "timeout=0"),
        ({"timeout": "soon"}, "timeout='soon'"),
        ({"result_ttl": 5}, "too short"),
        ({"result_ttl": -1}, "result_ttl=-1"),
        ({"retry": -1}, "retry=-1"),
        ({"retry": True}, "retry=True"),
        ({"retry": "3"}, "backoff="),
        ({"threads": 3}, "no threads="),
        ({"concurrency": 3}, "no concurrency="),
        ({"limit": 3}, "no limit="),
        ({"qeue": "heavy"}, "did you mean queue=?"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, said):
    with pytest.raises(FlowDefinitionError) as refused:
        Flow("f").job(jobflows.double, **options)
    assert said in str(refused.value)


def test_a_generator_is_no_job():
    with pytest.raises(FlowDefinitionError, match="use branch"):
        Flow("f").job(jobflows.numbers)


def test_a_local_run_calls_the_function():
    flow = Flow("f")
    flow.branch(jobflows.numbers).job(jobflows.later).job(jobflows.slowly)
    assert flow.run(3) == [10, 20, 30]


# what jobs hold


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
)


@given(values)
def test_the_serializer_gives_back_what_it_was_given(value):
    assert CodecSerializer.loads(CodecSerializer.dumps(value)) == value


def test_rq_takes_the_serializer_by_its_name():
    assert resolve_serializer("pauseflow.jobs.CodecSerializer") is CodecSerializer


@pytest.mark.parametrize("data", [pickle.dumps(("os.system", None, ("false",), {})), b"[]", b""])
def test_the_serializer_reads_nothing_that_others_wrote(data):
    with pytest.raises(MalformedData):
        CodecSerializer.loads(data)


def test_no_other_serializer_reads_what_it_wrote():
    data = CodecSerializer.dumps([1])
    with pytest.raises(pickle.UnpicklingError):
        pickle.loads(data)


def test_what_has_no_encoding_is_refused():
    with pytest.raises(NotSerializable):
        CodecSerializer.dumps(object())


# ids


def key(**changes):
    given = {
        "namespace": "default", "flow": "f", "stage": "s", "run": "r", "ordinal": 1,
        "failures": 0, "record": b"\x01",
    }  # fmt: skip
    return JobKey(**{**given, **changes})


def test_a_record_and_a_try_have_one_id():
    assert key().id() == key().id()


@pytest.mark.parametrize(
    "changes",
    [
        {"namespace": "other"}, {"flow": "g"}, {"stage": "t"}, {"run": "q"}, {"run": "r."},
        {"ordinal": 2}, {"failures": 1}, {"record": b"\x02"},
    ],
)  # fmt: skip
def test_whatever_differs_makes_another_id(changes):
    assert key(**changes).id() != key().id()


@given(run=st.from_regex(r"[A-Za-z0-9_.-]{1,120}", fullmatch=True), number=st.integers(1, 100))
def test_ids_are_what_rq_takes_and_their_number_can_be_read(run, number):
    made = key(run=run, stage="a.b-c_2").id(number)
    assert PauseFlow(job=made).waits_for == f"job:{made}"
    assert Job(made, connection=object()).id == made
    assert number_of(made) == number


# into the queue


@pytest.fixture
def enqueuer(fake):
    return Enqueuer(fake, "default")


@pytest.fixture
def queue(fake):
    return Queue("pauseflow", connection=rq_client(fake), serializer=CodecSerializer)


def call(record=3, ordinal=0, stage="double"):
    return Call("default", "r1", "f", stage, ordinal, 0, codec.encode(record))


def test_a_record_is_put_into_the_queue_once(enqueuer, queue):
    first = enqueuer.put(call(), JobSpec(retry=2, timeout=77))
    assert enqueuer.put(call(), JobSpec()) == first
    assert queue.job_ids == [first]
    job = queue.fetch_job(first)
    assert Call.of(list(job.args)) == call()
    assert (job.timeout, job.result_ttl, job.retries_left) == (77, 3600, 2)
    assert job.description == "f: r1:double:0"


@pytest.mark.parametrize("end", ["canceled", "failed", "stopped"])
def test_a_job_that_has_failed_before_is_not_taken_for_a_new_try(enqueuer, queue, end):
    first = enqueuer.put(call(), JobSpec())
    queue.fetch_job(first).set_status(end)
    queue.empty  # noqa: B018 # it stays in its queue, as far as we are concerned
    second = enqueuer.put(call(), JobSpec())
    assert second == f"{first}_2"
    assert enqueuer.put(call(), JobSpec()) == second


def test_a_job_that_is_done_is_not_done_again(enqueuer, queue):
    first = enqueuer.put(call(), JobSpec())
    queue.fetch_job(first).set_status("finished")
    assert enqueuer.put(call(), JobSpec()) == first


# the runner


def runner(enqueuer, **options):
    flow = Flow("f")
    flow.job(jobflows.double, **options)
    return JobRunner(flow.graph.root, "f", enqueuer)


def work(items, **more):
    return Work("r1", 0, list(items), marked=any(map(_is_marker, items)), **more)


def _is_marker(item):
    return type(item) is codec.Marker


def go_on(before, outcome, answer=None):
    """The work that is left, as the engine would give it."""
    return Work(
        before.run,
        before.ordinal + outcome.consumed,
        before.items[outcome.consumed :],
        dict(outcome.frames),
        marked=before.marked,
        answer=answer,
    )


def waits_for(outcome: Outcome) -> str:
    assert isinstance(outcome.end, Paused), outcome.end
    assert outcome.end.pause.waits_for.startswith("job:")
    return outcome.end.pause.waits_for.removeprefix("job:")


def test_records_of_a_chunk_are_with_rq_together_and_come_back_in_order(enqueuer, queue):
    run = runner(enqueuer)
    given = work([1, 2, 3])
    outcome = run.run(given, Budget())
    assert (outcome.outputs, outcome.consumed) == ([], 0)
    ids = queue.job_ids
    assert len(ids) == 3
    results = []
    for number, job_id in enumerate(ids):
        assert waits_for(outcome) == job_id
        given = go_on(given, outcome, Answer.of_done(job_id, number * 10))
        outcome = run.run(given, Budget())
        results += outcome.outputs
    assert results == [0, 10, 20]
    assert not given.items[outcome.consumed :]
    assert queue.job_ids == ids


def test_a_chunk_has_not_more_than_so_many_records_with_rq(enqueuer, queue):
    run = runner(enqueuer)
    given = work(range(AHEAD + 5))
    outcome = run.run(given, Budget())
    assert len(queue) == AHEAD
    first = waits_for(outcome)
    run.run(go_on(given, outcome, Answer.of_done(first, None)), Budget())
    assert len(queue) == AHEAD + 1


def test_an_answer_to_another_job_is_not_taken(enqueuer):
    run = runner(enqueuer)
    given = work([1])
    outcome = run.run(given, Budget())
    again = run.run(go_on(given, outcome, Answer.of_done("other", 5)), Budget())
    assert again.outputs == []
    assert waits_for(again) == waits_for(outcome)


def test_markers_keep_their_place(enqueuer):
    run = runner(enqueuer)
    marker = codec.Marker("b", 0, None)
    given = work([marker, 1, marker])
    outcome = run.run(given, Budget())
    assert outcome.outputs == [marker]
    assert outcome.marked
    outcome = run.run(go_on(given, outcome, Answer.of_done(waits_for(outcome), 5)), Budget())
    assert outcome.outputs == [5, marker]


def test_records_of_an_unordered_stage_wait_alone(enqueuer, queue):
    run = runner(enqueuer, ordered=False)
    outcome = run.run(work([1, 2]), Budget(10))
    assert (outcome.consumed, outcome.outputs) == (2, [])
    assert [each.pause.waits_for for each in outcome.parked] == [f"job:{i}" for i in queue.job_ids]
    second = outcome.parked[1]
    alone = Work("r1", 1, [2], {0: second.frame}, answer=Answer.of_done(queue.job_ids[1], "b"))
    assert run.run(alone, Budget()).outputs == ["b"]
    assert len(queue) == 2


def test_a_failed_job_is_the_records_failure_and_the_next_try_another_job(enqueuer, queue):
    run = runner(enqueuer)
    given = work([1, 2])
    outcome = run.run(given, Budget())
    first = waits_for(outcome)
    failed = run.run(
        go_on(given, outcome, Answer.of_failed(first, "ValueError", "no", "Traceback …")), Budget()
    )
    assert isinstance(failed.end, Failed)
    error = failed.end.error
    assert isinstance(error, JobFailed)
    assert (error.error_type, error.message, error.traceback) == ("ValueError", "no", "Traceback …")
    left = go_on(given, failed)
    left.failures = 1
    again = run.run(left, Budget())
    assert waits_for(again) not in (first, queue.job_ids[1])
    assert len(queue) == 3  # the second record's job is the one that it was


def test_a_run_that_a_person_lets_go_on_does_not_wait_for_the_job_that_failed(enqueuer, queue):
    run = runner(enqueuer)
    given = work([1])
    outcome = run.run(given, Budget())
    first = waits_for(outcome)
    answer = Answer.of_failed(first, "ValueError", "no")
    failed = run.run(go_on(given, outcome, answer), Budget())
    # RQ calls us before it notes itself that the job has failed
    assert queue.fetch_job(first).get_status() == "queued"
    again = run.run(go_on(given, failed, answer), Budget())
    assert waits_for(again) == f"{first}_2"


def test_a_job_whose_worker_was_lost_is_no_failure_until_it_happens_again_and_again(enqueuer):
    run = runner(enqueuer)
    given = work([1])
    outcome = run.run(given, Budget())
    seen = set()
    for _ in range(MOST_JOBS):
        seen.add(lost := waits_for(outcome))
        given = go_on(given, outcome, Answer.of_failed(lost, LOST, "gone"))
        outcome = run.run(given, Budget())
    assert len(seen) == MOST_JOBS
    assert isinstance(outcome.end, Failed)
    assert outcome.end.error.error_type == LOST


@pytest.mark.parametrize("ordered", [True, False])
def test_a_job_that_meets_other_code_has_not_failed_and_is_asked_for_again(enqueuer, ordered):
    run = runner(enqueuer, ordered=ordered)
    outcome = run.run(work([1]), Budget())
    frame = outcome.frames[0] if ordered else outcome.parked[0].frame
    first = Frame.from_bytes(frame).waits.removeprefix("job:")
    answer = Answer.of_failed(first, performing.StageNotHere.__name__, "no such stage")
    outcome = run.run(work([1], frames={0: frame}, answer=answer), Budget())
    frame = outcome.frames[0] if ordered else outcome.parked[0].frame
    pause = outcome.end.pause if ordered else outcome.parked[0].pause
    assert pause.after > 0
    outcome = run.run(work([1], frames={0: frame}, answer=answer), Budget())
    frame = outcome.frames[0] if ordered else outcome.parked[0].frame
    assert Frame.from_bytes(frame).waits == f"job:{first}_2"


def test_a_worker_that_stops_puts_nothing_more_into_queues(enqueuer, queue):
    budget = Budget()
    budget.stop()
    outcome = runner(enqueuer).run(work([1]), budget)
    assert isinstance(outcome.end, Sliced)
    assert len(queue) == 0


@pytest.mark.parametrize("error", [ServerFull("full"), ServerUnreachable("away")])
def test_a_server_that_takes_nothing_is_tried_again(enqueuer, queue, monkeypatch, error):
    def refuse(*_):
        raise error

    run = runner(enqueuer)
    with monkeypatch.context() as patch:
        patch.setattr(enqueuer, "put", refuse)
        outcome = run.run(work([1]), Budget())
    assert isinstance(outcome.end, Paused)
    assert outcome.end.pause.after > 0
    assert run.run(go_on(work([1]), outcome), Budget()).end.pause.waits_for
    assert len(queue) == 1


def test_rights_that_are_missing_are_a_failure(enqueuer, monkeypatch):
    def refuse(*_):
        raise ServerRefused("no rights to rq:*")

    monkeypatch.setattr(enqueuer, "put", refuse)
    outcome = runner(enqueuer).run(work([1]), Budget())
    assert isinstance(outcome.end, Failed)
    assert "no rights" in str(outcome.end.error)


def test_errors_of_the_client_library_are_told_in_our_words(enqueuer, monkeypatch):
    def lose(*_, **__):
        raise ConnectionError("connection refused")

    monkeypatch.setattr(Queue, "enqueue_call", lose)
    with pytest.raises(ServerUnreachable):
        enqueuer.put(call(), JobSpec())


def test_a_damaged_frame_fails_its_record(enqueuer):
    outcome = runner(enqueuer).run(work([1], frames={0: b"f1?"}), Budget())
    assert isinstance(outcome.end, Failed)
    assert isinstance(outcome.end.error, MalformedData)


def test_a_frame_says_which_job_it_waits_for(enqueuer):
    outcome = runner(enqueuer).run(work([1]), Budget())
    assert Frame.from_bytes(outcome.frames[0]).waits == f"job:{waits_for(outcome)}"


# in RQ's worker


@pytest.fixture
def app(monkeypatch):
    """This process is one of the app below."""
    flow = Flow("f")
    line = flow
    functions = (
        jobflows.double,
        jobflows.later,
        jobflows.fail,
        jobflows.place,
        jobflows.unencodable,
        jobflows.pausing,
    )
    for function in functions:
        line = line.job(function)
    line.map(jobflows.slowly, name="was_a_job")
    module = type(sys)("jobs_app")
    module.flow = flow
    monkeypatch.setitem(sys.modules, "jobs_app", module)
    monkeypatch.setenv("FLOWCTL_APP", "jobs_app")
    performing.app.cache_clear()
    yield flow
    performing.app.cache_clear()


def perform(stage, record, **more):
    return performing.perform(
        "default", "r1", "f", stage, 4, 1, codec.encode(record), more.get("origin", "")
    )


@pytest.mark.usefixtures("app")
def test_a_job_calls_the_function_of_the_app():
    picture = jobflows.Picture("a", 2)
    assert perform("double", picture) == jobflows.Picture("a", 4)
    assert perform("later", 3) == 4


@pytest.mark.usefixtures("app")
def test_a_job_knows_its_place():
    assert perform("place", None) == ["r1", "f", "place", "r1:place:4", 1]
    assert perform("place", None, origin="r0")[3] == "r0:place:4"


@pytest.mark.usefixtures("app")
def test_a_result_without_an_encoding_fails_the_job():
    with pytest.raises(NotSerializable):
        perform("unencodable", None)


@pytest.mark.usefixtures("app")
def test_a_job_that_pauses_is_told_that_it_can_t():
    with pytest.raises(PauseflowError, match="a job can't pause"):
        perform("pausing", None)


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize("stage", ["nowhere", "os.system"])
def test_a_stage_that_the_app_does_not_have_is_not_looked_for_elsewhere(stage):
    with pytest.raises(performing.StageNotHere, match="has no stage"):
        perform(stage, 1)


@pytest.mark.usefixtures("app")
def test_a_stage_that_is_no_job_is_not_run():
    with pytest.raises(performing.StageNotHere, match="is map in the app"):
        perform("was_a_job", 1)


@pytest.mark.parametrize(
    "arguments",
    [(), ("default", "r 1", "f", "s", 0, 0, b"", ""), ("d", "r", "f", "s", "0", 0, b"", "")],
)
def test_arguments_that_no_job_stage_wrote_are_refused(arguments):
    with pytest.raises(MalformedData):
        performing.perform(*arguments)


# jobs that others wrote


def saved(fake, function, callback="", serializer=CodecSerializer, job_class=FlowJob):
    """A job as anybody who can write to the server might leave it there."""
    client = rq_client(fake)
    job = Job.create(function, args=("true",), connection=client, serializer=serializer, id="j1")
    job.origin = "pauseflow"
    for name in ("success", "failure", "stopped"):
        setattr(job, f"_{name}_callback_name", callback)
    job.save()
    return job_class.fetch("j1", connection=client, serializer=CodecSerializer)


def test_a_job_that_names_another_function_is_not_run(fake):
    with pytest.raises(MalformedData, match=r"'os\.system'"):
        saved(fake, "os.system").perform()


def test_callbacks_that_a_job_names_are_not_called(fake):
    job = saved(fake, "pauseflow.jobs.performing.perform", callback="os.abort")
    assert job.success_callback is job.failure_callback is job.stopped_callback is None


def test_our_callbacks_are(fake, enqueuer):
    job_id = enqueuer.put(call(), JobSpec())
    job = FlowJob.fetch(job_id, connection=rq_client(fake), serializer=CodecSerializer)
    assert job.func is performing.perform
    assert job.success_callback is callbacks.succeeded
    assert job.failure_callback is callbacks.failed
    assert job.stopped_callback is callbacks.stopped


class Exploding:
    def __reduce__(self):
        return (os.abort, ())


def test_a_pickled_job_is_never_unpickled(fake):
    job = saved(fake, "builtins.print")
    job.connection.hset(job.key, "data", pickle.dumps(Exploding()))
    job.connection.hset(job.key, "meta", pickle.dumps(Exploding()))
    again = FlowJob.fetch("j1", connection=job.connection, serializer=CodecSerializer)
    with pytest.raises(Exception) as refused:  # noqa: PT011 # of RQ's own
        again.perform()
    assert isinstance(refused.value.__cause__, MalformedData)


# telling the run


class Told(list):
    """The answers that runs were given."""

    def deliver(self, run, answer, *, broadcast=False):
        self.append((run, answer))


@pytest.fixture
def told(monkeypatch):
    given = Told()
    monkeypatch.setattr(callbacks, "runs_of", lambda *_: contextlib.nullcontext(given))
    return given


@pytest.fixture
def job(fake, enqueuer):
    job_id = enqueuer.put(call(), JobSpec())
    return FlowJob.fetch(job_id, connection=rq_client(fake), serializer=CodecSerializer)


def test_the_run_is_told_of_the_result(told, job):
    callbacks.succeeded(job, job.connection, [1, (2,)])
    [(run, answer)] = told
    assert (run, answer.kind, answer.name) == ("r1", "done", f"job:{job.id}")
    assert answer.value() == [1, (2,)]


@pytest.mark.usefixtures("app")
def test_the_run_is_told_of_a_failure_with_the_author_s_traceback(told, job):
    try:
        perform("fail", "luck")
    except ValueError as error:
        callbacks.failed(job, job.connection, ValueError, error, error.__traceback__)
    [(_, answer)] = told
    with pytest.raises(JobFailed) as failed:
        answer.value()
    assert (failed.value.error_type, failed.value.message) == ("ValueError", "no luck")
    assert "in fail" in failed.value.traceback
    assert "perform" not in failed.value.traceback


def test_a_failure_that_rq_tries_again_is_not_told(told, job):
    job.retries_left = 1
    callbacks.failed(job, job.connection, ValueError, ValueError(), None)
    assert told == []
    job.retries_left = 0
    callbacks.failed(job, job.connection, AbandonedJobError, AbandonedJobError(), None)
    with pytest.raises(JobFailed, match=LOST):
        told[0][1].value()


def test_a_stopped_job_is_told(told, job):
    callbacks.stopped(job, job.connection)
    with pytest.raises(JobFailed, match="JobStopped"):
        told[0][1].value()


def test_a_run_that_is_gone_is_no_error(job):
    callbacks.succeeded(job, job.connection, 1)


def test_a_server_that_is_gone_is_no_error_in_a_callback(monkeypatch, job, caplog):
    monkeypatch.setattr(callbacks, "runs_of", None)
    callbacks.succeeded(job, job.connection, 1)
    assert "was not told of its end" in caplog.text


# what RQ says of jobs


NOW = time.time()


def ended(fake, job_id="j1", **fields):
    """What RQ leaves of a job that has ended."""
    wire = fake.wire()
    words = [word for field in fields.items() for word in field]
    wire.call(
        ("HSET", f"rq:job:{job_id}", "origin", "q", "created_at", "2020-01-01T00:00:00Z", *words)
    )
    return wire


def result(wire, job_id="j1", **fields):
    words = [word for field in fields.items() for word in field]
    wire.call(("XADD", f"rq:results:{job_id}", "*", *words))


def look(fake, now=NOW):
    [job] = RqJobs(fake.wire()).look(["j1"], now)
    return job


def test_a_job_that_is_not_there_has_failed(fake):
    with pytest.raises(JobFailed, match="NoSuchJobError"):
        ending_of("j1", look(fake)).value()


@pytest.mark.parametrize(
    ("returned", "value"),
    [
        (CodecSerializer.dumps({1: (2,)}), {1: (2,)}),
        (json.dumps({"a": [1]}).encode(), {"a": [1]}),
        (pickle.dumps(Exploding()), None),
        (pickle.dumps(5, protocol=0), None),
        (b"\xff", None),
        (b"[" * 100_000, None),
        (b"NaN?", None),
    ],
)
def test_what_a_job_returned_is_read_only_if_that_is_safe(fake, returned, value):
    wire = ended(fake, status="finished")
    result(wire, type=1, return_value=b64encode(returned))
    assert ending_of("j1", look(fake)).value() == value


def test_a_job_that_returned_nothing_is_done(fake):
    result(ended(fake, status="finished"), type=1)
    assert ending_of("j1", look(fake)).value() is None


@pytest.mark.parametrize(
    ("text", "error_type", "message"),
    [
        (
            "Traceback (most recent call last):\n  …\nrq.timeouts.JobTimeoutException: too long\n",
            "JobTimeoutException",
            "too long",
        ),
        ("Traceback (most recent call last):\n  File …\nKeyError\n", "KeyError", ""),
        ("Work-horse terminated unexpectedly; waitpid returned 9 (signal 9); ", "JobDied", "Work"),
        ("Moved to FailedJobRegistry, due to AbandonedJobError, at 2026", LOST, "Moved"),
        ("", "JobDied", "RQ does not say why"),
    ],
)
def test_a_failed_job_says_why(fake, text, error_type, message):
    wire = ended(fake, status="failed")
    if text:
        result(wire, type=2, exc_string=b64encode(zlib.compress(text.encode())))
    with pytest.raises(JobFailed) as failed:
        ending_of("j1", look(fake)).value()
    assert failed.value.error_type == error_type
    assert failed.value.message.startswith(message)


def test_what_is_no_job_at_all_is_not_there(fake):
    fake.wire().call(("SET", "rq:job:j1", "x"))
    assert look(fake) == RqJob()
    wire = ended(fake, "j2", status="failed")
    wire.call(("SET", "rq:results:j2", "x"))
    assert RqJobs(wire).look(["j2"], NOW) == [RqJob()]


@pytest.mark.parametrize("status", ["canceled", "stopped"])
def test_a_job_that_somebody_ended_has_failed(fake, status):
    ended(fake, status=status)
    with pytest.raises(JobFailed, match="somebody"):
        ending_of("j1", look(fake)).value()


@pytest.mark.parametrize("status", ["created", "deferred", "scheduled", "rate_limited", "later_on"])
def test_a_job_that_has_not_begun_is_waited_for(fake, status):
    ended(fake, status=status)
    assert ending_of("j1", look(fake)) is None


def test_a_job_that_is_being_worked_on_is_waited_for(fake):
    wire = ended(fake, status="started")
    wire.call(("ZADD", "rq:executions:j1", NOW + 60, "e1"))
    wire.call(("ZADD", "rq:wip:q", NOW + 1, "j1:e1"))
    assert ending_of("j1", look(fake)) is None
    with pytest.raises(JobFailed, match=LOST):
        ending_of("j1", look(fake, NOW + 2)).value()


def test_an_abandoned_job_that_rq_will_try_again_is_waited_for(fake):
    ended(fake, status="started", retries_left="2")
    assert look(fake).abandoned
    assert ending_of("j1", look(fake)) is None


def test_a_queued_job_is_waited_for_wherever_it_stands(fake):
    wire = ended(fake, status="queued", enqueued_at="2020-01-01T00:00:01.5Z")
    ended(fake, "j0", status="queued", enqueued_at="2020-01-01T00:00:09Z")
    wire.call(("RPUSH", "rq:queue:q", "j0", "j1"))
    assert not look(fake).nowhere
    wire.call(("LREM", "rq:queue:q", 0, "j1"))
    assert look(fake).nowhere
    assert look(fake).age > 86_400
    wire.call(("ZADD", "rq:executions:j1", NOW, "e1"))
    assert not look(fake).nowhere


def test_a_queued_job_behind_an_older_one_is_not_looked_for_in_the_queue(fake):
    wire = ended(fake, status="queued", enqueued_at="2020-01-01T00:00:09Z")
    ended(fake, "j0", status="queued", enqueued_at="2020-01-01T00:00:01Z")
    wire.call(("RPUSH", "rq:queue:q", "j0"))
    assert not look(fake).nowhere


@pytest.mark.parametrize("told", [b"no base64!", b"bm8gemxpYg=="])
def test_a_traceback_that_can_t_be_read_is_none(fake, told):
    wire = ended(fake, status="failed")
    result(wire, type="2", exc_string=told)
    assert (look(fake).status, look(fake).failure) == ("failed", "")


def test_a_server_that_denies_rqs_keys_is_told_and_its_jobs_are_not_called_lost(fake):
    wire = fake.wire()
    wire.exchange = lambda commands: [ServerRefused("NOPERM")] * len(commands)
    with pytest.raises(ServerRefused):
        RqJobs(wire).look(["j1"], NOW)


@given(
    st.dictionaries(
        st.sampled_from(["status", "origin", "enqueued_at", "created_at", "retries_left"]),
        st.binary(max_size=20),
    )
)
def test_whatever_stands_in_a_job_is_no_error(fields):
    server = fake_server()
    wire = server.wire()
    for name, value in fields.items():
        wire.call(("HSET", "rq:job:j1", name, value))
    assert isinstance(look(server), RqJob)
