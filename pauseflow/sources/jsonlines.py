"""The values of a file with one JSON text a line."""

from __future__ import annotations

import json
import os
from typing import Any

from pauseflow.sources.file import FileSource
from pauseflow.sources.lines import lines


class json_lines(FileSource[Any]):  # noqa: N801 (used as a function)
    """The values of a file with one JSON text a line; empty lines are passed over.

    Args:
        path: the file, in UTF-8; unpacked if its name ends in `.gz`.

    Raises:
        ValueError: when a value is asked for whose line is not JSON, or not UTF-8; names file and
            line. Asking again goes on with the next line.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(path)
        self._lines = lines(path)

    def __next__(self) -> Any:
        for line in self._lines:
            if line and not line.isspace():
                return self._value(line)
        raise StopIteration

    @property
    def number(self) -> int:
        """How many lines were read."""
        return self._lines.number

    def close(self) -> None:
        """Close the file; asking for another item opens it again at its place."""
        self._lines.close()

    def _value(self, line: str) -> Any:
        try:
            return json.loads(line)
        except ValueError as error:
            raise ValueError(f"{self.path}:{self.number}: not JSON: {error}") from error
