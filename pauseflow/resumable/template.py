"""Code written as text, with places that nodes are put into."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pauseflow.resumable.steps import Span

_PLACED = (ast.stmt, ast.expr, ast.excepthandler, ast.arg, ast.keyword, ast.pattern, ast.alias)
Node = TypeVar("Node", bound=ast.AST)
Part = ast.expr | Sequence[ast.stmt]


def code(text: str, at: Span, **parts: Part) -> list[ast.stmt]:
    """Parse `text`, and put the parts where it names them.

    A name in capitals stands for a part: as a statement for a list of statements, elsewhere for
    an expression. What is new gets the position `at`; the parts keep their own.
    """
    filler = _Filler(parts, at)
    return filler.block(ast.parse(text).body)


class _Filler:
    def __init__(self, parts: Mapping[str, Part], at: Span) -> None:
        self._parts = parts
        self._at = at

    def block(self, statements: list[ast.stmt]) -> list[ast.stmt]:
        filled: list[ast.stmt] = []
        for statement in statements:
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Name):
                part = self._parts.get(statement.value.id)
                if isinstance(part, Sequence):
                    filled.extend(part)
                    continue
            self._fill(statement)
            filled.append(statement)
        return filled

    def _fill(self, node: ast.AST) -> None:
        if isinstance(node, _PLACED):
            place(node, self._at)
        for name, value in ast.iter_fields(node):
            if isinstance(value, list):
                setattr(node, name, self._list(value))
            elif isinstance(value, ast.AST):
                setattr(node, name, self._value(value))

    def _list(self, values: list[ast.AST]) -> list[ast.AST]:
        if values and isinstance(values[0], ast.stmt):
            return list(self.block([v for v in values if isinstance(v, ast.stmt)])) or [
                place(ast.Pass(), self._at)
            ]
        return [self._value(value) if isinstance(value, ast.AST) else value for value in values]

    def _value(self, value: ast.AST) -> ast.AST:
        if isinstance(value, ast.Name) and value.id in self._parts:
            part = self._parts[value.id]
            if isinstance(part, ast.expr):
                return part
        self._fill(value)
        return value


def place(node: Node, span: Span) -> Node:
    """Give a node a position."""
    placed: Any = node
    placed.lineno, placed.col_offset = span.line, span.column
    placed.end_lineno, placed.end_col_offset = span.end_line, span.end_column
    return node
