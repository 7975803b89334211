"""The rows of a CSV file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from csv import Error, list_dialects, reader
from typing import Any

from pauseflow.sources.file import FileSource
from pauseflow.sources.lines import check_encoding, decoded


class csv(FileSource[dict[str, str]]):  # noqa: N801 (used as a function)
    """The rows of a CSV file, each as a dict by the names in its first row.

    Fields that a row lacks are left out of its dict.

    Args:
        path: the file; unpacked if its name ends in `.gz`.
        fields: the names, if the first row does not hold them.
        encoding: as for `lines`.
        errors: as for `open`.
        dialect: one that Python's own `csv` knows: "excel", "excel-tab", "unix".
        delimiter: between fields; if None, that of the dialect.
        quotechar: around fields that hold a delimiter, a quote or an end of line; likewise.

    Raises:
        ValueError: when a row is asked for that has more fields than there are names, or can't be
            read, or if there is a name twice; names the file and the line. Asking again goes on
            with the next line.
        UnicodeDecodeError: as `lines`.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        fields: list[str] | None = None,
        encoding: str = "utf-8",
        errors: str = "strict",
        dialect: str = "excel",
        delimiter: str | None = None,
        quotechar: str | None = None,
    ) -> None:
        check_encoding("csv", encoding)
        if dialect not in list_dialects():
            known = ", ".join(list_dialects())
            raise ValueError(f"csv(..., dialect={dialect!r}): there are {known}")
        super().__init__(path)
        self.fields = fields
        self.encoding = encoding
        self.errors = errors
        self.number = 0
        """How many lines were read."""
        self._dialect = {"dialect": dialect}
        self._dialect |= {"delimiter": delimiter} if delimiter else {}
        self._dialect |= {"quotechar": quotechar} if quotechar else {}
        self._reader: Any = None

    def __next__(self) -> dict[str, str]:
        if self._over:
            raise StopIteration
        if self._reader is None:
            options: Any = self._dialect
            self._reader = reader(self._text(), strict=True, **options)
        try:
            for row in self._reader:
                if self.fields is None:
                    self._name(row)
                elif row:
                    return self._row(row)
        except UnicodeDecodeError:
            self._reader = None  # it takes the error for the end of the file
            raise
        except Error as error:
            self._reader = None
            raise ValueError(f"{self.path}:{self.number}: not CSV: {error}") from None
        raise self._finished()

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_reader": None}

    def close(self) -> None:
        """Close the file; asking for another row opens it again at its place."""
        super().close()
        self._reader = None

    def _name(self, row: list[str]) -> None:
        twice = sorted({name for name in row if row.count(name) > 1})
        if twice:
            told = f"two fields are called {twice[0]!r}: name them with fields=[...]"
            raise ValueError(f"{self.path}:{self.number}: {told}")
        self.fields = row

    def _row(self, row: list[str]) -> dict[str, str]:
        names = self.fields or []
        if len(row) > len(names):
            raise ValueError(
                f"{self.path}:{self.number}: {len(row)} fields, and {len(names)} names"
            )
        return dict(zip(names, row, strict=False))

    def _text(self) -> Iterator[str]:
        """Lines with their ends; the place is behind the last one that the reader took."""
        file = self._opened()
        while line := file.readline():
            self.offset += len(line)
            self.number += 1
            yield decoded(line, self)
