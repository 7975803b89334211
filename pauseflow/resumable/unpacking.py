"""Objects from the plain data that `packing` made; the data may be hostile."""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from typing import Any, NoReturn

from pauseflow.errors import ForeignFrame, MalformedData
from pauseflow.resumable import iterators
from pauseflow.resumable.entering import Entry
from pauseflow.resumable.flat import ATOMS
from pauseflow.resumable.instances import fill, is_record, iterates, made_instance
from pauseflow.resumable.prepared import Resumable
from pauseflow.resumable.reach import Reach

_MISSING = object()
_BUILDING = object()


class Unpacker:
    """Makes the objects of a heap, each once.

    Args:
        heap: as `Packer` laid it out.
        reach: what the data may name.
        given: values that belong to the stage.
    """

    def __init__(self, heap: object, reach: Reach, given: tuple[object, ...] = ()) -> None:
        if type(heap) is not list:
            malformed("its heap is not a list")
        self._heap: list[Any] = heap
        self._made: list[Any] = [_MISSING] * len(self._heap)
        self._reach = reach
        self._given = given
        self.value: object = None
        self.error: BaseException | None = None

    def value_of(self, tagged: Any) -> Any:
        """The value that stands for what `Packer.tag` gave.

        Raises:
            MalformedData: it is not such data.
            ForeignFrame: it holds a frame of other code.
        """
        if type(tagged) in ATOMS:
            return tagged
        match tagged:
            case ["@", int(place)] if 0 <= place < len(self._heap):
                return self._at(place)
            case ["x", int(which)] if 0 <= which < len(self._given):
                return self._given[which]
        return malformed(f"{tagged!r:.60} is not a value")

    def _at(self, place: int) -> Any:
        made = self._made[place]
        if made is _BUILDING:
            malformed("a value contains itself")
        if made is _MISSING:
            self._made[place] = _BUILDING
            self._made[place] = made = self._build(place)
        return made

    def _build(self, place: int) -> Any:  # noqa: C901, PLR0911, PLR0912 (one branch a kind of value reads best in one place)
        match self._heap[place]:
            case ["p", value]:
                return value
            case ["l", list(items)]:
                return self._filled(place, [], list.extend, items)
            case ["q", (int() | None) as longest, list(items)]:
                return self._filled(place, deque(maxlen=longest), deque.extend, items)
            case ["t", list(items)]:
                return tuple(self.value_of(item) for item in items)
            case ["d", list(pairs)]:
                return self._mapped(place, {}, pairs)
            case ["o", list(pairs)]:
                return self._mapped(place, OrderedDict(), pairs)
            case ["f", factory, list(pairs)]:
                return self._mapped(place, defaultdict(self._factory(factory)), pairs)
            case ["c", list(pairs)]:
                counter: Counter[Any] = Counter()
                dict.update(counter, self._pairs(pairs))
                return counter
            case ["z", value] if is_record(value):
                self._made[place] = value
                fill(value, self.value_of)
                return value
            case ["r", int(start), int(stop), int(step)] if step:
                return range(start, stop, step)
            case ["b", bytes(value)]:
                return bytearray(value)
            case ["n", str(name)]:
                return self._named(name, self._reach.value(name))
            case ["y", str(name), state]:
                return self._instance(name, state)
            case ["i", str(kind), *state]:
                return self._iterator(kind, state)
            case ["g", str(name), str(fingerprint), int(point), int(), list(scope), list(again)]:
                return self._generator(name, fingerprint, point, scope, again)
        return malformed(f"{self._heap[place]!r:.60} is no object")

    def _filled(
        self, place: int, made: Any, extend: Callable[[Any, list[Any]], None], items: list[Any]
    ) -> Any:
        self._made[place] = made
        extend(made, [self.value_of(item) for item in items])
        return made

    def _mapped(self, place: int, made: dict[Any, Any], pairs: list[Any]) -> Any:
        self._made[place] = made
        made.update(self._pairs(pairs))
        return made

    def _pairs(self, pairs: list[Any]) -> list[tuple[Any, Any]]:
        values = [self.value_of(item) for item in pairs]
        found = list(zip(values[::2], values[1::2], strict=False))
        try:
            for key, _ in found:
                hash(key)
        except TypeError as error:
            raise MalformedData(f"a frame is damaged: {error}") from None
        return found

    def _factory(self, tagged: Any) -> Callable[[], Any] | None:
        factory = self.value_of(tagged)
        if factory is not None and not callable(factory):
            malformed("a defaultdict's factory can't be called")
        return factory  # type: ignore[no-any-return]  # it is callable

    @staticmethod
    def _named(name: str, found: list[Any]) -> Any:
        if not found:
            malformed(f"it names {name!r:.80}, which its function does not")
        value = found[-1]
        return value.fn if isinstance(value, Resumable) else value

    def _instance(self, name: str, state: Any) -> Any:
        kind = self._named(name, self._reach.find(name))
        if not isinstance(kind, type) or not iterates(kind):
            malformed(f"{name!r:.80} is not the class of an iterator")
        return made_instance(kind, self.value_of(state))

    def _iterator(self, kind: str, state: list[Any]) -> Any:
        try:
            return iterators.made_of(kind, [self.value_of(part) for part in state])
        except (TypeError, ValueError, OverflowError) as error:
            raise MalformedData(f"a frame is damaged: {error}") from None

    def _generator(
        self, name: str, fingerprint: str, point: int, scope: list[Any], again: list[Any]
    ) -> Any:
        known = [found for found in self._reach.find(name) if isinstance(found, Resumable)]
        resumable = next((r for r in reversed(known) if r.fingerprint == fingerprint), None)
        if resumable is None:
            have = known[-1].fingerprint if known else ""
            raise ForeignFrame(name, frame_fingerprint=fingerprint, code_fingerprint=have)
        names = scope[::2]
        if len(scope) % 2 or not all(type(local) is str for local in names):
            malformed("its locals are not pairs of a name and a value")
        locals_ = {
            local: self._own(resumable, tagged)
            for local, tagged in zip(names, scope[1::2], strict=True)
        }
        entry = checked_entry(resumable, point, locals_, again)
        return resumable.enter(point, entry, held=True)

    def _own(self, resumable: Resumable, tagged: Any) -> Any:
        match tagged:
            case ["X", int(which)] if 0 <= which < len(resumable.given):
                return resumable.given[which]
        return self.value_of(tagged)


def checked_entry(
    resumable: Resumable, point: int, scope: dict[str, Any], again: list[Any]
) -> Entry:
    """An entry for a point, once its locals are those that the point keeps.

    Raises:
        MalformedData: the point or a local does not exist.
    """
    live = resumable.live_sets.get(point)
    if live is None:
        malformed(f"{resumable.name} has no point {point}")
    if not live.issuperset(scope):
        unknown = sorted(scope.keys() - live)
        malformed(f"{resumable.name} keeps no local {unknown[0]!r:.40} at its point {point}")
    for name in resumable.iterators[point]:
        kind = type(scope.get(name))
        if not (hasattr(kind, "__next__") or hasattr(kind, "__anext__")):
            malformed(f"a loop's iterator is a {kind.__qualname__}")
    if not again:
        return Entry(scope)
    if not resumable.made_again.issuperset(n if type(n) is str else "" for n in again):
        malformed("it names an import or function that is not in its source")
    return Entry(scope, frozenset(again))


def malformed(reason: str) -> NoReturn:
    """Say that data is no frame."""
    raise MalformedData(f"a frame is damaged or of another format: {reason}")
