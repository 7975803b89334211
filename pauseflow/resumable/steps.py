"""A generator's body as steps: what the rewriter reads from the source and writes anew.

Every step has numbered points where the rewritten generator can be entered. `lo` is the point
before the step (it runs again), `hi` is the last point in it. Numbers follow the source, so that
"does the point lie inside this step" is one comparison.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple


class Span(NamedTuple):
    """A stretch of the source, as positions of instructions give it."""

    line: int
    column: int
    end_line: int
    end_column: int

    def holds(self, other: Span) -> bool:
        """Whether the other lies inside this one."""
        return (
            self[:2] <= other[:2]
            and (other.end_line, other.end_column) <= (self.end_line, self.end_column)
        )  # fmt: skip

    def to(self, end: Span) -> Span:
        """From the start of this one to the end of the other."""
        return Span(self.line, self.column, end.end_line, end.end_column)


def span_of(node: ast.stmt | ast.expr | ast.excepthandler | ast.pattern) -> Span:
    """Where a node of a parsed file stands."""
    return Span(
        node.lineno,
        node.col_offset,
        node.end_lineno or node.lineno,
        node.end_col_offset or node.col_offset,
    )


@dataclass(slots=True)
class Step:
    """One thing that the body does."""

    span: Span
    lo: int = field(default=0, init=False)
    hi: int = field(default=0, init=False)


@dataclass(slots=True)
class Plain(Step):
    """A statement without a yield in it. If something that it calls pauses, it runs again."""

    node: ast.stmt


@dataclass(slots=True)
class Yielding(Step):
    """`target = yield value`; `hi` is the point after it."""

    value: ast.expr | None
    target: ast.Name | None


@dataclass(slots=True)
class Delegating(Step):
    """`target = yield from value`; `hi` is the point inside, while the other goes on."""

    value: ast.expr
    target: ast.Name | None
    iterator: str


@dataclass(slots=True)
class Raising(Step):
    """A `raise` statement; `hi` is the point after it, where a raised PauseFlow goes on."""

    node: ast.Raise


@dataclass(slots=True)
class Branch(Step):
    """`if`."""

    test: ast.expr
    body: list[Step]
    orelse: list[Step]


@dataclass(slots=True)
class Loop(Step):
    """`while`."""

    test: ast.expr
    body: list[Step]
    orelse: list[Step]


@dataclass(slots=True)
class Each(Step):
    """`for`; `lo + 1` is the point where the next item is asked for."""

    target: ast.Name
    iterable: ast.expr
    body: list[Step]
    orelse: list[Step]
    iterator: str
    is_async: bool

    @property
    def asking(self) -> int:
        """The point where the iterator is there and its next item is asked for."""
        return self.lo + 1


@dataclass(slots=True)
class Within(Step):
    """`with`, of one manager: left on a pause, entered again after it."""

    manager: ast.expr
    target: ast.expr | None
    body: list[Step]
    is_async: bool


@dataclass(slots=True)
class Handler:
    """One `except` clause."""

    span: Span
    type: ast.expr | None
    name: str | None
    body: list[Step]


@dataclass(slots=True)
class Guarded(Step):
    """`try` with `except` and `else`."""

    body: list[Step]
    handlers: list[Handler]
    orelse: list[Step]
    catches_pauses: bool


@dataclass(slots=True)
class Ensured(Step):
    """`try` with `finally`, whose block runs when the generator is left, not on a pause."""

    body: list[Step]
    final: list[ast.stmt]


@dataclass(slots=True)
class Case:
    """One `case` of a `match`."""

    pattern: ast.pattern
    guard: ast.expr | None
    body: list[Step]


@dataclass(slots=True)
class Cases(Step):
    """`match`."""

    subject: ast.expr
    cases: list[Case]


Block = list[Step]


def blocks_of(step: Step) -> list[Block]:
    """The blocks inside a step, in the order of the source."""
    match step:
        case Branch() | Loop() | Each():
            return [step.body, step.orelse]
        case Within() | Ensured():
            return [step.body]
        case Guarded():
            return [step.body, *(handler.body for handler in step.handlers), step.orelse]
        case Cases():
            return [case.body for case in step.cases]
    return []


def has_header(step: Step) -> bool:
    """Whether a compound step does something of its own before its first block."""
    return not isinstance(step, Guarded | Ensured)


def is_compound(step: Step) -> bool:
    """Whether the step has blocks of its own."""
    return not isinstance(step, Plain | Yielding | Delegating | Raising)


def every(steps: Block) -> Iterator[Step]:
    """All steps, those inside others too, in the order of the source."""
    for step in steps:
        yield step
        for block in blocks_of(step):
            yield from every(block)


def number(steps: Block) -> int:
    """Number the points of a body, from 1 on; 0 is the beginning. Returns the last one."""
    return _number(steps, 0)


def _number(steps: Block, last: int) -> int:
    for step in steps:
        if has_header(step):
            last += 1
        step.lo = last if has_header(step) else last + 1
        if isinstance(step, Yielding | Delegating | Raising | Each):
            last += 1
        for block in blocks_of(step):
            last = _number(block, last)
        step.hi = last
    return last


def last_point(block: Block, before: int) -> int:
    """The last point in a block, or `before` if it has none."""
    return block[-1].hi if block else before
