"""What stages keep of a run from chunk to chunk: a hash for each stage that folds.

Only the commit of a chunk writes there (`commit.lua`), together with all else that came of it.
"""

from __future__ import annotations

from collections.abc import Sequence

from pauseflow.errors import MalformedData, StoreError
from pauseflow.store.keys import Keys
from pauseflow.store.seals import Seals
from pauseflow.store.server import Server

TOGETHER = 2_000
"""Fields that one command asks for: a server is not to stand still for one reader."""


class States:
    """Reads what a stage has kept, for one thread.

    Args:
        server: where it is.
        namespace: whose.
    """

    def __init__(self, server: Server, namespace: str) -> None:
        self._keys = Keys(namespace)
        self._wire = server.wire()
        self._seals = Seals(self._keys.signing)

    def read(self, run: str, stage: str, names: Sequence[bytes]) -> list[bytes | None]:
        """The values of these fields; None for what is not there.

        Raises:
            MalformedData: a value is not signed by us, or there is no hash where it should be.
            StoreError: the server gives no answer.
        """
        key = self._keys.run(run).state(stage)
        parts = [names[at : at + TOGETHER] for at in range(0, len(names), TOGETHER)]
        found: list[bytes | None] = []
        for reply in self._wire.exchange([("HMGET", key, *part) for part in parts]):
            if isinstance(reply, StoreError):
                if "WRONGTYPE" in str(reply):
                    raise MalformedData(f"what stage {stage!r} has kept is not where it should be")
                raise reply
            found += reply
        opened = self._seals.open_kept
        return [
            None if value is None else opened(run, stage, name, value)
            for name, value in zip(names, found, strict=True)
        ]

    def close(self) -> None:
        """Closes the connection."""
        self._wire.close()
