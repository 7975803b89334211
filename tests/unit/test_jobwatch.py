"""The coordinator's look after jobs, with a clock of the test's own."""

import pytest

from pauseflow.errors import JobFailed, ServerFull, ServerRefused
from pauseflow.store.jobs import RqJobs
from pauseflow.store.jobwaits import JobWait, JobWaits
from pauseflow.store.keys import Keys
from pauseflow_coordinator.jobwatch import (
    LATEST_SECONDS,
    NOWHERE_SECONDS,
    SOONEST_SECONDS,
    JobWatch,
)
from support.servers import fake_server

START = 1_700_000_000.0
KEYS = Keys()


class Told(list):
    """Stands in for the runs: notes what they were told."""

    def deliver(self, run, answer, *, broadcast=False):
        assert broadcast
        self.append((run, answer.name, answer.kind, answer))


class Scene:
    """A server with runs that wait for jobs, and coordinators that look at these."""

    def __init__(self):
        self.server = fake_server()
        self.wire = self.server.wire()
        self.told = Told()
        self.now = START
        self.watch = self.coordinator()

    def coordinator(self):
        wire = self.server.wire()
        return JobWatch(JobWaits(KEYS, wire), RqJobs(wire), self.told, lambda: self.now)

    def waits(self, run="r1", job="j1"):
        """A record of the run is parked for the job, as a commit does it."""
        member = f"job:{job}\n{int(self.now * 1000):016d}\ns:0"
        self.wire.call(("ZADD", KEYS.run(run).waits, 0, member))
        self.wire.call(("ZADD", KEYS.jobs, int(self.now * 1000), f"{run} job:{job}"))

    def woken(self, run="r1"):
        self.wire.call(("DEL", KEYS.run(run).waits))

    def job(self, status, job="j1", **fields):
        words = [word for field in fields.items() for word in field]
        self.wire.call(
            (
                "HSET", f"rq:job:{job}", "status", status, "origin", "q",
                "enqueued_at", "2023-11-14T22:13:20.0Z", *words,
            )
        )  # fmt: skip

    def next_look(self, run="r1", job="j1"):
        """Seconds until the job is looked at next; None if it is not."""
        score = self.wire.call(("ZSCORE", KEYS.jobs, f"{run} job:{job}"))
        return None if score is None else float(score) / 1000 - self.now


@pytest.fixture
def scene():
    return Scene()


def test_a_run_is_told_of_a_job_that_is_over_and_nobody_looks_again(scene):
    scene.waits()
    scene.job("canceled")
    assert scene.watch.run_once() == 1
    [(run, name, kind, answer)] = scene.told
    assert (run, name, kind) == ("r1", "job:j1", "failed")
    with pytest.raises(JobFailed, match="canceled"):
        answer.value()
    scene.woken()
    scene.now += LATEST_SECONDS
    assert scene.watch.run_once() == 0
    assert scene.next_look() is None


def test_a_wait_that_is_over_is_forgotten_without_a_word(scene):
    scene.waits()
    scene.job("finished")
    scene.woken()
    assert scene.watch.run_once() == 0
    assert scene.told == []
    assert scene.next_look() is None


def test_a_run_that_waits_again_is_not_forgotten(scene):
    scene.waits()
    waits = JobWaits(KEYS, scene.server.wire())
    waits.forget(JobWait("r1", "j1"), int((scene.now + 5) * 1000))
    assert scene.next_look() == pytest.approx(5)


def test_looks_become_rarer_with_a_job_s_age(scene):
    scene.waits()
    scene.job("scheduled")
    pauses = []
    for _ in range(20):
        scene.watch.run_once()
        pauses.append(scene.next_look())
        scene.now += pauses[-1]
    assert pauses[0] == pytest.approx(SOONEST_SECONDS)
    assert pauses == sorted(pauses)
    assert pauses[-1] == pytest.approx(LATEST_SECONDS)
    assert scene.told == []


def test_of_two_coordinators_one_tells(scene):
    scene.waits()
    scene.job("stopped")
    other = JobWaits(KEYS, scene.server.wire())
    now, until = int(scene.now * 1000), int((scene.now + 30) * 1000)
    assert other.due(now, until, 10) == [JobWait("r1", "j1")]
    assert scene.watch.run_once() == 0
    scene.now += LATEST_SECONDS  # the other one has died
    assert scene.watch.run_once() == 1


class Behind:
    """A connection of a coordinator that finds something out, and is slow to act on it.

    Args:
        wire: the connection.
        happens: what others do meanwhile, once; it may answer in the server's place.
    """

    def __init__(self, wire, happens):
        self._wire, self._happens = wire, happens

    def __getattr__(self, name):
        return getattr(self._wire, name)

    def exchange(self, commands):
        answers = self._happens(commands)
        return self._wire.exchange(commands) if answers is None else answers


def test_of_two_coordinators_that_found_the_same_wait_one_looks(scene):
    scene.waits()
    now, until = int(scene.now * 1000), int((scene.now + 30) * 1000)
    other = JobWaits(KEYS, scene.server.wire())
    faster = lambda _: other.due(now, until, 10) and None  # noqa: E731
    assert JobWaits(KEYS, Behind(scene.wire, faster)).due(now, until, 10) == []


def test_a_full_server_that_takes_no_note_of_a_look_is_told(scene):
    scene.waits()
    full = Behind(scene.wire, lambda commands: [ServerFull("full")] * len(commands))
    with pytest.raises(ServerFull):
        JobWaits(KEYS, full).due(int(scene.now * 1000), int(scene.now * 1000) + 1, 10)


def test_a_job_that_is_in_no_queue_for_a_moment_is_not_called_lost(scene):
    scene.waits()
    scene.job("queued")
    assert scene.watch.run_once() == 0
    scene.now += NOWHERE_SECONDS / 2
    assert scene.watch.run_once() == 0
    scene.now += NOWHERE_SECONDS
    assert scene.watch.run_once() == 1
    with pytest.raises(JobFailed, match="AbandonedJobError"):
        scene.told[0][3].value()


def test_a_job_that_turns_up_again_is_not_called_lost_soon_after(scene):
    scene.waits()
    scene.job("queued")
    scene.watch.run_once()
    scene.wire.call(("RPUSH", "rq:queue:q", "j1"))
    scene.now += NOWHERE_SECONDS + 1
    assert scene.watch.run_once() == 0
    scene.wire.call(("DEL", "rq:queue:q"))
    scene.now += NOWHERE_SECONDS + 1
    assert scene.watch.run_once() == 0
    assert scene.told == []


def test_all_runs_that_wait_for_a_job_are_told(scene):
    scene.waits("r1")
    scene.waits("r2")
    scene.job("finished")
    assert scene.watch.run_once() == 2
    assert [run for run, *_ in scene.told] == ["r1", "r2"]


def test_rights_that_are_missing_stop_nothing_else(scene, monkeypatch, caplog):
    def refuse(*_):
        raise ServerRefused("no rights to rq:*")

    scene.waits()
    monkeypatch.setattr(RqJobs, "look", refuse)
    assert scene.watch.run_once() == 0
    assert "no rights to rq:*" in caplog.text
    assert scene.next_look() == pytest.approx(LATEST_SECONDS)


def test_what_is_no_wait_is_thrown_away(scene):
    scene.wire.call(("ZADD", KEYS.jobs, 1, "\xff\xfe", 1, "r1", 1, "r1 signal"))
    assert scene.watch.run_once() == 0
    assert scene.wire.call(("EXISTS", KEYS.jobs)) == 0


def test_something_else_in_the_place_of_a_runs_waits_is_asked_for_once(scene):
    scene.waits("r1")
    scene.waits("r2")
    scene.wire.exchange([("DEL", KEYS.run("r1").waits), ("SET", KEYS.run("r1").waits, "x")])
    scene.job("finished")
    assert scene.watch.run_once() == 1
    assert [run for run, *_ in scene.told] == ["r2"]
    assert scene.next_look("r1") is None


def test_so_many_at_once(scene, monkeypatch):
    monkeypatch.setattr("pauseflow_coordinator.jobwatch.AT_ONCE", 2)
    for number in range(3):
        scene.waits(job=f"j{number}")
    assert [scene.watch.run_once() for _ in range(3)] == [2, 1, 0]
