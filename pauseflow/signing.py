"""Signing: bytes on the server that only holders of a key can have written.

With a key, whatever is written of records, frames, signals and dead letters carries a keyed BLAKE2b
of sixteen bytes, which also covers what it is and whose. Without one, nothing is signed, and
nothing here costs anything.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b

from pauseflow.errors import MalformedData, SettingsError

KEY_VARIABLE = "PAUSEFLOW_SIGNING_KEY"

SIZE = 16
"""Bytes of a signature."""

SHORTEST_KEY = 16
_LONGEST_KEY = 63

SIGNED = b"\xc1"
"""How signed bytes begin, which no encoded value ever does."""


class Signing:
    """Signs with the first of some keys, and knows the signatures of all of them.

    Args:
        keys: secrets of at least 16 bytes; without one nothing is signed, and what is signed is
            refused.

    Raises:
        SettingsError: a key is too short.
    """

    def __init__(self, keys: Sequence[bytes] = ()) -> None:
        for key in keys:
            if len(key) < SHORTEST_KEY:
                raise SettingsError(
                    f"a key in {KEY_VARIABLE} has {len(key)} characters: give at least "
                    f"{SHORTEST_KEY}, from `openssl rand -hex 32` for instance"
                )
        self._keys = [
            key if len(key) <= _LONGEST_KEY else blake2b(key, digest_size=_LONGEST_KEY).digest()
            for key in keys
        ]
        self.enabled = bool(keys)

    @classmethod
    def of_environment(cls, environ: Mapping[str, str] | None = None) -> Signing:
        """As `PAUSEFLOW_SIGNING_KEY` says: keys with commas between them, the newest first.

        Args:
            environ: in place of `os.environ`.

        Raises:
            SettingsError: a key is too short.
        """
        told = (os.environ if environ is None else environ).get(KEY_VARIABLE, "")
        return cls([key.strip().encode() for key in told.split(",") if key.strip()])

    def sign(self, kind: bytes, about: Sequence[object], body: bytes) -> bytes:
        """The signature of a body.

        Args:
            kind: what it is, one byte.
            about: whose it is, and where it belongs; texts without line ends, and numbers.
            body: the bytes.
        """
        return _signature(self._keys[0] + kind, about, body)

    def check(self, signature: bytes, kind: bytes, about: Sequence[object], body: bytes) -> None:
        """Checks a signature.

        Raises:
            MalformedData: none of the keys has made it of this.
        """
        for key in self._keys:
            if hmac.compare_digest(signature, _signature(key + kind, about, body)):
                return
        raise MalformedData(
            "its signature is wrong: somebody without the key has written or changed it, or the "
            f"key that it was signed with is not in {KEY_VARIABLE} here"
        )


@lru_cache(maxsize=64)
def _begun(key_and_kind: bytes) -> blake2b:
    """A signature that only lacks its text: copies of it are made faster than new ones."""
    return blake2b(key=key_and_kind, digest_size=SIZE, person=b"pauseflow")


def _signature(key_and_kind: bytes, about: Sequence[object], body: bytes) -> bytes:
    made = _begun(key_and_kind).copy()
    made.update(("%s\n" * len(about) % tuple(about)).encode("utf-8", "surrogatepass") + b"\n")
    made.update(body)
    return made.digest()


def unsigned() -> MalformedData:
    """The error about bytes that should be signed and are not."""
    return MalformedData(
        f"it is not signed, and {KEY_VARIABLE} is set here: whoever wrote it has no key, or wrote "
        f"it before there was one"
    )


def no_key() -> MalformedData:
    """The error about bytes that are signed, where there is no key."""
    return MalformedData(f"it is signed, and there is no key here to check it: set {KEY_VARIABLE}")
