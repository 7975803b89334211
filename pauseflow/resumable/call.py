"""The arguments that a series is begun with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Call:
    """The arguments that a series is begun with, where they are not the record alone."""

    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)

    def of(self, fn: Callable[..., Any]) -> Any:
        """Call a function with them."""
        return fn(*self.args, **self.kwargs)
