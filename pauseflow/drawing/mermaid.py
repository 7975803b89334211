"""A picture as Mermaid's flowchart: text that pages of GitHub and GitLab, among others, draw."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pauseflow.drawing.picture import Node, Picture
from pauseflow.drawing.printable import printable

HARMLESS = " _-.,:/()"
"""What, besides letters and digits, means nothing to Mermaid within quotes."""

SHAPES = {
    "filter": ("{{", "}}"),
    "branch": ("[/", "\\]"),
    "each": ("[[", "]]"),
    "finished": ("(", ")"),
    "results": ("([", "])"),
}
BOX = ("[", "]")


def mermaid(picture: Picture, *, direction: Literal["down", "right"] = "down") -> str:
    """The picture as the text of a flowchart.

    Stages go by numbers in it, and their names are labels only, so that no name means anything to
    Mermaid. Edges that carry markers only are dotted.

    Args:
        picture: what to draw.
        direction: where the records go.
    """
    return "".join(f"{line}\n" for line in _lines(picture, direction))


def _lines(picture: Picture, direction: str) -> Iterator[str]:
    keys = {node.key: f"s{at}" for at, node in enumerate(picture.nodes)}
    yield f"flowchart {'TD' if direction == 'down' else 'LR'}"
    yield f"    accTitle: {_plain(picture.title)}"
    for caption in picture.captions:
        yield f"    %% {_plain(caption)}"
    for node in picture.nodes:
        opening, closing = SHAPES.get(node.kind, BOX)
        yield f'    {keys[node.key]}{opening}"{_label(node)}"{closing}'
    for edge in picture.edges:
        arrow = "-.->" if edge.dashed else "-->"
        name = f'|"{escaped(edge.label)}"|' if edge.label else ""
        yield f"    {keys[edge.source]} {arrow}{name} {keys[edge.target]}"


def _label(node: Node) -> str:
    lines = [node.name]
    about = [word for word in (node.kind, *node.remarks) if word not in ("", "map", "results")]
    if about:
        lines.append(", ".join(about))
    if node.counts is not None:
        lines.append(", ".join(node.counts.words))
    return "<br/>".join(escaped(line) for line in lines)


def escaped(text: str) -> str:
    """The text as it may stand between quotes: what could mean something is written as a number."""
    return "".join(
        each if each.isalnum() or each in HARMLESS else f"#{ord(each)};" for each in printable(text)
    )


def _plain(text: str) -> str:
    """The text for a line of its own, which has no escapes: what could end it is left out."""
    return "".join(each for each in printable(text) if each.isalnum() or each in HARMLESS)
