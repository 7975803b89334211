"""How values stand in the bytes: msgpack, and what it lacks as extension types.

None, bool, int (64 bit), float, str, bytes, list and dict are msgpack's own. The rest is one of

- a **leaf**: an extension type whose body is the value, such as a date;
- a **tagged array**: an array whose first item is a tag (the extension type `TAG`, one byte of
  body), such as `[TUPLE, 1, 2]`. Packing and unpacking stay in C for what is inside, and nesting
  is bounded by msgpack's own stack;
- a **set**: an extension type whose body is an array of the elements, sorted by their encodings,
  so that equal sets have equal bytes.

msgpack's own timestamp (-1) is read and written as `msgpack.Timestamp`; no Python date becomes one.
"""

from __future__ import annotations

from typing import Any, Final

import msgpack  # type: ignore[import-untyped] # it has no types, so they are told below

ExtType: Final[Any] = msgpack.ExtType
Timestamp: Final[type] = msgpack.Timestamp
Packer: Final[Any] = msgpack.Packer
Unpacker: Final[Any] = msgpack.Unpacker
unpackb: Final[Any] = msgpack.unpackb

TAG: Final = 1
INT: Final = 2
SET: Final = 3
FROZENSET: Final = 4
DATETIME: Final = 5
DATE: Final = 6
TIME: Final = 7
TIMEDELTA: Final = 8
DECIMAL: Final = 9
UUID: Final = 10

TUPLE: Final = b"t"
"""`[tag, *items]`"""

INSTANCE: Final = b"r"
"""`[tag, registered name, plain value]`"""

MARKER: Final = b"m"
"""`[tag, branch, scope, value]`"""

TAG_BYTES: Final = b"\xd4\x01"
"""How every tag that we write begins: where these bytes are absent, no array is tagged."""

LOOKALIKE_BYTES: Final = bytes([*range(0xC4, 0xCA), *range(0xD4, 0xD9)])
"""The first bytes of binary strings and extension types."""

MAX_SETS: Final = 8
"""How many sets may stand inside each other.

Each copies its content once more, and starts msgpack's own nesting limit anew: this bounds the
work, and the C stack to half of what a thread has.
"""


def tag(kind: bytes) -> object:
    """The first item of a tagged array."""
    return ExtType(TAG, kind)


def array_header(count: int) -> bytes:
    """The array32 header; the one form that can be replaced when arrays are joined."""
    return b"\xdd" + count.to_bytes(4, "big")
