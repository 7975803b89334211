"""A picture as lines of text: lines of stages go down, arms are indented, each stage stands once.

flow orders
pages (branch)
↓ parse (retries 3)
├── ship (each)
└── audit
    ↓ index → results
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from pauseflow.drawing.picture import RESULTS, Edge, Node, Picture
from pauseflow.drawing.printable import cells, printable, shortened

Piece: TypeAlias = tuple[str, str]
"""A text and its role: one of `ROLES`."""

Line: TypeAlias = tuple[Piece, ...]

ROLES = ("", "title", "guide", "name", "kind", "count", "parked", "failed", "paused", "ended")

DEEPEST = 8
"""Arms within arms beyond this get a place of their own further down."""

NAMED_ABOVE = 3
"""So many other stages above one are named; more are counted."""

LEAST_WIDTH = 20


@dataclass(frozen=True, slots=True)
class Strokes:
    """What a tree is drawn with.

    Attributes:
        down: to the next stage of a line.
        markers: the same, where only markers go.
        to: before what a stage leads to.
        arm: before an arm with others below it.
        last: before the last arm.
        beside: beside what stands in an arm with others below it.
        more: in place of what is cut off.
    """

    down: str = "↓ "
    markers: str = "⇣ "
    to: str = "→"
    arm: str = "├── "
    last: str = "└── "
    beside: str = "│   "
    more: str = "…"


UNICODE = Strokes()
ASCII = Strokes("v ", ": ", "->", "|-- ", "`-- ", "|   ", "~")


@dataclass(frozen=True, slots=True)
class _Row:
    """A stage with all that is said of it, before it is broken into lines.

    Attributes:
        guide: what stands before it.
        below: what stands before what is said of it on further lines.
        head: name, kind, remarks, ways on.
        counts: how the run stands there.
    """

    guide: str
    below: str
    head: tuple[Piece, ...]
    counts: tuple[Piece, ...] = ()

    @property
    def head_width(self) -> int:
        return len(self.guide) + _length(self.head)


def tree(picture: Picture, *, width: int | None = None, strokes: Strokes = UNICODE) -> list[Line]:
    """The picture as lines.

    Args:
        picture: what to draw.
        width: of the terminal, in characters; None for lines as long as they come.
        strokes: what it is drawn with.
    """
    width = None if width is None else max(width, LEAST_WIDTH)
    lines: list[Line] = []
    for text, role in ((picture.title, "title"), *((each, "") for each in picture.captions)):
        lines.extend(((line, role),) for line in _folded(printable(text), width))
    deepest = DEEPEST if width is None else min(DEEPEST, width // 2 // len(strokes.arm))
    rows = list(_Rows(picture, strokes, deepest).rows())
    column = _column(rows, width)
    for row in rows:
        lines.extend(_lines(row, column, width, strokes))
    return lines


def text_of(lines: Iterable[Line]) -> str:
    """The lines without their roles."""
    return "".join("".join(text for text, _ in line).rstrip() + "\n" for line in lines)


class _Rows:
    """Walks the graph, and draws each stage once.

    Args:
        picture: what to draw.
        strokes: what it is drawn with.
        deepest: how many arms may be within each other.
    """

    def __init__(self, picture: Picture, strokes: Strokes, deepest: int) -> None:
        self._picture = picture
        self._strokes = strokes
        self._deepest = deepest
        self._nodes = {node.key: node for node in picture.nodes}
        self._shown: set[str] = set()
        self._postponed: list[str] = []

    def rows(self) -> Iterator[_Row]:
        """Everything, from the stages that nothing leads to."""
        picture = self._picture
        roots = [node.key for node in picture.stages if not picture.into(node.key)]
        linked = [key for key in roots if self._nodes[key].kind or picture.out_of(key)]
        if len(linked) == 1:
            yield from self._chain(linked[0], "", "", 0, "")
        else:
            yield from self._arms([Edge("", key) for key in linked], "", 0)
        # Stages of a run of which no more is known than their names.
        for key in roots:
            if key not in linked:
                yield self._row(key, "", "  ", ("", ""), None)
        while self._postponed:
            key = self._postponed.pop(0)
            if key not in self._shown:
                yield _Row("", "", ())
                yield from self._chain(key, "", "", 0, "")

    def _chain(
        self, key: str, guide: str, beside: str, depth: int, after: str, label: str = ""
    ) -> Iterator[_Row]:
        """A stage and those below it, one after the other, down to where the line divides.

        Args:
            key: of the first stage.
            guide: what stands before it.
            beside: what stands before the lines below it.
            depth: how many arms it is in.
            after: the key of the stage above it.
            label: of the outlet that leads to it.
        """
        while True:
            self._shown.add(key)
            onward = [edge for edge in self._picture.out_of(key) if edge.target != RESULTS]
            below = beside + " " * (len(guide) - len(beside) + 2)
            only = onward[0] if len(onward) == 1 else None
            is_known = only is not None and self._is_known(only.target)
            yield self._row(key, guide, below, (after, label), only if is_known else None)
            if only is None:
                break
            if is_known:
                return
            guide = beside + (self._strokes.markers if only.dashed else self._strokes.down)
            after, key, label = key, only.target, only.label
        yield from self._arms(onward, beside, depth)

    def _arms(self, edges: Sequence[Edge], beside: str, depth: int) -> Iterator[_Row]:
        strokes = self._strokes
        for at, edge in enumerate(edges):
            is_last = at == len(edges) - 1
            guide = beside + (strokes.last if is_last else strokes.arm)
            within = beside + (" " * len(strokes.beside) if is_last else strokes.beside)
            if edge.dashed:
                guide += strokes.markers
            if self._is_known(edge.target):
                yield _Row(guide, guide, tuple(self._reference(edge)))
            elif depth >= self._deepest and self._picture.out_of(edge.target):
                self._postponed.append(edge.target)
                yield _Row(guide, guide, tuple(self._reference(edge)))
            else:
                yield from self._chain(
                    edge.target, guide, within, depth + 1, edge.source, edge.label
                )

    def _is_known(self, key: str) -> bool:
        """It stands further up, or will stand further down."""
        return key in self._shown or key in self._postponed

    def _reference(self, edge: Edge) -> list[Piece]:
        where = "above" if edge.target in self._shown else "below"
        name = printable(self._nodes[edge.target].name)
        return [*_labelled(edge.label), (name, "name"), (f"({where})", "kind")]

    def _row(
        self, key: str, guide: str, below: str, reached: tuple[str, str], leads_to: Edge | None
    ) -> _Row:
        """A stage's own row.

        Args:
            key: of the stage.
            guide: what stands before it.
            below: what stands before further lines of it.
            reached: the key of the stage above it, and the label of the outlet that leads here.
            leads_to: the way on, if what it leads to stands elsewhere.
        """
        node = self._nodes[key]
        after, label = reached
        words = [each for each in (node.kind, *node.remarks) if each and each != "map"]
        head: list[Piece] = [*_labelled(label), (printable(node.name), "name")]
        head += _listed([printable(word) for word in words], "kind", "(", ")")
        head += self._others_above(key, after)
        for edge in self._picture.out_of(key):
            if edge.target == RESULTS:
                head += [(self._strokes.to, "guide"), *_labelled(edge.label), ("results", "kind")]
        if leads_to is not None:
            head += [(self._strokes.to, "guide"), *self._reference(leads_to)]
        return _Row(guide, below, tuple(head), _counts(node))

    def _others_above(self, key: str, after: str) -> list[Piece]:
        others = dict.fromkeys(edge.source for edge in self._picture.into(key))
        others.pop(after, None)
        if not others or not after:
            return []
        names = [printable(name) for name in others]
        if len(names) > NAMED_ABOVE:
            names = [f"{len(names):,} others"]
        return [("also after", "kind"), *_listed(names, "kind")]


def _labelled(label: str) -> list[Piece]:
    return [(f"{printable(label)}:", "kind")] if label else []


def _counts(node: Node) -> tuple[Piece, ...]:
    if node.counts is None:
        return ()
    listed = _listed(list(node.counts.words), "count")
    roles = ("parked", "failed", "paused", "ended")
    return tuple(
        (text, next((r for r in roles if text.startswith(r)), role)) for text, role in listed
    )


def _listed(words: Sequence[str], role: str, opened: str = "", closed: str = "") -> list[Piece]:
    """Words with commas, in brackets if they are given."""
    texts = [f"{word}," for word in words[:-1]] + [f"{word}{closed}" for word in words[-1:]]
    if texts:
        texts[0] = opened + texts[0]
    return [(text, role) for text in texts]


def _length(pieces: Sequence[Piece]) -> int:
    return sum(cells(text) + 1 for text, _ in pieces) - 1 if pieces else 0


def _column(rows: Sequence[_Row], width: int | None) -> int | None:
    """Where counts begin if all of them have room beside the stages; else None."""
    counted = [row for row in rows if row.counts]
    if not counted:
        return None
    column = max(row.head_width for row in counted) + 2
    widest = max(_length(row.counts) for row in counted)
    return column if width is None or column + widest <= width else None


def _lines(row: _Row, column: int | None, width: int | None, strokes: Strokes) -> Iterator[Line]:
    if row.counts and column is not None:
        gap = " " * (column - row.head_width)
        yield (*_spaced(row.guide, row.head), (gap, ""), *_spaced("", row.counts))
        return
    yield from _wrapped(row.guide, row.below, row.head, width, strokes)
    if row.counts:
        yield from _wrapped(row.below, row.below, row.counts, width, strokes)


def _wrapped(
    guide: str, below: str, pieces: Sequence[Piece], width: int | None, strokes: Strokes
) -> Iterator[Line]:
    """Lines no longer than the width, broken between pieces."""
    line: list[Piece] = []
    for text, role in pieces:
        room = None if width is None else width - len(guide)
        if room is not None and line and _length([*line, (text, role)]) > room:
            yield _spaced(guide, line)
            guide, line = below, []
            room = width - len(guide) if width is not None else None
        if room is not None and cells(text) > room:
            text = shortened(text, max(room, 2), strokes.more)  # noqa: PLW2901 (what is left of it)
        line.append((text, role))
    yield _spaced(guide, line)


def _spaced(guide: str, pieces: Sequence[Piece]) -> Line:
    line: list[Piece] = [(guide, "guide")] if guide else []
    for at, (text, role) in enumerate(pieces):
        if at:
            line.append((" ", ""))
        line.append((text, role))
    return tuple(line)


def _folded(text: str, width: int | None) -> Iterator[str]:
    if width is None or len(text) <= width:
        yield text
        return
    yield from _wrapped_words(text.split(" "), width)


def _wrapped_words(words: Sequence[str], width: int) -> Iterator[str]:
    line = ""
    for word in words:
        if line and len(line) + 1 + len(word) > width:
            yield line
            line = word
        else:
            line = f"{line} {word}" if line else word
    yield line
