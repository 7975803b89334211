"""Locals as plain data: with what they share, and with the state of the iterators among them.

Plain values go to the codec as they are. Where two locals share a list, or a local is an iterator,
the values are laid out as a heap: each object once, referred to by its number, so that what was
one object is one object again.
"""

from __future__ import annotations

import datetime as dt
import enum
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Iterable
from decimal import Decimal
from types import (
    AsyncGeneratorType,
    BuiltinFunctionType,
    FunctionType,
    GeneratorType,
    MethodDescriptorType,
)
from typing import Any
from uuid import UUID

from pauseflow.errors import CaptureError
from pauseflow.resumable import iterators
from pauseflow.resumable.flat import ATOMS
from pauseflow.resumable.instances import (
    has_iteration,
    instance_state,
    is_record,
    parts_of,
    skeleton,
)
from pauseflow.resumable.prepared import Resumable, name_of
from pauseflow.resumable.reach import Reach
from pauseflow.resumable.standing import Ends, Generator, Standing, stand

_SOLID = (
    frozenset, enum.Enum, dt.date, dt.time, dt.timedelta, Decimal, UUID, complex, *ATOMS,
)  # fmt: skip
_MUTABLE = (list, dict, set, deque, defaultdict, OrderedDict, Counter, bytearray)
_CONTAINERS = frozenset({*_MUTABLE, tuple})
_OURS = frozenset({deque, defaultdict, OrderedDict, Counter, bytearray, range})
_NAMED = (FunctionType, BuiltinFunctionType, MethodDescriptorType, type)
_EQUIVALENTS = "pauseflow.resumable.equivalents"
GENERATORS = (GeneratorType, AsyncGeneratorType)


class Unpackable(Exception):
    """A value that has no place in a frame.

    Args:
        value: the value.
        reason: why.
    """

    def __init__(self, value: object, reason: str) -> None:
        self.value = value
        self.reason = reason
        super().__init__(reason)


class Packer:
    """Lays out the locals of one frame, and of the frames that it holds.

    Args:
        reach: what a worker that takes the frame up finds by name.
        ends: where generators were left that a PauseFlow came out of.
        given: values that belong to the stage, and are not written down.
    """

    def __init__(self, reach: Reach, ends: Ends, given: tuple[object, ...] = ()) -> None:
        self._reach = reach
        self._ends = ends
        self._given = given
        self._index: dict[int, int] = {}
        self._open: set[int] = set()
        self._shared: set[int] = set()
        self._stands: dict[int, Standing | None] = {}
        self._states: dict[int, tuple[str, list[Any]]] = {}
        self._alive: list[object] = []
        self.heap: list[Any] = []
        self.standings: list[Standing] = []

    def special(self, values: dict[str, Any]) -> set[str]:
        """The names of those values that the codec can't write down as they are.

        Raises:
            Unpackable: by way of `tag`, later, if one can't be written down at all.
        """
        found: set[str] = set()
        owners: dict[int, str] = {}
        for name, value in values.items():
            if type(value) in ATOMS:
                continue
            for other in self._walk(name, value, owners):
                found.update((name, other))
        return found

    def _walk(self, name: str, root: object, owners: dict[int, str]) -> Iterable[str]:
        """For each reason to lay `root` out: whom it shares with, or its own name."""
        waiting = [root]
        while waiting:
            value = waiting.pop()
            kind = type(value)
            if kind in ATOMS or isinstance(value, _SOLID):
                continue
            if kind is not tuple and kind is not range:
                known = owners.get(id(value))
                if known is not None:
                    self._shared.add(id(value))
                    yield known
                    continue
                owners[id(value)] = name
                self._alive.append(value)
            if (kind not in _CONTAINERS or kind in _OURS) and self._is_special(value):
                yield name
            waiting.extend(self._children(value))

    def _is_special(self, value: object) -> bool:
        kind = type(value)
        return (
            kind in _OURS
            or kind in iterators.NATIVE
            or isinstance(value, (*GENERATORS, *_NAMED))
            or has_iteration(value)
            or any(value is given for given in self._given)
        )

    def _children(self, value: Any) -> Iterable[Any]:  # noqa: PLR0911 (one branch a kind of value reads best in one place)
        kind = type(value)
        if kind in (list, tuple, deque, set):
            return () if ATOMS.issuperset(set(map(type, value))) else value
        if isinstance(value, dict):
            return () if ATOMS.issuperset(set(map(type, value.values()))) else value.values()
        if isinstance(value, GENERATORS):
            standing = self._stand(value)
            return () if standing is None else standing.scope.values()
        if kind in iterators.NATIVE:
            try:
                return self._state(value)[1]
            except iterators.NoState:
                return ()
        if isinstance(value, _NAMED) or kind in (range, bytearray):
            return ()
        if has_iteration(value):
            return (self._kept(value),)
        return parts_of(value)

    # -- laying out

    def tag(self, value: Any) -> Any:
        """A value as data: an atom as itself, anything else as a list that begins with a tag.

        Raises:
            Unpackable: it, or something in it, can't be written down.
        """
        kind = type(value)
        if kind in ATOMS:
            return value
        for which, given in enumerate(self._given):
            if value is given:
                return ["x", which]
        known = self._index.get(id(value))
        if known is None:
            if id(value) in self._open:
                raise Unpackable(value, "it contains itself")
            known = self._lay(value, kind)
        return ["@", known]

    def _lay(self, value: Any, kind: type) -> int:
        self._alive.append(value)
        if kind in (list, dict, tuple) and self._is_tree(value):
            return self._place(value, ["p", value])
        if kind in (list, dict, deque, defaultdict, OrderedDict) or is_record(value):
            # In its place before its items are: they may lead back to it.
            place = self._place(value, [])
            self.heap[place].extend(self._container(value, kind))
            return place
        self._open.add(id(value))
        laid = self._solid(value, kind)
        self._open.discard(id(value))
        return self._place(value, laid)

    def _is_tree(self, value: Any) -> bool:
        """Whether nothing in it is shared or special, so that the codec can have all of it."""
        waiting = list(self._children(value))
        while waiting:
            inner = waiting.pop()
            kind = type(inner)
            if kind in ATOMS or isinstance(inner, _SOLID):
                continue
            if id(inner) in self._shared or kind in _OURS:
                return False
            if kind not in _CONTAINERS and self._is_special(inner):
                return False
            waiting.extend(self._children(inner))
        return True

    def _place(self, value: object, laid: list[Any]) -> int:
        self.heap.append(laid)
        self._index[id(value)] = len(self.heap) - 1
        return len(self.heap) - 1

    def _container(self, value: Any, kind: type) -> list[Any]:
        if kind is list:
            return ["l", [self.tag(item) for item in value]]
        if kind is deque:
            return ["q", value.maxlen, [self.tag(item) for item in value]]
        if is_record(value):
            return ["z", skeleton(value, self.tag)]
        pairs = [tagged for k, v in value.items() for tagged in (self.tag(k), self.tag(v))]
        if kind is defaultdict:
            return ["f", self.tag(value.default_factory), pairs]
        return ["o" if kind is OrderedDict else "d", pairs]

    def _solid(self, value: Any, kind: type) -> list[Any]:  # noqa: PLR0911 (one branch a kind of value reads best in one place)
        if isinstance(value, _SOLID):
            return ["p", value]
        if kind is tuple:
            return ["t", [self.tag(item) for item in value]]
        if kind is Counter:
            return ["c", [t for k, v in value.items() for t in (self.tag(k), self.tag(v))]]
        if kind is range:
            return ["r", value.start, value.stop, value.step]
        if kind is bytearray:
            return ["b", bytes(value)]
        if isinstance(value, GENERATORS):
            return self._generator(value)
        if kind in iterators.NATIVE:
            return self._iterator(value)
        if isinstance(value, _NAMED):
            return ["n", self._name(value, self._reach.value(name_of(value)))]
        if has_iteration(value):
            return self._instance(value, kind)
        self._check_leaf(value)
        return ["p", value]

    def _generator(self, value: Generator) -> list[Any]:
        standing = self._stand(value)
        if standing is None:
            return ["i", "done"]
        resumable = standing.resumable
        if resumable not in self._reach.find(resumable.name):
            raise Unpackable(
                value,
                f"another worker could not find {resumable.name} by that name: define it at the "
                f"top of a module, or call pauseflow.resumable.prepare with it there",
            )
        scope: list[Any] = []
        for name, local in standing.scope.items():
            try:
                scope += [name, self._own(resumable, local)]
            except Unpackable as error:
                if resumable.fn.__module__ == _EQUIVALENTS:
                    raise  # the author knows it as a part of the `map` in the local that holds it
                raise standing.refusal(name, error.value, error.reason) from None
        position = [standing.point, standing.line]
        return ["g", resumable.name, resumable.fingerprint, *position, scope, standing.again]

    def _own(self, resumable: Resumable, local: object) -> Any:
        if type(local) not in ATOMS:
            for which, given in enumerate(resumable.given):
                if local is given:
                    return ["X", which]
        return self.tag(local)

    def _iterator(self, value: Any) -> list[Any]:
        try:
            kind, state = self._state(value)
        except iterators.NoState as error:
            raise Unpackable(value, str(error)) from None
        if self._ends.any and kind == "zip" and not all(_never_pauses(part) for part in state[1:]):
            raise Unpackable(value, "a zip that may have been stopped between two of its parts")
        if kind in ("list", "str", "bytes") and id(state[0]) not in self._shared:
            state = [state[0][state[1] :], 0]  # nobody else sees what it has gone past
        return ["i", kind, *map(self.tag, state)]

    def _instance(self, value: Any, kind: type) -> list[Any]:
        name = self._name(kind, self._reach.find(name_of(kind)))
        return ["y", name, self.tag(self._kept(value))]

    @staticmethod
    def _name(value: Any, known: list[Any]) -> str:
        name = name_of(value)
        if not any(value is (f.fn if isinstance(f, Resumable) else f) for f in known):
            if name.endswith("<lambda>"):
                reason = "a lambda has no name that another worker could find it by; give it one"
                raise Unpackable(value, reason)
            raise Unpackable(
                value, f"another worker could not find {name} from the function that holds it"
            )
        return name

    def _check_leaf(self, value: object) -> None:
        for part in parts_of(value):
            if id(part) in self._shared:
                raise Unpackable(value, f"it shares a {type(part).__qualname__} with another local")

    def _stand(self, value: Generator) -> Standing | None:
        if id(value) not in self._stands:
            self._alive.append(value)
            try:
                self._stands[id(value)] = standing = stand(value, self._ends)
            except CaptureError as error:
                raise Unpackable(value, error.reason) from None
            if standing is not None:
                self.standings.append(standing)
        return self._stands[id(value)]

    def _kept(self, value: Any) -> Any:
        """The state of an object of a class that iterates; the same one each time."""
        if id(value) not in self._states:
            self._alive.append(value)
            try:
                self._states[id(value)] = ("", [instance_state(value)])
            except Exception as error:
                raise Unpackable(value, f"its __getstate__ raised {error!r}") from error
        return self._states[id(value)][1][0]

    def _state(self, value: Any) -> tuple[str, list[Any]]:
        if id(value) not in self._states:
            self._alive.append(value)
            self._states[id(value)] = iterators.state_of(value)
        return self._states[id(value)]


def _never_pauses(value: object) -> bool:
    return type(value) in iterators.NATIVE and type(value) not in (enumerate, zip)
