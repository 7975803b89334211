"""Long gzip members: reading goes on at a block near the place, wherever that is."""

from __future__ import annotations

import contextlib
import gzip
import random
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_gzip_blocks import FLUSHES, STRATEGIES, text

from pauseflow.errors import SourceChanged
from pauseflow.resumable import Series
from pauseflow.sources import chunks, lines, marks, unpacking
from pauseflow.sources.unpacking import Unpacking

MIB = 1 << 20
LONG = text(4 * MIB)
ERRORS = (SourceChanged, EOFError, gzip.BadGzipFile)

Reads = list[tuple[int, int]]


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Reads:
    """What is read of gzip files: offsets and how many bytes."""
    seen: Reads = []

    class Watched:
        def __init__(self, file: Any) -> None:
            self._file = file

        def __getattr__(self, name: str) -> Any:
            return getattr(self._file, name)

        def read(self, size: int) -> bytes:
            place = self._file.tell()
            data: bytes = self._file.read(size)
            seen.append((place, len(data)))
            return data

    opened = Unpacking.__init__

    def watched(self: Any, path: str, point: Any, place: Any) -> None:
        opened(self, path, point, place)
        self._file = Watched(self._file)

    monkeypatch.setattr(Unpacking, "__init__", watched)
    return seen


def read_until(path: Path, offset: int, size: int = 4096) -> chunks:
    source = chunks(path, size)
    while source.offset < offset:
        next(source)
    return source


def again(source: chunks) -> chunks:
    """What is made of the source's state elsewhere."""
    state = source.__getstate__()
    other = object.__new__(chunks)
    other.__setstate__(state)
    return other


def rest_of(source: chunks) -> bytes:
    return b"".join(source)


@pytest.mark.parametrize("level", [1, 6, 9])
def test_what_is_read_again_does_not_grow_with_the_place(
    tmp_path: Path, reads: Reads, level: int
) -> None:
    path = tmp_path / "long.gz"
    path.write_bytes(gzip.compress(LONG, level))
    for offset in (5000, MIB, 2 * MIB, 3 * MIB, len(LONG)):
        source = read_until(path, offset)
        reads.clear()
        other = again(source)
        searched = sum(size for _, size in reads)
        assert searched <= marks.SEARCHED_BYTES
        reads.clear()
        if offset < len(LONG):
            assert next(other) == LONG[source.offset :][:4096]
        # 1 MiB between marks and one block, of which each packs to less than the half
        assert sum(size for _, size in reads) <= (MIB + 200_000) // 2
        assert rest_of(again(source)) == LONG[source.offset :]


def over(path: str) -> Iterator[Any]:
    for number, line in enumerate(lines(path)):
        yield number, line


def test_nothing_before_the_block_is_needed(tmp_path: Path) -> None:
    path = tmp_path / "long.gz"
    numbered = [f"{i} {random.Random(i).getrandbits(64)}" for i in range(100_000)]
    packed = gzip.compress("".join(f"{line}\n" for line in numbered).encode())
    path.write_bytes(packed)
    series = Series(over, strict=True)
    it = series.open(str(path))
    taken = [next(it) for _ in range(90_000)]
    frame = series.capture(it, emitted=90_000)
    assert len(frame) < 34_000
    path.write_bytes(b"\xaa" * (len(packed) // 2) + packed[len(packed) // 2 :])
    assert [*taken, *series.reopen(str(path), frame)] == list(enumerate(numbered))


def test_the_checksum_of_the_whole_member_is_compared(tmp_path: Path) -> None:
    path = tmp_path / "long.gz"
    packed = gzip.compress(LONG)
    path.write_bytes(packed)
    source = read_until(path, 3 * MIB)
    for end in (-8, -4):  # the checksum, and the length
        spoiled = bytearray(packed)
        spoiled[end] ^= 1
        path.write_bytes(spoiled)
        with pytest.raises(gzip.BadGzipFile, match="damaged at about byte"):
            rest_of(again(source))


def test_another_file_in_its_place_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "long.gz"
    path.write_bytes(gzip.compress(LONG))
    source = again(read_until(path, 3 * MIB))
    packed = gzip.compress(text(5 * MIB, seed=2))
    for other in (packed, packed[: len(packed) // 4], b"", LONG):
        path.write_bytes(other)
        with pytest.raises(ERRORS):
            rest_of(again(source))


def test_a_file_that_changes_before_it_is_searched_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "long.gz"
    path.write_bytes(gzip.compress(LONG))
    for other in (b"", b"\xaa" * 2 * MIB, gzip.compress(text(2 * MIB, seed=2))):
        path.write_bytes(gzip.compress(LONG))
        source = read_until(path, 3 * MIB)
        path.write_bytes(other)
        with pytest.raises(ERRORS):
            rest_of(again(source))


def test_it_goes_on_from_the_same_block_until_there_is_a_later_one(
    tmp_path: Path, reads: Reads
) -> None:
    path = tmp_path / "long.gz"
    path.write_bytes(gzip.compress(LONG))
    source = again(read_until(path, 3 * MIB))
    next(source)
    reads.clear()
    first, second = source.__getstate__()["_point"], again(source).__getstate__()["_point"]
    assert first == second
    assert first[-1]
    assert not reads  # the point that it began at is near


def test_small_files_have_small_states(tmp_path: Path) -> None:
    path = tmp_path / "small.gz"
    path.write_bytes(gzip.compress(LONG[:MIB]))
    source = read_until(path, MIB - 8192)
    assert source.__getstate__()["_point"] == [0, 0, 0, 0, 0]


def test_one_large_item_is_not_a_reason_to_begin_again(tmp_path: Path, reads: Reads) -> None:
    path = tmp_path / "long.gz"
    path.write_bytes(gzip.compress(LONG))
    source = read_until(path, 3 * MIB, size=3 * MIB)
    other = again(source)
    reads.clear()
    assert rest_of(other) == LONG[3 * MIB :]
    assert sum(size for _, size in reads) < MIB  # of some 1.7 MiB


@pytest.mark.parametrize("mode", [zlib.Z_SYNC_FLUSH, zlib.Z_FULL_FLUSH])
@pytest.mark.parametrize("each", [200, 150_000])
def test_flushes_that_what_follows_refers_across_are_no_points(
    tmp_path: Path, reads: Reads, mode: int, each: int
) -> None:
    path = tmp_path / "flushed.gz"
    packer = zlib.compressobj(wbits=31)
    parts = [LONG[begin : begin + each] for begin in range(0, len(LONG), each)]
    path.write_bytes(
        b"".join(packer.compress(part) + packer.flush(mode) for part in parts) + packer.flush()
    )
    source = read_until(path, 3 * MIB)
    other = again(source)
    windowed = len(other.__getstate__()["_point"]) > 5
    assert windowed == (mode == zlib.Z_SYNC_FLUSH)
    reads.clear()
    assert rest_of(other) == LONG[source.offset :]
    assert reads[0][0] > path.stat().st_size // 3
    assert sum(size for _, size in reads) < path.stat().st_size * 2 // 3


def test_blocks_that_begin_in_a_byte_with_the_end_of_what_is_before_them(tmp_path: Path) -> None:
    path = tmp_path / "letters.gz"
    drawn = random.Random(3)
    data = bytes(drawn.choices(b"abc", k=200_000))
    packer = zlib.compressobj(6, zlib.DEFLATED, 31, 8, zlib.Z_HUFFMAN_ONLY)
    packed = gzip.compress(b"-" * 5000)
    for begin in range(0, len(data), 60):
        packed += packer.compress(data[begin : begin + 60]) + packer.flush(zlib.Z_BLOCK)
    path.write_bytes(packed + packer.flush())
    data = b"-" * 5000 + data
    bits = set()
    with patch.object(marks, "MARK_SPACING", 1000), patch.object(unpacking, "READ_BYTES", 1000):
        source = chunks(path, 1111)
        for _piece in source:
            other = again(source)
            assert next(other, b"") == data[source.offset :][:1111]
            _, begun, *_, bit, _ = [*other.__getstate__()["_point"], 0, 0][:7]
            assert source.offset - begun < 8000  # the first member has but one block
            bits.add(bit)
    assert bits == set(range(8))


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("memory", [1, 8])
def test_every_kind_of_block_is_found(
    tmp_path: Path, reads: Reads, strategy: int, memory: int
) -> None:
    path = tmp_path / "long.gz"
    for data in (LONG[: 3 * MIB], b"\0" * 3 * MIB, random.Random(1).randbytes(3 * MIB)):
        for level in (0, 6):
            packer = zlib.compressobj(level, zlib.DEFLATED, 31, memory, strategy)
            packed = packer.compress(data) + packer.flush()
            path.write_bytes(packed)
            source = read_until(path, len(data) * 8 // 10, size=MIB // 2)
            other = again(source)
            reads.clear()
            place = source.offset
            assert next(other) == data[place : place + MIB // 2]
            if len(packed) > MIB:
                assert sum(size for _, size in reads) < 1.6 * MIB, level
                assert reads[0][0] > len(packed) // 4, level


@pytest.mark.parametrize("position", range(7))
def test_a_point_that_is_not_true_gives_no_other_bytes_unnoticed(
    tmp_path: Path, position: int
) -> None:
    path = tmp_path / "long.gz"
    path.write_bytes(gzip.compress(LONG))
    source = read_until(path, 3 * MIB)
    state = source.__getstate__()
    true = state["_point"]
    odd: list[Any] = [None, -1, 0, 1, 8, 1 << 40, 1 << 62, 1 << 64, b"", b"x", b"x" * 99_999]
    odd += [zlib.compress(b"x" * size) for size in (0, 1, 32_768, 32_769, 100 * MIB)]
    if position != 6:
        odd += [true[position] + 1, true[position] - 1]
    for value in odd:
        point = [*true]
        point[position] = value
        other = object.__new__(chunks)
        other.__setstate__({**state, "_point": point})
        with contextlib.suppress(*ERRORS):
            # what comes before the error may be other bytes: the checksum is at the end
            more = rest_of(other)
            assert position == 1 or LONG[source.offset :] == more


members = st.lists(
    st.tuples(
        st.lists(
            st.tuples(
                st.one_of(
                    st.integers(0, 60_000).map(lambda begin: LONG[begin * 10 :][: begin // 2]),
                    st.integers(0, 30_000).map(lambda size: random.Random(size).randbytes(size)),
                    st.integers(0, 99_999).map(lambda size: b"\0" * size),
                    st.binary(max_size=9),
                ),
                st.sampled_from(FLUSHES),
            ),
            max_size=5,
        ),
        st.integers(0, 9),
        st.integers(9, 15),
        st.integers(1, 9),
        st.sampled_from(STRATEGIES),
    ),
    max_size=3,
)


@settings(deadline=None, max_examples=60)
@given(
    members=members,
    size=st.sampled_from([1500, 9000, 40_000]),
    spacing=st.sampled_from([0, 1, 3000, 20_000]),
    read=st.sampled_from([300, 1 << 14]),
    flushes=st.sampled_from([0, 1 << 30]),
)
def test_wherever_it_stops_it_goes_on_there(
    tmp_path_factory: pytest.TempPathFactory,
    members: Any,
    size: int,
    spacing: int,
    read: int,
    flushes: int,
) -> None:
    path = tmp_path_factory.mktemp("packed") / "some.gz"
    packed = b""
    for parts, level, bits, memory, strategy in members:
        packer = zlib.compressobj(level, zlib.DEFLATED, 16 + bits, memory, strategy)
        for data, mode in parts:
            packed += packer.compress(data) + packer.flush(mode)
        packed += packer.flush()
    path.write_bytes(packed)
    plain = gzip.decompress(packed)
    taken = b""
    with (
        patch.object(marks, "MARK_SPACING", spacing),
        patch.object(unpacking, "SPACING", flushes),
        patch.object(unpacking, "PACKED_BYTES", read),
    ):
        source = chunks(path, size)
        straight = chunks(path, size)
        with contextlib.suppress(StopIteration):
            while True:
                taken += next(source)
                next(straight)
                assert rest_of(again(straight)) == plain[len(taken) :]
                source = again(source)
    assert taken == plain
