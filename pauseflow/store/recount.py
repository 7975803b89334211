"""Recount: a stage's books against what is there, and what is wrong with a run, in words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from pauseflow.graph import Graph
from pauseflow.store.books import RunState
from pauseflow.store.survey import SeenStage, Survey
from pauseflow.store.wrong import Push, Rewrite, Wrong

COUNTERS = (
    "waiting", "waiting_items", "waiting_bytes", "stalled", "given", "sent", "cursor", "flying",
    "held", "held_items", "held_bytes", "parked", "ended", "done", "emitted", "busy",
)  # fmt: skip
"""Of the books of a stage, as they stand in lua/includes/books.lua."""

PLACE_KEPT = ("rate", "limit")
"""Why a continuation is parked that keeps its place in the window: see lua/includes/parked.lua."""

NAMED = 5

# Only what is done may be less than zero, for a while: see books.lua.
_BOOKS = re.compile(
    rb" ".join(rb"(-?\d{1,16})" if name == "done" else rb"(\d{1,16})" for name in COUNTERS)
)

_WORDS = {
    "waiting": "{} pieces in the backlog",
    "waiting_items": "{} records in the backlog",
    "waiting_bytes": "{} bytes in the backlog",
    "stalled": "{} continuations in the backlog",
    "flying": "{} chunks in flight",
    "held": "{} chunks held for the cursor",
    "held_items": "{} outputs held for the cursor",
    "held_bytes": "{} bytes held for the cursor",
    "parked": "{} continuations parked",
}


def recount(survey: Survey, graph: Graph | None = None) -> Iterator[Wrong]:
    """What does not add up in a run.

    Args:
        survey: the run, seen at one moment.
        graph: of its flow; None if that is not known here.
    """
    order = _order(survey, graph)
    wrong = False
    tallies = []
    for name, seen in survey.stages.items():
        line = survey.books(name)
        books = read_books(line or b" ".join([b"0"] * len(COUNTERS)))
        if books is None:
            wrong = True
            yield Wrong(f"stage {name}: its books are damaged: {line[:80]!r}")
            continue
        tally = _Tally(name, line, books, seen, survey, ordered=order.get(name))
        tallies.append(tally)
        for each in tally.wrongs():
            wrong = wrong or not each.harmless
            yield each
    for each in (*_results(survey), *_ends(survey, tallies, graph)):
        wrong = True
        yield each
    if not wrong:
        yield from _standing_still(survey, tallies)


def _order(survey: Survey, graph: Graph | None) -> dict[str, bool]:
    """Which stages keep the order, of those of which it is known."""
    if graph is not None:
        return {stage.name: stage.ordered for stage in graph.stages}
    told = survey.fields.get(b"results_from", b"").decode("utf-8", "replace").split()
    words = [source.split(":") for source in told]
    return {each[0]: each[1] == "1" for each in words if len(each) == 4}


def _results(survey: Survey) -> Iterator[Wrong]:
    """Whether the run has counted its results right."""
    if survey.results is None:
        return
    first, count, size = survey.results
    for field, right in (("results", first + count), ("result_bytes", size)):
        before = survey.fields.get(field.encode(), b"0")
        if before != b"%d" % right:
            told = before.decode("utf-8", "replace")
            yield Wrong(
                f"{field} are {told} by its books; with the newest there are {right:,}",
                Rewrite(field, before, b"%d" % right),
            )


def _ends(survey: Survey, tallies: Sequence[_Tally], graph: Graph | None) -> Iterator[Wrong]:
    """Whether the run waits for as many ends as there are to come."""
    if graph is None or any(name not in graph for name in survey.stages):
        return
    left = sum(
        tally.books["ended"] != 2
        for tally in tallies
        if all(outlet.target is None for outlet in graph.outlets(tally.name))
    )
    before = survey.fields.get(b"leaves", b"0")
    if len(tallies) == len(survey.stages) and before != b"%d" % left:
        told = before.decode("utf-8", "replace")
        yield Wrong(
            f"by its books it waits for {told} stages to end; there are {left}",
            Rewrite("leaves", before, b"%d" % left) if left else None,
        )


def read_books(line: bytes) -> dict[str, int] | None:
    """The counters in the books of a stage; None if they are damaged."""
    match = _BOOKS.fullmatch(line)
    return None if match is None else dict(zip(COUNTERS, map(int, match.groups()), strict=True))


class _Tally:
    """One stage: what it has, and what its books say.

    Args:
        name: the stage.
        line: its books.
        books: the same, read.
        seen: what is there.
        survey: of its run.
        ordered: whether it keeps the order; None if that is not known.
    """

    def __init__(
        self,
        name: str,
        line: bytes,
        books: Mapping[str, int],
        seen: SeenStage,
        survey: Survey,
        *,
        ordered: bool | None,
    ) -> None:
        self.name, self.line, self.books, self.seen = name, line, books, seen
        mine = [each for each in survey.parked.values() if each.field.rpartition(":")[0] == name]
        self.damaged = [
            *seen.damaged,
            *(f"what is parked as {each.field!r} is damaged" for each in mine if not each.chunk),
        ]
        kept = sum(each.why in PLACE_KEPT for each in mine)
        self.parked = len(mine)
        self.numbers = {
            "waiting": seen.waiting,
            "waiting_items": seen.waiting_items,
            "waiting_bytes": seen.waiting_bytes,
            "stalled": len(seen.stalled),
            "flying": len(seen.entries) + kept,
            "held": sum(each.noted for each in seen.held.values()),
            "held_items": seen.held_items,
            "held_bytes": seen.held_bytes,
            "parked": self.parked - kept,
        }
        self.chunks = [*seen.entries, *seen.stalled]
        self.chunks += [each.chunk for each in mine if each.chunk]
        self.chunks += [each.rest for each in seen.held.values() if each.rest]
        if ordered is None and (books["cursor"] or self.numbers["held"] or books["held"]):
            ordered = True
        self.ordered = ordered
        self._is_root = next(iter(survey.stages)) == name
        self._position = survey.info.position
        self._dead = survey.info.dead

    @property
    def idle(self) -> bool:
        """Nothing is at work here, or waits for anything but its turn."""
        return not self.chunks and not self.seen.held

    @property
    def empty(self) -> bool:
        """Nothing at all is here."""
        return self.idle and not self.numbers["waiting"]

    def wrongs(self) -> Iterator[Wrong]:
        """What does not add up."""
        for damage in self.damaged[:NAMED]:
            yield Wrong(f"stage {self.name}: {damage}")
        if self.damaged:
            return  # what can't be read can't be counted
        lost = [*self._missing(), *self._twice()]
        yield from lost
        differ = {name: n for name, n in self.numbers.items() if self.books[name] != n}
        if differ and not any(each.harmless for each in lost):
            yield self._differing(differ, mend=not lost)
        if self.books["ended"] == 2 and not (lost or differ or self.empty):
            yield Wrong(
                f"stage {self.name}: the stages after it were told that it is over, and "
                f"{_what(self.numbers)} are there"
            )
        if self.books["cursor"] > self.books["sent"]:
            yield Wrong(
                f"stage {self.name}: its cursor is at chunk {self.books['cursor']}, and only "
                f"{self.books['sent']} were numbered"
            )

    def _differing(self, differ: Mapping[str, int], *, mend: bool) -> Wrong:
        said = " and ".join(_WORDS[name].format(f"{self.books[name]:,}") for name in differ)
        there = " and ".join(f"{found:,}" for found in differ.values())
        text = f"stage {self.name}: by its books there are {said}; there are {there}"
        lost = self._backlog_gone(differ)
        if lost or not mend:
            return Wrong(text, lost=lost)
        right = {**self.books, **differ}
        after = " ".join(str(right[name]) for name in COUNTERS).encode()
        return Wrong(text, Rewrite(f"b:{self.name}", self.line, after))

    def _backlog_gone(self, differ: Mapping[str, int]) -> bool:
        """Whether the backlog is not there although it should be, and who wrote it can't tell."""
        if differ.get("waiting") != 0 or not self.books["waiting"]:
            return False
        return not self._is_root or self._position != self.books["given"]

    def _missing(self) -> Iterator[Wrong]:
        """Records that are neither done nor anywhere."""
        books = self.books
        if self.ordered:
            yield from self._missing_chunks()
        there = sum(chunk.count for chunk in self.chunks)
        missing = books["given"] - books["done"] - there
        # one that a person skipped is not done
        if missing > self._dead:
            yield Wrong(
                f"stage {self.name}: {books['given']:,} records were given to it, "
                f"{books['done']:,} are done and {there:,} are there: {missing:,} are lost",
                lost=True,
            )
        for seq, held in self.seen.held.items():
            gone = set(range(1, min(held.kept, 10_000) + 1)) - held.pieces
            if gone or not held.noted:
                yield Wrong(
                    f"stage {self.name}: outputs of chunk {seq} that it holds for the cursor are "
                    f"lost",
                    lost=True,
                )

    def _missing_chunks(self) -> Iterator[Wrong]:
        cursor, sent = self.books["cursor"], self.books["sent"]
        finished = {seq for seq, held in self.seen.held.items() if held.finished}
        there = finished | {chunk.seq for chunk in self.chunks}
        there = {seq for seq in there if cursor <= seq < sent}
        missing = sent - cursor - len(there)
        if missing <= 0:
            return
        named: list[str] = []
        seq = cursor
        while len(named) < min(missing, NAMED):
            if seq not in there:
                named.append(f"{seq}")
            seq += 1
        more = f" and {missing - NAMED:,} more" if missing > NAMED else ""
        yield Wrong(
            f"stage {self.name}: chunk {', '.join(named)}{more} of {sent:,} is nowhere, and the "
            f"cursor is at {cursor:,}",
            lost=True,
        )

    def _twice(self) -> Iterator[Wrong]:
        """What is there although it is done, or is there twice."""
        books, places = self.books, set()
        for chunk in self.chunks:
            place = (chunk.seq, chunk.ordinal)
            if place in places:
                yield self._too_many(f"chunk {chunk.seq} is there twice")
                return
            places.add(place)
            if chunk.seq >= books["sent"] or (self.ordered and chunk.seq < books["cursor"]):
                known = f"{books['sent']:,} were numbered, and the cursor is at {books['cursor']:,}"
                yield self._too_many(f"there is a chunk {chunk.seq}, but {known}")
                return
        there = sum(chunk.count for chunk in self.chunks)
        if there > books["given"] - books["done"]:
            yield self._too_many(
                f"{books['given']:,} records were given to it and {books['done']:,} are done, but "
                f"{there:,} are there"
            )

    def _too_many(self, what: str) -> Wrong:
        harmless = self.numbers["flying"] > self.books["flying"]
        then = ": it will be left out, for it is no part of the run" if harmless else ""
        return Wrong(f"stage {self.name}: {what}{then}", harmless=harmless)


def _what(numbers: Mapping[str, int]) -> str:
    names = ("waiting", "flying", "held", "parked")
    return " and ".join(_WORDS[name].format(numbers[name]) for name in names if numbers[name])


def _standing_still(survey: Survey, tallies: Sequence[_Tally]) -> Iterator[Wrong]:
    """What waits although nothing is left to wait for."""
    info = survey.info
    if info.state not in (RunState.RUNNING, RunState.OPEN) or info.results.waiting_for_reader:
        return
    ending = [
        tally
        for tally in tallies
        if not tally.ordered and tally.books["ended"] == 1 and tally.empty
    ]
    for tally in ending:
        yield Wrong(
            f"stage {tally.name} stands still: all of it is done, and the stages after it were "
            f"not told",
            Push(tally.name, tally.line),
        )
    later_empty = not ending
    for tally in reversed(tallies):
        if later_empty and tally.idle and tally.numbers["waiting"]:
            yield Wrong(
                f"stage {tally.name} stands still: "
                f"{_WORDS['waiting'].format(tally.numbers['waiting'])}, nothing at work, and room "
                f"for what would come of it",
                Push(tally.name, tally.line),
            )
            return
        later_empty = later_empty and tally.empty
    if later_empty and info.state is RunState.RUNNING:
        yield Wrong("it stands still: nothing of it is anywhere, and it is not done", lost=True)
