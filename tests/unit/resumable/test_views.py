"""What an operator sees of frames, and what workers tell each other of their code."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest

from pauseflow import codec, register
from pauseflow.codec.showing import decode_to_show, shown
from pauseflow.origin import Code, Origin
from pauseflow.resumable import Series
from pauseflow.resumable.origins import origin_of
from pauseflow.resumable.views import views_of

HERE = Path(__file__)
LINES = HERE.read_text().splitlines()


def leaves(name: str) -> Iterator[str]:
    for number in (1, 2, 3):
        yield f"{name}{number}"


def branches(names: list[str]) -> Iterator[str]:
    for at, name in enumerate(names):
        yield from leaves(name)
        del at


def tree(n: int) -> Iterator[str]:
    secret = "s" * 500
    for leaf in branches(["a", "b"][:n]):
        yield leaf
    yield secret


def paused(series: Series, record: object, after: int) -> bytes:
    it = series.open(record)
    for _ in range(after):
        next(it)
    return series.capture(it, emitted=after)


def test_generators_that_are_held_follow_the_one_that_holds_them() -> None:
    series = Series(tree)
    views = series.views(paused(series, 2, 5))
    assert [view.function.rpartition(":")[2] for view in views] == ["tree", "branches", "leaves"]
    assert [view.source for view in views] == [
        "yield leaf",
        "yield from leaves(name)",
        'yield f"{name}{number}"',
    ]
    for view in views:
        assert view.file == str(HERE)
        assert LINES[view.line - 1].strip() == view.source
    assert views[1].locals["at"] == "1"
    assert views[2].locals["name"] == "'b'"
    assert list(views[0].locals) == ["secret"]
    assert views[0].locals["secret"] == "'" + "s" * 196 + "..."


def test_without_the_code_a_frame_tells_what_it_has_itself() -> None:
    outer, *_, inner = views_of(paused(Series(tree), 2, 5))
    assert (outer.file, outer.source, outer.note) == ("?", "", "")
    assert outer.line == next(at for at, line in enumerate(LINES, 1) if "yield leaf" in line)
    assert inner.locals["name"] == "'b'"


def test_of_other_code_no_source_is_shown() -> None:
    series = Series(leaves, version="v1")
    frame = paused(series, "a", 1).replace(series.fingerprint.encode(), b"0123456789abcdef")
    (view,) = Series(leaves, version="v2").views(frame)
    assert (view.file, view.source) == ("?", "")
    assert view.note == (
        f"made by code 0123456789abcdef (v1), and the app here has {series.fingerprint} (v2)"
    )
    assert view.locals == {"name": "'a'", "(iterator)": ANY}


@pytest.mark.parametrize(
    "data", [b"", b"\xc1", codec.encode(["?"]), codec.encode({}), b"\x91" * 99]
)
def test_what_is_no_frame_is_said(data: bytes) -> None:
    assert "the frame can't be read" in views_of(data)[0].note
    assert "the frame can't be read" in Series(tree).views(data)[0].note
    assert origin_of(data) is None


def test_a_frame_that_contains_itself_is_shown() -> None:
    heap = [["g", "m:f", "0", 1, 2, ["x", ["@", 0]], []], ["l", [["@", 1], ["@", 9]]]]
    frame = [1, "m:g", "1", 1, 7, {}, {"a": ["@", 0], "b": ["@", 1]}, [], heap]
    views = views_of(codec.encode(frame))
    assert [view.function for view in views] == ["m:g", "m:f"]


class Loud:
    """Its conversion must not be called to show it."""


def _never(plain: object) -> Any:
    raise AssertionError("decoded to be shown")


register(Loud, name="loud", encode=lambda _: [1, {"k"}], decode=_never)


@register
@dataclass
class Point:
    x: int
    y: object

    def __repr__(self) -> str:
        raise AssertionError("shown by code of the app")


def test_values_are_shown_without_the_apps_code() -> None:
    data = codec.encode([Loud(), {"at": (Point(1, Point(2, None)), {3})}])
    assert shown(decode_to_show(data)) == (
        "[loud([1, {'k'}]), {'at': (Point(x=1, y=Point(x=2, y=None)), {3})}]"
    )
    unknown = data.replace(b"test_views:Point", b"test_gone0:Point")
    assert "Point(x=1" in shown(decode_to_show(unknown))


def test_what_a_stage_can_enter() -> None:
    old, new = Series(leaves, version="v1"), Series(tree, version="v2")
    origin = origin_of(paused(old, "a", 1))
    assert origin is not None
    assert str(origin) == f"{old.fingerprint} (v1)"
    assert old.code.can_enter(origin)
    # tree calls branches, which calls leaves: it knows the code, if not as its own
    assert new.code.can_enter(origin)
    assert not Series(branches).code.can_enter(Origin("m:f", "0"))
    assert Series(tree, migrate={"v1": lambda kept: (1,)}).code.can_enter(Origin("m:f", "0", "v1"))
    assert not Series(tree, migrate={"v1": lambda kept: (1,)}).code.can_enter(Origin("m:f", "0"))
    assert Series(tree, migrate={"0": lambda kept: (1,)}).code.can_enter(Origin("m:f", "0"))


def test_generators_that_a_frame_holds_count() -> None:
    series = Series(tree)
    origin = origin_of(paused(series, 2, 1))
    assert origin is not None
    assert len(origin.holds) == 2
    assert series.code.can_enter(origin)
    assert not Code(series.fingerprint).can_enter(origin)


def test_code_is_told_as_plain_data() -> None:
    code = Series(tree, version="v2", migrate={"v1": lambda kept: (1,)}).code
    assert Code.from_data(code.to_data()) == code
    assert len(str(code.to_data())) < 150
    for other in (None, {}, [], ["a", "b"], ["a", "b", [1], []], [1, "b", [], []]):
        assert Code.from_data(other) is None
