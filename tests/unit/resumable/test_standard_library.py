from __future__ import annotations

import ast
import calendar
import collections
import difflib
import ipaddress
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pauseflow import codec
from pauseflow.errors import NotResumable
from pauseflow.resumable import Frame, capture, restore, start
from pauseflow.resumable.headers import HeaderCalls
from pauseflow.resumable.lifting import has_yield
from pauseflow.resumable.liveness import live_at_points
from pauseflow.resumable.reading import read
from pauseflow.resumable.rewriting import RUNTIME, rewrite
from pauseflow.resumable.source import Source

LIBRARY = Path(sysconfig.get_paths()["stdlib"])
LEFT_OUT = {"test", "tests", "idlelib", "lib2to3", "site-packages", "turtledemo", "idle_test"}


def generators() -> Iterator[tuple[Path, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for file in sorted(LIBRARY.rglob("*.py")):
        if LEFT_OUT.intersection(file.relative_to(LIBRARY).parts):
            continue
        try:
            text = file.read_bytes()
            if b"yield" not in text:
                continue
            tree = ast.parse(text)
        except (SyntaxError, ValueError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and has_yield(*node.body):
                yield file, node


def rewritten(file: Path, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
    source = Source(node, str(file), "", "")
    reading = read(source, HeaderCalls([], RUNTIME))
    live_at_points(reading)
    module = rewrite(source, reading)
    names = ast.parse(f"def around({RUNTIME}): pass")
    names.body[0].body = module.body  # type: ignore[attr-defined]
    compile(ast.fix_missing_locations(names), str(file), "exec")


def test_survey(capsys: pytest.CaptureFixture[str]) -> None:
    refused: collections.Counter[str] = collections.Counter()
    done = 0
    for file, node in generators():
        try:
            rewritten(file, node)
        except NotResumable as error:
            reason = error.reason.partition("can't be resumed: ")[2] or error.reason
            refused[reason.split(":")[0].split("'")[0].strip()] += 1
        else:
            done += 1
    total = done + refused.total()
    with capsys.disabled():
        print(f"\nstandard library: {total} generator functions, {done} rewritten, refused:")
        for reason, count in refused.most_common():
            print(f"  {count:4} {reason}")
    assert total > 150
    assert done / total > 0.9


LINES = [line + "\n" for line in ["one", "two", "three", "four", "five", "six", "seven", "eight"]]
OTHERS = [line for line in LINES if "v" not in line] + ["nine\n"]
MONTHS = calendar.Calendar(3)
if hasattr(calendar, "Day"):  # from Python 3.12 on, weekdays are members of an enum
    codec.register(calendar.Day)
NETWORK = ipaddress.ip_network("10.0.0.0/29")
MATCHER = difflib.SequenceMatcher(None, LINES, OTHERS)

GO_ON: list[tuple[Any, tuple[Any, ...]]] = [
    (MONTHS.itermonthdays, (2024, 2)),
    (MONTHS.itermonthdates, (2024, 2)),
    (MONTHS.itermonthdays2, (2023, 12)),
    (MONTHS.itermonthdays3, (2023, 12)),
    (MONTHS.itermonthdays4, (2023, 12)),
    (MONTHS.iterweekdays, ()),
    (difflib.unified_diff, (LINES, OTHERS, "a", "b")),
    (difflib.context_diff, (LINES, OTHERS, "a", "b")),
    (difflib.Differ().compare, (LINES, OTHERS)),
    (MATCHER.get_grouped_opcodes, (1,)),
    (NETWORK.hosts, ()),
    (NETWORK.__iter__, ()),
    (NETWORK.subnets, ()),
]
"""Generator functions of the standard library, and arguments whose frames can be written down."""


@pytest.mark.parametrize(("fn", "arguments"), GO_ON, ids=lambda v: getattr(v, "__qualname__", ""))
def test_those_go_on_at_every_yield(fn: Any, arguments: tuple[Any, ...]) -> None:
    expected = [repr(item) for item in fn(*arguments)]
    it = start(fn, *arguments)
    items: list[str] = []
    for _ in expected:
        items.append(repr(next(it)))
        it = restore(Frame.from_data(codec.decode(codec.encode(capture(it).to_data()))))
    assert items == expected
    assert list(it) == []
