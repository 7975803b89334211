"""Runs folds: one value for each scope, which is kept from chunk to chunk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pauseflow import codec
from pauseflow.codec import Marker
from pauseflow.context import Place
from pauseflow.errors import NotSerializable, UnencodableState
from pauseflow.folding import Fold
from pauseflow.graph import Stage
from pauseflow.stages.kept import GONE, Kept
from pauseflow.stages.runner import failed, raised
from pauseflow.stages.stateful import StatefulRunner
from pauseflow.stages.timeout import limited
from pauseflow.stages.work import DONE, SLICED, Budget, Done, End, Outcome, Work

VALUE = b"v"
PARTS = b"n"

MOST_AGAIN = 1_000
"""Steps that are done again, at most, to take one back."""

NOTHING: Any = object()
"""In place of a value, where there was no record yet and nothing to begin with."""


class Value:
    """The value of one scope in the making, with the way back to before a record that failed.

    Args:
        fold: how it is made.
        data: the encoding of the value so far; empty if there was no record yet.
        step: the fold's own if it is left out.
    """

    __slots__ = ("_data", "_fold", "_since", "_step", "changed", "now")

    def __init__(
        self, fold: Fold, data: bytes = b"", step: Callable[[Any, Any], Any] | None = None
    ) -> None:
        self._fold = fold
        self._step = step or fold.step
        self.begin(data)

    def begin(self, data: bytes = b"") -> None:
        """Go on from this encoding, or from the beginning."""
        self._data = data
        self._since: list[Any] = []
        self.changed = False
        self.now = self._at_beginning()

    def _at_beginning(self) -> Any:
        if self._data:
            return codec.decode(self._data)
        return NOTHING if self._fold.start is None else self._fold.start()

    def take(self, record: Any) -> None:
        """Add one record. What the step raises leaves the value as it was before.

        Raises:
            NotSerializable: a value between has no encoding, now and then.
        """
        if self._fold.many is not None:  # these never change a value in place and then raise
            self.now = record if self.now is NOTHING else self._step(self.now, record)
            self.changed = True
            return
        if len(self._since) >= MOST_AGAIN:
            self._data, self._since = codec.encode(self.now), []
        try:
            self.now = record if self.now is NOTHING else self._step(self.now, record)
        except BaseException:
            self._go_back()
            raise
        self._since.append(record)
        self.changed = True

    def take_all(self, records: list[Any]) -> None:
        """Add records at once, which the fold has to have a function for."""
        many = self._fold.many
        assert many is not None  # noqa: S101 # who calls this has looked
        if self.now is NOTHING:
            self.now, records = records[0], records[1:]
        if records:
            self.now = many(self.now, records)
        self.changed = True

    def _go_back(self) -> None:
        """The step may have changed the value in place: it is made again."""
        self.now = self._at_beginning()
        for record in self._since:
            self.now = record if self.now is NOTHING else self._step(self.now, record)

    def result(self) -> list[Any]:
        """What goes downstream: nothing, if there is no value."""
        if self.now is NOTHING:
            return []
        return [self.now if self._fold.result is None else self._fold.result(self.now)]


class FoldRunner(StatefulRunner):
    """Runs a fold over a chunk: its value is emitted when its scope is over.

    The value is the same whatever chunks the records came in. A step that raises, a pause included,
    is taken back; what it and those since the last commit did elsewhere is done again then.
    """

    def __init__(self, stage: Stage, flow_name: str) -> None:
        super().__init__(stage, flow_name)
        assert stage.fold is not None  # noqa: S101 # every such stage has one; tells mypy
        self._fold = stage.fold
        self._step = limited(stage)

    def _run(self, work: Work, budget: Budget, here: Place, kept: Kept) -> Outcome:
        """As many items as can be done and written down: of more, half as many are tried."""
        before = dict(kept.changed)
        size = upto = len(work.items)
        while True:
            part = work if upto == size else replace(work, items=work.items[:upto], ended=False)
            outcome = Outcome([], marked=False, consumed=0)
            data = b"" if self._fold.parts else kept.get(VALUE)
            value = Value(self._fold, data, self._step)
            outcome.end = self._items(part, budget, outcome, here, value, kept)
            try:
                self._write(value, kept, data)
            except NotSerializable as error:
                kept.changed = dict(before)
                if outcome.consumed <= 1:
                    unencodable = UnencodableState(self.stage.name, error)
                    return Outcome([], marked=False, consumed=0, end=failed(unencodable))
                upto = outcome.consumed // 2
                continue
            if upto < size and isinstance(outcome.end, Done):
                outcome.end = SLICED
            return outcome

    def _items(
        self, work: Work, budget: Budget, outcome: Outcome, here: Place, value: Value, kept: Kept
    ) -> End:
        size = len(work.items)
        while outcome.consumed < size:
            index = outcome.consumed
            item = work.items[index]
            here.first = work.ordinal + index
            if type(item) is Marker:
                end = self._marker(item, outcome, value, kept)
            else:
                end = self._records(work, budget, outcome, here, value)
            if end is not None:
                return end
            if outcome.consumed < size and budget.spent(len(outcome.outputs)):
                return SLICED
        if work.ended and self._fold.per is None:
            return self._emit(outcome, value, kept) or DONE
        return DONE

    def _marker(self, marker: Marker, outcome: Outcome, value: Value, kept: Kept) -> End | None:
        if marker.branch == self._fold.per:
            end = self._emit(outcome, value, kept)
            if end is not None:
                return end
        outcome.outputs.append(marker)
        outcome.marked = True
        outcome.consumed += 1
        return None

    def _emit(self, outcome: Outcome, value: Value, kept: Kept) -> End | None:
        """The value goes downstream, and the next one is begun."""
        whole = self._joined(value, kept) if self._fold.parts else value
        try:
            outcome.outputs += whole.result()
        except BaseException as error:  # noqa: BLE001 # SystemExit too must not end the worker
            return raised(error)
        if self._fold.parts:
            self._drop_parts(kept)
        else:
            kept.put(VALUE, GONE)
        value.begin()
        return None

    def _records(
        self, work: Work, budget: Budget, outcome: Outcome, here: Place, value: Value
    ) -> End | None:
        """Put the next stride of records into the value."""
        start = outcome.consumed
        batch = work.items[start : start + budget.stride]
        if work.marked:
            kinds = [type(item) is Marker for item in batch]
            batch = batch[: kinds.index(True)] if True in kinds else batch
        if self._fold.many is not None and self._quickly(batch, value):
            outcome.consumed += len(batch)
            return None
        for record in batch:
            if budget.stopping:
                return SLICED
            here.first = work.ordinal + outcome.consumed
            try:
                value.take(record)
            except BaseException as error:  # noqa: BLE001 # SystemExit too must not end the worker
                return raised(error)
            outcome.consumed += 1
        return None

    def _quickly(self, batch: list[Any], value: Value) -> bool:
        """All at once; False if that fails: one after the other tells which record it is."""
        try:
            value.take_all(batch)
        except Exception:  # noqa: BLE001 # seen again, and then as that of a record
            return False
        return True

    # -- what is kept

    def _write(self, value: Value, kept: Kept, before: bytes) -> None:
        if self._fold.parts:
            if value.changed:
                self._add_part(value, kept)
        elif value.changed:
            kept.put(VALUE, codec.encode(value.now))
        elif kept.changed.get(VALUE) == GONE and not before:
            del kept.changed[VALUE]

    def _add_part(self, value: Value, kept: Kept) -> None:
        count = self._count(kept)
        kept.put(b"%d" % count, codec.encode(value.now))
        kept.put(PARTS, b"%d" % (count + 1))

    def _count(self, kept: Kept) -> int:
        return int(kept.get(PARTS) or b"0")

    def _joined(self, value: Value, kept: Kept) -> Value:
        names = [b"%d" % number for number in range(self._count(kept))]
        if not names:
            return value
        whole = Value(self._fold)
        for part in (*map(codec.decode, kept.get_all(names)), value.now):
            if part:
                whole.take_all(part)
        return whole

    def _drop_parts(self, kept: Kept) -> None:
        count = self._count(kept)
        if count:
            for number in range(count):
                kept.put(b"%d" % number, GONE)
            kept.put(PARTS, GONE)
