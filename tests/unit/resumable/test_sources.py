from __future__ import annotations

import functools
import gzip
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pauseflow.errors import SourceChanged
from pauseflow.resumable import Series
from pauseflow.sources import chunks, csv, json_lines, lines

TEXT = 'name,note\r\nadä,"one, two"\nbob,"first\nsecond"\n\ncy,\nlast,"say ""hi"""'
JSON = '{"a": 1}\n\n[1, 2]\r\n"three"'


def stopped_after_each(fn: Callable[[Any], Any], record: Any) -> list[Any]:
    series = Series(fn, strict=True)
    it = series.open(record)
    taken: list[Any] = []
    for item in it:
        taken.append(item)
        break
    while True:
        frame = series.capture(it, emitted=len(taken))
        it = series.reopen(record, frame)
        try:
            taken.append(next(it))
        except StopIteration:
            return taken


def over_lines(path: str) -> Iterator[Any]:
    for number, line in enumerate(lines(path)):
        yield number, line


def over_rows(path: str) -> Iterator[Any]:
    rows = csv(path)
    for row in rows:
        yield row, rows.number


def over_chunks(path: str) -> Iterator[Any]:
    yield from chunks(path, 7)


def over_json(path: str) -> Iterator[Any]:
    for value in json_lines(path):
        yield value


@pytest.fixture(params=["plain.txt", "packed.txt.gz"])
def write(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], str]:
    def written(text: str) -> str:
        path = tmp_path / str(request.param)
        data = text.encode()
        path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
        return str(path)

    return written


def test_lines(write: Callable[[str], str]) -> None:
    path = write("one\r\ntwo\n\nüml\u2028aut\rx\nlast")
    expected = ["one", "two", "", "üml\u2028aut\rx", "last"]
    assert list(lines(path)) == expected
    assert stopped_after_each(over_lines, path) == list(enumerate(expected))
    assert stopped_after_each(lines, path) == expected


def test_rows(write: Callable[[str], str]) -> None:
    path = write(TEXT)
    expected = [
        {"name": "adä", "note": "one, two"},
        {"name": "bob", "note": "first\nsecond"},
        {"name": "cy", "note": ""},
        {"name": "last", "note": 'say "hi"'},
    ]
    assert list(csv(path)) == expected
    assert [row for row, _ in stopped_after_each(over_rows, path)] == expected
    named = functools.partial(csv, fields=["a", "b"])
    assert stopped_after_each(named, path)[1] == {"a": "adä", "b": "one, two"}


def test_a_row_with_too_many_fields_names_its_line(write: Callable[[str], str]) -> None:
    path = write("a,b\n1,2\n1,2,3\n4,5\n")
    rows = csv(path)
    assert next(rows) == {"a": "1", "b": "2"}
    with pytest.raises(ValueError, match=r":3: 3 fields, and 2 names"):
        next(rows)


def test_json_lines(write: Callable[[str], str]) -> None:
    path = write(JSON)
    assert stopped_after_each(over_json, path) == [{"a": 1}, [1, 2], "three"]


def test_what_is_not_json_names_its_line_and_can_be_passed_over(
    write: Callable[[str], str],
) -> None:
    values = json_lines(write('1\n{"a"\n3\n'))
    assert next(values) == 1
    with pytest.raises(ValueError, match=r":2: not JSON"):
        next(values)
    assert next(values) == 3


def test_chunks(write: Callable[[str], str]) -> None:
    path = write("0123456789" * 3)
    assert stopped_after_each(over_chunks, path) == [
        b"0123456",
        b"7890123",
        b"4567890",
        b"1234567",
        b"89",
    ]
    with pytest.raises(ValueError, match="size"):
        chunks(path, 0)


def test_a_file_that_has_become_shorter_is_not_read_on(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("one\ntwo\nthree\n")
    series = Series(lines)
    it = series.open(str(path))
    assert [next(it), next(it)] == ["one", "two"]
    frame = series.capture(it, emitted=2)
    path.write_text("one\n")
    with pytest.raises(SourceChanged, match="byte 8"):
        next(series.reopen(str(path), frame))


def test_a_source_is_over_once_it_was_over(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("one\n")
    source = lines(path)
    assert list(source) == ["one"]
    path.write_text("one\ntwo\n")
    assert list(source) == []


def test_encodings_without_a_byte_for_the_end_of_a_line_are_refused() -> None:
    with pytest.raises(ValueError, match="recode"):
        lines("x", encoding="utf-16")


def test_a_manager_closes_it(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("one\ntwo\n")
    with lines(path) as source:
        assert next(source) == "one"
    assert next(source) == "two"
    source.close()
