"""Servers that can't be used: one clear message, exit code 4, nothing half-done."""

import socket
import socketserver
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pauseflow.embedded.server import _binary

pytestmark = pytest.mark.process


class HttpPort(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self.rfile.readline()
        self.wfile.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")


@pytest.fixture
def server(bare: Path, until) -> Iterator[Callable[..., str]]:
    """Starts a Valkey with options, on a Unix socket; gives its address."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*options: str) -> str:
        path = bare / f"{len(started)}.sock"
        command = [str(_binary()), "--port", "0", "--unixsocket", str(path), "--save", ""]
        started.append(subprocess.Popen([*command, *options], cwd=bare, stdout=subprocess.DEVNULL))
        until(lambda: answers(path), "the server answers")
        return f"unix://{path}"

    yield start
    for process in started:
        process.terminate()
        process.wait()


def answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(str(path))
            connection.sendall(b"PING\r\n")
            return connection.recv(5) in (b"+PONG", b"-NOAU")
        except OSError:
            return False


def check(project, url: str, *said: str) -> None:
    for command in (("submit", "plus", "1"), ("run", "plus", "1", "--workers", "1"), ("runs",)):
        if command == ("runs",) and {"maxmemory", "read-only"} & set(said):
            continue  # it only reads, which these servers allow
        ended = project.flowctl(*command, REDIS_URL=url)
        assert ended.code == 4, ended
        assert ended.stdout == ""
        (line,) = ended.stderr.splitlines()
        assert line.startswith("flowctl: ")
        for words in said:
            assert words in line
        assert "wrong-password" not in line
        assert project.all_gone()
    assert not project.folder.path.exists()


def test_nobody_there(project, bare):
    check(project, f"unix://{bare}/nobody.sock", "no Redis answers", "nobody.sock")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        check(project, f"redis://127.0.0.1:{unused.getsockname()[1]}", "no Redis answers")


def test_a_wrong_password_or_none(project, server):
    url = server("--requirepass", "sesame")
    check(project, url, "password", "credentials")
    check(project, url.replace("unix://", "unix://:wrong-password@"), "password", "***")


def test_not_redis_at_all(project):
    with socketserver.TCPServer(("127.0.0.1", 0), HttpPort) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        check(project, f"redis://127.0.0.1:{http.server_address[1]}", "not Redis")
        http.shutdown()
        thread.join()


def test_a_read_only_replica(project, server):
    check(project, server("--replicaof", "127.0.0.1 1"), "read-only", "primary")


def test_a_full_server_takes_nothing_and_leaves_nothing_half_done(project, server):
    url = server("--maxmemory", "1")
    check(project, url, "maxmemory")
    assert project.flowctl("runs", "--json", REDIS_URL=url).stdout == ""


def test_a_database_that_does_not_exist(project, server):
    check(project, server() + "?db=99", "DB index is out of range")
