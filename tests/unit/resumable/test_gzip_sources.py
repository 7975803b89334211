"""Gzip files: where reading goes on, what is not read again, and what is said of damaged ones."""

from __future__ import annotations

import contextlib
import gzip
import random
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pauseflow.errors import SourceChanged
from pauseflow.resumable import Series
from pauseflow.sources import chunks, csv, json_lines, lines, unpacking

NUMBERED = [f"{i},{random.Random(i).getrandbits(200):x}" for i in range(4000)]
"""Some 200 KiB that pack badly, so that flushes are far enough from each other."""


def text_of(items: list[str]) -> bytes:
    return "".join(f"{item}\n" for item in items).encode()


def in_members(items: list[str], each: int) -> bytes:
    parts = [items[i : i + each] for i in range(0, len(items), each)]
    return b"".join(gzip.compress(text_of(part)) for part in parts)


def flushed(items: list[str], each: int, mode: int) -> bytes:
    """One member, flushed after each so many lines."""
    packer = zlib.compressobj(wbits=31)
    packed = b""
    for i in range(0, len(items), each):
        packed += packer.compress(text_of(items[i : i + each])) + packer.flush(mode)
    return packed + packer.flush()


def paused_after(fn: Callable[[Any], Any], path: Path, count: int) -> tuple[list[Any], bytes]:
    series = Series(fn, strict=True)
    it = series.open(str(path))
    taken = [next(it) for _ in range(count)]
    return taken, series.capture(it, emitted=count)


def rest(fn: Callable[[Any], Any], path: Path, frame: bytes) -> Iterator[Any]:
    return Series(fn, strict=True).reopen(str(path), frame)  # type: ignore[no-any-return]


def spoil(path: Path, begin: int, end: int) -> None:
    """Write over a part of the file, so that whoever reads it finds out."""
    data = bytearray(path.read_bytes())
    data[begin:end] = b"\xaa" * (end - begin)
    path.write_bytes(bytes(data))


def over(path: str) -> Iterator[Any]:
    for number, line in enumerate(lines(path)):
        yield number, line


@pytest.mark.parametrize("each", [1, 7, 1000])
def test_earlier_members_are_not_read_again(tmp_path: Path, each: int) -> None:
    path = tmp_path / "log.gz"
    items = NUMBERED[:2000]
    path.write_bytes(in_members(items, each))
    taken, frame = paused_after(over, path, 1501)
    assert len(frame) < 400
    spoil(path, 0, len(in_members(items[: 1501 // each * each], each)))
    assert [*taken, *rest(over, path, frame)] == list(enumerate(items))


@pytest.mark.parametrize(
    ("source", "convert"),
    [
        (csv, lambda line: dict(zip(("n", "x"), line.split(","), strict=True))),
        (chunks, None),
    ],
)
def test_every_source_skips_them(tmp_path: Path, source: Any, convert: Any) -> None:
    path = tmp_path / "rows.gz"
    header = gzip.compress(b"n,x\n")
    path.write_bytes(header + in_members(NUMBERED, 500))
    if convert is None:
        taken, frame = paused_after(source, path, 3)
        spoil(path, 0, len(header))
        assert b"".join([*taken, *rest(source, path, frame)]) == b"n,x\n" + text_of(NUMBERED)
        return
    taken, frame = paused_after(source, path, 1000)
    spoil(path, 0, len(header + in_members(NUMBERED[:500], 500)))
    assert [*taken, *rest(source, path, frame)] == [convert(line) for line in NUMBERED]


def test_json_lines_skip_them(tmp_path: Path) -> None:
    path = tmp_path / "rows.gz"
    path.write_bytes(b"".join(gzip.compress(b"[%d]\n" % i * 100) for i in range(9)))
    taken, frame = paused_after(json_lines, path, 850)
    spoil(path, 0, 8 * len(gzip.compress(b"[0]\n" * 100)))
    assert [*taken, *rest(json_lines, path, frame)] == [[i] for i in range(9) for _ in range(100)]


def test_after_a_full_flush_nothing_before_it_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "flushed.gz"
    path.write_bytes(flushed(NUMBERED, 2500, zlib.Z_FULL_FLUSH))
    taken, frame = paused_after(over, path, 2600)
    intact = path.read_bytes()
    until = len(flushed(NUMBERED[:2500], 2500, zlib.Z_FULL_FLUSH)) - 10  # without its end
    spoil(path, 0, until)
    assert [*taken, *rest(over, path, frame)] == list(enumerate(NUMBERED))
    # its checksum is that of the whole member, and is still looked at
    path.write_bytes(intact[:-8] + b"\xaa\xaa" + intact[-6:])
    with pytest.raises(gzip.BadGzipFile, match="damaged"):
        list(rest(over, path, frame))


def test_a_flush_that_what_follows_refers_across_is_seen_through(tmp_path: Path) -> None:
    path = tmp_path / "synced.gz"
    items = [*NUMBERED[:2500], *NUMBERED[2300:2500], *NUMBERED[2400:]]
    path.write_bytes(flushed(items, 2500, zlib.Z_SYNC_FLUSH))
    taken, frame = paused_after(over, path, 2600)
    assert [*taken, *rest(over, path, frame)] == list(enumerate(items))


def test_one_member_without_a_flush_is_unpacked_from_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "plain.gz"
    path.write_bytes(gzip.compress(text_of(NUMBERED)))
    taken, frame = paused_after(over, path, 3000)
    assert [*taken, *rest(over, path, frame)] == list(enumerate(NUMBERED))
    spoil(path, 0, 100)
    with pytest.raises(SourceChanged, match="can't be read up to there"):
        next(rest(over, path, frame))


def test_members_may_be_added_while_it_is_paused(tmp_path: Path) -> None:
    path = tmp_path / "log.gz"
    path.write_bytes(gzip.compress(b"one\ntwo\n"))
    taken, frame = paused_after(lines, path, 1)
    with path.open("ab") as log:
        log.write(gzip.compress(b"three\n"))
    assert [*taken, *rest(lines, path, frame)] == ["one", "two", "three"]


def test_a_file_that_has_become_shorter_is_not_taken_to_be_at_its_end(tmp_path: Path) -> None:
    path = tmp_path / "log.gz"
    members = [gzip.compress(b"%d\n" % i) for i in range(3)]
    path.write_bytes(b"".join(members))
    _, frame = paused_after(lines, path, 2)
    for shorter in (members[:1], []):
        path.write_bytes(b"".join(shorter))
        with pytest.raises(SourceChanged, match=r"log\.gz was read up to byte 4"):
            next(rest(lines, path, frame))


@pytest.mark.parametrize("missing", [1, 8, 9, 20])
def test_a_file_that_is_cut_off_says_so_behind_its_last_line(tmp_path: Path, missing: int) -> None:
    path = tmp_path / "cut.gz"
    whole = gzip.compress(b"one\n") + gzip.compress(b"two\n" * 10)
    path.write_bytes(whole[:-missing])
    source = lines(path)
    taken: list[str] = []
    with pytest.raises(EOFError, match=r"cut\.gz ends inside a gzip member.*still being written"):
        taken.extend(source)
    assert taken[0] == "one"
    # and goes on when the rest is there
    source.close()
    path.write_bytes(whole)
    assert [*taken, *source] == ["one", *["two"] * 10]


def test_what_is_no_gzip_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "text.gz"
    path.write_bytes(b"one\n")
    with pytest.raises(gzip.BadGzipFile, match=r"text\.gz: damaged at about byte 0"):
        next(lines(path))
    path.write_bytes(b"")
    assert list(lines(path)) == []
    path.write_bytes(gzip.compress(b"one\n") + b"\0" * 100 + gzip.compress(b"two\n") + b"\0" * 9)
    assert list(lines(path)) == ["one", "two"]


@pytest.mark.parametrize(
    "point", [[1], "x", [1, 2, 3, 4, "5"], [-1, 0, 0, 0, 0], [1 << 62] * 5, None]
)
def test_an_odd_point_is_the_beginning(tmp_path: Path, point: Any) -> None:
    path = tmp_path / "log.gz"
    path.write_bytes(gzip.compress(b"one\ntwo\n"))
    source = lines(path)
    next(source)
    state = source.__getstate__()
    source.close()
    other = object.__new__(lines)
    other.__setstate__({**state, "_point": point})
    assert list(other) == ["two"]


Part = tuple[list[bytes], int]
parts = st.lists(
    st.tuples(
        st.lists(st.one_of(st.binary(max_size=20), st.just(b"\x00\x00\xff\xff"),
                           st.just(b"abcdefgh" * 5)), max_size=6),
        st.sampled_from([zlib.Z_FULL_FLUSH, zlib.Z_SYNC_FLUSH, zlib.Z_PARTIAL_FLUSH]),
        st.sampled_from([0, 6, 9]),
        st.integers(0, 3),
    ),
    max_size=5,
)  # fmt: skip


@settings(deadline=None)
@given(members=parts, size=st.integers(1, 30), read=st.integers(1, 70))
def test_wherever_it_stops_it_goes_on_there(
    tmp_path_factory: pytest.TempPathFactory, members: list[Any], size: int, read: int
) -> None:
    path = tmp_path_factory.mktemp("packed") / "some.gz"
    packed = b""
    for pieces, flush, level, padding in members:
        packer = zlib.compressobj(level, wbits=31)
        for piece in pieces:
            packed += packer.compress(piece) + packer.flush(flush)
        packed += packer.flush() + b"\0" * padding
    path.write_bytes(packed)
    plain = b"".join(piece for pieces, *_ in members for piece in pieces)
    taken = b""
    with patch.object(unpacking, "SPACING", 0), patch.object(unpacking, "PACKED_BYTES", read):
        source = chunks(path, size)
        with contextlib.suppress(StopIteration):
            while True:
                taken += next(source)
                state = source.__getstate__()
                source.close()
                source = object.__new__(chunks)
                source.__setstate__(state)
    assert taken == plain
