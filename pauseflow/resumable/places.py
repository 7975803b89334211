"""From an instruction that raised to the point where its statement runs again."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from types import CodeType

from pauseflow.resumable.steps import (
    Block,
    Branch,
    Cases,
    Delegating,
    Each,
    Ensured,
    Guarded,
    Loop,
    Raising,
    Span,
    Step,
    Within,
    every,
    is_compound,
    span_of,
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a statement can be entered again.

    Args:
        span: the stretch of source.
        point: the point before the statement.
        iterator: the hidden local of a loop's or delegation's iterator, if it has one.
        going_on: the point to use instead, once that iterator is there.
        after: the point after a `raise` statement.
        refused: why it can't be entered here, if it can't.
    """

    span: Span
    point: int = 0
    iterator: str = ""
    going_on: int = 0
    after: int = 0
    refused: str = ""


class Places:
    """The stretches of one function's source where a PauseFlow can come out.

    Args:
        steps: the function's body.
    """

    def __init__(self, steps: Block) -> None:
        found: list[Place] = []
        for step in every(steps):
            found.extend(_places_of(step))
        # The innermost first; of equal ones that which runs first.
        self._places = sorted(found, key=lambda place: _size(place.span))
        self.lines = _lines(steps)

    def of(self, code: CodeType, instruction: int) -> Place | None:
        """The place of an instruction, or None if it belongs to no statement.

        Args:
            code: the rewritten function's code.
            instruction: an offset in it, as tracebacks give them.
        """
        spans = list(code.co_positions())
        line, end_line, column, end_column = spans[instruction // 2]
        if line is None:
            return None
        if column is None or end_line is None or end_column is None:
            return self._on_line(line)
        span = Span(line, column, end_line, end_column)
        return next((place for place in self._places if place.span.holds(span)), None)

    def _on_line(self, line: int) -> Place | None:
        """Without columns (`python -X no_debug_ranges`): if there is but one statement there."""
        inside = [p for p in self._places if p.span.line <= line <= p.span.end_line]
        found = [p for p in inside if p.span.line == line] or inside[:1]
        if len({(place.point, place.after) for place in found}) == 1:
            return found[0]
        reason = "on a line with several statements, and Python was started without columns"
        return Place(Span(line, 0, line, 0), refused=reason)


def _places_of(step: Step) -> list[Place]:  # noqa: PLR0911 (one branch a kind of node reads best in one place)
    span, point = step.span, step.lo
    match step:
        case Raising():
            return [Place(span, point, after=step.hi)]
        case Delegating():
            return [Place(span, point, step.iterator, step.hi)]
        case Branch() | Loop():
            return [Place(_up_to(span, span_of(step.test)), point)]
        case Each():
            return [Place(_up_to(span, span_of(step.iterable)), point, step.iterator, step.asking)]
        case Within():
            return [Place(_up_to(span, span_of(step.target or step.manager)), point)]
        case Cases():
            tests: list[ast.pattern | ast.expr] = []
            for case in step.cases:
                tests += [case.pattern, *([case.guard] if case.guard else [])]
            headers = [_up_to(span, span_of(step.subject)), *map(span_of, tests)]
            return [Place(header, point) for header in headers]
        case Guarded():
            types = [handler.type for handler in step.handlers if handler.type]
            reason = "while an `except` looks whether it matches"
            return [Place(span_of(node), refused=reason) for node in types]
        case Ensured():
            reason = "inside `finally`"
            return [Place(span_of(node), refused=reason) for node in step.final]
    return [Place(span, point)]


def _up_to(span: Span, end: Span) -> Span:
    """A compound statement's header; a test that was lifted out of it stands for itself."""
    return span.to(end) if span.holds(end) else end


def _lines(steps: Block) -> dict[int, int]:
    lines = {0: steps[0].span.line if steps else 0}
    for step in every(steps):
        points = [step.lo] if is_compound(step) else range(step.lo, step.hi + 1)
        if isinstance(step, Each):
            points = [step.lo, step.asking]
        for point in points:
            lines.setdefault(point, step.span.line)
    return lines


def _size(span: Span) -> tuple[int, int]:
    if span.line == span.end_line:
        return 0, span.end_column - span.column
    return span.end_line - span.line, span.end_column
