"""EngineFixture: what the fixture `flow_engine` is."""

from __future__ import annotations

from datetime import datetime
from types import TracebackType
from typing import Literal, Self

from pauseflow.flow import Flow
from pauseflow.testing.engine import FlowEngine


class EngineFixture(FlowEngine):
    """An engine that opens when it is first used, and makes others that are closed with it.

    Args:
        seed: of all of them.
    """

    def __init__(self, seed: int) -> None:
        super().__init__(seed=seed)
        self._others: list[FlowEngine] = []

    def __call__(
        self,
        *flows: Flow,
        workers: int = 1,
        server: Literal["fake", "embedded"] = "fake",
        seed: int | None = None,
        start: datetime | None = None,
    ) -> FlowEngine:
        """Another engine, with options as of `FlowEngine`, until the test is over."""
        other = FlowEngine(
            *flows,
            workers=workers,
            server=server,
            seed=self.seed if seed is None else seed,
            start=start,
        )
        self._others.append(other)
        return other.__enter__()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for engine in reversed(self._others):
            engine.close()
        self.close()

    @property
    def was_used(self) -> bool:
        """Whether the test has used it, or made another."""
        return self.is_open or bool(self._others)

    def reports(self) -> str:
        """How things stand in each engine that was used."""
        engines = [*([self] if self.is_open else []), *self._others]
        return "\n".join(engine.report() for engine in engines)
