"""Opening files: those of this machine, and with fsspec those of other places."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, BinaryIO, Final, cast
from urllib.parse import unquote

from pauseflow.errors import MissingExtra
from pauseflow.sources.address import filled, shown, without_secrets

_FILE: Final = "file://"
_VERSIONS: Final = (
    "ETag", "etag", "generation", "VersionId", "md5Hash", "content_md5", "checksum",
    "LastModified", "last_modified", "mtime", "created",
)  # fmt: skip
"""What file systems call that which is another one when a file has been written again."""


def path_of(path: str | os.PathLike[str]) -> str:
    """The path or URL as sources keep it.

    Raises:
        ValueError: it is a URL with a secret in it.
    """
    text = os.fspath(path)
    if text.startswith(_FILE):
        return unquote(text.removeprefix(_FILE))
    return without_secrets(text) if is_remote(text) else text


def is_remote(path: str) -> bool:
    """Whether fsspec is needed for it."""
    return "://" in path


def open_path(path: str | os.PathLike[str], *, buffering: int = -1) -> BinaryIO:
    """A file, opened for reading bytes.

    ```python
    def pictures(path):
        with open_path(path) as file:
            yield from thumbnails(file)
    ```

    A `with` block is left at a pause and entered again afterwards, at its beginning: sources such
    as `lines` and `chunks`, which take the same paths, go on where they were.

    Args:
        path: of a file of this machine, or a URL that fsspec knows, such as `s3://bucket/name`. In
            a URL, `${NAME}` stands for a variable of the environment.
        buffering: as for `open`; files of other places have buffers of their own.

    Raises:
        OSError: it can't be opened.
        MissingExtra: fsspec, or what it needs for this kind of URL, is not installed.
        ValueError: it is a URL with a secret in it, or of a kind that fsspec does not know.
    """
    text = path_of(path)
    if not is_remote(text):
        return Path(text).open("rb", buffering)
    system, name = _located(text)
    try:
        return cast("BinaryIO", system.open(name, "rb"))
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no {shown(text)}") from None


def size_of(file: Any) -> int:
    """The bytes in an open file; its place is left as it is."""
    try:
        descriptor = file.fileno()
    except (AttributeError, OSError):
        place = file.tell()
        size = int(file.seek(0, os.SEEK_END))
        file.seek(place)
        return size
    return os.fstat(descriptor).st_size


def version_of(path: str) -> str:
    """What tells a file of another place from one that was put in its place; "" if nothing does."""
    system, name = _located(path)
    told = system.info(name)
    marks = [f"{mark}={told[mark]}" for mark in _VERSIONS if told.get(mark)]
    return f"{told.get('size')} bytes, {marks[0]}" if marks else ""


def matching(pattern: str) -> list[str]:
    """The URLs of the files of another place that a pattern matches."""
    system, name = _located(pattern)
    found: dict[str, dict[str, Any]] = system.glob(name, detail=True)
    return [system.unstrip_protocol(each) for each, told in found.items() if told["type"] == "file"]


def _located(url: str) -> tuple[Any, str]:
    """The file system of a URL, and what it calls the file."""
    try:
        import fsspec  # noqa: PLC0415 # of the extra "fsspec"
    except ImportError:
        raise MissingExtra(f"{shown(url)} is read with fsspec", "fsspec") from None
    try:
        system, name = fsspec.core.url_to_fs(filled(url))
    except ImportError as error:
        protocol = url.partition("://")[0]
        extra = "s3" if protocol in ("s3", "s3a") else "fsspec"
        raise MissingExtra(f"{shown(url)} can't be read: {error}", extra) from None
    return system, str(name)
