"""JSON in and out: arguments, lines of files, and results.

Results may hold what JSON has no word for. It is written as:

| value | written as |
|---|---|
| tuple, set, frozenset | an array; a set's in order where its items have one |
| bytes | `{"$bytes": "<base64>"}` |
| NaN, infinities | `{"$float": "nan"}`, `"inf"`, `"-inf"` |
| datetime, date, time | a string, ISO 8601 |
| timedelta | a number of seconds |
| Decimal, UUID | a string |
| Enum | its value |
| dataclass | an object of its fields |
| dict with numbers, booleans or None as keys | an object, with these as strings |
| dict with other keys | `{"$dict": [[key, value], ...]}` |
| anything else | its `str()` |
"""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import json
import math
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import BinaryIO, NoReturn

from pauseflow.cli.exits import BadInput

BATCH_BYTES = 262_144
QUOTABLE = 60

_PLAIN_KEYS = (str, int, float, bool, type(None))


def argument(text: str) -> object:
    """A JSON value given on the command line.

    Raises:
        BadInput: it is not JSON; the message shows how to quote a string for the shell.
    """
    try:
        return _loads(text)
    except ValueError as error:
        raise BadInput(
            f"the input {_short(text)} is not JSON: {error}. If it is meant as a string, write "
            f"{_quoted(text)}, with both quotes"
        ) from None


@dataclasses.dataclass(frozen=True, slots=True)
class Lines:
    """Consecutive values of a file of JSON lines.

    Args:
        values: without those of blank lines.
        size: of the file's bytes that these were read from.
        bad: what is wrong with the line after the last value, with its place, if anything is.
    """

    values: list[object]
    size: int
    bad: BadInput | None = None


def batches(stream: BinaryIO, name: str) -> Iterator[Lines]:
    """Read JSON lines, as many at a time as are there: none waits for more to fill a batch.

    Args:
        stream: to read from, unbuffered.
        name: what the file is called in a message.

    Yields:
        The values, to the end of the file or to the first line that is not JSON, which is told in
        the last batch and not raised, so that what comes before it is not lost.
    """
    number, rest = 0, [b""]
    while True:
        data = stream.read(BATCH_BYTES)
        rest.append(data)
        if data and b"\n" not in data:
            yield Lines([], len(data))  # in the middle of a long line
            continue
        texts = b"".join(rest).split(b"\n")
        rest = [texts.pop()] if data else []
        values: list[object] = []
        for text in texts:
            number += 1
            try:
                decoded = text.decode("utf-8-sig" if number == 1 else "utf-8")
                if decoded.strip():
                    values.append(_loads(decoded))
            except ValueError as error:
                bad = BadInput(f"{name}:{number}: this line is not JSON: {error}")
                yield Lines(values, len(data), bad)
                return
        yield Lines(values, len(data))
        if not data:
            return


def encode(value: object) -> str:
    """One line of JSON for any value that a stage may emit."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, default=_plain)
    except (TypeError, ValueError):
        # A key that is no string, or a float that is no number: rare, and only then walked.
        return json.dumps(_walked(value), ensure_ascii=False, default=_plain)


def encode_line(value: object) -> bytes:
    """As `encode`, with the newline, in UTF-8. A lone surrogate becomes its JSON escape."""
    return (encode(value) + "\n").encode("utf-8", "backslashreplace")


def _loads(text: str) -> object:
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        what = error.msg.rstrip(": ").removesuffix(" at")
        raise ValueError(f"{what} at character {error.pos + 1}") from None
    except UnicodeDecodeError:
        raise
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"JSON has no {name}")


def _plain(value: object) -> object:  # noqa: PLR0911 - one line a type
    if isinstance(value, bytes | bytearray):
        return {"$bytes": base64.b64encode(value).decode()}
    if isinstance(value, set | frozenset):
        try:
            return sorted(value)
        except TypeError:
            return list(value)
    if isinstance(value, dt.datetime | dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, dt.timedelta):
        return value.total_seconds()
    if isinstance(value, Enum):
        return value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return str(value)


def _walked(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return {"$float": str(value)}
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Mapping):
        return _walked_mapping(value)
    if isinstance(value, list | tuple):
        return [_walked(item) for item in value]
    return _walked(_plain(value))


def _walked_mapping(value: Mapping[object, object]) -> object:
    if all(type(key) in _PLAIN_KEYS for key in value):
        return {
            key if isinstance(key, str) else json.dumps(key): _walked(item)
            for key, item in value.items()
        }
    return {"$dict": [[_walked(key), _walked(item)] for key, item in value.items()]}


def _short(text: str) -> str:
    return repr(text if len(text) <= QUOTABLE else text[: QUOTABLE - 1] + "…")


def _quoted(text: str) -> str:
    """As a JSON string, quoted for the shell; of a long one, how that looks."""
    if len(text) > QUOTABLE:
        return "'\"...\"'"
    quoted = json.dumps(text, ensure_ascii=False).replace("'", "'\\''")
    return f"'{quoted}'"
