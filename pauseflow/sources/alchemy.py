"""Reading by key with SQLAlchemy Core; only imported when it is needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError, ProgrammingError
from sqlalchemy.pool import NullPool

from pauseflow.sources.keyset import Keyset, Missing, Row, as_rows

_UNKNOWN = ("no such", "does not exist", "doesn't exist", "unknown column", "invalid object",
            "invalid column", "table or view")  # fmt: skip


class AlchemyReader:
    """Reads rows by an engine of SQLAlchemy; holds no connection between two pages.

    Args:
        engine: the engine.
        own: it is disposed of with this.
    """

    def __init__(self, engine: sa.Engine, *, own: bool) -> None:
        self._engine = engine
        self._own = own

    @classmethod
    def at(cls, url: str) -> AlchemyReader:
        """The database at a URL.

        Raises:
            sqlalchemy.exc.ArgumentError: it is none.
            ImportError: the driver for it is not installed.
        """
        return cls(sa.create_engine(url, poolclass=NullPool, hide_parameters=True), own=True)

    def greatest(self, keyset: Keyset) -> list[Row]:
        """A row with the greatest key; NULL is that in some databases. None if there is no row."""
        rows = _source(keyset)
        columns = [_column(rows, name).desc() for name in keyset.key]
        return self._asked(sa.select(sa.text("pf.*")).order_by(*columns), rows, keyset, 1)

    def rows(self, keyset: Keyset, after: Sequence[Any] | None, limit: int) -> list[Row]:
        """The rows with the least keys, or those after a key."""
        rows = _source(keyset)
        columns = [_column(rows, name) for name in keyset.key]
        statement = sa.select(sa.text("pf.*")).order_by(*columns)
        if after is not None:
            statement = statement.where(_behind(columns, after))
        return self._asked(statement, rows, keyset, limit)

    def close(self) -> None:
        """Dispose of the engine, if it is our own."""
        if self._own:
            self._engine.dispose()

    def _asked(self, statement: Any, rows: Any, keyset: Keyset, limit: int) -> list[Row]:
        statement = statement.select_from(rows).limit(limit)
        try:
            with self._engine.connect() as connection:
                answer = connection.execute(statement, dict(keyset.params))
                return as_rows(list(answer.keys()), [tuple(row) for row in answer])
        except (OperationalError, ProgrammingError) as error:
            told = str(error.orig)
            if any(word in told.lower() for word in _UNKNOWN):
                raise Missing(told.splitlines()[0].replace("pf.", "")) from error
            raise


def _source(keyset: Keyset) -> Any:
    """What to select from, under the name pf."""
    columns: list[Any] = [sa.column(name) for name in keyset.key]
    if keyset.query is not None:
        return sa.text(keyset.query).columns(*columns).subquery("pf")
    if isinstance(keyset.source, str):
        schema, _, name = keyset.source.rpartition(".")
        return sa.table(name, *columns, schema=schema or None).alias("pf")
    if isinstance(keyset.source, sa.FromClause):
        return keyset.source.alias("pf")
    if isinstance(keyset.source, sa.SelectBase):
        return keyset.source.subquery("pf")
    kind = type(keyset.source).__qualname__
    raise TypeError(f"a {kind} is nothing to read rows from: give a Table, a select or a str")


def _column(rows: Any, name: str) -> Any:
    try:
        return rows.c[name]
    except KeyError:
        raise Missing(f"no such column: {name}") from None


def _behind(columns: Sequence[Any], after: Sequence[Any]) -> Any:
    """Greater than a key, as rows are compared, in words that every database has."""
    column, value = columns[0], after[0]
    if len(columns) == 1:
        return column > value
    # A NULL there is found, for its error to be told: where it comes last, it would be passed over.
    rest = sa.or_(_behind(columns[1:], after[1:]), columns[1].is_(None))
    return sa.and_(column >= value, sa.or_(column > value, rest))
