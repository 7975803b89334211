"""A network between processes and the server that delays, swallows and cuts what passes."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

PIECE_BYTES = 65_536
FORGOTTEN_SECONDS = 14.0
"""How long a half-open connection stays so: longer than either side waits for the other."""


@dataclass(eq=False)
class Link:
    """One connection through the proxy.

    Attributes:
        owner: whose it is.
        near: towards the client.
        far: towards the server.
        number: in the order of their making.
        replies: pieces of replies that went through.
        delay: seconds that each piece is held up.
        delayed_until: when that ends, `time.monotonic`.
        swallows: "commands", "replies" or "both" vanish, and neither side learns of an end.
        cut: the next reply is broken off in its middle.
    """

    owner: str
    near: asyncio.StreamWriter
    far: asyncio.StreamWriter
    number: int
    replies: int = 0
    delay: float = 0.0
    delayed_until: float = 0.0
    swallows: str = ""
    cut: bool = False
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def loses(self, *, reply: bool) -> bool:
        """Whether what goes this way vanishes."""
        return self.swallows in ("both", "replies" if reply else "commands")

    def reset(self) -> None:
        """Ends both sides at once, the client's with an RST."""
        with contextlib.suppress(OSError):
            gone: socket.socket = self.near.get_extra_info("socket")
            gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.near.transport.abort()
        self.far.transport.abort()


class Proxy:
    """Forwards TCP ports of 127.0.0.1 to a Unix socket, in a thread of its own.

    Args:
        path: the server's socket. A connection made while nothing answers there is reset.
    """

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        self._links: set[Link] = set()
        self._numbers = itertools.count()
        self._loop = asyncio.new_event_loop()
        self._listeners: list[asyncio.Server] = []
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()

    def port_for(self, owner: str) -> int:
        """Opens a port whose connections are known as this owner's."""

        async def listen() -> int:
            async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                await self._serve(owner, reader, writer)

            listener = await asyncio.start_server(accept, "127.0.0.1", 0)
            self._listeners.append(listener)
            port: int = listener.sockets[0].getsockname()[1]
            return port

        return asyncio.run_coroutine_threadsafe(listen(), self._loop).result()

    def healthy(self, owner: str) -> bool:
        """Whether the owner has a connection that carries replies."""
        return any(
            link.owner == owner and link.replies and not link.swallows and not link.cut
            for link in list(self._links)
        )

    def delay(self, owner: str, which: int, seconds: float, lasting: float) -> bool:
        """Holds up each piece on one of the owner's connections. Returns whether there was one."""

        def do(link: Link) -> None:
            link.delay, link.delayed_until = seconds, time.monotonic() + lasting

        return self._with_link(owner, which, do)

    def swallow(self, owner: str, which: int, what: str) -> bool:
        """Makes one of the owner's connections half-open. Returns whether there was one."""

        def do(link: Link) -> None:
            link.swallows = what
            self._loop.call_later(FORGOTTEN_SECONDS, link.reset)

        return self._with_link(owner, which, do)

    def cut(self, owner: str, which: int) -> bool:
        """Breaks one of the owner's connections in a reply. Returns whether there was one."""

        def do(link: Link) -> None:
            link.cut = True

        return self._with_link(owner, which, do)

    def close(self) -> None:
        """Ends all connections and the thread."""

        async def end() -> None:
            for listener in self._listeners:
                listener.close()
            tasks = [task for link in self._links for task in link.tasks]
            for link in list(self._links):
                link.reset()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _with_link(self, owner: str, which: int, do: Callable[[Link], None]) -> bool:
        """Picks among what works of the owner's, so that a seed does the same as far as it can."""

        async def pick() -> bool:
            links = sorted(
                (link for link in self._links if link.owner == owner and not link.swallows),
                key=lambda link: link.number,
            )
            if not links:
                return False
            do(links[which % len(links)])
            return True

        return asyncio.run_coroutine_threadsafe(pick(), self._loop).result()

    async def _serve(
        self, owner: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            far_reader, far_writer = await asyncio.open_unix_connection(self._path)
        except OSError:
            writer.transport.abort()
            return
        link = Link(owner, writer, far_writer, next(self._numbers))
        self._links.add(link)
        link.tasks = [
            asyncio.create_task(self._pump(link, reader, far_writer, reply=False)),
            asyncio.create_task(self._pump(link, far_reader, writer, reply=True)),
        ]
        try:
            await asyncio.wait(link.tasks)
        finally:
            self._links.discard(link)
            link.near.transport.abort()
            link.far.transport.abort()

    async def _pump(
        self,
        link: Link,
        source: asyncio.StreamReader,
        target: asyncio.StreamWriter,
        *,
        reply: bool,
    ) -> None:
        """Carries one direction until it ends. A half-open connection's other side is not told."""
        with contextlib.suppress(OSError):
            while data := await source.read(PIECE_BYTES):
                if time.monotonic() < link.delayed_until:
                    await asyncio.sleep(link.delay)
                if link.loses(reply=reply):
                    continue
                if reply and link.cut:
                    target.write(data[: len(data) // 2])
                    await asyncio.sleep(0)
                    link.reset()
                    return
                target.write(data)
                await target.drain()
                link.replies += reply
        if not link.swallows:
            target.close()
