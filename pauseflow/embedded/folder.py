"""The folder of an embedded server: its files, its four locks, and how the server is asked.

Imports nothing but the standard library: the guardian runs this file without any package.

The locks are flocks, so that the kernel drops them when a process dies, however it dies:

- `users.lock`, shared: held by everyone who uses the server.
- `server.lock`, exclusive: inherited by the server process itself. Free means no server.
- `change.lock`, exclusive: held for as long as the server is being started or stopped.
- `guardian.lock`, shared: held by the guardian. Free means that nobody syncs the server's files.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

SOCKET_NAME = "valkey.sock"
# sun_path holds 104 bytes on macOS and 108 on Linux, with the closing zero.
SOCKET_LIMIT = 100

_CONFIG = """\
# Written by pauseflow at each start of the embedded server.
port 0
unixsocket {socket}
unixsocketperm 700
dir {folder}
daemonize no
appendonly yes
# The guardian does, every second.
appendfsync no
save ""
maxmemory-policy noeviction
"""


class Folder:
    """The files of one embedded server, all in one folder.

    Args:
        path: the folder, absolute. It need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.users_lock = path / "users.lock"
        self.server_lock = path / "server.lock"
        self.change_lock = path / "change.lock"
        self.guardian_lock = path / "guardian.lock"
        self.log = path / "valkey.log"
        self.config = path / "valkey.conf"
        self.append_only = path / "appendonlydir"
        self._address = path / "address"

    def prepare(self) -> None:
        """Make the folder, for its owner only, and keep it out of version control.

        Raises:
            OSError: it can't be made or written to.
        """
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.chmod(0o700)
        ignore = self.path / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n")

    def write_config(self) -> None:
        """Write the server's configuration and the address where it will answer."""
        chosen = self._choose_socket()
        chosen.unlink(missing_ok=True)
        self._address.write_bytes(os.fsencode(chosen))
        text = _CONFIG.format(socket=_quoted(str(chosen)), folder=_quoted(str(self.path)))
        self.config.write_bytes(os.fsencode(text))

    @property
    def socket(self) -> Path:
        """Where the server answers, as its starter wrote it down."""
        try:
            return Path(os.fsdecode(self._address.read_bytes()))
        except FileNotFoundError:
            return self.path / SOCKET_NAME

    def _choose_socket(self) -> Path:
        """In the folder, or, where that is too long for a socket, in the temporary directory."""
        inside = self.path / SOCKET_NAME
        if len(os.fsencode(inside)) <= SOCKET_LIMIT:
            return inside
        name = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:16]
        for parent in (Path(tempfile.gettempdir()), Path("/tmp")):  # noqa: S108 - owner checked below
            outside = parent / f"pauseflow-{os.getuid()}" / name
            if len(os.fsencode(outside)) <= SOCKET_LIMIT:
                outside.parent.mkdir(mode=0o700, exist_ok=True)
                status = outside.parent.lstat()
                if status.st_uid != os.getuid() or status.st_mode & 0o077:
                    raise PermissionError(f"{outside.parent} is not a folder of yours alone")
                return outside
        raise OSError(f"the path of {inside} is too long for a socket")

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """Nobody else starts or stops the server meanwhile."""
        lock = open_lock(self.change_lock)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def server_runs(self) -> bool:
        """Whether a server process is alive, whether or not it answers."""
        lock = open_lock(self.server_lock)
        try:
            return not try_lock(lock, fcntl.LOCK_SH)
        finally:
            os.close(lock)

    def guarded(self) -> bool:
        """Whether a guardian is alive. Call it inside `changing`."""
        lock = open_lock(self.guardian_lock)
        try:
            return not try_lock(lock, fcntl.LOCK_EX)
        finally:
            os.close(lock)

    def let_server_sync(self) -> bool:
        """Make the server sync what it writes, every second, as no guardian does.

        Returns:
            Whether it does. False if it does not answer, or is reading its data back.
        """
        try:
            return self.ask(b"CONFIG SET appendfsync everysec", timeout=1.0) == b"+OK"
        except OSError:
            return False

    def ask(self, command: bytes, timeout: float) -> bytes:
        """Send one inline command, and give the first line of the reply; empty if it hangs up.

        Raises:
            OSError: nothing answers.
        """
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout)
            connection.connect(os.fsencode(self.socket))
            connection.sendall(command + b"\r\n")
            return connection.recv(512).split(b"\r\n", 1)[0]

    def stop_if_unused(self, users: int, patience: float) -> bool:
        """Stop the server unless someone uses it. Call it inside `changing`.

        Args:
            users: a descriptor of users.lock, whose lock, if it has one, is given up.
            patience: how long to wait for the server to be gone, in seconds.

        Returns:
            False if someone else uses the server, or if it won't go. True also if the folder was
            removed, so that no server is to be found from here.
        """
        if not self._is_current(users):
            return True
        if not _only_user(users):
            fcntl.flock(users, fcntl.LOCK_UN)
            return False
        try:
            return self._stop(patience)
        finally:
            fcntl.flock(users, fcntl.LOCK_UN)

    def _stop(self, patience: float) -> bool:
        deadline = time.monotonic() + patience
        while self.server_runs():
            if time.monotonic() > deadline:
                return False
            # Again and again: one that is just starting does not listen yet.
            with contextlib.suppress(OSError):
                self.ask(b"SHUTDOWN", timeout=patience)
            time.sleep(0.005)
        self.socket.unlink(missing_ok=True)
        return True

    def _is_current(self, users: int) -> bool:
        """Whether the folder is still the one that this lock was taken in."""
        try:
            return os.path.samestat(os.fstat(users), self.users_lock.stat())
        except FileNotFoundError:
            return False


def open_lock(path: Path) -> int:
    """A descriptor of a lock file, which need not exist."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def try_lock(descriptor: int, mode: int) -> bool:
    """Take the lock if nobody has one that forbids it."""
    try:
        fcntl.flock(descriptor, mode | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _only_user(users: int) -> bool:
    if try_lock(users, fcntl.LOCK_EX):
        return True
    # Either other users, or the guardian, which takes the lock for an instant when it wakes: this
    # waits for the guardian only, and from here on nothing but other users can be in the way.
    fcntl.flock(users, fcntl.LOCK_SH)
    return try_lock(users, fcntl.LOCK_EX)


def _quoted(text: str) -> str:
    """As the server's configuration reads it back: in double quotes, with C escapes."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
