"""Layers and places: edges lead down, few cross, and what belongs together is close."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapes import chain, graph, tangle

from pauseflow.drawing.layers import crossings, layered
from pauseflow.drawing.layout import laid_out
from pauseflow.drawing.picture import Edge, Node, Picture, picture_of
from pauseflow.drawing.placing import ascending


def crossed(layers):
    below = {spot: [] for row in layers.rows for spot in row}
    for upper, lower in layers.links():
        below[upper].append(lower)
    return crossings(layers.rows, below)


def names(layers):
    return [[spot.key or "|" for spot in row] for row in layers.rows]


def test_a_stage_stands_below_all_that_lead_to_it():
    made = graph("a > b > c > d\na > d")
    layers = layered(picture_of(made))
    assert [[key for key in row if key != "|"] for row in names(layers)] == [
        ["a"],
        ["b"],
        ["c"],
        ["d"],
    ]
    assert [len(path) for path in layers.paths] == [2, 4, 2, 2]


def test_a_beginning_stands_right_above_what_it_leads_to():
    nodes = tuple(Node(name, "map") for name in ("a", "b", "late", "c"))
    edges = (Edge("a", "b"), Edge("b", "c"), Edge("late", "c"))
    assert names(layered(Picture("", nodes, edges))) == [["a"], ["b", "late"], ["c"]]


def test_a_tree_has_no_crossings():
    made = graph("r > a, b, c\na > a1, a2\nb > b1 > b2\nc > c1, c2, c3\nc2 > c4, c5")
    assert crossed(layered(picture_of(made))) == 0


def test_crossings_are_undone_where_they_can_be():
    made = graph("r > a, b, c\na > z\nb > y\nc > x\nz > z1\ny > y1\nx > x1\nr > x, y, z")
    assert crossed(layered(picture_of(made))) <= 3


@given(st.integers(2, 60), st.integers(0, 10**6))
def test_each_path_goes_down_one_layer_a_step(size, seed):
    picture = picture_of(tangle(size, seed))
    layers = layered(picture)
    assert sorted(s.key for row in layers.rows for s in row if s.key is not None) == sorted(
        node.key for node in picture.nodes
    )
    for edge, path in zip(picture.edges, layers.paths, strict=True):
        assert (path[0].key, path[-1].key) == (edge.source, edge.target)
        assert [spot.layer - path[0].layer for spot in path] == list(range(len(path)))
        assert all(spot in layers.rows[spot.layer] for spot in path)


@given(st.lists(st.tuples(st.integers(-99, 99), st.integers(1, 9)), min_size=1, max_size=9))
def test_ascending_is_the_nearest_of_all_that_ascend(given_numbers):
    wanted = [float(each) for each, _ in given_numbers]
    weights = [float(each) for _, each in given_numbers]
    found = ascending(wanted, weights)
    assert found == sorted(found)

    def cost(values):
        return sum(w * (v - t) ** 2 for v, t, w in zip(values, wanted, weights, strict=True))

    # No other that ascends is nearer: neither a constant, nor what moves one block's end a little.
    assert cost(found) <= cost(sorted(wanted)) + 1e-6
    for at in range(len(found)):
        for step in (-0.01, 0.01):
            for other in (
                [*found[:at], *(v + step for v in found[at:])],
                [*(v + step for v in found[: at + 1]), *found[at + 1 :]],
            ):
                if other == sorted(other):
                    assert cost(found) <= cost(other) + 1e-9


def boxes(made, **options):
    picture = made if isinstance(made, Picture) else picture_of(made)
    sizes = {node.key: (100.0, 40.0) for node in picture.nodes}
    layout = laid_out(picture, sizes, **options)
    return {box.key: box for box in layout.boxes}, layout


@pytest.mark.parametrize("direction", ["down", "right"])
def test_a_chain_is_straight(direction):
    found, layout = boxes(chain(20), direction=direction)
    across = {box.x if direction == "down" else box.y for box in found.values()}
    assert max(across) - min(across) < 0.01
    assert {layout.width, layout.height} > {100.0 if direction == "down" else 40.0}


def test_a_diamond_is_symmetric():
    found, _ = boxes(graph("top > left, right > end"), direction="down")
    assert found["top"].x == pytest.approx(found["end"].x)
    middle = (found["left"].x + found["right"].x) / 2
    assert found["top"].x == pytest.approx(middle)


def test_edges_begin_and_end_at_their_boxes():
    made = tangle(50, seed=3)
    picture = picture_of(made)
    found, layout = boxes(made, direction="down")
    for edge, curve in zip(picture.edges, layout.curves, strict=True):
        source, target = found[edge.source], found[edge.target]
        start, end = curve.straights[0][0], curve.straights[-1][1]
        assert source.x < start[0] < source.x + source.width
        assert start[1] == pytest.approx(source.y + source.height)
        assert target.x < end[0] < target.x + target.width
        assert end[1] == pytest.approx(target.y)


def test_edges_that_pass_a_layer_pass_between_its_boxes():
    made = tangle(60, seed=5, reach=20)
    found, layout = boxes(made, direction="down")
    for curve in layout.curves:
        for (x, top), (_, bottom) in curve.straights[1:-1]:
            for box in found.values():
                beside = x < box.x or x > box.x + box.width
                assert beside or bottom <= box.y or top >= box.y + box.height


def test_what_is_linked_to_nothing_stands_close_by():
    picture = picture_of(graph("a > b, c, d"))
    alone = Picture("", (*picture.nodes, Node("alone")), picture.edges)
    found, layout = boxes(alone, direction="down")
    assert found["alone"].x - (found["a"].x + 100) < 30
    assert layout.width < 500
