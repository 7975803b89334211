"""A graph as Mermaid's flowchart."""

import re

from hypothesis import given
from hypothesis import strategies as st
from shapes import Named, graph, markers, stage

from pauseflow.drawing.mermaid import escaped, mermaid
from pauseflow.drawing.picture import Counts, Edge, Node, Picture, picture_of
from pauseflow.graph import Outlet

QUOTED = r'"[^"<>&`]*(?:<br/>[^"<>&`]*)*"'
BOX = r"(?:\[|\{\{|\[/|\[\[|\(|\(\[)" + QUOTED + r"(?:\]|\}\}|\\\]|\]\]|\)|\]\))"
LINE = re.compile(
    "|".join(
        (
            "flowchart (?:TD|LR)",
            r" {4}accTitle: [^{}\"%]*",
            r' {4}%% [^{}"]*',
            r" {4}s\d+" + BOX,
            rf" {{4}}s\d+ (?:-->|-\.->)(?:\|{QUOTED}\|)? s\d+",
        )
    )
)


def test_stages_edges_and_what_they_carry():
    made = graph(
        "pages > is_open > ship",
        stage("pages", "branch", window=4),
        stage("is_open", "filter"),
        stage("ship", "each"),
        stage("over", "finished", scope="pages"),
        is_open=[Outlet(None)],
        ship=[markers("over")],
    )
    assert mermaid(picture_of(made)) == (
        "flowchart TD\n"
        "    accTitle: flow shape\n"
        '    s0[/"pages<br/>branch, window 4"\\]\n'
        '    s1{{"is_open<br/>filter"}}\n'
        '    s2[["ship<br/>each"]]\n'
        '    s3("over<br/>finished, of pages")\n'
        '    s4(["results"])\n'
        "    s0 --> s1\n"
        "    s1 --> s4\n"
        "    s1 --> s2\n"
        "    s2 -.-> s3\n"
    )


def test_routes_direction_and_counts():
    picture = picture_of(
        graph("a\nb", a=[Named("b", 'more "than" 3')]),
        title="run r1 of flow shape",
        captions=["7 taken in"],
        counts={"a": Counts(arrived=7, done=3)},
    )
    assert mermaid(picture, direction="right").splitlines() == [
        "flowchart LR",
        "    accTitle: run r1 of flow shape",
        "    %% 7 taken in",
        '    s0["a<br/>arrived 7, done 3"]',
        '    s1["b"]',
        '    s0 -->|"more #34;than#34; 3"| s1',
    ]


@given(st.text(min_size=1), st.text(), st.text())
def test_no_name_means_anything_to_mermaid(name, label, title):
    picture = (
        Picture(
            title,
            (Node(name, "map", (label,)), Node("end", "map")),
            (Edge(name, "end", label),),
            (label,),
        )
        if name != "end"
        else Picture(title, (Node(name, "map"),), ())
    )
    for line in mermaid(picture).rstrip("\n").split("\n"):
        assert LINE.fullmatch(line), line


def test_escapes_give_the_text_again():
    text = '<b>"x" & #35; `y` {z} [w] | é漢'
    assert re.sub(r"#(\d+);", lambda found: chr(int(found[1])), escaped(text)) == text
