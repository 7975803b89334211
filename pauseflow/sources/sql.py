"""The rows of a database, in the order of a key."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from types import TracebackType
from typing import Any, Final, Self

from pauseflow.errors import MissingExtra, SourceChanged
from pauseflow.sources.address import filled, shown, without_secrets
from pauseflow.sources.keyset import Keyset, Missing, Reader, Row

PAGE: Final = 1000
_OPEN: Final = ("_reader", "_rows", "_last_page")
_SQLITE: Final = "sqlite:///"


class sql:  # noqa: N801 (used as a function)
    """The rows of a table or query, each as a dict, in the order of a key.

    ```python
    def orders(day):
        yield from sql("shop.db", "SELECT * FROM orders WHERE day = :day",
                       key="id", params={"day": day})
    ```

    Rows are read a page at a time, those after the last key first, so its state is the key of the
    row that was given last, and no cursor or transaction is held. That is not a snapshot: rows
    that are added or removed behind the key are not seen, those before it are.

    Args:
        database: a file of SQLite, or the URL of a database that SQLAlchemy knows, in which
            `${NAME}` stands for a variable of the environment of whichever worker reads: secrets
            have to be written so. Or a function with a name, without parameters, that gives an
            engine of SQLAlchemy, or a connection of sqlite3, which is closed; in a generator only,
            which is where another worker finds it.
        query: the name of a table (or `schema.table`), or a SELECT; or a function as above that
            gives a Table or select of SQLAlchemy.
        key: the column, or columns, to go on by. No two rows have the same, and none has NULL:
            it is a primary key, mostly. An index on it makes each page quick.
        params: for each `:name` in the SELECT, its value.
        after: begin after this key rather than at the first row.
        page: rows read at once.

    Raises:
        ValueError: the URL has a secret in it. When a row is asked for: the table, a column or the
            key is not there, or the key is not one.
        FileNotFoundError: when a row is asked for, and there is no such file of SQLite.
        SourceChanged: the file, table or column was there before a pause.
        MissingExtra, ImportError: SQLAlchemy, or the database's driver, is not installed.
        Exception: whatever else the database says, such as that it can't be reached.
    """

    def __init__(
        self,
        database: str | os.PathLike[str] | Callable[[], Any],
        query: str | Callable[[], Any],
        *,
        key: str | Sequence[str],
        params: Mapping[str, object] | None = None,
        after: object = None,
        page: int = PAGE,
    ) -> None:
        if not key or page < 1:
            raise ValueError(
                f"sql(..., key={key!r}, page={page!r}): both have to be more than that"
            )
        self.key = [key] if isinstance(key, str) else list(key)
        self.after = None if after is None else self._as_key(after)
        """The key of the row that was given last."""
        self.number = 0
        """How many rows were given."""
        self._database = database if callable(database) else without_secrets(os.fspath(database))
        self._query = query
        self._params = dict(params or {})
        self._page = page
        self._over = False
        self._reader: Reader | None = None
        self._rows: list[Row] = []
        self._last_page = False

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

    def __next__(self) -> Row:
        if not self._rows:
            if self._over:
                raise StopIteration
            if not self._last_page:
                self._rows = self._more()
            if not self._rows:
                self._over = True
                self.close()
                raise StopIteration
        row = self._rows.pop()
        self.after = [row[name] for name in self.key]
        self.number += 1
        return row

    def close(self) -> None:
        """Close the connection; asking for another row opens it again."""
        self._rows, self._last_page = [], False
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()

    def __del__(self) -> None:
        # A generator that is paused lets go of its sources without a chance to close them.
        reader = vars(self).get("_reader")
        if reader is not None:
            reader.close()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in _OPEN}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update({**state, "_reader": None, "_rows": [], "_last_page": False})

    def __repr__(self) -> str:
        return f"<sql {self._told} after {self.after!r}>"

    @property
    def _told(self) -> str:
        name = self._database
        return shown(name) if isinstance(name, str) else getattr(name, "__qualname__", "a database")

    def _as_key(self, after: object) -> list[Any]:
        parts = list(after) if isinstance(after, list | tuple) else [after]
        if len(parts) != len(self.key):
            raise ValueError(f"sql(..., after={after!r}): the key is {', '.join(self.key)}")
        return parts

    def _more(self) -> list[Row]:
        """The next page, backwards."""
        query = self._query() if callable(self._query) else self._query
        keyset = Keyset(query, tuple(self.key), self._params)
        try:
            if self._reader is None:
                self._reader = self._opened()
            greatest = self._reader.greatest(keyset) if self.after is None else []
            # One more than is given, to see that the next page begins with another key.
            rows = self._reader.rows(keyset, self.after, self._page + 1)
        except (Missing, FileNotFoundError) as error:
            raise self._missing(keyset, error) from error
        self._check(keyset, rows, greatest)
        self._last_page = len(rows) <= self._page
        return rows[: self._page][::-1]

    def _check(self, keyset: Keyset, rows: list[Row], greatest: list[Row]) -> None:
        """See that the key is one.

        Raises:
            ValueError: two rows have the same, one has none, or it goes by another name.
        """
        for name in self.key if rows else ():
            if name not in rows[0]:
                has = ", ".join(rows[0])
                raise ValueError(
                    f"{self._told}, {keyset.told}: no column {name!r}, there are {has}"
                )
        keys = [[row[name] for row in rows] for name in self.key]
        if any(None in column for column in keys) or any(
            row[name] is None for row in greatest for name in self.key
        ):
            raise ValueError(self._wrong_key(keyset, "is NULL in some row"))
        for key, following in pairwise(zip(*keys, strict=True)):
            if key == following:
                same = ", ".join(f"{k}={v!r}" for k, v in zip(self.key, key, strict=True))
                raise ValueError(self._wrong_key(keyset, f"is the same in several rows ({same})"))

    def _opened(self) -> Reader:
        if callable(self._database):
            return self._given(self._database())
        if "://" not in filled(self._database) or filled(self._database).startswith(_SQLITE):
            from pauseflow.sources.sqlite import SqliteReader  # noqa: PLC0415 # few flows need it

            return SqliteReader.of(filled(self._database).removeprefix(_SQLITE))
        try:
            from pauseflow.sources.alchemy import AlchemyReader  # noqa: PLC0415 # of the extra "sql"
        except ImportError:
            raise MissingExtra(f"{self._told} is read with SQLAlchemy", "sql") from None
        try:
            return AlchemyReader.at(filled(self._database))
        except ModuleNotFoundError as error:
            raise ImportError(
                f"{self._told} needs a driver of its own: {error}. Install that, or name another "
                f"one, as in postgresql+psycopg://"
            ) from error

    def _given(self, made: Any) -> Reader:
        from pauseflow.sources.sqlite import Connection, SqliteReader  # noqa: PLC0415 # as above

        if isinstance(made, Connection):
            return SqliteReader(made)
        if hasattr(made, "dialect") and hasattr(made, "connect"):
            from pauseflow.sources.alchemy import AlchemyReader  # noqa: PLC0415 # it is installed

            return AlchemyReader(made, own=False)
        raise TypeError(
            f"{self._told}() gave a {type(made).__qualname__}: it has to give an engine of "
            f"SQLAlchemy or a connection of sqlite3"
        )

    def _wrong_key(self, keyset: Keyset, what: str) -> str:
        names = ", ".join(self.key)
        return (
            f"{self._told}, {keyset.told}: key={names} {what}, so rows would be lost. Give columns "
            f"that are different in each row and never NULL, such as the primary key"
        )

    def _missing(self, keyset: Keyset, error: Exception) -> Exception:
        place = f"{self._told}, {keyset.told}"
        if not self.number:
            if isinstance(error, FileNotFoundError):
                return FileNotFoundError(str(error))
            return ValueError(f"{place}: {error}. Check query= and key=")
        read = ", ".join(f"{k}={v!r}" for k, v in zip(self.key, self.after or [], strict=True))
        return SourceChanged(
            f"{place}: {self.number} rows were read, up to {read}, and now: {error}. Put "
            f"it back as it was and retry the run, or cancel the run"
        )
