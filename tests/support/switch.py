"""Switch: a TCP proxy before a server, for tests that cut connections or change the server."""

import contextlib
import socket
import threading
from collections.abc import Iterator


class Switch:
    """Forwards connections to whichever server it is set to.

    Args:
        port: of the server, on this machine.
    """

    def __init__(self, port: int) -> None:
        self.target = port
        self.cuts = 0
        self._spoil = b""
        self._every = 1
        self._seen = 0
        self._lock = threading.Lock()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def turn(self, port: int) -> None:
        """From now on there is another server, and what was connected to the old one is cut off."""
        self.target = port
        self.cut()

    def cut(self) -> None:
        """Breaks every connection."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            _break(*pair)

    def spoil_replies(self, word: bytes, every: int) -> None:
        """Cuts connections in the midst of the reply to what has a word in it.

        Args:
            word: that a request must have; empty to let all pass again.
            every: only each so many such requests.
        """
        self._spoil, self._every, self._seen = word, every, 0

    def close(self) -> None:
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.target), 5)
            except OSError:
                client.close()
                continue
            with self._lock:
                self._pairs.append((client, server))
            doomed = threading.Event()
            for source, sink, asks in ((client, server, True), (server, client, False)):
                threading.Thread(
                    target=self._forward, args=(source, sink, asks, doomed), daemon=True
                ).start()

    def _forward(
        self, source: socket.socket, sink: socket.socket, asks: bool, doomed: threading.Event
    ) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                if asks and self._is_to_spoil(data):
                    doomed.set()
                if not asks and doomed.is_set():
                    self.cuts += 1
                    sink.sendall(data[: len(data) // 2])
                    break
                sink.sendall(data)
        _break(source, sink)

    def _is_to_spoil(self, data: bytes) -> bool:
        if not self._spoil or self._spoil not in data:
            return False
        self._seen += 1
        return self._seen % self._every == 0


def _break(*ends: socket.socket) -> None:
    for end in ends:
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()


@contextlib.contextmanager
def switch(port: int) -> Iterator[Switch]:
    """A switch inside the block."""
    made = Switch(port)
    try:
        yield made
    finally:
        made.close()
