"""Frames of nothing but small values, straight to msgpack and back: most are so.

The bytes are those that the codec would write, and it takes over wherever this gives up.
"""

from __future__ import annotations

from typing import Any, NoReturn

from pauseflow import codec
from pauseflow.codec.wire import Packer, unpackb

ATOMS = frozenset({type(None), bool, int, float, str, bytes})


def encode_flat(data: list[Any]) -> bytes:
    """The encoding of a list whose values, and those of the one dict in it, are all atoms."""
    try:
        packed: bytes = Packer(buf_size=1024).pack(data)
    except (OverflowError, UnicodeEncodeError, ValueError):
        return codec.encode(data)
    return packed


def decode_any(data: bytes) -> object:
    """As the codec decodes.

    Raises:
        MalformedData: the bytes are not a value.
    """
    try:
        return unpackb(data, strict_map_key=False, ext_hook=_refuse)
    except Exception:  # noqa: BLE001 (whatever it is, the codec says what)
        return codec.decode(data)


def _refuse(code: int, body: bytes) -> NoReturn:
    raise ValueError(code, body)
