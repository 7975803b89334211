"""Kept: what a stage knows of a run beyond the chunk at hand, as fields of bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

Load: TypeAlias = Callable[[Sequence[bytes]], list[bytes | None]]

GONE = b""
"""In place of a value: the field is not there any more. No encoding is empty."""

MOST_KNOWN = 50_000
"""Fields of a run that a worker remembers."""

MOST_RUNS = 32


class Kept:
    """The fields of one stage in one run, read when they are asked for, written with the commit.

    Args:
        load: gives the values of fields, None for what is not there.
    """

    def __init__(self, load: Load) -> None:
        self._load = load
        self._known: dict[bytes, bytes] = {}
        self.changed: dict[bytes, bytes] = {}
        self.live: dict[bytes, object] = {}
        """Decoded values, for as long as they are those of the fields."""

    def get(self, name: bytes) -> bytes:
        """The value of a field; empty if it is not there."""
        (value,) = self.get_all([name])
        return value

    def get_all(self, names: Sequence[bytes]) -> list[bytes]:
        """The values of several fields, all that must be read in one round trip."""
        known, changed = self._known, self.changed
        missing = [name for name in names if name not in changed and name not in known]
        if missing:
            if len(known) > MOST_KNOWN:
                known.clear()
                missing = [name for name in names if name not in changed]
            loaded = self._load(missing)
            known.update(zip(missing, (value or GONE for value in loaded), strict=True))
        return [changed[name] if name in changed else known[name] for name in names]

    def put(self, name: bytes, value: bytes) -> None:
        """Write a field. `GONE` takes it away."""
        self.changed[name] = value

    def committed(self) -> None:
        """What was changed is there now."""
        self._known.update(self.changed)
        self.changed = {}


@dataclass(slots=True)
class _Place:
    ordinal: int
    confirmed: bool
    kept: Kept


class Shelf:
    """What was kept of runs lately, so that it need not be read again for each chunk.

    Chunks of a run come to a stage that keeps something one at a time. So what was kept after an
    item is what is kept before the next one, if that commit was carried out: the server says so
    before it gives out what follows.
    """

    def __init__(self) -> None:
        self._places: OrderedDict[str, _Place] = OrderedDict()

    def take(self, run: str, ordinal: int, *, follows: bool) -> Kept | None:
        """What is kept of a run before the item with this ordinal; None if it must be read.

        Args:
            run: the run's id.
            ordinal: of the item.
            follows: the items before it are of the same slice, which is not committed yet.
        """
        place = self._places.get(run)
        if place is None or place.ordinal != ordinal or place.confirmed is follows:
            return None
        return place.kept

    def put(self, run: str, ordinal: int, kept: Kept) -> None:
        """Note what is kept before the item with this ordinal, once it is committed."""
        self._places[run] = _Place(ordinal, confirmed=False, kept=kept)
        self._places.move_to_end(run)
        if len(self._places) > MOST_RUNS:
            self._places.popitem(last=False)

    def settle(self, run: str, *, committed: bool) -> None:
        """What was noted last of a run is so, or is not."""
        place = self._places.get(run)
        if place is None:
            return
        if committed:
            place.kept.committed()
            place.confirmed = True
        else:
            del self._places[run]
