"""`flowctl signal`."""

import json
import subprocess
import sys

import pytest

from pauseflow import Flow, PauseFlow
from pauseflow.client import Client
from support.cluster import Cluster
from support.servers import fake_server


def ask(question):
    answer = yield PauseFlow(until="answer")
    yield [question, answer]


FLOW = Flow("asking")
FLOW.branch(ask, name="ask", ordered=False)


@pytest.fixture
def cluster(monkeypatch):
    monkeypatch.setenv("REDIS_URL", "redis://nowhere:1/0")
    server = fake_server()
    with Cluster(server, FLOW) as made:
        monkeypatch.setattr(Client, "connect", lambda url, *, namespace: Client(server))
        yield made


def asked(cluster, *questions, run="r"):
    with cluster.client.open(FLOW, run_id=run) as feed:
        for question in questions:
            feed.append(question)
    cluster.settle()


def answers(cluster, run="r"):
    cluster.settle()
    return sorted(cluster.client.results(run))


def test_the_longest_wait_goes_on_with_the_data(cluster, call):
    asked(cluster, "a", "b")
    result = call("signal", "r", "answer", '{"yes": true}')
    assert (result.exit_code, result.stdout) == (0, "")
    assert "What had waited longest for 'answer' in run r goes on." in result.stderr
    assert answers(cluster) == [["a", {"yes": True}]]


def test_data_is_null_where_none_is_given_and_may_be_negative_or_from_stdin(cluster, call):
    asked(cluster, "a", "b", "c")
    assert call("signal", "r", "answer").exit_code == 0
    assert call("signal", "r", "answer", "-5").exit_code == 0
    assert call("signal", "r", "answer", "-", stdin='[1, "é"]\n').exit_code == 0
    assert answers(cluster) == [["a", None], ["b", -5], ["c", [1, "é"]]]


def test_a_broadcast_wakes_all(cluster, call):
    asked(cluster, "a", "b")
    result = call("signal", "r", "answer", "1", "--broadcast")
    assert "Everything that waited" in result.stderr
    assert answers(cluster) == [["a", 1], ["b", 1]]


def test_one_that_comes_early_is_kept(cluster, call):
    cluster.client.open(FLOW, run_id="r")
    result = call("signal", "r", "answer", "7")
    assert result.exit_code == 0
    assert "kept for the first that waits" in result.stderr
    asked(cluster, "a")
    assert answers(cluster) == [["a", 7]]


def test_as_a_program_it_ends_without_a_word_of_python(tmp_path):
    """The command's module has the name of one of Python's that flowctl uses as it ends."""
    done = subprocess.run(
        [sys.executable, "-m", "pauseflow.cli", "signal", "r", "a b"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)


def test_for_programs(cluster, call):
    asked(cluster, "a")
    told = {"run": "r", "signal": "answer"}
    for woke in (True, False):
        line = call("signal", "r", "answer", "--json").stdout
        assert json.loads(line) == {**told, "woke": woke, "kept": not woke}


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("nobody", "answer"), 3, "no run 'nobody'"),
        (("r", "answer", "yes"), 2, "write '\"yes\"', with both quotes"),
        (("r", "answer", "1", "2"), 2, "one JSON value"),
        (("r", "answer", "--brodcast"), 2, "Did you mean '--broadcast'?"),
        (("r", "job:7"), 2, "don't begin with job: or run:"),
        (("r", "a b"), 2, "can't be called 'a b'"),
        (("r", ""), 2, "can't be called ''"),
        (("r", "answer", "-"), 2, "stdin is empty"),
        (("r",), 2, "Missing argument 'NAME'"),
    ],
)
def test_what_makes_no_sense_is_one_message_and_sends_nothing(cluster, call, arguments, code, said):
    asked(cluster, "a")
    result = call("signal", *arguments, stdin="")
    assert result.exit_code == code
    assert said in result.stderr
    assert answers(cluster) == []


def test_a_run_that_is_over_takes_none(cluster, call):
    asked(cluster, "a")
    call("signal", "r", "answer")
    assert answers(cluster) == [["a", None]]
    result = call("signal", "r", "answer")
    assert result.exit_code == 2
    assert result.stderr == "flowctl: run 'r' is over: nothing in it waits for 'answer'\n"
