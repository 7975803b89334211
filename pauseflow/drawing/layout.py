"""Layout: where each box and each edge of a picture is drawn.

Lengths are in pixels. While it is worked out, a drawing has a breadth, along the layers, and a
depth, across them, whichever way the records go; only the end turns those into x and y.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from pauseflow.drawing.layers import Layers, Spot, layered
from pauseflow.drawing.picture import Picture
from pauseflow.drawing.placing import centres

Direction: TypeAlias = Literal["down", "right"]
Point: TypeAlias = tuple[float, float]
Size: TypeAlias = tuple[float, float]

BETWEEN_ENDS = 16.0
"""Between the ends of two edges at one box, if it is broad enough."""

GAP = 44.0
"""Between two layers, at least."""

SLOPE = 0.055
"""So much of the widest sideways step between two layers is added to the gap between them."""

WIDEST_GAP = 160.0

LABEL_AT = 0.72
"""How far along its first swing an edge has its label."""

PAGE = (1_100.0, 1_700.0)
"""Width and height that a drawing should not exceed by much, if there is a choice."""


@dataclass(frozen=True, slots=True)
class Box:
    """Where a node is drawn.

    Attributes:
        key: the node's.
        x: of its left side.
        y: of its top.
        width: to the right.
        height: downwards.
    """

    key: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Curve:
    """Where an edge is drawn.

    Attributes:
        straights: where it goes straight, from the source's box to the target's; it swings from
            the end of each to the beginning of the next.
        label: the middle of its label.
    """

    straights: tuple[tuple[Point, Point], ...]
    label: Point


@dataclass(frozen=True, slots=True)
class Layout:
    """A drawing without its looks.

    Attributes:
        width: of all.
        height: of all.
        direction: where the records go.
        boxes: of the nodes, in the picture's order.
        curves: of the edges, in the picture's order.
    """

    width: float
    height: float
    direction: Direction
    boxes: tuple[Box, ...]
    curves: tuple[Curve, ...]


def laid_out(
    picture: Picture,
    sizes: Mapping[str, Size],
    *,
    labels: Mapping[int, Size] | None = None,
    direction: Direction | None = None,
) -> Layout:
    """Lays a picture out.

    Args:
        picture: a graph without circles, with at least one node.
        sizes: width and height of each node's box.
        labels: the same for the labels of edges, by the edge's position in the picture.
        direction: where the records go; None for whatever fits a page better.
    """
    layers = layered(picture)
    if direction is not None:
        return _Laying(picture, layers, sizes, labels or {}, direction).layout()
    down = _Laying(picture, layers, sizes, labels or {}, "down").layout()
    if _excess(down) <= 1:
        return down
    right = _Laying(picture, layers, sizes, labels or {}, "right").layout()
    return right if _excess(right) < _excess(down) else down


def _excess(layout: Layout) -> float:
    return max(layout.width / PAGE[0], layout.height / PAGE[1])


class _Laying:
    """Works a layout out.

    Args:
        picture: the graph.
        layers: the same in layers.
        sizes: of boxes.
        labels: sizes of labels.
        direction: where the records go.
    """

    def __init__(
        self,
        picture: Picture,
        layers: Layers,
        sizes: Mapping[str, Size],
        labels: Mapping[int, Size],
        direction: Direction,
    ) -> None:
        self._picture = picture
        self._layers = layers
        self._sizes = sizes
        self._direction: Direction = direction
        self._boxes = {key: self._turned(size) for key, size in sizes.items()}
        self._labels = {at: self._turned(size) for at, size in labels.items()}
        self._centres = centres(layers, self._breadths())
        self._leaving = self._ends(0, 1)
        self._coming = self._ends(-1, -2)
        self._tops, self._depths = self._rows()

    def _turned(self, pair: tuple[float, float]) -> tuple[float, float]:
        """Breadth and depth as x and y, or the other way round."""
        return (pair[1], pair[0]) if self._direction == "right" else pair

    def layout(self) -> Layout:
        """The result."""
        spots = {s.key: s for row in self._layers.rows for s in row if s.key is not None}
        places = [self._place(spots[node.key]) for node in self._picture.nodes]
        curves = [self._curve(at, path) for at, path in enumerate(self._layers.paths)]
        least, most = _bounds(places, curves)
        boxes = []
        for node, (near, _) in zip(self._picture.nodes, places, strict=True):
            x, y = self._turned(_moved(near, least))
            boxes.append(Box(node.key, x, y, *self._sizes[node.key]))
        width, height = self._turned((most[0] - least[0], most[1] - least[1]))
        return Layout(
            width=width,
            height=height,
            direction=self._direction,
            boxes=tuple(boxes),
            curves=tuple(
                Curve(
                    tuple(
                        (self._turned(_moved(a, least)), self._turned(_moved(b, least)))
                        for a, b in straights
                    ),
                    self._turned(_moved(label, least)),
                )
                for straights, label in curves
            ),
        )

    def _breadths(self) -> dict[Spot, float]:
        """What each spot takes of its layer: a box, or a label that ends there."""
        found = {
            spot: 0.0 if spot.key is None else self._boxes[spot.key][0]
            for row in self._layers.rows
            for spot in row
        }
        for at, size in self._labels.items():
            end = self._layers.paths[at][1]
            found[end] = max(found[end], size[0] * 1.2)
        return found

    def _ends(self, at: int, next_to: int) -> dict[int, float]:
        """Where edges leave their sources (or come to their targets), side by side."""
        found: dict[int, float] = {}
        sharing: dict[Spot, list[int]] = {}
        for edge, path in enumerate(self._layers.paths):
            sharing.setdefault(path[at], []).append(edge)
        for spot, edges in sharing.items():
            room = self._boxes[spot.key or ""][0] * 0.7
            step = min(BETWEEN_ENDS, room / max(len(edges) - 1, 1))
            edges.sort(key=lambda edge: self._centres[self._layers.paths[edge][next_to]])
            first = self._centres[spot] - step * (len(edges) - 1) / 2
            for place, edge in enumerate(edges):
                found[edge] = first + step * place
        return found

    def _rows(self) -> tuple[list[float], list[float]]:
        """Where each layer begins, and how deep it is."""
        depths = [
            max((self._boxes[spot.key][1] for spot in row if spot.key is not None), default=0.0)
            for row in self._layers.rows
        ]
        gaps = [GAP] * len(depths)
        for upper, lower in self._layers.links():
            aside = abs(self._centres[upper] - self._centres[lower])
            gaps[upper.layer] = max(gaps[upper.layer], min(GAP + SLOPE * aside, WIDEST_GAP))
        for at, (_, depth) in self._labels.items():
            layer = self._layers.paths[at][0].layer
            gaps[layer] = max(gaps[layer], min(gaps[layer], 2 * GAP) / 2 + 1.5 * depth + 12)
        tops = [0.0]
        for depth, gap in zip(depths, gaps, strict=True):
            tops.append(tops[-1] + depth + gap)
        return tops, depths

    def _place(self, spot: Spot) -> tuple[Point, Point]:
        """Two corners of a box."""
        breadth, depth = self._boxes[spot.key or ""]
        left = self._centres[spot] - breadth / 2
        top = self._tops[spot.layer] + (self._depths[spot.layer] - depth) / 2
        return (left, top), (left + breadth, top + depth)

    def _curve(self, at: int, path: Sequence[Spot]) -> tuple[list[tuple[Point, Point]], Point]:
        """An edge's straights, and the middle of its label."""
        straights = []
        for step, spot in enumerate(path):
            top = self._tops[spot.layer]
            bottom = top + self._depths[spot.layer]
            across = self._centres[spot]
            if step == 0:
                across, top = self._leaving[at], self._place(spot)[1][1]
            elif step == len(path) - 1:
                across, bottom = self._coming[at], self._place(spot)[0][1]
            straights.append(((across, top), (across, bottom)))
        return straights, _along(straights[0][1], straights[1][0])


def _along(start: Point, end: Point) -> Point:
    """A point of the swing from one to the other."""
    t = LABEL_AT
    sideways = t * t * (3 - 2 * t)
    forward = 1.5 * t * (1 - t) + t**3
    return start[0] + (end[0] - start[0]) * sideways, start[1] + (end[1] - start[1]) * forward


def _moved(point: Point, by: Point) -> Point:
    return point[0] - by[0], point[1] - by[1]


def _bounds(
    places: Iterable[tuple[Point, Point]],
    curves: Iterable[tuple[Sequence[tuple[Point, Point]], Point]],
) -> tuple[Point, Point]:
    """The least and the most of all coordinates."""
    points = [*(p for place in places for p in place), *_points(curves)]
    across, along = zip(*points, strict=True)
    return (min(across), min(along)), (max(across), max(along))


def _points(
    curves: Iterable[tuple[Sequence[tuple[Point, Point]], Point]],
) -> Iterator[Point]:
    for straights, _ in curves:
        for pair in straights:
            yield from pair
