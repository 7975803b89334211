"""Sizes: chunks and slices that a test chooses, rather than ones that follow measurements."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pauseflow.graph import Stage
from pauseflow.store.tuning import Tuning


class Sizes(Tuning):
    """The same for every stage and for as long as the test lasts.

    Args:
        target: records a chunk.
        piece: records a piece, which chunks are joined of; as `target` if it is left out.
        window: chunks in flight, for stages that leave it to the engine.
        limit: records in a backlog at which the stages above stop.
        cut: every slice ends at its first record or yield, rather than never.
    """

    def __init__(
        self,
        target: int = 1,
        piece: int | None = None,
        window: int = 4,
        limit: int = 64,
        *,
        cut: bool = False,
    ) -> None:
        super().__init__()
        self._target, self._piece, self._window, self._limit = target, piece, window, limit
        self.clock: Callable[[], float] = _Ticking() if cut else _standing

    def measured(self, flow: str, stage: str, records: int, seconds: float) -> None:
        """Nothing is learnt."""

    def learn(self, costs: Mapping[str, float], workers: int) -> None:
        """Nothing is learnt."""

    def cost(self, flow: str, stage: str) -> float | None:  # noqa: ARG002 # as of Tuning
        """Known, whatever it is."""
        return 1.0

    def target(self, flow: str, stage: str) -> int:  # noqa: ARG002 # as of Tuning
        """Records a chunk."""
        return self._target

    def piece(self, flow: str, stage: str, arrived: int) -> int:  # noqa: ARG002 # as of Tuning
        """Records a piece."""
        return self._piece or self._target

    def window(self, stage: Stage) -> int:
        """Chunks in flight."""
        return 1 if stage.sequential else stage.window or self._window

    def limit(self, flow: str, stage: Stage) -> int:  # noqa: ARG002 # as of Tuning
        """Records that wait before the stages above stop."""
        return self._limit


class _Ticking:
    """A clock by which everything takes long."""

    def __init__(self) -> None:
        self._now = 0.0

    def __call__(self) -> float:
        self._now += 1.0
        return self._now


def _standing() -> float:
    """A clock by which nothing takes any time."""
    return 0.0
