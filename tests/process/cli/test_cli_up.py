"""flowctl up with other flowctls beside it, and submissions of every kind."""

import os
import signal

import pytest

pytestmark = pytest.mark.process


@pytest.fixture
def up(project, until):
    process = project.start("up", "--workers", "1")
    lines = [process.stdout.readline() for _ in range(1)]
    assert "flowctl     | server unix://" in lines[0], process.communicate()
    assert "app shop, 1 workers" in lines[0]
    return process


def end(process, number: int) -> tuple[int, str, str]:
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=30)
    assert "Traceback" not in stderr + stdout
    return process.returncode, stdout, stderr


def test_work_submitted_elsewhere_is_done_and_what_it_prints_is_prefixed(project, up):
    ended = project.flowctl("submit", "printing", "2", "--wait")
    assert ended.code == 0, ended
    run_id = ended.stdout.strip()
    assert project.flowctl("results", run_id).stdout == ""
    code, stdout, _ = end(up, signal.SIGINT)
    assert code == 130
    told = [line for line in stdout.splitlines() if line.startswith("worker.1    | ")]
    assert [line for line in told if "saw" in line or "finished" in line] == [
        "worker.1    | saw 1",
        "worker.1    | saw 2",
        "worker.1    | finished",
    ]
    assert project.all_gone()


def test_sigterm_stops_it_cleanly(project, up):
    assert end(up, signal.SIGTERM)[0] == 143
    assert project.all_gone()


def test_a_process_that_dies_is_started_again(project, up, until):
    def worker() -> int | None:
        pids = [pid for pid, line in project.processes().items() if " worker " in line]
        return pids[0] if pids else None

    until(lambda: worker() is not None, "the worker is there")
    killed = worker()
    os.kill(killed, signal.SIGKILL)
    assert any("killed by signal 9; starting it again" in line for line in up.stdout)
    until(lambda: worker() not in (None, killed), "there is a new worker")
    assert project.flowctl("submit", "plus", "1", "--follow").lines == ["2"]


def test_a_file_is_fed_while_its_results_are_read(project, up):
    lines = "".join(f"{i}\n" for i in range(20_000))
    ended = project.flowctl("submit", "plus", "-", "--follow", stdin=lines)
    assert ended.code == 0, ended
    assert ended.lines == [str(i + 1) for i in range(20_000)]


def test_a_run_that_halts_ends_the_commands_that_wait_for_it(project, up):
    for how in ("--wait", "--follow"):
        ended = project.flowctl("submit", "failing", "5", how)
        assert ended.code == 1, ended
        assert "halted" in ended.stderr
        assert "flowctl retry" in ended.stderr


def test_show_and_runs_tell_of_a_halted_run(project, up):
    ended = project.flowctl("submit", "failing", "5", "--run-id", "r", "--wait")
    assert ended.code == 1
    shown = project.flowctl("show", "r")
    assert shown.lines[0].startswith("run r of flow failing: halted")
    assert "ValueError: three is bad" in shown.stdout
    assert "after flowctl retry" in shown.stdout
    assert "halted" in project.flowctl("runs").stdout


def test_without_workers_the_command_that_waits_says_what_it_waits_for(project, until):
    process = project.start("submit", "plus", "1", "--wait")
    assert process.stdout.readline()
    assert "waits for workers: start some with flowctl up" in process.stderr.readline()
    code, _, _ = end(process, signal.SIGINT)
    assert code == 130
    assert project.all_gone()


def test_a_submission_interrupted_goes_on_with_nothing_twice(project):
    process = project.start("submit", "plus", "-", "--run-id", "r")
    assert process.stdout.readline() == "r\n"
    process.stdin.write("".join(f"{i}\n" for i in range(500)))
    process.stdin.flush()
    while "500 taken in" not in project.flowctl("show", "r").stdout:
        pass
    code, _, stderr = end(process, signal.SIGINT)
    assert code == 130
    assert "At least 500 records were taken into run r" in stderr

    again = project.start("submit", "plus", "-", "--run-id", "r", "--follow")
    workers = project.start("up", "--workers", "1")
    stdout, stderr = again.communicate("".join(f"{i}\n" for i in range(700)), timeout=60)
    assert again.returncode == 0, stderr
    assert stdout.splitlines() == [str(i + 1) for i in range(700)]
    assert end(workers, signal.SIGINT)[0] == 130


def test_one_record_submitted_twice_under_one_name_is_one_run(project, up):
    for _ in range(2):
        assert project.flowctl("submit", "plus", "1", "--run-id", "r", "--follow").lines == ["2"]
    assert len(project.flowctl("runs", "--json").lines) == 1
    ended = project.flowctl("submit", "plus", "2", "--run-id", "r")
    assert ended.code == 2, ended
