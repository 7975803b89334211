"""The tree of a graph: each stage once, in lines that fit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapes import Named, chain, fan, graph, markers, stage, tangle

from pauseflow.drawing.picture import Counts, Edge, Node, Picture, picture_of
from pauseflow.drawing.tree import ASCII, ROLES, UNICODE, text_of, tree
from pauseflow.failing import FailurePolicy
from pauseflow.limits import Limit, Rate

COUNTS = Counts(arrived=1234, done=1000, in_flight=8, backlog=17, held=33, parked=2, rate=2512.3)


def drawn(made, **options):
    picture = made if isinstance(made, Picture) else picture_of(made)
    return text_of(tree(picture, **options)).splitlines()


def test_a_line_goes_down():
    assert drawn(graph("a > b > RESULTS")) == ["flow shape", "a", "↓ b → results"]


def test_a_stage_that_is_reached_twice_stands_once():
    assert drawn(graph("top > left, right > end")) == [
        "flow shape",
        "top",
        "├── left",
        "│   ↓ end also after right",
        "└── right → end (above)",
    ]


def test_markers_have_another_arrow():
    made = graph("a > b\nb > c", stage("over", "finished", scope="a"), b=[markers("over")])
    assert drawn(made)[2:] == ["↓ b", "├── ⇣ over (finished, of a)", "└── c"]


def test_routes_have_their_names():
    made = graph("a\nb > c\nc", a=[Named("b", "cheap"), Named(None, "rest"), Named("c", "dear")])
    assert drawn(made) == [
        "flow shape",
        "a → rest: results",
        "├── cheap: b",
        "│   ↓ c also after a",
        "└── dear: c (above)",
    ]


def test_two_beginnings_are_two_arms():
    picture = Picture(
        "flow two",
        (Node("a", "map"), Node("b", "map"), Node("both", "zip")),
        (Edge("a", "both"), Edge("b", "both")),
    )
    assert drawn(picture) == [
        "flow two",
        "├── a",
        "│   ↓ both (zip) also after b",
        "└── b → both (above)",
    ]


def test_many_stages_above_one_are_counted():
    lines = drawn(fan(100))
    assert lines[2:4] == ["├── leaf0", "│   ↓ together also after 99 others → results"]
    assert lines[-1] == "└── leaf99 → together (above)"
    assert len(lines) == 103


def test_options_that_are_not_the_default_are_told():
    made = graph(
        "pages > parse > is_open > load > ship",
        stage("pages", "branch", failing=FailurePolicy(retries=3), timeout=90.0, window=4),
        stage(
            "parse", threads=4, rate=Rate("50/s", key=len), failing=FailurePolicy(on_error="dead")
        ),
        stage("is_open", "filter", ordered=False, concurrency=8, limit=Limit(3)),
        stage("load", sequential=True, window=1, timeout=0.5, failing=FailurePolicy(fallback=len)),
        stage("ship", "each", sequential=True, window=1, timeout=7200.0),
    )
    assert drawn(made)[1:] == [
        "pages (branch, window 4, retries 3, timeout 90 s)",
        "↓ parse (threads 4, failures set aside, rate 50/s a key)",
        "↓ is_open (filter, unordered, concurrency 8, limit 3)",
        "↓ load (sequential, fallback len, timeout 500 ms)",
        "↓ ship (each, timeout 2 h)",
    ]


def test_counts_stand_beside_each_other_where_there_is_room():
    picture = picture_of(graph("a > longer"), counts={"a": COUNTS, "longer": Counts(ended=True)})
    wide = [
        "flow shape",
        "a         arrived 1,234, done 1,000, in flight 8, backlog 17, held 33, parked 2, 2,512/s",
        "↓ longer  arrived 0, done 0, ended",
    ]
    assert drawn(picture) == wide
    assert drawn(picture, width=200) == wide
    assert drawn(picture, width=50) == [
        "flow shape",
        "a",
        "  arrived 1,234, done 1,000, in flight 8,",
        "  backlog 17, held 33, parked 2, 2,512/s",
        "↓ longer",
        "    arrived 0, done 0, ended",
    ]


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        (Counts(rate=0.25), "arrived 0, done 0, 0.25/s"),
        (Counts(arrived=7, done=7, rate=3.0, ended=True), "arrived 7, done 7, ended"),
        (Counts(parked=1, ended=False, paused=True), "arrived 0, done 0, parked 1, paused"),
        (Counts(parked=1, failed=True, paused=True), "arrived 0, done 0, parked 1, failed"),
    ],
)
def test_counts_in_words(counts, words):
    assert ", ".join(counts.words) == words


def test_a_deep_graph_goes_on_further_down():
    comb = graph("\n".join(f"c{at} > d{at}, c{at + 1}" for at in range(60)))
    lines = drawn(comb, width=60)
    assert max(map(len, lines)) < 60
    assert f"{' ' * 28}└── c8 (below)" in lines
    assert lines[lines.index("c8") - 1] == ""
    for name in [f"c{at}" for at in range(61)] + [f"d{at}" for at in range(60)]:
        assert sum(name in line.split() and "(below)" not in line for line in lines) == 1


def test_a_long_line_needs_no_room_to_the_right():
    lines = drawn(chain(3_000))
    assert len(lines) == 3_001
    assert max(map(len, lines)) == len("↓ s2999 → results")


def test_long_names_and_captions_are_cut_or_folded():
    name = "x" * 70
    picture = picture_of(
        graph(f"a > {name}"), captions=["a caption of more than thirty characters"]
    )
    lines = drawn(picture, width=30)
    assert lines[1:3] == ["a caption of more than thirty", "characters"]
    assert max(map(len, lines)) == 30
    assert lines[-1] == "↓ xxxxxxxxxxxxxx…xxxxxxxxxxxxx"


def test_what_a_terminal_would_obey_is_shown_and_wide_characters_take_two_columns():
    picture = Picture(
        "a\x1b[2J", (Node("b\n\x07", "map", ("\x1b[31m",)), Node("漢字" * 20, "map")), ()
    )
    lines = text_of(tree(picture, width=40)).splitlines()
    assert all(line.isprintable() for line in lines)
    assert lines[-1] == f"└── {'漢字' * 4}漢…{'漢字' * 4}"


def test_a_terminal_without_such_characters():
    made = graph("a > b, c > d > RESULTS", stage("e", "finished", scope="a"), d=[markers("e")])
    assert drawn(made, strokes=ASCII) == [
        "flow shape",
        "a",
        "|-- b",
        "|   v d also after c -> results",
        "|   : e (finished, of a)",
        "`-- c -> d (above)",
    ]


@given(st.integers(1, 120), st.integers(0, 10**6), st.sampled_from([None, 20, 60, 80, 200]))
def test_every_stage_stands_once_and_every_line_fits(size, seed, width):
    picture = picture_of(tangle(size, seed, reach=5))
    lines = tree(picture, width=width)
    assert {role for line in lines for _, role in line} <= set(ROLES)
    names = []
    for line in lines:
        texts = [text for text, _ in line]
        at = [i for i, (_, role) in enumerate(line) if role == "name"]
        names += [texts[i] for i in at if not {"(above)", "(below)"} & set(texts[i + 1 :])]
        names += [texts[at[0]]] if len(at) > 1 else []
    texts = text_of(lines).splitlines()
    if width is None:
        assert sorted(names) == sorted(node.name for node in picture.nodes)
    else:
        assert max(map(len, texts)) <= width
    assert UNICODE.arm not in texts[0]
