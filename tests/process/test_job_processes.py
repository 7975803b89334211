"""Job stages with real workers of RQ: killed, stopped and too slow in the midst of jobs."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rq import Queue, SimpleWorker, Worker
from rq.command import send_stop_job_command
from rq.job import Job
from rq.serializers import JSONSerializer

from pauseflow.client import Client, RunState
from pauseflow.errors import RunFailed
from pauseflow.jobs import CodecSerializer
from pauseflow.store.jobs import rq_client
from pauseflow.store.server import Server
from support import jobapp, jobflows
from support.servers import bare_valkey
from support.waiting import wait_until

pytestmark = pytest.mark.process

TESTS = Path(__file__).parent.parent
LONG_AGO = 1
RQ_WORKER = [
    "-m", "rq.cli", "worker", "heavy", "--serializer", "pauseflow.jobs.CodecSerializer",
    "--job-class", "pauseflow.jobs.flowjob.FlowJob",
]  # fmt: skip


class Fleet:
    """Processes of an installation, each in a process group of its own."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.folder = folder
        self.client = Client(Server.at(url))
        self.rq = rq_client(Server.at(url))
        path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
        self._environ = {
            **os.environ,
            "REDIS_URL": url,
            "FLOWCTL_APP": "support.jobapp",
            "PYTHONPATH": path.rstrip(os.pathsep),
        }
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """A command of Python, which goes on until the test is over."""
        process = subprocess.Popen(
            [sys.executable, *arguments], env=self._environ, cwd=self.folder, start_new_session=True
        )
        self._processes.append(process)
        return process

    def flowctl(self, *arguments: str) -> subprocess.Popen[bytes]:
        return self.start("-m", "pauseflow.cli", *arguments)

    def jobs(self, count: int = 1) -> list[subprocess.Popen[bytes]]:
        """Workers of RQ that listen."""
        known = Worker.count(connection=self.rq)
        started = [self.flowctl("jobs", "--patience", "0.2") for _ in range(count)]
        wait_until(
            lambda: Worker.count(connection=self.rq) >= known + count, "the workers of RQ listen"
        )
        return started

    def submit(self, flow, value, run_id="r1"):
        self.client.submit(flow, value, run_id=run_id)

    def results(self, run_id="r1"):
        """The results of a run that is going to be done."""
        return list(self.client.results(run_id, follow=True))

    def result(self, run_id="r1"):
        [value] = self.results(run_id)
        return value

    def begun(self, number=0):
        """The process ids of a job that waits to be told to go on, and of its worker."""
        file = self.folder / f"begun-{number}"
        text = wait_until(lambda: file.exists() and file.read_text(), f"job {number} has begun")
        return [int(word) for word in text.split()]

    def go(self):
        (self.folder / "go").touch()

    def waited_for(self):
        """The id of the job that the run waits for."""
        [parked] = wait_until(lambda: self.client.run("r1").parked, "the run waits")
        return parked.note.removeprefix("job:")

    def close(self):
        self.go()
        for process in self._processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        for process in self._processes:
            process.wait()
        for job_process in self.folder.glob("begun-*"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(job_process.read_text().split()[0]), signal.SIGKILL)
        self.client.close()


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with bare_valkey(tmp_path_factory.mktemp("jobs")) as url:
        yield url


@pytest.fixture
def fleet(url: str, tmp_path: Path) -> Iterator[Fleet]:
    """A coordinator and a worker, without a worker of RQ."""
    Server.at(url).wire().call(("FLUSHALL",))
    fleet = Fleet(url, tmp_path)
    try:
        fleet.flowctl("coordinator")
        fleet.flowctl("worker")
        yield fleet
    finally:
        fleet.close()


def test_results_are_those_of_a_local_run_in_order(fleet):
    fleet.jobs(2)
    fleet.submit(jobapp.ordered, 12)
    fleet.submit(jobapp.unordered, 12, "r2")
    fleet.submit(jobapp.pictures, jobflows.Picture("a", 3), "r3")
    assert fleet.results() == jobapp.ordered.run(12)
    assert sorted(fleet.results("r2")) == sorted(jobapp.unordered.run(12))
    assert fleet.result("r3") == jobflows.Picture("a", 6)


def test_rq_s_own_worker_runs_them_too_and_its_tools_see_them(fleet):
    fleet.submit(jobapp.pictures, jobflows.Picture("a", 3))
    queue = Queue("heavy", connection=fleet.rq, serializer=CodecSerializer)
    [job] = wait_until(lambda: queue.jobs, "the job is in its queue")
    assert job.description == "pictures: r1:double:0"
    fleet.start(*RQ_WORKER, "--url", fleet.url)
    assert fleet.result() == jobflows.Picture("a", 6)
    wait_until(lambda: job.id in queue.finished_job_registry, "RQ, too, knows that it is done")


def test_a_failed_job_halts_its_run_and_says_why(fleet):
    fleet.jobs()
    fleet.submit(jobapp.failing, "luck")
    with pytest.raises(RunFailed, match="ValueError: no luck"):
        fleet.results()


def test_a_job_whose_process_is_killed_has_failed_and_is_tried_again(fleet):
    fleet.jobs()
    fleet.submit(jobapp.killed, str(fleet.folder))
    assert fleet.result() == "alive"


def test_rq_tries_again_by_itself_before_the_stage_hears_of_it(fleet):
    fleet.jobs()
    fleet.submit(jobapp.again, str(fleet.folder))
    assert fleet.result() == "alive"


def test_a_job_of_a_worker_that_was_killed_is_begun_again_elsewhere(fleet):
    [first] = fleet.jobs()
    fleet.submit(jobapp.meeting, str(fleet.folder))
    job, worker = fleet.begun()
    assert worker == first.pid
    os.kill(worker, signal.SIGKILL)
    os.kill(job, signal.SIGKILL)
    fleet.jobs()
    # What would take half a minute: the last sign of life of the dead runs out.
    fleet.rq.zadd("rq:wip:heavy", {fleet.rq.zrange("rq:wip:heavy", 0, 0)[0]: LONG_AGO})
    fleet.begun(1)
    fleet.go()
    assert fleet.result() == [1, 0]


def test_a_job_of_a_worker_that_stops_goes_to_another_and_has_not_failed(fleet):
    [first] = fleet.jobs()
    fleet.submit(jobapp.meeting, str(fleet.folder))
    fleet.begun()
    first.terminate()
    assert first.wait(10) == 0
    fleet.jobs()
    fleet.begun(1)
    fleet.go()
    assert fleet.result() == [1, 0]


def test_a_worker_that_stops_lets_a_short_job_end(fleet):
    first = fleet.flowctl("jobs", "--patience", "30")
    fleet.submit(jobapp.meeting, str(fleet.folder))
    fleet.begun()
    first.terminate()
    fleet.go()
    assert fleet.result() == [0, 0]
    assert first.wait(10) == 0


def test_a_job_that_takes_too_long_is_ended_and_a_halted_run_goes_on_with_another(fleet):
    fleet.jobs()
    fleet.submit(jobapp.late, str(fleet.folder))
    with pytest.raises(RunFailed, match="JobTimeoutException"):
        fleet.results()
    fleet.go()
    fleet.client.retry("r1")
    assert fleet.result() == [1, 0]


def test_a_stopped_job_has_failed(fleet):
    fleet.jobs()
    fleet.submit(jobapp.meeting, str(fleet.folder))
    fleet.begun()
    send_stop_job_command(fleet.rq, fleet.waited_for(), serializer=CodecSerializer)
    with pytest.raises(RunFailed, match="JobStopped"):
        fleet.results()


def test_a_job_that_was_deleted_is_noticed(fleet):
    fleet.submit(jobapp.meeting, str(fleet.folder))
    job = Job.fetch(fleet.waited_for(), connection=fleet.rq, serializer=CodecSerializer)
    job.delete()
    with pytest.raises(RunFailed, match="NoSuchJobError"):
        fleet.results()


def test_a_run_that_is_gone_does_not_bother_the_workers_of_rq(fleet):
    [worker] = fleet.jobs()
    fleet.submit(jobapp.meeting, str(fleet.folder))
    fleet.begun()
    for key in fleet.rq.scan_iter("pauseflow:*:run:r1*"):
        fleet.rq.delete(key)
    fleet.go()
    queue = Queue("heavy", connection=fleet.rq, serializer=CodecSerializer)
    wait_until(lambda: len(queue.finished_job_registry), "the job is done")
    assert worker.poll() is None
    wait_until(lambda: not fleet.rq.keys("pauseflow:*:jobs"), "nobody looks after the job any more")


def test_jobs_of_a_run_that_was_cancelled_are_not_begun(fleet):
    fleet.submit(jobapp.meeting, str(fleet.folder))
    job_id = fleet.waited_for()
    fleet.client.cancel("r1")
    fleet.jobs()
    job = Job.fetch(job_id, connection=fleet.rq, serializer=CodecSerializer)
    wait_until(lambda: job.get_status() == "failed", "the job is put away")
    assert "was cancelled" in wait_until(job.latest_result, "RQ knows why").exc_string
    assert not list(fleet.folder.glob("begun-*"))


def test_a_job_of_other_code_in_a_queue_of_ours_fails_and_harms_nobody(fleet):
    [worker] = fleet.jobs()
    mark = fleet.folder / "run"
    pickled = Queue("heavy", connection=fleet.rq).enqueue("pathlib.Path.touch", mark)
    ours = Queue("heavy", connection=fleet.rq, serializer=CodecSerializer)
    named = ours.enqueue("os.mkdir", str(mark))
    fleet.submit(jobapp.pictures, jobflows.Picture("a", 3))
    assert fleet.result() == jobflows.Picture("a", 6)
    for job_id in (pickled.id, named.id):
        job = Job.fetch(job_id, connection=fleet.rq, serializer=CodecSerializer)
        wait_until(lambda job=job: job.get_status() == "failed", "the job has failed")
        assert "MalformedData" in wait_until(job.latest_result, "RQ knows why").exc_string
    assert not mark.exists()
    assert worker.poll() is None


# jobs of other code


@pytest.mark.parametrize(
    ("serializer", "expected"), [(None, None), (JSONSerializer, [3, 4]), (CodecSerializer, [3, 4])]
)
def test_a_pause_waits_for_a_job_that_other_code_has_put_into_a_queue(fleet, serializer, expected):
    queue = Queue("theirs", connection=fleet.rq, serializer=serializer)
    job = queue.enqueue(sorted, [4, 3])
    fleet.submit(jobapp.foreign, job.id)
    assert fleet.waited_for() == job.id
    SimpleWorker([queue], connection=fleet.rq, serializer=serializer).work(burst=True)
    assert fleet.result() == expected


def test_a_pause_is_told_that_a_job_of_other_code_failed_or_is_not_there(fleet):
    queue = Queue("theirs", connection=fleet.rq)
    job = queue.enqueue("math.sqrt", -1)
    SimpleWorker([queue], connection=fleet.rq).work(burst=True)
    fleet.submit(jobapp.foreign, job.id)
    fleet.submit(jobapp.foreign, "nobody", "r2")
    assert fleet.result() == "failed: ValueError"
    assert fleet.result("r2") == "failed: NoSuchJobError"
    assert fleet.client.run("r1").state is RunState.DONE
