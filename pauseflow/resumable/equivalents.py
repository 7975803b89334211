"""Python's iterator builders, written as generators that can be resumed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

FUNCTIONS: list[Callable[..., Any]] = []
