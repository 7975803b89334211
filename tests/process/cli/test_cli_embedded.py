"""The embedded server's life, with real processes."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from pauseflow.embedded import EmbeddedServer
from pauseflow.embedded.folder import Folder
from pauseflow.errors import ServerUnreachable

pytestmark = pytest.mark.process

# A user in a process of its own, which leaves when its input is closed.
USER = """
import sys
from pathlib import Path
from pauseflow.embedded import EmbeddedServer
with EmbeddedServer(Path(sys.argv[1])) as server:
    print(server.url, flush=True)
    sys.stdin.read()
"""


class User:
    def __init__(self, project: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", USER, str(project)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def joined(self) -> "User":
        assert self.process.stdout is not None
        assert self.process.stdout.readline().startswith("unix://")
        return self

    def leave(self) -> None:
        self.process.communicate()
        assert self.process.returncode == 0

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def user(project: Path) -> Iterator[Callable[[], User]]:
    users: list[User] = []

    def join() -> User:
        users.append(User(project))
        return users[-1]

    yield join
    for each in users:
        each.kill()


def runs(project: Path) -> bool:
    return Folder(project / ".pauseflow").server_runs()


def server_pid(server: EmbeddedServer) -> int:
    return int(connect(server).info("server")["process_id"])


def connect(server: EmbeddedServer) -> "redis.Redis":
    return redis.Redis.from_url(server.url, single_connection_client=True)


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, f"waited 10 s until {what}"
        time.sleep(0.005)


def test_it_serves_and_keeps_its_data_until_the_next_time(project):
    with EmbeddedServer(project) as server, connect(server) as client:
        client.set("key", "kept")
        assert client.config_get("appendonly") == {"appendonly": "yes"}
        assert client.config_get("appendfsync") == {"appendfsync": "no"}
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert client.config_get("port") == {"port": "0"}
    assert not runs(project)
    with EmbeddedServer(project) as server, connect(server) as client:
        assert client.get("key") == b"kept"


def test_it_is_shared_and_stopped_with_the_last_user(project, user):
    first, second = user().joined(), user().joined()
    first.leave()
    assert runs(project)
    second.leave()
    assert not runs(project)


def test_many_that_come_and_go_at_once_all_find_one_server(project):
    pids: set[int] = set()
    errors: list[BaseException] = []

    def come_and_go() -> None:
        try:
            for _ in range(5):
                with EmbeddedServer(project) as server, connect(server) as client:
                    pids.add(int(client.info("server")["process_id"]))
                    client.incr("visits")
        except BaseException as error:  # noqa: BLE001 - told to the test, whatever it is
            errors.append(error)

    threads = [threading.Thread(target=come_and_go) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert not runs(project)
    with EmbeddedServer(project) as server, connect(server) as client:
        assert client.get("visits") == b"40"


def test_a_killed_user_does_not_take_it_from_the_others(project, user):
    first, second = user().joined(), user().joined()
    first.kill()
    with EmbeddedServer(project) as server:
        pid = server_pid(server)
    with EmbeddedServer(project) as server:
        assert server_pid(server) == pid
    second.leave()
    assert not runs(project)


def test_the_last_user_killed_does_not_keep_it_alive(project, user):
    user().joined().kill()
    until(lambda: not runs(project), "the guardian has stopped the server")


def test_a_server_that_was_stopped_for_a_while_is_still_guarded(project, user):
    leaver = user().joined()
    with EmbeddedServer(project) as server:
        pid = server_pid(server)
    os.kill(pid, signal.SIGSTOP)
    os.kill(pid, signal.SIGCONT)
    leaver.kill()
    until(lambda: not runs(project), "the guardian has stopped the server")


def test_a_crashed_server_is_started_again_with_its_data(project):
    with EmbeddedServer(project) as server:
        with connect(server) as client:
            # The last of many, right before the crash: all that was acknowledged is there.
            for number in range(1000):
                client.set("key", number)
        os.kill(server_pid(server), signal.SIGKILL)
        until(lambda: not runs(project), "the server is dead")
        assert server.ensure()
        assert not server.ensure()
        with connect(server) as client:
            assert client.get("key") == b"999"
    assert not runs(project)


@pytest.fixture
def closed(project: Path) -> Iterator[Callable[[], bool]]:
    """Whether a file of the server's data that was opened to be read, or synced, is closed again.

    The server itself opens them to write, and does not close them, while it runs. The kernel tells.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    watch = libc.inotify_init1(os.O_NONBLOCK)
    assert watch >= 0

    def happened() -> bool:
        data = os.fsencode(project / ".pauseflow" / "appendonlydir")
        assert libc.inotify_add_watch(watch, data, 0x10) >= 0  # IN_CLOSE_NOWRITE
        try:
            return b".incr.aof" in os.read(watch, 4096)
        except BlockingIOError:
            return False

    yield happened
    os.close(watch)


def test_the_guardian_syncs_what_the_server_writes(project, closed):
    with EmbeddedServer(project) as server, connect(server) as client:
        assert not closed()
        for number in range(2):
            client.set("key", number)
            until(closed, "the guardian has synced the file")
        assert client.config_get("appendfsync") == {"appendfsync": "no"}


def test_what_a_crashed_server_wrote_is_synced_by_its_guardian(project, closed):
    with EmbeddedServer(project) as server, connect(server) as client:
        assert not closed()
        pid = server_pid(server)
        guardian = parent(pid)
        os.kill(guardian, signal.SIGSTOP)
        client.set("key", "kept")
        os.kill(pid, signal.SIGKILL)
        assert not closed()
        os.kill(guardian, signal.SIGCONT)
        until(lambda: not alive(guardian), "the guardian is gone")
        assert closed()


def test_a_server_whose_guardian_cannot_sync_does_so_itself(project):
    with EmbeddedServer(project) as server, connect(server) as client:
        # It can be opened, but not synced.
        (project / ".pauseflow" / "appendonlydir" / "x.9.incr.aof").symlink_to("/dev/null")
        until(
            lambda: client.config_get("appendfsync") == {"appendfsync": "everysec"},
            "the server syncs by itself",
        )
        assert "can't be synced to disk" in server.log.read_text()


def test_a_server_whose_guardian_was_killed_syncs_by_itself_from_the_next_user_on(project):
    with EmbeddedServer(project) as server, connect(server) as client:
        folder = Folder(project / ".pauseflow")
        os.kill(parent(server_pid(server)), signal.SIGKILL)
        # What it had locked may be free a moment after the process is gone.
        until(lambda: not folder.guarded(), "the guardian is dead")
        assert client.config_get("appendfsync") == {"appendfsync": "no"}
        with EmbeddedServer(project):
            assert client.config_get("appendfsync") == {"appendfsync": "everysec"}
        client.set("key", "kept")
    assert not runs(project)
    with EmbeddedServer(project) as server, connect(server) as client:
        assert client.get("key") == b"kept"
        assert client.config_get("appendfsync") == {"appendfsync": "no"}


def test_what_a_crash_leaves_behind_stands_in_nobodys_way(project, user):
    holder = user().joined()
    with EmbeddedServer(project) as server:
        os.kill(server_pid(server), signal.SIGKILL)
    holder.kill()
    assert (project / ".pauseflow" / "valkey.sock").exists()
    with EmbeddedServer(project) as server, connect(server) as client:
        assert client.ping()


def test_a_path_with_odd_characters_or_too_long_for_a_socket(tmp_path):
    for name in ('a b%20 "q" \\n#?é', "d" * 150):
        with EmbeddedServer(tmp_path / name) as server, connect(server) as client:
            assert client.ping()


def test_a_server_that_cannot_start_says_why(project):
    with EmbeddedServer(project):
        pass
    (manifest,) = (project / ".pauseflow" / "appendonlydir").glob("*.manifest")
    manifest.write_text("this is not a manifest\n")
    server = EmbeddedServer(project)
    with pytest.raises(ServerUnreachable, match="ended as it started") as caught:
        server.__enter__()
    assert "valkey.log" in str(caught.value)


def test_a_folder_removed_under_it_does_not_leave_a_server_behind(project, user):
    leaver = user().joined()
    with EmbeddedServer(project) as server:
        pid = server_pid(server)
    for file in sorted((project / ".pauseflow").rglob("*"), reverse=True):
        file.rmdir() if file.is_dir() else file.unlink()
    (project / ".pauseflow").rmdir()
    with EmbeddedServer(project) as server:
        assert server_pid(server) != pid
        leaver.leave()
        until(lambda: not alive(pid), "the old server is gone")
        assert connect(server).ping()


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
