"""The connection to Redis or Valkey: commands out, replies in, errors in our words."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, TypeAlias

import redis
from hiredis import pack_command
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    InvalidResponse,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)

from pauseflow.errors import (
    ServerFull,
    ServerReadOnly,
    ServerRefused,
    ServerUnreachable,
    SettingsError,
    StoreError,
)
from pauseflow.settings import redacted
from pauseflow.store.scripts import SOURCES, Command

Reply: TypeAlias = Any
"""What Redis answered: bytes, int, None, a list of these, or a `StoreError` for a command that
failed."""

CONNECT_SECONDS = 5.0

NO_LIMIT = 1 << 31
"""Of connections: the pool would count those that were closed too."""


_MEANINGS: tuple[tuple[tuple[type[Exception], ...], str, type[StoreError], str], ...] = (
    (
        (BusyLoadingError,),
        "LOADING",
        ServerUnreachable,
        "{at} is loading its data; try again in a moment",
    ),
    (
        (AuthenticationError, AuthorizationError),
        "WRONGPASS",
        ServerRefused,
        "{at} refuses the password or user: {text}. Check the URL's credentials",
    ),
    (
        (NoPermissionError,),
        "NOPERM",
        ServerRefused,
        "{at} denies a command to this user: {text}. Compare its ACL with docs/operations.md",
    ),
    (
        (ReadOnlyError,),
        "READONLY",
        ServerReadOnly,
        "{at} is a read-only replica. Give the URL of the primary",
    ),
    (
        (OutOfMemoryError,),
        "OOM command not allowed",
        ServerFull,
        (
            "{at} has reached its maxmemory, so it takes nothing more. Read results, wait for runs "
            "to expire, or raise maxmemory"
        ),
    ),
    ((), "MISCONF", ServerFull, "{at} can't write to its disk: {text}"),
    (
        (InvalidResponse,),
        "Protocol error",
        ServerRefused,
        "what answers at {at} is not Redis: {text}. Check the URL",
    ),
    (
        (),
        "CERTIFICATE_VERIFY_FAILED",
        ServerRefused,
        (
            "{at} shows a certificate that can't be verified. Install its CA, or, if you accept "
            "that, set PAUSEFLOW_TLS_VERIFY=none"
        ),
    ),
    ((ResponseError,), "\0", StoreError, "{at} answered with an error: {text}"),
)
"""By the client library's class or a word in the text: our class, and what to say."""


def in_our_words(error: Exception, address: str) -> StoreError:
    """The error of the client library as one of ours, saying what to do."""
    text = str(error).rstrip(".")
    for classes, word, ours, message in _MEANINGS:
        if isinstance(error, classes) or word in text:
            return ours(message.format(at=address, text=text))
    return ServerUnreachable(f"no Redis answers at {address}: {text}. Is it running there?")


class Server:
    """Where Redis is, and how to connect to it.

    Args:
        pool: makes connections; its own pooling is not used.
        address: for messages, without secrets.
    """

    def __init__(self, pool: redis.ConnectionPool, address: str) -> None:
        self._pool = pool
        self.address = address

    @classmethod
    def at(cls, url: str) -> Server:
        """A server by its URL.

        Args:
            url: `redis://`, `rediss://` or `unix://`.

        Raises:
            SettingsError: the URL can't be one of Redis.
        """
        options: dict[str, object] = {
            "protocol": 2,
            "max_connections": NO_LIMIT,
            "socket_connect_timeout": CONNECT_SECONDS,
            "socket_keepalive": True,
        }
        if url.startswith("unix:"):
            del options["socket_keepalive"]
        try:
            pool = redis.ConnectionPool.from_url(url, **options)
        except ValueError as error:
            raise SettingsError(
                f"{redacted(url)!r} is not the URL of a Redis server: {error}. "
                f"Write redis://host:6379/0, rediss://… for TLS, or unix:///path/to/socket"
            ) from None
        return cls(pool, redacted(url))

    def wire(self, timeout: float = 10.0) -> Wire:
        """A connection of its own; it connects when it is first used.

        Args:
            timeout: seconds to wait for a reply. More than any BLOCK sent over it.
        """
        return Wire(self._pool, self.address, timeout)


class Wire:
    """One connection, for one thread at a time.

    Sends many commands at once and gives their replies in order. Loads scripts that the server
    does not have. A lost connection is an error to the caller; the next call connects anew.

    Args:
        pool: makes the connection.
        address: for messages.
        timeout: seconds to wait for a reply.
    """

    def __init__(self, pool: redis.ConnectionPool, address: str, timeout: float) -> None:
        connection: Any = pool.make_connection()
        self._connection = connection
        self._connection.socket_timeout = timeout
        self._address = address
        self._sent: deque[list[Command]] = deque()
        self._early: deque[list[Reply]] = deque()
        self._demoted = False

    def exchange(self, commands: Sequence[Command]) -> list[Reply]:
        """Sends commands in one go and waits for all their replies.

        Returns:
            A reply a command; a command's own error is a StoreError in its place, not raised.

        Raises:
            ServerUnreachable: the connection failed; which commands were carried out is not known.
            ServerRefused: the server does not accept us, or is not Redis.
        """
        if self._sent:
            raise RuntimeError("receive what was sent before an exchange")
        self.send(commands)
        return self.receive()

    def send(self, commands: Sequence[Command]) -> None:
        """Sends commands without waiting; `receive` gives the replies. Raises as `exchange`."""
        self._write(commands)
        self._sent.append(list(commands))

    def receive(self) -> list[Reply]:
        """Waits for the replies to the oldest `send`. Returns and raises as `exchange` does."""
        sent = self._sent.popleft()
        replies = self._early.popleft() if self._early else self._read(len(sent))
        missing = [i for i, reply in enumerate(replies) if isinstance(reply, _NoScript)]
        if missing:
            # What was sent later is read first: replies come in order.
            for later in list(self._sent)[len(self._early) :]:
                self._early.append(self._read(len(later)))
            loads = [("SCRIPT", "LOAD", text) for text in SOURCES.values()]
            self._write([*loads, *(sent[i] for i in missing)])
            again = self._read(len(loads) + len(missing))[len(loads) :]
            for i, reply in zip(missing, again, strict=True):
                replies[i] = reply
        return replies

    def _write(self, commands: Sequence[Command]) -> None:
        packed = b"".join([pack_command(command) for command in commands])
        if self._demoted and not self._sent:
            # Where the address leads by now there may be another server.
            self.close()
        try:
            self._connection.send_packed_command([packed])
        except (RedisError, OSError) as error:
            raise self._lost(error) from None

    def _read(self, count: int) -> list[Reply]:
        read = self._connection.read_response
        replies: list[Reply] = []
        for _ in range(count):
            try:
                replies.append(read())
            except ResponseError as error:
                if str(error).startswith("No matching script"):
                    replies.append(_NoScript())
                else:
                    told = in_our_words(error, self._address)
                    self._demoted = self._demoted or isinstance(told, ServerReadOnly)
                    replies.append(told)
            except (RedisError, OSError) as error:
                raise self._lost(error) from None
        return replies

    def call(self, command: Command) -> Reply:
        """Sends one command and gives its reply; raises its error."""
        reply = self.exchange([command])[0]
        if isinstance(reply, StoreError):
            raise reply
        return reply

    def call_all(self, commands: Sequence[Command]) -> list[Reply]:
        """Sends commands in one go and gives their replies; raises the first error among them.

        All are carried out, whatever becomes of those before them. None at all takes no time.
        """
        replies = self.exchange(commands) if commands else []
        for reply in replies:
            if isinstance(reply, StoreError):
                raise reply
        return replies

    def load_scripts(self) -> None:
        """Loads every script into the server, which may have lost them in a restart."""
        self.call_all([("SCRIPT", "LOAD", text) for text in SOURCES.values()])

    def close(self) -> None:
        """Closes the connection; a later call opens it again."""
        self._sent.clear()
        self._early.clear()
        self._demoted = False
        self._connection.disconnect()

    def _lost(self, error: Exception) -> StoreError:
        self.close()
        return in_our_words(error, self._address)


class _NoScript(StoreError):
    """The server does not have this script (yet, or any more)."""
