"""The rows of a CSV file."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from typing import Any

from pauseflow.sources.file import FileSource


class csv_rows(FileSource[dict[str, str]]):  # noqa: N801 (used as a function)
    """The rows of a CSV file, each as a dict by the names in its first row.

    Fields that a row lacks are left out of its dict.

    Args:
        path: the file; unpacked if its name ends in `.gz`.
        fields: the names, if the first row does not hold them.
        encoding: as for `lines`.
        delimiter: between fields.
        quotechar: around fields that hold a delimiter, a quote or an end of line.

    Raises:
        ValueError: when a row is asked for that has more fields than there are names; names the
            file and the line.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        fields: list[str] | None = None,
        encoding: str = "utf-8",
        delimiter: str = ",",
        quotechar: str = '"',
    ) -> None:
        super().__init__(path)
        self.fields = fields
        self.encoding = encoding
        self.number = 0
        """How many lines were read."""
        self._dialect = {"delimiter": delimiter, "quotechar": quotechar}
        self._reader: Any = None

    def __next__(self) -> dict[str, str]:
        if self._over:
            raise StopIteration
        if self._reader is None:
            options: Any = self._dialect
            self._reader = csv.reader(self._text(), strict=True, **options)
        for row in self._reader:
            if self.fields is None:
                self.fields = row
            elif row:
                if len(row) > len(self.fields):
                    wrong = f"{len(row)} fields, and {len(self.fields)} names"
                    raise ValueError(f"{self.path}:{self.number}: {wrong}")
                return dict(zip(self.fields, row, strict=False))
        raise self._finished()

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_reader": None}

    def close(self) -> None:
        """Close the file; asking for another row opens it again at its place."""
        super().close()
        self._reader = None

    def _text(self) -> Iterator[str]:
        """Lines with their ends; the place is behind the last one that the reader took."""
        file = self._opened()
        while line := file.readline():
            self.offset += len(line)
            self.number += 1
            yield line.decode(self.encoding)
