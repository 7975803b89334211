"""Two versions of an app at once: workers of each in processes of their own."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pauseflow import app as apps
from pauseflow.client import Client, RunState
from support.servers import bare_valkey
from support.waiting import wait_until

pytestmark = pytest.mark.process

RUNS = 10
BIN = str(Path(sys.executable).parent)

V1 = """
from pauseflow import Flow, PauseFlow


def pages(n):
    for page in range(n):
        yield f"v1 page {page}"
        yield PauseFlow(after=0.1) if page else PauseFlow(until="go")


flow = Flow("site")
flow.branch(pages, version="v1", strict=True, ordered=False)
"""
V2 = V1.replace("v1", "v2").replace("range(n):", "range(n):\n        page += 0")


class Site:
    """A server, a coordinator, and workers of any version.

    Args:
        folder: where the versions are.
        url: of the server.
    """

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.environ = {**os.environ, "REDIS_URL": url, "WEB_CONCURRENCY": "1"}
        self.client = Client.connect(url)
        self._processes: list[subprocess.Popen[bytes]] = []
        for name, text in (("site_v1", V1), ("site_v2", V2)):
            (folder / f"{name}.py").write_text(text)
        self.flow = apps.load(str(folder / "site_v1.py")).flow("site")

    def start(self, *arguments: str) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(
            [f"{BIN}/flowctl", *arguments],
            cwd=self.folder,
            env=self.environ,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._processes.append(process)
        return process

    def worker(self, version: str) -> "subprocess.Popen[bytes]":
        known = {each.name for each in self.client.workers()}
        process = self.start("worker", "--app", f"site_{version}.py")
        wait_until(lambda: {w.name for w in self.client.workers()} - known, "the worker is there")
        return process

    def flowctl(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [f"{BIN}/flowctl", *arguments],
            cwd=self.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def stop(self, *processes: "subprocess.Popen[bytes]") -> None:
        for process in processes or self._processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in processes or self._processes:
            process.wait(timeout=20)

    def results(self, run_id: str) -> list[object]:
        return list(self.client.results(run_id))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with bare_valkey(tmp_path) as url:
        made = Site(tmp_path, url)
        try:
            made.start("coordinator")
            yield made
        finally:
            made.stop()
            made.client.close()
            with contextlib.suppress(KeyError):
                del sys.modules["site_v1"]


def test_each_worker_takes_only_frames_of_its_own_code(site: Site) -> None:
    site.worker("v1")
    for number in range(RUNS):
        site.client.submit(site.flow, 12, run_id=f"before{number}")
    wait_until(
        lambda: all(site.client.run(f"before{n}").results.count for n in range(RUNS)),
        "every run has begun on the old version",
    )
    site.worker("v2")
    for number in range(RUNS):
        site.client.submit(site.flow, 12, run_id=f"during{number}")
    run_ids = [f"{when}{number}" for when in ("before", "during") for number in range(RUNS)]
    for run_id in run_ids:
        site.client.signal(run_id, "go")
    for run_id in run_ids:
        assert site.client.wait(run_id, timeout=30).state is RunState.DONE
        found = site.results(run_id)
        version = str(found[0])[:2]
        assert version == "v1" or run_id.startswith("during")
        assert found == [f"{version} page {page}" for page in range(12)]


def test_with_only_the_new_worker_an_old_frame_waits_visibly(site: Site) -> None:
    old = site.worker("v1")
    site.client.submit(site.flow, 12, run_id="long")
    wait_until(lambda: site.client.run("long").results.count, "it has begun")
    site.stop(old)
    so_far = len(site.results("long"))
    new = site.worker("v2")
    site.client.signal("long", "go")

    def foreign() -> bool:
        return [parked.why for parked in site.client.run("long").parked] == ["code"]

    wait_until(foreign, "the new worker has met the old frame")
    for command in (("show", "long"), ("stack", "long", "--app", "site_v2.py"), ("doctor",)):
        said = site.flowctl(*command)
        assert said.returncode == (1 if command == ("doctor",) else 0), said.stderr
        assert "(v1) that no worker has; live workers have" in said.stdout
        assert "(v2)" in said.stdout
    assert len(site.results("long")) == so_far
    site.worker("v1")
    assert "which worker" in site.flowctl("show", "long").stdout
    wait_until(lambda: len(site.results("long")) > so_far, "it goes on", seconds=20)
    site.stop(new)
    assert site.client.wait("long", timeout=30).state is RunState.DONE
    assert site.results("long") == [f"v1 page {page}" for page in range(12)]
