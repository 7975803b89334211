"""CodecSerializer: what jobs hold, in the project's own encoding instead of pickle."""

from __future__ import annotations

from pauseflow import codec
from pauseflow.errors import MalformedData

MAGIC = b"\xc1pf1"
"""How everything begins that this serializer wrote. No pickle, no JSON and no msgpack begins so."""


class CodecSerializer:
    """A serializer for RQ's queues and workers: `--serializer pauseflow.jobs.CodecSerializer`."""

    @staticmethod
    def dumps(value: object) -> bytes:
        """The value as bytes.

        Raises:
            NotSerializable: it has no encoding.
        """
        return MAGIC + codec.encode(value)

    @staticmethod
    def loads(data: bytes) -> object:
        """The value that `dumps` wrote. Nothing that the bytes name is imported or run.

        Raises:
            MalformedData: they are not of this serializer, damaged, or name a class that this
                process does not have.
        """
        return codec.decode(encoded(data))


def encoded(data: bytes) -> bytes:
    """What is behind the first bytes: the value's encoding.

    Raises:
        MalformedData: the bytes were written by another serializer.
    """
    if not data.startswith(MAGIC):
        raise MalformedData(
            f"these bytes were written by another serializer of RQ than pauseflow's: they begin "
            f"with {data[:12]!r}. Put jobs of other code into other queues than those of a flow"
        )
    return data[len(MAGIC) :]
