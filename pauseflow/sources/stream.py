"""The entries of a Redis stream."""

from __future__ import annotations

from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from pauseflow.duration import seconds_of
from pauseflow.errors import SourceChanged
from pauseflow.pause import PauseFlow
from pauseflow.sources.address import filled, shown, without_secrets

if TYPE_CHECKING:
    from pauseflow.store.entries import Entries

PAGE: Final = 1000


class redis_stream:  # noqa: N801 (used as a function)
    """The entries of a Redis stream, each as its id and a dict of its fields.

    ```python
    def clicks(_):
        for entry, fields in redis_stream("${REDIS_URL}", "clicks", follow=True):
            yield {"id": entry, **fields}
    ```

    Nothing is written to the server: there is no consumer group, and its state is the id of the
    entry that was given last. It ends with the entry that was the last one when it began. With
    `follow=True` it never ends: where there is nothing more, the stage pauses, and holds no worker
    and no connection until it looks again.

    Args:
        url: of the server: `redis://`, `rediss://` or `unix://`. `${NAME}` stands for a variable of
            the environment of whichever worker reads: secrets have to be written so.
        name: the stream's key.
        after: begin behind the entry with this id; "0" for the first one, "$" for those that are
            added from now on.
        follow: go on with what is added.
        every: how often to look for that: seconds, a timedelta, or a text such as "5s".
        trimmed: entries may be removed before they are read. If not, it is an error that the entry
            which was given last is gone, for others may be gone with it.
        raw: give fields and their values as bytes.
        page: entries read at once.

    Raises:
        ValueError: the URL has a secret in it. When an entry is asked for: there is no such stream
            (but with `follow`); a field is not UTF-8.
        SourceChanged: when an entry is asked for, and the last one is gone.
        StoreError: the server can't be reached, or refuses.
    """

    def __init__(
        self,
        url: str,
        name: str,
        *,
        after: str = "0",
        follow: bool = False,
        every: float | str | timedelta = 5.0,
        trimmed: bool = False,
        raw: bool = False,
        page: int = PAGE,
    ) -> None:
        if page < 1:
            raise ValueError(f"redis_stream(..., page={page!r}): give a number of entries")
        self.url = without_secrets(url)
        self.name = name
        self.after = after
        """The id of the entry that was given last."""
        self.number = 0
        """How many entries were given."""
        self._until: str | None = None
        self._begun = False
        self._follow = follow
        self._every = seconds_of(every, "every")
        self._trimmed = trimmed
        self._raw = raw
        self._page = page
        self._entries: Entries | None = None
        self._read: list[tuple[str, dict[bytes, bytes]]] = []

    def __iter__(self) -> Self:
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __next__(self) -> tuple[str, dict[Any, Any]]:
        if not self._read:
            self._read = self._more()
        entry, fields = self._read.pop()
        self.after = entry
        self.number += 1
        return entry, fields if self._raw else self._text(entry, fields)

    def close(self) -> None:
        """Close the connection; asking for another entry opens it again."""
        self._read = []
        entries, self._entries = self._entries, None
        if entries is not None:
            entries.close()

    def __del__(self) -> None:
        # A generator that is paused lets go of its sources without a chance to close them.
        entries = vars(self).get("_entries")
        if entries is not None:
            entries.close()

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in vars(self).items() if k not in ("_entries", "_read")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update({**state, "_entries": None, "_read": []})

    def __repr__(self) -> str:
        return f"<redis_stream {self.name!r} after {self.after}>"

    def _more(self) -> list[tuple[str, dict[bytes, bytes]]]:
        """The next page, backwards; ends or pauses if there is none."""
        if self._entries is None:
            from pauseflow.store.entries import Entries  # noqa: PLC0415 # not all sources need Redis

            self._entries = Entries.at(filled(self.url), self.name)
        if not self._begun:
            self._begin(self._entries)
        if not self._follow and self.after == self._until:
            raise self._finished()
        sure = self.number > 0 and not self._trimmed
        found = self._entries.page(self.after, self._page, known=sure, until=self._until or "+")
        if found is None:
            raise SourceChanged(
                f"stream {self.name!r} at {shown(self.url)}: entry {self.after}, the last one that "
                f"was read, is gone, and maybe others that were not read. Keep entries until they "
                f"are read and begin a new run; or say trimmed=True to go on with what is left"
            )
        if not found:
            if self._follow:
                self.close()
                raise PauseFlow(after=self._every)
            raise self._finished()
        return found[::-1]

    def _begin(self, entries: Entries) -> None:
        last = entries.last()
        if last is None and not self._follow and not entries.exist():
            raise ValueError(
                f"there is no stream {self.name!r} at {shown(self.url)}: check its name, or say "
                f"follow=True to wait for it"
            )
        if self.after == "$":
            self.after = last or "0-0"
        if not self._follow:
            self._until = last or self.after
        self._begun = True

    def _finished(self) -> StopIteration:
        self._until = self.after
        self.close()
        return StopIteration()

    def _text(self, entry: str, fields: dict[bytes, bytes]) -> dict[str, str]:
        try:
            return {name.decode(): value.decode() for name, value in fields.items()}
        except UnicodeDecodeError as error:
            told = f"stream {self.name!r}, entry {entry}: {error}. Say raw=True to get bytes"
            raise ValueError(told) from None
