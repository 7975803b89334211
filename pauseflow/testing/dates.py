"""Dates: `datetime.now()` and the like follow the virtual clock, in the modules of a flow.

`datetime` asks the machine, not `time.time`, so it has to be replaced where it is used: under its
global names in the modules in which the stages' functions are written.
"""

from __future__ import annotations

import datetime as dt
import sys
import types
from collections.abc import Iterable
from typing import Any

from pauseflow.graph import Graph
from pauseflow.testing.clock import REAL_TIME, REAL_TIME_NS, virtual_time, virtual_time_ns


class _Like(type):
    """Instances of the real class are instances of the replacement, too."""

    real: type

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, cls.real)

    def __subclasscheck__(cls, subclass: type) -> bool:
        return issubclass(subclass, cls.real)

    def __eq__(cls, other: object) -> bool:
        return other is cls or other is cls.real

    def __hash__(cls) -> int:
        return hash(cls.real)


class VirtualDatetime(dt.datetime, metaclass=_Like):
    """`datetime.datetime`, but for what it takes for the present. It makes real ones."""

    real = dt.datetime

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:  # noqa: D102 # as of the real one
        return dt.datetime(*args, **kwargs)

    @classmethod
    def now(cls, tz: dt.tzinfo | None = None) -> Any:
        """The virtual present."""
        return dt.datetime.fromtimestamp(virtual_time(), tz)

    @classmethod
    def today(cls) -> Any:
        """The virtual present, in local time."""
        return cls.now()

    @classmethod
    def utcnow(cls) -> Any:
        """The virtual present, in UTC and naive."""
        return cls.now(dt.UTC).replace(tzinfo=None)


class VirtualDate(dt.date, metaclass=_Like):
    """`datetime.date`, but for its `today`. It makes real ones."""

    real = dt.date

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:  # noqa: D102 # as of the real one
        return dt.date(*args, **kwargs)

    @classmethod
    def today(cls) -> Any:
        """The virtual day, in local time."""
        return dt.date.fromtimestamp(virtual_time())


def _virtual_module() -> types.ModuleType:
    replacement = types.ModuleType("datetime")
    vars(replacement).update(vars(dt) | {"datetime": VirtualDatetime, "date": VirtualDate})
    return replacement


_INSTEAD: tuple[tuple[object, object], ...] = (
    (dt, _virtual_module()),
    (dt.datetime, VirtualDatetime),
    (dt.date, VirtualDate),
    (REAL_TIME, virtual_time),
    (REAL_TIME_NS, virtual_time_ns),
)


class Dates:
    """Replaces the present in the modules of some flows, until it is told to stop."""

    def __init__(self) -> None:
        self._replaced: list[tuple[dict[str, Any], str, object, object]] = []
        self._seen: set[int] = set()

    def follow(self, graph: Graph) -> None:
        """Replace it in the modules in which this flow's functions are written."""
        for names in modules_of(stage.fn for stage in graph.stages):
            if id(names) in self._seen or str(names.get("__name__", "")).startswith("pauseflow."):
                continue
            self._seen.add(id(names))
            for name, value in list(names.items()):
                for there, instead in _INSTEAD:
                    if value is there:
                        names[name] = instead
                        self._replaced.append((names, name, there, instead))

    def stop(self) -> None:
        """Put everything back that nobody has changed since."""
        for names, name, there, instead in self._replaced:
            if names.get(name) is instead:
                names[name] = there
        self._replaced.clear()
        self._seen.clear()


def modules_of(functions: Iterable[object]) -> list[dict[str, Any]]:
    """The globals that functions and classes of authors use, as far as they can be found."""
    found: dict[int, dict[str, Any]] = {}
    for fn in functions:
        function = getattr(fn, "func", fn)  # of a partial
        function = getattr(function, "__func__", function)
        names = getattr(function, "__globals__", None)
        if names is None:
            kind = function if isinstance(function, type) else type(function)
            module = sys.modules.get(kind.__module__)
            names = None if module is None else vars(module)
        if names is not None:
            found[id(names)] = names
    return list(found.values())
