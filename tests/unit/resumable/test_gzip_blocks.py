"""Where blocks begin in packed data, to the bit: found in every kind of it, never a wrong one."""

from __future__ import annotations

import random
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inflating import Blocks

from pauseflow.sources.blocks import Inflating, block_in, decompressor, from_bit

STRATEGIES = [
    zlib.Z_DEFAULT_STRATEGY,
    zlib.Z_FILTERED,
    zlib.Z_HUFFMAN_ONLY,
    zlib.Z_RLE,
    zlib.Z_FIXED,
]
FLUSHES = [
    zlib.Z_NO_FLUSH,
    zlib.Z_PARTIAL_FLUSH,
    zlib.Z_SYNC_FLUSH,
    zlib.Z_FULL_FLUSH,
    zlib.Z_BLOCK,
]
WORDS = [random.Random(i).randbytes(i % 9 + 1) for i in range(60)]

pieces = st.one_of(
    st.binary(max_size=80),
    st.integers(0, 1 << 32).map(lambda seed: random.Random(seed).randbytes(400)),
    st.integers(0, 1 << 32).map(
        lambda seed: b"".join(random.Random(seed).choices(WORDS, k=200))
    ),
    st.builds(lambda byte, count: bytes([byte]) * count, st.integers(0, 255), st.integers(0, 3000)),
    st.sampled_from([b"\0\0\xff\xff" * 20, b"\0\2" * 50, b"\3\0" * 9]),
)  # fmt: skip
parts = st.lists(st.tuples(pieces, st.sampled_from(FLUSHES)), max_size=6)
ways = st.tuples(
    st.integers(0, 9), st.integers(9, 15), st.integers(1, 9), st.sampled_from(STRATEGIES)
)


def packed_in(way: tuple[int, int, int, int], parts: list[tuple[bytes, int]]) -> bytes:
    level, bits, memory, strategy = way
    packer = zlib.compressobj(level, zlib.DEFLATED, -bits, memory, strategy)
    packed = b"".join(packer.compress(data) + packer.flush(mode) for data, mode in parts)
    return packed + packer.flush()


def text(size: int, seed: int = 1) -> bytes:
    """Text of words that pack to about a quarter, from pages with words of their own."""
    drawn = random.Random(seed)
    out: list[bytes] = []
    done = 0
    while done < size:
        words = [b"%x" % drawn.getrandbits(drawn.choice([8, 16, 30])) for _ in range(80)]
        page = b" ".join(drawn.choices(words, k=1500)) + b"\n"
        out.append(page)
        done += len(page)
    return b"".join(out)[:size]


def unpacking(raw: bool, packed: bytes) -> tuple[Inflating, bytes]:
    """A decompressor for packed blocks, and what to feed it: those, or a gzip member of them."""
    if raw:
        return Inflating(decompressor(b""), 0, 0, raw=True), packed
    inflating = Inflating(zlib.decompressobj(31), 0, 0, raw=False)
    inflating.feed(b"\x1f\x8b\x08\0\0\0\0\0\0\xff")
    return inflating, packed


@settings(deadline=None, max_examples=60)
@given(way=ways, parts=parts, raw=st.booleans())
def test_a_block_begins_where_one_begins_and_nowhere_else(way: Any, parts: Any, raw: bool) -> None:
    packed = packed_in(way, parts)[:3000]
    begins = Blocks(packed_in(way, parts)).begins
    inflating, packed = unpacking(raw, packed)
    seen = []
    for place, byte in enumerate(packed):
        given = [inflating.block_at(byte, bit) for bit in range(8)]
        following = inflating.feed(packed[place : place + 1])
        assert set(given) <= {None, following}
        seen += [8 * place + bit for bit in range(8) if given[bit] is not None]
        if inflating.decompressor.eof:
            break
    assert seen == [place for place in begins if place < 8 * len(packed)]


@settings(deadline=None, max_examples=60)
@given(way=ways, parts=parts)
def test_unpacking_goes_on_at_every_block(way: Any, parts: Any) -> None:
    packed = packed_in(way, parts)
    plain = zlib.decompress(packed, -15)
    for place in Blocks(packed).begins[:40]:
        byte, bit = divmod(place, 8)
        before = unpacked_before(packed, byte, bit)
        again = decompressor(before[-32768:])
        more = again.decompress(from_bit(packed[byte], bit) + packed[byte + 1 :])
        assert again.eof
        assert not again.unused_data
        assert before + more == plain


def unpacked_before(packed: bytes, byte: int, bit: int) -> bytes:
    inflating, _ = unpacking(True, packed)
    return inflating.feed(packed[:byte] + bytes([packed[byte] & ((1 << bit) - 1)]))


@pytest.mark.parametrize("bit", range(8))
@pytest.mark.parametrize("byte", [0b1001_0110, 0b1010_0101, 0xFF])
def test_what_is_put_before_a_bit_gives_nothing_and_takes_it_as_it_is(byte: int, bit: int) -> None:
    # an empty last block at the bit is the same, whatever the bits below it are
    packed = (byte & ((1 << bit) - 1) | 3 << bit).to_bytes(3, "little")
    again = decompressor(b"")
    assert again.decompress(from_bit(packed[0], bit) + packed[1:]) == b""
    assert again.eof


@settings(deadline=None, max_examples=25)
@given(way=ways, seed=st.integers(0, 99), begin=st.integers(0, 25_000), raw=st.booleans())
def test_the_block_that_is_found_is_one(way: Any, seed: int, begin: int, raw: bool) -> None:
    packed = packed_in(way, [(text(90_000, seed), zlib.Z_NO_FLUSH)])
    blocks = Blocks(packed)
    inflating, packed = unpacking(raw, packed)
    begin = min(begin, len(packed) - 1)
    inflating.feed(packed[:begin])
    length = inflating.length
    found = block_in(packed[begin : begin + 40_000], inflating, 1 << 30)
    assert inflating.length == length
    following = [
        (place, kind)
        for place, kind in zip(blocks.begins, blocks.kinds, strict=True)
        if 8 * begin <= place < 8 * min(begin + 39_900, len(packed))
    ]
    if found:
        assert 8 * (begin + found.byte) + found.bit in [place for place, _ in following]
    else:
        # only a single block with the fixed codes, behind one of another kind, goes unseen
        assert [kind for _, kind in following] in ([], [1])


def test_no_block_is_found_behind_what_is_asked_for() -> None:
    data = text(300_000)
    packed = packed_in((6, 15, 8, 0), [(data, zlib.Z_NO_FLUSH)])
    inflating, _ = unpacking(True, packed)
    found = block_in(packed[:40_000], inflating, 1 << 20)
    assert found is not None
    # the first block begins at once; look behind it
    inflating.feed(packed[:5000])
    found = block_in(packed[5000:60_000], inflating, 1 << 20)
    assert found is not None
    before = inflating.copy().feed(packed[5000 : 5000 + found.byte]) + found.below
    assert block_in(packed[5000:60_000], inflating, len(before)) == found
    assert block_in(packed[5000:60_000], inflating, len(before) - 1) is None


@settings(deadline=None, max_examples=30)
@given(noise=st.binary(min_size=20, max_size=3000), cut=st.integers(10, 3000))
def test_damaged_data_gives_nothing(noise: bytes, cut: int) -> None:
    packed = packed_in((6, 15, 1, 0), [(text(20_000), zlib.Z_NO_FLUSH)])
    inflating, _ = unpacking(True, packed)
    inflating.feed(packed[:cut])
    block_in(noise, inflating, 1 << 20)  # whatever it finds, it comes back


@pytest.mark.parametrize("pattern", [b"\0\2", b"\0\0\xff\xff", b"\xff\0", b"\0", b"\0\0\2"])
def test_data_made_up_to_look_like_blocks_costs_little(pattern: bytes) -> None:
    data = pattern * (32_768 // len(pattern))
    inflating, packed = unpacking(True, b"\0" + b"\xff\xff\0\0" + data)
    inflating.feed(packed[:9])
    tried = 0

    class Counted(Inflating):
        def block_at(self, byte: int, bit: int) -> bytes | None:
            nonlocal tried
            tried += 1
            return super().block_at(byte, bit)

    counted = Counted(inflating.decompressor, 0, 0, raw=True)
    assert block_in(data, counted, 1 << 20) is None
    assert tried <= 1200
