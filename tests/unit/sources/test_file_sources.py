"""Files: that a place is sought, what is said when the file is another one, and bad input."""

import gzip
import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from stops import frame_after, gone_on, stopped_after_each

from pauseflow import Flow, sources
from pauseflow.errors import MissingExtra, SourceChanged
from pauseflow.sources import file as file_module
from pauseflow.testing import assert_resumable

LINES = [f"{i},{i * i}" for i in range(20_000)]


class Counted(io.FileIO):
    """A file that notes where it is read."""

    def __init__(self, path: str, reads: list[tuple[int, int]]) -> None:
        super().__init__(path)
        self._reads = reads

    def readinto(self, buffer: Any) -> int:
        self._reads.append((self.tell(), len(buffer)))
        return super().readinto(buffer) or 0


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Where files are read, and how much."""
    noted: list[tuple[int, int]] = []

    def opened(path: str) -> Any:
        return io.BufferedReader(Counted(path, noted))

    monkeypatch.setattr(file_module, "open_path", opened)
    return noted


@pytest.fixture
def table(tmp_path: Path) -> str:
    path = tmp_path / "table.csv"
    path.write_text("".join(f"{line}\n" for line in ["n,square", *LINES]))
    return str(path)


def as_row(line: str) -> dict[str, str]:
    return dict(zip(("n", "square"), line.split(","), strict=True))


def rows_of(path: str) -> Iterator[Any]:
    yield from sources.csv(path)


def records_of(path: str) -> Iterator[bytes]:
    yield from sources.split(sources.chunks(path, 512), b"\n")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (sources.lines, ["n,square", *LINES]),
        (rows_of, list(map(as_row, LINES))),
        (records_of, [line.encode() for line in ["n,square", *LINES]]),
    ],
)
def test_the_place_is_sought(
    table: str, reads: list[tuple[int, int]], source: Any, expected: list[Any]
) -> None:
    taken, frame = frame_after(source, table, 15_000)
    place = sum(len(line) + 1 for line in ["n,square", *LINES[:14_999]])
    reads.clear()
    it = gone_on(source, table, frame)
    following = [next(it) for _ in range(60)]
    assert len(reads) <= 2
    assert place - 20 <= reads[0][0] <= place + 512
    assert all(size <= 1 << 17 for _, size in reads)
    assert len(frame) < 1_000
    assert [*taken, *following, *it] == expected


def test_what_stands_at_the_place_is_compared_with_what_was_there(table: str) -> None:
    _, frame = frame_after(sources.lines, table, 100)
    with Path(table).open("a") as file:
        file.write("one more\n")
    assert list(gone_on(sources.lines, table, frame))[-1] == "one more"
    Path(table).write_text(Path(table).read_text().replace("\n98,9604\n", "\n98,9605\n"))
    with pytest.raises(SourceChanged, match=r"something else there now\. Put back the file"):
        next(gone_on(sources.lines, table, frame))


def test_a_rotated_file_of_the_same_size_is_another_one(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("monday 1\nmonday 2\nmonday 3\n")
    _, frame = frame_after(sources.lines, str(path), 1)
    path.rename(tmp_path / "log.1")
    path.write_text("sunday 1\nsunday 2\nsunday 3\n")
    with pytest.raises(SourceChanged, match=r"log was read up to byte 9"):
        next(gone_on(sources.lines, str(path), frame))


def test_a_small_packed_file_that_was_replaced_is_found_out(tmp_path: Path) -> None:
    path = tmp_path / "log.gz"
    path.write_bytes(gzip.compress("".join(f"{i}\n" for i in range(999)).encode(), mtime=1))
    _, frame = frame_after(sources.lines, str(path), 9)
    path.write_bytes(gzip.compress("".join(f"{-i}\n" for i in range(999)).encode(), mtime=1))
    with pytest.raises(SourceChanged, match="begins otherwise"):
        next(gone_on(sources.lines, str(path), frame))


def test_a_file_that_is_gone_is_no_file_that_never_was(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with pytest.raises(FileNotFoundError, match="log"):
        next(sources.lines(path))
    path.write_text("one\ntwo\n")
    _, frame = frame_after(sources.lines, str(path), 1)
    path.unlink()
    with pytest.raises(SourceChanged, match="is not there now"):
        next(gone_on(sources.lines, str(path), frame))


@pytest.mark.parametrize("source", [sources.lines, sources.csv, sources.json_lines])
def test_a_line_of_another_encoding_is_named_and_can_be_passed_over(
    tmp_path: Path, source: Any
) -> None:
    path = tmp_path / "table"
    path.write_bytes(b'"a"\n"\xe9"\n"c"\n')
    items = source(path)
    first = None if source is sources.csv else next(items)
    with pytest.raises(UnicodeDecodeError, match=r"table:2: write which encoding"):
        next(items)
    assert (first, next(items)) in [('"a"', '"c"'), ("a", "c"), (None, {"a": "c"})]
    assert items.number == 3
    with pytest.raises(StopIteration):
        next(items)


def test_going_on_after_a_line_of_another_encoding_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes(b"one\n\xe9\nthree\nfour\n")
    items = sources.lines(path)
    assert next(items) == "one"
    with pytest.raises(UnicodeDecodeError):
        next(items)
    again = object.__new__(sources.lines)
    again.__setstate__(items.__getstate__())
    assert list(again) == list(items) == ["three", "four"]


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path: Path) -> None:
    path = tmp_path / "excel.csv"
    path.write_bytes("\ufeffname;note\nadä;x\n".encode())
    assert list(sources.csv(path, delimiter=";")) == [{"name": "adä", "note": "x"}]
    assert next(sources.lines(path)) == "name;note"


def test_csv_dialects(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text("a\tb\n1\t'x\ty'\n")
    rows = sources.csv(path, dialect="excel-tab", quotechar="'")
    assert list(rows) == [{"a": "1", "b": "x\ty"}]
    with pytest.raises(ValueError, match=r"dialect='word'\): there are excel"):
        sources.csv(path, dialect="word")
    with pytest.raises(ValueError, match="no encoding is called so"):
        sources.csv(path, encoding="utf-88")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a,b\n1,2,3\n", r":2: 3 fields, and 2 names"),
        ("a,a\n1,2\n", r":1: two fields are called 'a'"),
        ('a,b\n1,2\n"x"y,2\n', r":3: not CSV"),
    ],
)
def test_rows_that_are_none_name_their_line(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=told):
        list(sources.csv(path))


def test_a_row_that_is_none_can_be_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('a,b\n"x"y,2\n3,4\n')
    rows = sources.csv(path)
    with pytest.raises(ValueError, match="not CSV"):
        next(rows)
    assert next(rows) == {"a": "3", "b": "4"}


# -- patterns


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    (tmp_path / "b").mkdir()
    for name in ("c.log", "a.log", "b/d.log", "b.txt"):
        (tmp_path / name).write_text(f"{name} 1\n{name} 2\n")
    (tmp_path / "z.log").mkdir()
    return tmp_path


def named(folder: Path, *names: str) -> list[str]:
    return [str(folder / name) for name in names]


def test_paths_are_sorted_and_are_files(logs: Path) -> None:
    assert list(sources.glob(logs / "*.log")) == named(logs, "a.log", "c.log")
    assert list(sources.glob(logs / "**/*.log")) == named(logs, "a.log", "b/d.log", "c.log")
    assert list(sources.glob(logs / "*.gz")) == []
    assert list(sources.glob(logs / "b.txt")) == named(logs, "b.txt")
    with pytest.raises(FileNotFoundError, match=r"no file .*absent"):
        next(sources.glob(logs / "absent"))


def test_a_pattern_goes_on_behind_its_last_path(logs: Path) -> None:
    pattern = str(logs / "*.log")
    assert stopped_after_each(sources.glob, pattern) == named(logs, "a.log", "c.log")
    taken, frame = frame_after(sources.glob, pattern, 1)
    (logs / "a.log").unlink()
    (logs / "0.log").touch()
    (logs / "bb.log").touch()
    rest = list(gone_on(sources.glob, pattern, frame))
    assert [*taken, *rest] == named(logs, "a.log", "bb.log", "c.log")


def test_the_lines_of_all_files_may_be_read_on_by_anybody(logs: Path) -> None:
    flow = Flow("logs")
    flow.branch(sources.glob).branch(sources.lines)
    assert flow.run(str(logs / "*.log")) == ["a.log 1", "a.log 2", "c.log 1", "c.log 2"]
    assert_resumable(flow, str(logs / "*.log"), seconds=0.2)


# -- other places


@pytest.fixture
def remote() -> Iterator[Callable[[str, bytes], str]]:
    system = fsspec.filesystem("memory")

    def put(name: str, data: bytes) -> str:
        system.pipe(f"/bucket/{name}", data)
        return f"memory://bucket/{name}"

    yield put
    system.rm("/bucket", recursive=True)


def test_files_of_other_places(remote: Callable[[str, bytes], str]) -> None:
    plain = remote("a.txt", b"one\ntwo\nthree\n")
    remote("b.txt", b"four\n")
    packed = remote("c.csv.gz", gzip.compress(b"a,b\n1,2\n3,4\n"))
    assert stopped_after_each(sources.lines, plain) == ["one", "two", "three"]
    assert stopped_after_each(rows_of, packed) == [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]
    with sources.open_path(plain) as file:
        assert file.read() == b"one\ntwo\nthree\n"
    flow = Flow("remote")
    flow.branch(sources.glob).branch(sources.lines)
    assert flow.run("memory://bucket/*.txt") == ["one", "two", "three", "four"]
    assert_resumable(flow, "memory://bucket/*.txt", seconds=0.2)


def test_a_file_of_another_place_that_was_written_again_is_another_one(
    remote: Callable[[str, bytes], str],
) -> None:
    url = remote("a.txt", b"one\ntwo\nthree\n")
    _, frame = frame_after(sources.lines, url, 1)
    remote("a.txt", b"one\n2..\nthree\n")
    with pytest.raises(SourceChanged, match=r"memory://bucket/a.txt .* is another file now"):
        next(gone_on(sources.lines, url, frame))


def test_a_file_of_another_place_that_is_not_there(remote: Callable[[str, bytes], str]) -> None:
    remote("a.txt", b"one\n")
    with pytest.raises(FileNotFoundError, match=r"b\.txt"):
        next(sources.lines("memory://bucket/b.txt"))
    with pytest.raises(FileNotFoundError, match=r"there is no memory://bucket/b\.txt"):
        sources.open_path("memory://bucket/b.txt")


def test_file_urls_are_paths(tmp_path: Path) -> None:
    path = tmp_path / "a b.txt"
    path.write_text("one\n")
    assert sources.lines(path.as_uri()).path == str(path)


def test_without_fsspec_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(MissingExtra, match=r"pip install 'pauseflow\[fsspec\]'"):
        next(sources.lines("memory://bucket/a.txt"))


def test_without_what_s3_needs_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(ImportError, match=r"s3://bucket/a.*pip install 'pauseflow\[s3\]'"):
        next(sources.lines("s3://bucket/a.txt"))


def test_passwords_don_t_go_into_frames() -> None:
    with pytest.raises(ValueError, match=r"ftp://ada:\*\*\*@host/x holds a password") as told:
        sources.lines("ftp://ada:pssst@host/x")
    assert "pssst" not in str(told.value)
    assert sources.lines("ftp://ada:${FTP_PASSWORD}@host/x").path.startswith("ftp://ada:${")
