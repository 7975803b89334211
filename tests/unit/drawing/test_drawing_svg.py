"""A graph as SVG: well-formed, harmless, described, and without boxes on top of each other."""

import re
import subprocess
import sys
from itertools import combinations
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapes import Named, chain, fan, graph, markers, stage, tangle

from pauseflow.drawing.picture import Counts, Edge, Node, Picture, picture_of
from pauseflow.drawing.svg import svg

NS = "{http://www.w3.org/2000/svg}"
ALLOWED = {"svg", "title", "desc", "style", "rect", "text", "g", "path"}


def parsed(made, **options):
    return ET.fromstring(svg(made if isinstance(made, Picture) else picture_of(made), **options))


def of_class(root, name):
    return [each for each in root.iter() if name in (each.get("class") or "").split()]


def faces(root):
    return [
        tuple(float(each.get(side)) for side in ("x", "y", "width", "height"))
        for each in of_class(root, "face")
    ]


def apart(one, other):
    return (
        one[0] + one[2] <= other[0]
        or other[0] + other[2] <= one[0]
        or one[1] + one[3] <= other[1]
        or other[1] + other[3] <= one[1]
    )


def texts(root):
    return [each.text for each in root.iter(f"{NS}text")]


def test_stages_edges_and_results():
    made = graph(
        "top > left, right > end > RESULTS", stage("over", "finished"), end=[markers("over")]
    )
    root = parsed(made)
    assert {"top", "left", "right", "end", "over", "results"} <= set(texts(root))
    assert len(of_class(root, "edge")) == 6
    assert len(of_class(root, "markers")) == 1
    assert "stroke-dasharray" in root.find(f"{NS}style").text


def test_it_is_described_to_those_who_cannot_see_it():
    made = graph("a > b", stage("a", "branch"), stage("over", "finished"), b=[markers("over")])
    root = parsed(picture_of(made, title="flow x & y", counts={"b": Counts(arrived=3)}))
    names = root.get("aria-labelledby").split()
    assert (root.get("role"), [root[0].get("id"), root[1].get("id")]) == ("img", names)
    assert root[0].text == "flow x & y"
    assert root[1].text == (
        "3 stages. a (branch) leads to b. "
        "b (map) leads to over with markers only: arrived 3, done 0. over (finished)."
    )


def test_it_is_for_dark_and_light_and_refers_to_nothing():
    text = svg(picture_of(graph("a > b")))
    assert "prefers-color-scheme:dark" in text
    assert not re.search(r"href|url\(|@import|@font-face|<script|onload", text)


def test_drawing_needs_neither_a_server_nor_a_terminal():
    code = (
        "import sys\n"
        "from pauseflow.drawing import layout, mermaid, svg, tree\n"
        "print(sorted({'redis', 'click', 'rich'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_two_drawings_in_one_page_do_not_share_names():
    one, other = svg(picture_of(graph("a > b"))), svg(picture_of(graph("a > c")))
    assert not set(re.findall(r'id="([^"]*)"', one)) & set(re.findall(r'id="([^"]*)"', other))
    assert svg(picture_of(graph("a > b"))) == one


def test_how_a_run_stands_is_written_and_shown():
    counts = {
        "a": Counts(arrived=100, done=25, parked=1),
        "b": Counts(failed=True),
        "c": Counts(paused=True),
        "d": Counts(ended=True),
    }
    root = parsed(picture_of(graph("a > b > c > d"), captions=["7 taken in"], counts=counts))
    written = texts(root)
    assert {"7 taken in", "arrived 100 · done 25 · parked 1"} <= set(written)
    for state in ("parked", "failed", "paused"):
        assert len(of_class(root, f"state-{state}")) == 1
        assert any(state in text for text in written if text)
    tracks = [float(each.get("width")) for each in of_class(root, "track")]
    bars = [float(each.get("width")) for each in of_class(root, "bar")]
    shares = [bar / track for bar, track in zip(bars, tracks, strict=True)]
    assert shares == pytest.approx([0.25, 0, 0, 1], abs=0.01)


def test_routes_have_their_names_between_the_boxes():
    made = graph("a\nb", a=[Named("b", "a name"), Named(None, "x" * 50)])
    root = parsed(made)
    assert "a name" in texts(root)
    assert max(len(text) for text in texts(root) if text) < 50
    plates = of_class(root, "plate")
    places = [tuple(float(p.get(s)) for s in ("x", "y", "width", "height")) for p in plates]
    assert all(apart(plate, face) for plate in places for face in faces(root))
    assert apart(*places)


def test_a_long_name_is_cut_and_told_in_full_on_hovering():
    name = "n" * 80
    root = parsed(graph(f"a > {name}"))
    assert name not in texts(root)
    assert [each.find(f"{NS}title").text for each in of_class(root, "box")[1:]] == [name]
    assert max(width for _, _, width, _ in faces(root)) < 400


@given(st.text(min_size=1), st.text(), st.text())
def test_names_are_only_text(name, label, title):
    nodes = (Node(name, label, (label,)), Node(name + "x", "map"))
    picture = Picture(title, nodes, (Edge(name, name + "x", label),), (label,))
    root = ET.fromstring(svg(picture).encode())
    assert {each.tag.removeprefix(NS) for each in root.iter()} <= ALLOWED
    assert all(not key.startswith("on") for each in root.iter() for key in each.attrib)


@pytest.mark.parametrize("direction", [None, "down", "right"])
@pytest.mark.parametrize(
    "made",
    [graph("only"), chain(100), fan(60), tangle(100), tangle(40, reach=40)],
    ids=["one", "chain", "fan", "tangle", "far"],
)
def test_no_boxes_overlap_and_all_are_on_the_page(made, direction):
    root = parsed(made, direction=direction)
    found = faces(root)
    assert len(found) == len(picture_of(made).nodes)
    assert all(apart(one, other) for one, other in combinations(found, 2))
    wide, high = float(root.get("width")), float(root.get("height"))
    for x, y, width, height in found:
        assert x >= 0
        assert y >= 0
        assert x + width <= wide
        assert y + height <= high


def test_a_wide_fan_is_drawn_to_the_right_and_a_long_chain_downwards():
    root = parsed(fan(60))
    assert float(root.get("height")) > float(root.get("width"))
    root = parsed(chain(60))
    assert float(root.get("height")) > float(root.get("width"))


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(0, 10**6))
def test_any_graph_is_drawn(size, seed):
    made = tangle(size, seed)
    root = parsed(made)
    assert len(of_class(root, "edge")) == sum(len(made.outlets(s.name)) for s in made.stages)
