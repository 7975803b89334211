"""Outside: what stages keep elsewhere than in their records and locals, where it gets lost."""

from __future__ import annotations

import contextlib
import copy
import types
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator, MutableMapping
from dataclasses import dataclass
from typing import Any

from pauseflow.graph import Graph

CONTAINERS = (list, dict, set, bytearray, deque, Counter, OrderedDict, defaultdict)
PLAIN = (int, float, complex, str, bytes, bool, tuple, frozenset, types.NoneType)


@dataclass(slots=True)
class _Place:
    """Somewhere where a stage's code may keep something.

    Attributes:
        told: what it is, for people.
        get: gives what is there.
        put: puts something there.
        before: a copy of what was there at first.
    """

    told: str
    get: Callable[[], Any]
    put: Callable[[Any], None]
    before: Any

    def changed(self) -> bool:
        now = self.get()
        return type(now) is not type(self.before) or bool(now != self.before)

    def put_back(self, value: Any) -> None:
        now = self.get()
        if type(now) is type(value) and isinstance(now, CONTAINERS):
            _refill(now, copy.deepcopy(value))
        else:
            self.put(value)


class Outside:
    """The globals, closures, defaults and attributes that the code of a flow's stages names.

    Only those that its own functions name, and not those that other functions do that it calls; and
    only plain values and containers.

    Args:
        graph: of the flow.
    """

    def __init__(self, graph: Graph) -> None:
        self._places: list[_Place] = []
        self._seen: set[int] = set()
        for stage in graph.stages:
            self._look(stage.fn, stage.name)

    def changed(self) -> list[str]:
        """What is not as it was at first."""
        return [place.told for place in self._places if place.changed()]

    def restore(self) -> None:
        """Make everything as it was at first, as it is in a new process."""
        for place in self._places:
            if place.changed():
                place.put_back(place.before)

    @contextlib.contextmanager
    def afresh(self) -> Iterator[None]:
        """Everything is as it was at first, and afterwards again as it was before the block."""
        now = [copy.deepcopy(place.get()) for place in self._places]
        self.restore()
        try:
            yield
        finally:
            for place, value in zip(self._places, now, strict=True):
                place.put_back(value)

    def _look(self, thing: object, name: str) -> None:
        if id(thing) in self._seen:
            return
        self._seen.add(id(thing))
        if isinstance(thing, types.FunctionType):
            self._look_into(thing)
        elif isinstance(thing, types.MethodType):
            self._look(thing.__func__, name)
            self._look_at_object(thing.__self__, name)
        elif isinstance(thing, type):
            if not thing.__module__.startswith(("builtins", "pauseflow.")):
                self._look_at_class(thing)
        elif hasattr(thing, "func"):
            self._look(thing.func, name)
        elif not isinstance(thing, types.BuiltinFunctionType):
            self._look_at_object(thing, name)

    def _look_into(self, function: types.FunctionType) -> None:
        module = str(function.__module__)
        for name in sorted(_names(function.__code__)):
            if name in function.__globals__:
                self._keep_item(f"the global {name!r} of {module}", function.__globals__, name)
        for name, cell in zip(
            function.__code__.co_freevars, function.__closure__ or (), strict=True
        ):
            self._keep_cell(f"{name!r}, in the function around {function.__name__!r}", cell)
        for number, default in enumerate(function.__defaults__ or ()):
            if isinstance(default, CONTAINERS):
                told = f"a parameter's default of {function.__name__!r}"
                self._keep(told, lambda f=function, n=number: (f.__defaults__ or ())[n], _nothing)  # type: ignore[misc]
        self._keep_attributes(f"of the function {function.__name__!r}", vars(function))

    def _look_at_class(self, kind: type) -> None:
        for name, value in list(vars(kind).items()):
            if isinstance(value, types.FunctionType):
                self._look(value, name)
            elif not name.startswith("__"):
                self._keep(
                    f"the attribute {name!r} of the class {kind.__name__!r}",
                    lambda n=name: getattr(kind, n),  # type: ignore[misc]
                    lambda new, n=name: setattr(kind, n, new),  # type: ignore[misc]
                )

    def _look_at_object(self, thing: object, name: str) -> None:
        if isinstance(thing, type):
            self._look_at_class(thing)
            return
        attributes = getattr(thing, "__dict__", None)
        if isinstance(attributes, dict) and not isinstance(thing, types.ModuleType):
            self._keep_attributes(f"of the object whose method {name!r} is", attributes)

    def _keep_attributes(self, whose: str, attributes: MutableMapping[str, Any]) -> None:
        for name in list(attributes):
            self._keep_item(f"the attribute {name!r} {whose}", attributes, name)

    def _keep_item(self, told: str, names: MutableMapping[str, Any], name: str) -> None:
        self._keep(told, lambda: names.get(name), lambda new: names.__setitem__(name, new))

    def _keep_cell(self, told: str, cell: types.CellType) -> None:
        try:
            value = cell.cell_contents
        except ValueError:  # not set yet
            return
        if isinstance(value, types.FunctionType):
            return
        self._keep(
            told, lambda: cell.cell_contents, lambda new: setattr(cell, "cell_contents", new)
        )

    def _keep(self, told: str, get: Callable[[], Any], put: Callable[[Any], None]) -> None:
        if any(place.told == told for place in self._places):
            return
        value = get()
        if type(value) in CONTAINERS:
            try:
                self._places.append(_Place(told, get, put, copy.deepcopy(value)))
            except Exception:  # noqa: BLE001 # what can't be copied is left alone
                return
        elif type(value) in PLAIN:
            self._places.append(_Place(told, get, put, value))


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


def _refill(container: Any, content: Any) -> None:
    container.clear()
    if isinstance(container, dict | set):
        container.update(content)
    else:
        container.extend(content)


def _nothing(new: object) -> None:
    """A default is what it is: only its content can be restored."""
