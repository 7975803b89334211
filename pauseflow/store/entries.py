"""Entries: those of a stream that somebody else writes, for a flow to read."""

from __future__ import annotations

from typing import Self

from pauseflow.store.server import Server, Wire

Entry = tuple[str, dict[bytes, bytes]]
"""Its id, and its fields."""


class Entries:
    """Reads a stream of any Redis server, and writes nothing.

    Args:
        wire: the connection; it is closed with this.
        stream: the stream's key.
    """

    def __init__(self, wire: Wire, stream: str) -> None:
        self._wire = wire
        self._stream = stream

    @classmethod
    def at(cls, url: str, stream: str) -> Self:
        """A stream by its server's URL. It connects when it is first read.

        Raises:
            SettingsError: the URL can't be one of Redis.
        """
        return cls(Server.at(url).wire(), stream)

    def last(self) -> str | None:
        """The id of the last entry; None if there is none.

        Raises:
            StoreError: the server can't be reached, or the key holds something else.
        """
        found = self._wire.call(("XREVRANGE", self._stream, "+", "-", "COUNT", 1))
        return found[0][0].decode() if found else None

    def exist(self) -> bool:
        """Whether there is such a key, even if no entry is left in it."""
        return bool(self._wire.call(("EXISTS", self._stream)))

    def page(self, after: str, count: int, *, known: bool, until: str) -> list[Entry] | None:
        """The entries that come next.

        Args:
            after: the id of the entry before them.
            count: how many, at most.
            known: that entry is expected to be there still.
            until: the last id to give; "+" for all.

        Returns:
            The entries, or None if the one before them is gone although it is expected.

        Raises:
            StoreError: the server can't be reached, or the id is none.
        """
        begin = after if known else f"({after}"
        asked = ("XRANGE", self._stream, begin, until, "COUNT", count + known)
        found = [_entry(each) for each in self._wire.call(asked)]
        if not known:
            return found
        if not found or found[0][0] != after:
            return None
        return found[1:]

    def close(self) -> None:
        """Close the connection."""
        self._wire.close()


def _entry(reply: list[bytes | list[bytes]]) -> Entry:
    name, fields = reply
    assert isinstance(name, bytes)  # noqa: S101 # tells mypy what the server's protocol says
    pairs = iter(fields)
    return name.decode(), dict(zip(pairs, pairs, strict=True))  # type: ignore[arg-type]
