"""Placing: how far from the left each spot of a layered graph is.

Each layer is moved, in turn and several times, to where its neighbours would have it: the places
that are nearest to those in the sense of least squares, among all that keep the order and the
distances. That is an isotonic regression, which pooling neighbours solves exactly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from pauseflow.drawing.layers import Layers, Spot

BETWEEN = 22.0
"""Between two boxes of a layer."""

BETWEEN_EDGES = 14.0
"""Between an edge that passes through a layer, and its neighbours."""

ROUNDS = 16
"""How often all layers are moved towards those on one side."""

LAST_ROUNDS = 8
"""How often they are moved towards those on both sides, after that."""

UNPULLED = 0.1
"""How much the place weighs of a spot without neighbours on a side."""

BOXES, MIXED, STRAIGHT = 1.0, 2.0, 8.0
"""How much a link weighs: between boxes, of a box and an edge on its way, of an edge's own."""


def centres(layers: Layers, breadths: Mapping[Spot, float]) -> dict[Spot, float]:
    """The middle of each spot.

    Args:
        layers: the graph.
        breadths: how broad each spot is.
    """
    above = _neighbours(layers, upwards=True)
    below = _neighbours(layers, upwards=False)
    offsets = [_offsets(row, breadths) for row in layers.rows]
    found: dict[Spot, float] = {}
    for row, offset in zip(layers.rows, offsets, strict=True):
        for spot, at in zip(row, offset, strict=True):
            found[spot] = at - offset[-1] / 2
    for sweep in range(ROUNDS + LAST_ROUNDS):
        downwards = sweep % 2 == 0
        sides = [above] if downwards else [below]
        if sweep >= ROUNDS:
            sides = [above, below]
        order = range(len(layers.rows)) if downwards else range(len(layers.rows) - 1, -1, -1)
        for at in order:
            _move(layers.rows[at], offsets[at], sides, found)
    for row, offset in zip(layers.rows, offsets, strict=True):
        _gather(row, offset, [not above[spot] and not below[spot] for spot in row], found)
    return found


def _neighbours(layers: Layers, *, upwards: bool) -> dict[Spot, list[tuple[Spot, float]]]:
    found: dict[Spot, list[tuple[Spot, float]]] = {spot: [] for row in layers.rows for spot in row}
    for upper, lower in layers.links():
        boxes = (upper.key is not None) + (lower.key is not None)
        weight = (STRAIGHT, MIXED, BOXES)[boxes]
        if upwards:
            found[lower].append((upper, weight))
        else:
            found[upper].append((lower, weight))
    return found


def _offsets(row: Sequence[Spot], breadths: Mapping[Spot, float]) -> list[float]:
    """Where each spot of a layer is if they stand as close as they may."""
    offsets = [0.0]
    for left, right in pairwise(row):
        boxes = left.key is not None and right.key is not None
        free = BETWEEN if boxes else BETWEEN_EDGES
        offsets.append(offsets[-1] + (breadths[left] + breadths[right]) / 2 + free)
    return offsets


def _move(
    row: Sequence[Spot],
    offsets: Sequence[float],
    sides: Sequence[Mapping[Spot, Sequence[tuple[Spot, float]]]],
    found: dict[Spot, float],
) -> None:
    wanted: list[float] = []
    weights: list[float] = []
    for spot, offset in zip(row, offsets, strict=True):
        near = [each for side in sides for each in side[spot]]
        weight = sum(each for _, each in near)
        at = sum(found[other] * each for other, each in near) / weight if near else found[spot]
        wanted.append(at - offset)
        weights.append(weight or UNPULLED)
    for spot, offset, at in zip(row, offsets, ascending(wanted, weights), strict=True):
        found[spot] = at + offset


def _gather(
    row: Sequence[Spot], offsets: Sequence[float], alone: Sequence[bool], found: dict[Spot, float]
) -> None:
    """Brings what is linked to nothing close to its neighbour."""
    for at in range(1, len(row)):
        if alone[at]:
            found[row[at]] = found[row[at - 1]] + offsets[at] - offsets[at - 1]
    first = next((at for at, is_alone in enumerate(alone) if not is_alone), 0)
    for at in range(first - 1, -1, -1):
        found[row[at]] = found[row[at + 1]] - offsets[at + 1] + offsets[at]


def ascending(wanted: Sequence[float], weights: Sequence[float]) -> list[float]:
    """The numbers nearest to the wanted ones of which none is less than the one before it.

    Args:
        wanted: the numbers.
        weights: of the squares of the differences.
    """
    pools: list[tuple[float, float, int]] = []
    for value, weight in zip(wanted, weights, strict=True):
        pool = (value, weight, 1)
        while pools and pools[-1][0] >= pool[0]:
            mean, mass, count = pools.pop()
            both = mass + pool[1]
            pool = ((mean * mass + pool[0] * pool[1]) / both, both, count + pool[2])
        pools.append(pool)
    return [mean for mean, _, count in pools for _ in range(count)]
