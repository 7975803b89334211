"""A picture as SVG: one file without scripts, fonts or links, readable on light and on dark."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from pauseflow.drawing.layout import Box, Curve, Direction, Layout, Point, Size, laid_out
from pauseflow.drawing.picture import RESULTS, Counts, Edge, Node, Picture
from pauseflow.drawing.printable import cells, printable, shortened
from pauseflow.drawing.style import KINDS, style

NAME_SIZE, SMALL_SIZE, TITLE_SIZE = 13, 11, 15
ADVANCE = 0.62
"""The width of a character of common monospaced fonts, in sizes of the font."""

LINE = 16.0
PAD = 12.0
MARGIN = 24.0
LONGEST_NAME = 36
LONGEST_LINE = 40
LONGEST_LABEL = 24
LEAST_WIDTH = 96.0
ARROW = 8.0
BAR = 3.0


@dataclass(frozen=True, slots=True)
class _Text:
    """What is written in a box.

    Attributes:
        name: the first line.
        about: lines on its kind and options.
        counts: lines on a run.
    """

    name: str
    about: tuple[str, ...]
    counts: tuple[str, ...]

    @property
    def size(self) -> Size:
        small = max((cells(line) for line in (*self.about, *self.counts)), default=0)
        width = max(cells(self.name) * NAME_SIZE * ADVANCE, small * SMALL_SIZE * ADVANCE)
        lines = 1 + len(self.about) + len(self.counts)
        height = LINE * lines + PAD + (BAR + 4 if self.counts else 0)
        return max(width + 2 * PAD, LEAST_WIDTH), height


def svg(picture: Picture, *, direction: Direction | None = None) -> str:
    """The picture as the text of an SVG file.

    Colours follow the reader's preference for dark or light. It has a title and a description for
    those who can't see it. The names of edges' and boxes' classes are for nobody to rely on.

    Args:
        picture: what to draw.
        direction: where the records go; None for whatever fits a page better.
    """
    return "".join(f"{line}\n" for line in _Drawing(picture, direction).lines())


class _Drawing:
    """Draws one picture.

    Args:
        picture: what to draw.
        direction: where the records go.
    """

    def __init__(self, picture: Picture, direction: Direction | None) -> None:
        self._picture = picture
        self._texts = {node.key: _text(node) for node in picture.nodes}
        self._head = [shortened(printable(each), 160) for each in picture.captions]
        labels = {
            at: (cells(_label(edge)) * SMALL_SIZE * ADVANCE + 8, LINE)
            for at, edge in enumerate(picture.edges)
            if edge.label
        }
        sizes = {key: text.size for key, text in self._texts.items()}
        self._layout = laid_out(picture, sizes, labels=labels, direction=direction)
        told = "\n".join([picture.title, *picture.captions, *sizes])
        # Two drawings may stand in one page: what one refers to is not the other's.
        self._id = "pf" + hashlib.sha256(told.encode("utf-8", "replace")).hexdigest()[:8]

    def lines(self) -> Iterator[str]:
        """The file's."""
        title = shortened(printable(self._picture.title), 160)
        head = [cells(title) * TITLE_SIZE, *(cells(each) * SMALL_SIZE for each in self._head)]
        inner = max(self._layout.width, max(head) * ADVANCE)
        top = MARGIN + TITLE_SIZE + LINE * len(self._head) + 20
        width, height = inner + 2 * MARGIN, top + self._layout.height + MARGIN
        ids = f"{self._id}-title {self._id}-desc"
        yield (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="{self._id}" role="img" '
            f'aria-labelledby="{ids}" width="{_n(width)}" height="{_n(height)}" '
            f'viewBox="0 0 {_n(width)} {_n(height)}">'
        )
        yield f'<title id="{self._id}-title">{escape(title)}</title>'
        yield f'<desc id="{self._id}-desc">{escape(" ".join(_told(self._picture)))}</desc>'
        yield f"<style>{style(f'.{self._id}')}</style>"
        yield f'<rect class="page" width="{_n(width)}" height="{_n(height)}" rx="6"/>'
        yield _written(title, MARGIN, MARGIN + TITLE_SIZE - 2, "title")
        for at, line in enumerate(self._head):
            yield _written(line, MARGIN, MARGIN + TITLE_SIZE + LINE * (at + 1), "small")
        across = MARGIN + (inner - self._layout.width) / 2
        yield f'<g transform="translate({_n(across)} {_n(top)})">'
        for edge, curve in zip(self._picture.edges, self._layout.curves, strict=True):
            yield from _edge(edge, curve, self._layout)
        for node, box in zip(self._picture.nodes, self._layout.boxes, strict=True):
            yield from _box(node, self._texts[node.key], box)
        for edge, curve in zip(self._picture.edges, self._layout.curves, strict=True):
            if edge.label:
                yield from _edge_label(edge, curve)
        yield "</g>"
        yield "</svg>"


def _text(node: Node) -> _Text:
    words = [printable(word) for word in (node.kind, *node.remarks) if word]
    if node.key == RESULTS:
        words = []
    counts = () if node.counts is None else _joined(node.counts.words, " · ")
    return _Text(shortened(printable(node.name), LONGEST_NAME), _joined(words, ", "), counts)


def _joined(words: Sequence[str], between: str) -> tuple[str, ...]:
    """Words in lines that are not too long."""
    lines: list[str] = []
    for word in words:
        if lines and cells(lines[-1] + between + word) <= LONGEST_LINE:
            lines[-1] += between + word
        else:
            lines.append(shortened(word, LONGEST_LINE))
    return tuple(lines)


def _label(edge: Edge) -> str:
    return shortened(printable(edge.label), LONGEST_LABEL)


def _told(picture: Picture) -> Iterator[str]:
    """The picture in sentences."""
    stages = len(picture.stages)
    yield f"{stages:,} stage{'' if stages == 1 else 's'}."
    names = {node.key: printable(node.name) for node in picture.nodes}
    for node in picture.stages:
        about = ", ".join(printable(word) for word in (node.kind, *node.remarks) if word)
        ways = [
            names[edge.target]
            + (f" by {printable(edge.label)}" if edge.label else "")
            + (" with markers only" if edge.dashed else "")
            for edge in picture.out_of(node.key)
        ]
        leads = f" leads to {' and '.join(ways)}" if ways else ""
        counts = f": {', '.join(node.counts.words)}" if node.counts else ""
        yield f"{names[node.key]}{f' ({about})' if about else ''}{leads}{counts}."


def _edge(edge: Edge, curve: Curve, layout: Layout) -> Iterator[str]:
    tip = curve.straights[-1][1]
    ahead = (0.0, 1.0) if layout.direction == "down" else (1.0, 0.0)
    aside = (ahead[1], ahead[0])
    neck = (tip[0] - ahead[0] * ARROW, tip[1] - ahead[1] * ARROW)
    straights = [*curve.straights[:-1], (curve.straights[-1][0], neck)]
    start, end = straights[-1]
    # The last straight may be shorter than the arrow, which then takes its place.
    if (end[0] - start[0]) * ahead[0] + (end[1] - start[1]) * ahead[1] < 0:
        straights[-1] = (neck, neck)
    kind = "edge markers" if edge.dashed else "edge"
    yield f'<path class="{kind}" d="{_path(straights, layout.direction)}"/>'
    wings = [
        (neck[0] + side * aside[0] * ARROW / 2, neck[1] + side * aside[1] * ARROW / 2)
        for side in (1, -1)
    ]
    yield f'<path class="tip" d="M{_p(tip)}L{_p(wings[0])}L{_p(wings[1])}Z"/>'


def _path(straights: Sequence[tuple[Point, Point]], direction: Direction) -> str:
    parts = [f"M{_p(straights[0][0])}"]
    for at, (start, end) in enumerate(straights):
        if end != start:
            parts.append(f"L{_p(end)}")
        if at + 1 == len(straights):
            break
        goal = straights[at + 1][0]
        if direction == "down":
            middle = (end[1] + goal[1]) / 2
            parts.append(f"C{_p((end[0], middle))} {_p((goal[0], middle))} {_p(goal)}")
        else:
            middle = (end[0] + goal[0]) / 2
            parts.append(f"C{_p((middle, end[1]))} {_p((middle, goal[1]))} {_p(goal)}")
    return "".join(parts)


def _edge_label(edge: Edge, curve: Curve) -> Iterator[str]:
    text = _label(edge)
    x, y = curve.label
    width = cells(text) * SMALL_SIZE * ADVANCE + 8
    yield (
        f'<rect class="plate" x="{_n(x - width / 2)}" y="{_n(y - LINE / 2)}" '
        f'width="{_n(width)}" height="{_n(LINE)}" rx="3"/>'
    )
    yield _written(text, x, y + SMALL_SIZE * 0.36, "small middle")


def _box(node: Node, text: _Text, box: Box) -> Iterator[str]:
    state = node.counts.state if node.counts else ""
    known = f" kind-{node.kind}" if node.kind in KINDS else ""
    yield f'<g class="box{known}{f" state-{state}" if state else ""}">'
    if text.name != node.name:
        yield f"<title>{escape(printable(node.name))}</title>"
    corner = box.height / 2 if node.key == RESULTS else 5
    yield (
        f'<rect class="face" x="{_n(box.x)}" y="{_n(box.y)}" width="{_n(box.width)}" '
        f'height="{_n(box.height)}" rx="{_n(corner)}"/>'
    )
    centre = box.x + box.width / 2
    y = box.y + PAD / 2 + NAME_SIZE - 1
    yield _written(text.name, centre, y, "name middle")
    for line in text.about:
        y += LINE
        yield _written(line, centre, y, "small middle")
    for line in text.counts:
        y += LINE
        yield _written(line, centre, y, "count middle")
    if node.counts is not None:
        yield from _bar(node.counts, box)
    yield "</g>"


def _bar(counts: Counts, box: Box) -> Iterator[str]:
    """How much of what has come is done."""
    full, y = box.width - 2 * PAD, box.y + box.height - BAR - 4
    share = min(counts.done / counts.arrived, 1.0) if counts.arrived else float(counts.ended)
    for name, width in (("track", full), ("bar", full * share)):
        yield (
            f'<rect class="{name}" x="{_n(box.x + PAD)}" y="{_n(y)}" width="{_n(width)}" '
            f'height="{_n(BAR)}" rx="{_n(BAR / 2)}"/>'
        )


def _written(text: str, x: float, y: float, kind: str) -> str:
    return f'<text class="{kind}" x="{_n(x)}" y="{_n(y)}">{escape(text)}</text>'


def _p(point: Point) -> str:
    return f"{_n(point[0])} {_n(point[1])}"


def _n(number: float) -> str:
    """A number without needless digits."""
    text = f"{number:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text
