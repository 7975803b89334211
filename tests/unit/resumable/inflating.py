"""A plain reading of deflate (RFC 1951) that tells where the blocks are, for tests to compare."""

from __future__ import annotations

from itertools import pairwise

ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]
LENGTH_EXTRA = [0] * 8 + [1] * 4 + [2] * 4 + [3] * 4 + [4] * 4 + [5] * 4 + [0]
DISTANCE_EXTRA = [0, 0, *(i // 2 for i in range(28))]
FIXED = [8] * 144 + [9] * 112 + [7] * 24 + [8] * 8
END = 256

Codes = dict[tuple[int, int], int]


class Blocks:
    """Reads over packed data, without unpacking it.

    Attributes:
        begins: the bits at which blocks begin.
        kinds: what each is: 0 stored, 1 with the fixed codes, 2 with codes of its own.
    """

    def __init__(self, packed: bytes) -> None:
        self.packed = packed
        self.place = 0
        self.begins: list[int] = []
        self.kinds: list[int] = []
        last = 0
        while not last:
            self.begins.append(self.place)
            last = self.bits(1)
            kind = self.bits(2)
            self.kinds.append(kind)
            (self.stored, self.fixed, self.own)[kind]()

    def bits(self, count: int) -> int:
        byte, bit = divmod(self.place, 8)
        self.place += count
        window = int.from_bytes(self.packed[byte : byte + 4], "little")
        return window >> bit & ((1 << count) - 1)

    def stored(self) -> None:
        self.place = -(-self.place // 8) * 8
        length = self.bits(16)
        assert self.bits(16) == length ^ 0xFFFF
        self.place += 8 * length

    def fixed(self) -> None:
        self.symbols(codes(FIXED), codes([5] * 30))

    def own(self) -> None:
        literals, distances, count = self.bits(5) + 257, self.bits(5) + 1, self.bits(4) + 4
        sizes = [0] * 19
        for symbol in ORDER[:count]:
            sizes[symbol] = self.bits(3)
        table = codes(sizes)
        lengths: list[int] = []
        while len(lengths) < literals + distances:
            symbol = self.symbol(table)
            if symbol < 16:
                lengths.append(symbol)
            elif symbol == 16:
                lengths += lengths[-1:] * (self.bits(2) + 3)
            else:
                lengths += [0] * (self.bits(3) + 3 if symbol == 17 else self.bits(7) + 11)
        self.symbols(codes(lengths[:literals]), codes(lengths[literals:]))

    def symbol(self, table: Codes) -> int:
        code = size = 0
        while (size, code) not in table:
            code, size = code << 1 | self.bits(1), size + 1
            assert size < 16
        return table[size, code]

    def symbols(self, literals: Codes, distances: Codes) -> None:
        while (symbol := self.symbol(literals)) != END:
            if symbol > END:
                self.bits(LENGTH_EXTRA[symbol - END - 1])
                self.bits(DISTANCE_EXTRA[self.symbol(distances)])


def codes(sizes: list[int]) -> Codes:
    """The canonical codes of symbols, by how long they are."""
    table: Codes = {}
    code = 0
    used = sorted((size, symbol) for symbol, size in enumerate(sizes) if size)
    for (size, symbol), (following, _) in pairwise([*used, (used[-1][0] if used else 0, 0)]):
        table[size, code] = symbol
        code = code + 1 << following - size
    return table
