"""The paths that a pattern matches."""

from __future__ import annotations

import glob as _glob
import os
from bisect import bisect_right
from pathlib import Path
from typing import Any, Self

from pauseflow.sources.opening import is_remote, matching, path_of


class glob:  # noqa: N801 (used as a function)
    """The paths of the files that a pattern matches, sorted.

    ```python
    flow.branch(glob).branch(lines)  # run on "logs/*.gz"
    ```

    Its state is the pattern and the last path. After a pause the folder is looked at again, and it
    goes on with what comes after that path: a file that is new by then is given if its name comes
    later, and one that was removed is not. Wherever it goes on, the pattern must match the same.

    Args:
        pattern: as for `glob.glob`: `*`, `?`, `[a-z]`, and `**` for folders at any depth; or a URL
            that fsspec knows, such as `s3://bucket/logs/*.gz`.

    Raises:
        FileNotFoundError: when a path is asked for, and the pattern is a plain path without a file.
        MissingExtra, ValueError: as `open_path`.
    """

    def __init__(self, pattern: str | os.PathLike[str]) -> None:
        self.pattern = path_of(pattern)
        self.last: str | None = None
        """The path that was given last."""
        self._paths: list[str] | None = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        if self._paths is None:
            found = _matched(self.pattern)
            after = 0 if self.last is None else bisect_right(found, self.last)
            self._paths = found[after:][::-1]
            if self.last is None and not found and not _glob.has_magic(self.pattern):
                raise FileNotFoundError(f"there is no file {self.pattern}")
        if not self._paths:
            raise StopIteration
        self.last = self._paths.pop()
        return self.last

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_paths": None}

    def __repr__(self) -> str:
        return f"<glob {self.pattern!r} at {self.last!r}>"


def _matched(pattern: str) -> list[str]:
    if is_remote(pattern):
        return sorted(matching(pattern))
    found = _glob.glob(pattern, recursive=True)  # noqa: PTH207 # a Path has no patterns from the root
    return sorted(path for path in found if Path(path).is_file())
