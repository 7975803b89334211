"""Reading by key with the standard library's sqlite3."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from sqlite3 import Connection
from typing import Any

from pauseflow.sources.keyset import LIMIT, Keyset, Missing, Row, as_rows

__all__ = ["Connection", "SqliteReader"]


class SqliteReader:
    """Reads rows of an SQLite database.

    Args:
        connection: it is closed with this.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @classmethod
    def of(cls, path: str) -> SqliteReader:
        """The database in a file, which is not made if it is not there.

        Raises:
            FileNotFoundError: there is no such file.
        """
        if not Path(path).is_file():
            raise FileNotFoundError(f"there is no database {path}")
        uri = Path(path).absolute().as_uri() + "?mode=rw"
        connection = sqlite3.connect(uri, uri=True, check_same_thread=False)
        connection.execute("PRAGMA query_only = 1")
        return cls(connection)

    def greatest(self, keyset: Keyset) -> list[Row]:  # noqa: ARG002 # other databases need it
        """None: in SQLite, NULL comes first, so that it is seen there."""
        return []

    def rows(self, keyset: Keyset, after: Sequence[Any] | None, limit: int) -> list[Row]:
        """The rows with the least keys, or those after a key."""
        params = {**keyset.params, LIMIT: limit}
        where = ""
        if after is not None:
            params |= keyset.after(after)
            where = f"WHERE {_behind(keyset.key, 0)} "
        order = ", ".join(_column(name) for name in keyset.key)
        sql = (
            f"SELECT * FROM {_source(keyset)} AS pf {where}"  # noqa: S608 # names are quoted, values are parameters
            f"ORDER BY {order} LIMIT :{LIMIT}"
        )
        return as_rows(*self._asked(sql, params))

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _asked(self, sql: str, params: dict[str, Any]) -> tuple[list[str], list[tuple[Any, ...]]]:
        try:
            cursor = self._connection.cursor()
            cursor.row_factory = None
            cursor.execute(sql, params)
        except sqlite3.OperationalError as error:
            if str(error).startswith("no such"):
                raise Missing(str(error).replace("pf.", "")) from error
            raise
        return [column[0] for column in cursor.description], cursor.fetchall()


def _source(keyset: Keyset) -> str:
    if keyset.query is not None:
        return f"({keyset.query})"
    return ".".join(_quoted(part) for part in str(keyset.source).split("."))


def _behind(key: Sequence[str], place: int) -> str:
    """Greater than the parameters from a place on, as rows are compared."""
    column = _column(key[place])
    if place == len(key) - 1:
        return f"{column} > :pf_{place}"
    rest = _behind(key, place + 1)
    return f"({column} >= :pf_{place} AND ({column} > :pf_{place} OR {rest}))"


def _column(name: str) -> str:
    # With its table's name: else SQLite takes an unknown name for text.
    return f"pf.{_quoted(name)}"


def _quoted(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"'
