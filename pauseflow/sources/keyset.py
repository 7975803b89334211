"""What is read from a database, and in which order: a table or query, and its key."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeAlias

Row: TypeAlias = dict[str, Any]

LIMIT: Final = "pf_limit"
"""The parameter that says how many rows to read."""

_QUERY: Final = re.compile(r"\s*(?:select|with|values)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Keyset:
    """What to read.

    Attributes:
        source: the name of a table, a SELECT, or what a function of the author's gives.
        key: the columns to go on by.
        params: of the SELECT.
    """

    source: Any
    key: tuple[str, ...]
    params: Mapping[str, object] = field(default_factory=dict)

    @property
    def query(self) -> str | None:
        """The SELECT, if it is one."""
        if isinstance(self.source, str) and _QUERY.match(self.source):
            return self.source.strip().removesuffix(";")
        return None

    @property
    def told(self) -> str:
        """What it is called in messages."""
        if not isinstance(self.source, str):
            return "the query"
        return "the query" if self.query is not None else f"table {self.source!r}"

    def after(self, key: Sequence[Any]) -> dict[str, Any]:
        """The key of a row as parameters."""
        return {f"pf_{place}": value for place, value in enumerate(key)}


class Reader(Protocol):
    """Reads rows of one database, in the order of their key."""

    def greatest(self, keyset: Keyset) -> list[Row]:
        """A row with the greatest key; NULL is that in some databases. None if there is no row."""

    def rows(self, keyset: Keyset, after: Sequence[Any] | None, limit: int) -> list[Row]:
        """The rows with the least keys, or those after a key."""

    def close(self) -> None:
        """Let go of the connection."""


class Missing(Exception):
    """The database has no such table or column; says what it told."""


def as_rows(names: Sequence[str], values: Sequence[Sequence[Any]]) -> list[Row]:
    """Rows as dicts.

    Raises:
        ValueError: two columns have one name.
    """
    if len(set(names)) < len(names):
        twice = next(name for name in names if list(names).count(name) > 1)
        raise ValueError(f"two columns are called {twice!r}: write SELECT ... AS for one of them")
    return [dict(zip(names, row, strict=True)) for row in values]
