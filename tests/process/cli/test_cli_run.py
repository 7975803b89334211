"""flowctl run: one command from inputs to results, with real workers."""

import contextlib
import os
import pty
import re
import signal
import subprocess
import sys

import pytest

from support.waiting import wait_until

pytestmark = pytest.mark.process


def test_results_come_in_the_order_of_the_inputs_and_prints_beside_them(project):
    ended = project.flowctl("run", "numbers", "3", "5", "--workers", "2")
    assert ended.code == 0, ended
    assert ended.lines == ["1", "2", "3", "1", "2", "3", "4", "5"]
    assert ended.stderr.splitlines() == ["finished", "finished"]
    assert project.all_gone()


def test_what_stages_print_reaches_the_terminal_in_order(project):
    ended = project.flowctl("run", "printing", "3", "--workers", "2")
    assert ended.code == 0, ended
    assert ended.stdout == ""
    assert ended.stderr.splitlines() == ["saw 1", "saw 2", "saw 3", "finished"]


def test_inputs_may_be_lines_of_a_file(project):
    lines = "".join(f"{i}\n" for i in range(3000))
    ended = project.flowctl("run", "plus", "-", "--workers", "1", stdin=lines)
    assert ended.code == 0, ended
    assert ended.lines == [str(i + 1) for i in range(3000)]


def test_a_result_does_not_wait_for_the_next_line_of_a_pipe(project):
    process = project.start("run", "plus", "-", "--workers", "1")
    for number in (1, 2, 3):
        process.stdin.write(f"{number}\n")
        process.stdin.flush()
        assert process.stdout.readline() == f"{number + 1}\n"
    process.stdin.close()
    process.stdin = None
    assert process.communicate(timeout=60) == ("", "")
    assert process.returncode == 0


def test_an_interrupt_while_nothing_comes_from_the_pipe_ends_it(project):
    process = project.start("run", "plus", "-", "--workers", "1")
    process.stdin.write("1\n")
    process.stdin.flush()
    assert process.stdout.readline() == "2\n"
    wait_until(lambda: '"done"' in project.flowctl("runs", "--json").stdout, "the run is done")
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout) == (130, "")
    assert "Nothing is left unfinished." in stderr
    assert "Traceback" not in stderr


def test_a_bad_line_does_not_lose_what_comes_before_it(project):
    ended = project.flowctl("run", "plus", "-", "--workers", "1", stdin="1\n2\nthree\n4\n")
    assert ended.code == 2, ended
    assert ended.lines == ["2", "3"]
    assert "stdin:3: this line is not JSON" in ended.stderr
    assert "The 2 inputs before it were run" in ended.stderr


def test_a_failure_is_said_and_the_other_inputs_are_run(project):
    ended = project.flowctl("run", "failing", "5", "2", "--run-id", "r", "--workers", "1")
    assert ended.code == 1, ended
    assert ended.lines == ["0", "1", "2", "0", "1"]
    assert "ValueError: three is bad" in ended.stderr
    assert "flowctl retry r-1" in ended.stderr
    assert project.all_gone()


def test_a_halted_run_goes_on_after_the_cause_is_mended(project):
    assert project.flowctl("run", "failing", "5", "--run-id", "r", "--workers", "1").code == 1
    (project.path / "mended").touch()
    retried = project.flowctl("retry", "r")
    assert retried.code == 0, retried
    ended = project.flowctl("run", "failing", "5", "--run-id", "r", "--workers", "1")
    assert ended.code == 0, ended
    assert ended.lines == ["0", "1", "2", "3", "4"]


def test_the_same_name_with_another_input_is_refused(project):
    assert project.flowctl("run", "plus", "1", "--run-id", "r", "--workers", "1").lines == ["2"]
    ended = project.flowctl("run", "plus", "2", "--run-id", "r", "--workers", "1")
    assert ended.code == 2, ended
    assert "r" in ended.stderr


def test_an_interrupted_run_is_kept_and_the_same_command_goes_on(project):
    process = project.start("run", "slowly", "100", "--run-id", "r", "--workers", "1")
    assert process.stdout.readline() == "0\n"
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 130, stderr
    assert len(stdout.splitlines()) < 99
    assert "1 of 1 runs are not finished (r)" in stderr
    assert "Traceback" not in stderr
    assert project.all_gone()

    ended = project.flowctl("run", "slowly", "100", "--run-id", "r", "--workers", "1")
    assert ended.code == 0, ended
    assert ended.lines == [str(i) for i in range(100)]


def test_sigint_as_it_starts_leaves_nothing_behind(project, until):
    moments = [
        project.folder.path.exists,
        lambda: project.folder.path.exists() and project.folder.server_runs(),
        lambda: any(" coordinator" in line for line in project.processes().values()),
        lambda: any(" worker " in line for line in project.processes().values()),
    ]
    for moment in moments:
        process = project.start("run", "slowly", "100000", "--workers", "2")
        until(moment, "the process has come so far")
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=30)
        assert process.returncode == 130, stderr
        assert "Traceback" not in stderr
        assert stderr.splitlines()[-1] == "flowctl: interrupted"
        until(project.all_gone, "all of it is gone")


def test_sigterm_stops_everything_too(project):
    process = project.start("run", "slowly", "100000", "--workers", "1")
    assert process.stdout.readline() == "0\n"
    process.terminate()
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 143, stderr
    assert "Traceback" not in stderr
    assert project.all_gone()


def test_killed_without_a_word_its_workers_and_the_server_go_too(project, until):
    process = project.start("run", "slowly", "100000", "--workers", "2")
    assert process.stdout.readline() == "0\n"
    process.kill()
    process.communicate()
    until(project.all_gone, "workers, coordinator and server have noticed")


def test_a_worker_that_is_killed_is_replaced_and_nothing_is_lost(project, until):
    process = project.start("run", "slowly", "150", "--workers", "1")
    assert process.stdout.readline() == "0\n"
    (worker,) = [pid for pid, line in project.processes().items() if " worker " in line]
    os.kill(worker, signal.SIGKILL)
    # communicate() would leave out what the first readline has read beyond its line
    stdout, stderr = process.stdout.read(), process.stderr.read()
    assert process.wait(60) == 0, stderr
    assert stdout.splitlines() == [str(i) for i in range(1, 150)]
    assert "worker.1 was killed by signal 9; starting it again" in stderr


def test_a_worker_that_cannot_start_ends_it_with_the_workers_own_words(project):
    # Found by this process, but not by one whose standard input is no pipe: a worker's.
    (project.path / "shop.py").write_text(
        "import os, stat\nfrom pauseflow.flow import Flow\n"
        "assert stat.S_ISFIFO(os.fstat(0).st_mode), 'only here'\n"
        "plus = Flow('plus').map(abs)\n"
    )
    ended = project.flowctl("run", "plus", "1", "--workers", "1")
    assert ended.code == 2, ended
    assert "AssertionError: only here" in ended.stderr
    assert "worker.1 ended with exit code 2" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert project.all_gone()


def test_a_reader_that_has_had_enough_ends_it_quietly(project):
    process = project.start("run", "slowly", "100000", "--workers", "1")
    assert process.stdout.readline() == "0\n"
    process.stdout.close()
    process.stdout = None
    _, stderr = process.communicate(timeout=30)
    assert (process.returncode, stderr) == (0, "")
    assert project.all_gone()


def test_output_that_is_piped_has_no_bars(project):
    done = subprocess.run(
        [sys.executable, "-m", "pauseflow.cli", "run", "numbers", "2", "--workers", "1"],
        cwd=project.path,
        env=project.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=True,
    )
    assert b"\x1b" not in done.stdout


def test_on_a_terminal_there_are_bars_below_what_is_printed(project):
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as screen:
        process = subprocess.Popen(
            [sys.executable, "-m", "pauseflow.cli", "run", "slowly", "40", "--workers", "1"],
            cwd=project.path,
            env={**project.environ, "TERM": "xterm", "COLUMNS": "100"},
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        seen = b""
        with contextlib.suppress(OSError):  # how a terminal says that nobody writes any more
            while data := screen.read(65536):
                seen += data
    assert process.wait(30) == 0
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen.decode())
    assert re.search(r"slow +\S+ +\d+ / \d+", text)
    results = [line for line in re.split(r"[\r\n]+", text) if line.isdecimal()]
    assert results == [str(i) for i in range(40)]
