"""Layers: which nodes of a graph stand in one row, and in which order, so that few edges cross."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from pauseflow.drawing.picture import Picture

SWEEPS = 12
"""How often all layers are put in order, at most."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A place in a layer: a node's, or that of an edge on its way through.

    Attributes:
        layer: from 0 at the top.
        key: the node's; None for an edge's.
        edge: position of the edge in the picture, if it is one's; else -1.
    """

    layer: int
    key: str | None
    edge: int = -1


@dataclass(frozen=True, slots=True)
class Layers:
    """A layered graph, in which each edge is a path of spots from layer to layer.

    Attributes:
        rows: the spots of each layer, from left to right.
        paths: for each edge of the picture, its spots from source to target.
    """

    rows: tuple[tuple[Spot, ...], ...]
    paths: tuple[tuple[Spot, ...], ...]

    def links(self) -> Iterator[tuple[Spot, Spot]]:
        """Every step of every path."""
        for path in self.paths:
            yield from pairwise(path)


def layered(picture: Picture) -> Layers:
    """Puts the nodes into layers, and the layers in order.

    A node stands below the lowest of those that lead to it; one to which nothing leads, right above
    the first that it leads to. What is left alone stands at the top.

    Args:
        picture: a graph without circles.
    """
    depths = _depths(picture)
    spots = {node.key: Spot(depths[node.key], node.key) for node in picture.nodes}
    paths = []
    for at, edge in enumerate(picture.edges):
        source, target = spots[edge.source], spots[edge.target]
        through = (Spot(layer, None, at) for layer in range(source.layer + 1, target.layer))
        paths.append((source, *through, target))
    rows = _first_order(picture, spots, paths)
    return _least_crossing(Layers(tuple(map(tuple, rows)), tuple(paths)))


def _depths(picture: Picture) -> dict[str, int]:
    """The longest way to each node, from the top."""
    depths: dict[str, int] = {}
    for node in picture.nodes:
        above = [depths[edge.source] for edge in picture.into(node.key)]
        depths[node.key] = max(above, default=-1) + 1
    for node in picture.nodes:
        below = [depths[edge.target] for edge in picture.out_of(node.key)]
        if below and not picture.into(node.key):
            depths[node.key] = min(below) - 1
    return depths


def _first_order(
    picture: Picture, spots: Mapping[str, Spot], paths: Sequence[tuple[Spot, ...]]
) -> list[list[Spot]]:
    """As a walk meets them that follows each line to its end: trees have no crossings then."""
    rows: list[list[Spot]] = [[] for _ in range(1 + max(spot.layer for spot in spots.values()))]
    leaving: dict[str, list[tuple[Spot, ...]]] = {}
    for path, edge in zip(paths, picture.edges, strict=True):
        leaving.setdefault(edge.source, []).append(path)
    met: set[Spot] = set()
    for node in picture.nodes:
        if picture.into(node.key):
            continue
        ahead: list[tuple[Spot, ...]] = [(spots[node.key],)]
        while ahead:
            for spot in ahead.pop():
                if spot in met:
                    continue
                met.add(spot)
                rows[spot.layer].append(spot)
                if spot.key is not None:
                    ahead += reversed(leaving.get(spot.key, ()))
    return rows


def _least_crossing(layers: Layers) -> Layers:
    """Orders each layer by where its neighbours are, down and up, and keeps the best of all."""
    above: dict[Spot, list[Spot]] = {spot: [] for row in layers.rows for spot in row}
    below: dict[Spot, list[Spot]] = {spot: [] for row in layers.rows for spot in row}
    for upper, lower in layers.links():
        above[lower].append(upper)
        below[upper].append(lower)
    rows = [list(row) for row in layers.rows]
    best, fewest = [list(row) for row in rows], crossings(rows, below)
    for sweep in range(SWEEPS):
        if not fewest:
            break
        downwards = sweep % 2 == 0
        towards = above if downwards else below
        order = range(1, len(rows)) if downwards else range(len(rows) - 2, -1, -1)
        for at in order:
            beside = rows[at - 1 if downwards else at + 1]
            rows[at] = _by_neighbours(rows[at], beside, towards)
        count = crossings(rows, below)
        if count < fewest:
            best, fewest = [list(row) for row in rows], count
    return Layers(tuple(map(tuple, best)), layers.paths)


def _by_neighbours(
    row: Sequence[Spot], beside: Sequence[Spot], towards: Mapping[Spot, Sequence[Spot]]
) -> list[Spot]:
    places = {spot: at for at, spot in enumerate(beside)}
    wanted = {}
    for at, spot in enumerate(row):
        found = [places[each] for each in towards[spot]]
        # One without neighbours keeps its place, in proportion.
        kept = at * len(beside) / len(row)
        wanted[spot] = sum(found) / len(found) if found else kept
    return sorted(row, key=wanted.__getitem__)


def crossings(rows: Sequence[Sequence[Spot]], below: Mapping[Spot, Sequence[Spot]]) -> int:
    """How many pairs of edges cross between the layers."""
    count = 0
    for upper, lower in pairwise(rows):
        places = {spot: at for at, spot in enumerate(lower)}
        seen: list[int] = []
        for spot in upper:
            ends = sorted(places[each] for each in below[spot])
            count += sum(len(seen) - bisect_right(seen, end) for end in ends)
            for end in ends:
                insort(seen, end)
    return count
