"""examples/crawl.py: workers find what one process finds, and ask no host too often."""

import os
import runpy
import subprocess
import sys
from collections import Counter
from pathlib import Path
from threading import Event
from types import SimpleNamespace

import pytest

from pauseflow.client import Client
from pauseflow.store.server import Server
from support.servers import bare_valkey

pytestmark = pytest.mark.process

EXAMPLE = Path(__file__).parents[2] / "examples" / "crawl.py"


@pytest.fixture(scope="module")
def example():
    return SimpleNamespace(**runpy.run_path(str(EXAMPLE)))


@pytest.fixture
def hosts(example):
    with example.hosts(*example.PACKAGES) as hosts:
        yield hosts


@pytest.fixture
def alone(example, hosts):
    """What a run in this process finds, and the addresses that lead nowhere. Nobody waits."""
    dead = []
    pages = example.flow.run([host.url for host in hosts], sleep=lambda _: None, dead=dead)
    for host in hosts:
        assert_asked_once(host)
        host.log.clear()
    return pages, sorted(str(failure.__cause__) for failure in dead)


@pytest.fixture
def flowctl(tmp_path):
    """Starts commands of an installation of its own. They end with the test."""
    running = []
    with bare_valkey(tmp_path) as url:
        environ = {**os.environ, "REDIS_URL": url, "FLOWCTL_APP": str(EXAMPLE)}

        def start(*arguments):
            command = [sys.executable, "-m", "pauseflow.cli", *arguments]
            running.append(subprocess.Popen(command, env=environ, cwd=tmp_path))
            return running[-1]

        start.url = url
        yield start
        for process in running:
            process.terminate()
        for process in running:
            process.wait(20)


@pytest.fixture
def client(flowctl):
    with Client(Server.at(flowctl.url)) as client:
        yield client


def test_workers_find_what_one_process_finds_and_ask_politely(
    example, hosts, alone, flowctl, client
):
    for command in ("coordinator", "worker", "worker", "jobs"):
        flowctl(command)
    client.submit(example.flow, [host.url for host in hosts], run_id="monday")
    assert found(client) == by_url(alone[0])
    assert nowhere(client) == alone[1]
    for host in hosts:
        assert_asked_once(host)
        assert_polite(host, example.RATE, example.AT_ONCE)


def test_a_worker_killed_amid_an_index_has_another_go_on_there(
    example, hosts, alone, flowctl, client
):
    unittest = hosts[-1]
    asked, go_on = hold(unittest, "/?page=3")
    for command in ("coordinator", "jobs"):
        flowctl(command)
    worker = flowctl("worker")
    client.submit(example.flow, [host.url for host in hosts], run_id="monday")
    assert asked.wait(20)
    flowctl("worker")
    worker.kill()
    worker.wait()
    go_on.set()
    assert found(client) == by_url(alone[0])
    assert nowhere(client) == alone[1]
    # It went on at the page that it stood at, and little else was done once more.
    assert again(unittest)["/?page=3"] == 1
    assert not {"/", "/?page=2"} & again(unittest).keys()
    assert sum(again(host).total() for host in hosts) <= example.AT_ONCE.count * len(hosts)
    for host in hosts:
        assert_polite(host, example.RATE, example.AT_ONCE)


def found(client):
    return by_url(client.results("monday", follow=True))


def by_url(pages):
    return sorted(pages, key=lambda page: page["url"])


def nowhere(client):
    """The addresses in the dead letters."""
    return sorted(letter.record for letter in client.dead())


def hold(host, path):
    """Has the host not answer the first request for a path, until it is told to go on."""
    asked, go_on = Event(), Event()
    answer = host.answer

    def patient(path_asked):
        if path_asked == path and not asked.is_set():
            asked.set()
            go_on.wait(30)
        return answer(path_asked)

    host.answer = patient
    return asked, go_on


def again(host):
    """How often each path was asked for although the host had said all that there is to say."""
    said = Counter(path for _, path, status in host.log if status in (200, 404))
    return said - Counter(said.keys())


def assert_asked_once(host):
    """Nothing was asked for again but what the host was too busy or broken for, once each."""
    assert not again(host)
    assert max(Counter(path for _, path, status in host.log if status in (429, 500)).values()) == 1


def assert_polite(host, rate, limit):
    """In no stretch of time was the host asked more often than it likes.

    What was permitted before may have been on its way, but no more than there may be at once.
    """
    times = sorted(when for when, _, _ in host.log)
    for first, begin in enumerate(times):
        for last, end in enumerate(times[first:], start=first):
            permitted = rate.burst + (end - begin) * 1e6 / rate.interval + limit.count
            assert last - first + 1 <= permitted, f"{host.url} from {begin} to {end}: {host.log}"
