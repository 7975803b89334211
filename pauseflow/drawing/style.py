"""Style: the colours of an SVG, for light and dark. Colour never says anything that words don't."""

from __future__ import annotations

from collections.abc import Mapping

FONT = '"DejaVu Sans Mono",ui-monospace,SFMono-Regular,Menlo,Consolas,monospace'

LIGHT = {
    "page": "#ffffff",
    "face": "#f6f8fa",
    "ink": "#1f2328",
    "soft": "#59636e",
    "line": "#818b98",
    "track": "#d1d9e0",
    "map": "#0969da",
    "filter": "#0f7b7b",
    "branch": "#8250df",
    "each": "#1a7f37",
    "job": "#bc4c00",
    "fold": "#bf3989",
    "parked": "#9a6700",
    "failed": "#cf222e",
}
DARK = {
    "page": "#0d1117",
    "face": "#161b22",
    "ink": "#f0f6fc",
    "soft": "#9198a1",
    "line": "#7d8590",
    "track": "#3d444d",
    "map": "#4493f8",
    "filter": "#39c5bb",
    "branch": "#ab7df8",
    "each": "#3fb950",
    "job": "#f0883e",
    "fold": "#f778ba",
    "parked": "#d29922",
    "failed": "#f85149",
}
HEAVY = ("parked", "failed", "paused")
"""States that should catch the eye."""

KINDS = ("map", "filter", "branch", "each", "job", "fold")


def style(scope: str) -> str:
    """The style sheet.

    Colours are written out rather than made variables, which many programs that draw SVG ignore.

    Args:
        scope: a selector, within which it holds.
    """
    heavy = ",".join(f"{scope} .state-{state} .face" for state in HEAVY)
    always = (
        f"{scope} text{{font-family:{FONT};font-size:11px}}"
        f"{scope} .title{{font-size:15px;font-weight:600}}"
        f"{scope} .name{{font-size:13px;font-weight:600}}"
        f"{scope} .middle{{text-anchor:middle}}"
        f"{scope} .edge{{fill:none;stroke-width:1.4}}"
        f"{scope} .markers{{stroke-dasharray:5 4}}"
        f"{scope} .face{{stroke-width:1.4}}"
        f"{heavy}{{stroke-width:2.6}}"
        f"{scope} .state-paused .face{{stroke-dasharray:6 3}}"
    )
    dark = f"@media (prefers-color-scheme:dark){{{_colours(scope, DARK)}}}"
    return always + _colours(scope, LIGHT) + dark


def _colours(scope: str, colour: Mapping[str, str]) -> str:
    rules = [
        (".page", "fill", "page"),
        (".plate", "fill", "page"),
        (".face", "fill", "face"),
        (".face", "stroke", "line"),
        ("text", "fill", "ink"),
        (".small", "fill", "soft"),
        (".edge", "stroke", "line"),
        (".tip", "fill", "line"),
        (".track", "fill", "track"),
        (".bar", "fill", "line"),
    ]
    for kind in KINDS:
        rules += [(f".kind-{kind} .face", "stroke", kind), (f".kind-{kind} .bar", "fill", kind)]
    for state, name in (("parked", "parked"), ("paused", "parked"), ("failed", "failed")):
        rules += [(f".state-{state} .face", "stroke", name), (f".state-{state} .bar", "fill", name)]
    return "".join(f"{scope} {what}{{{how}:{colour[name]}}}" for what, how, name in rules)
