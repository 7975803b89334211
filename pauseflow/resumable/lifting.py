"""Yields taken out of the expressions that they stand in, so that each is a step of its own.

`total += f(a, (yield b))` becomes `t = yield b` and `total += f(a, t)`: at a yield there is then
nothing half-computed that only the interpreter's stack would know. What was evaluated before the
yield is kept in a hidden local, unless reading it again later gives the same.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Protocol, cast

from pauseflow.resumable.scope import binds
from pauseflow.resumable.steps import Block, Branch, Delegating, Plain, Yielding, span_of

YIELDS = (ast.Yield, ast.YieldFrom)


def has_yield(*nodes: ast.AST | None) -> bool:
    """Whether there is a yield of this function (not of one inside it) in the nodes."""
    for node in nodes:
        if node is None or isinstance(node, ast.Lambda):
            continue
        if isinstance(node, YIELDS):
            return True
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            outside: list[ast.AST] = list(node.decorator_list)
            if isinstance(node, ast.ClassDef):
                outside += [*node.bases, *node.keywords]
            else:
                outside += [d for d in (*node.args.defaults, *node.args.kw_defaults) if d]
            if has_yield(*outside):
                return True
        elif has_yield(*ast.iter_child_nodes(node)):
            return True
    return False


class Refuser(Protocol):
    """Makes the NotResumable for a node."""

    def __call__(self, node: ast.AST, reason: str, instead: str) -> Exception:
        """The error, to be raised."""


class Lifter:
    """Takes yields out of expressions.

    Args:
        refuse: makes the error for what can't be lifted.
        temporary: gives the name of a new hidden local.
        header: rewrites the operand of a `yield from`.
    """

    def __init__(
        self,
        refuse: Refuser,
        temporary: Callable[[str], str],
        header: Callable[[ast.expr], ast.expr],
    ) -> None:
        self._refuse = refuse
        self._temporary = temporary
        self._header = header

    def lift(self, expression: ast.expr, steps: Block) -> ast.expr:
        """The expression without yields; the steps that come before it are appended."""
        if not has_yield(expression):
            return expression
        match expression:
            case ast.Yield() | ast.YieldFrom():
                name = self._temporary("t")
                self.step(expression, ast.Name(name, ast.Store()), steps)
                return _load(name, expression)
            case ast.BoolOp():
                return self._short_circuit(expression, steps)
            case ast.IfExp():
                return self._conditional(expression, steps)
            case ast.Compare() if len(expression.ops) > 1:
                raise self._refuse(
                    expression,
                    "a yield inside a chained comparison",
                    "Take it out: `value = yield ...`, then compare.",
                )
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp() if (
                not has_yield(*_beyond_first(expression))
            ):
                first = expression.generators[0]
                first.iter = self.lift(first.iter, steps)
                return expression
            case (
                ast.BinOp() | ast.UnaryOp() | ast.Call() | ast.Compare() | ast.Tuple() | ast.List()
                | ast.Set() | ast.Dict() | ast.Subscript() | ast.Attribute() | ast.JoinedStr()
                | ast.FormattedValue() | ast.Starred() | ast.Slice() | ast.NamedExpr() | ast.Await()
            ):  # fmt: skip
                self._operands(expression, steps)
                return expression
        raise self._refuse(
            expression,
            f"a yield inside {type(expression).__name__}",
            "Take it out into a statement of its own: `value = yield ...`.",
        )

    def step(
        self, expression: ast.Yield | ast.YieldFrom, target: ast.Name | None, steps: Block
    ) -> None:
        """A yield as a step."""
        span = span_of(expression)
        if isinstance(expression, ast.YieldFrom):
            value = self._header(self.lift(expression.value, steps))
            steps.append(Delegating(span, value, target, self._temporary("it")))
        else:
            given = self.lift(expression.value, steps) if expression.value else None
            steps.append(Yielding(span, given, target))

    def keep(self, expression: ast.expr, steps: Block) -> ast.expr:
        """Evaluate now, into a hidden local."""
        name = self._temporary("t")
        self._assign(name, expression, steps)
        return _load(name, expression)

    def _assign(self, name: str, value: ast.expr, steps: Block) -> None:
        node = ast.Assign([ast.Name(name, ast.Store())], value)
        ast.copy_location(node, value)
        ast.copy_location(node.targets[0], value)
        steps.append(Plain(span_of(value), node))

    def _operands(self, expression: ast.expr, steps: Block) -> None:
        places = _operands_of(expression)
        last = max(i for i, (owner, key) in enumerate(places) if has_yield(_get(owner, key)))
        for i, (owner, key) in enumerate(places[: last + 1]):
            operand = _get(owner, key)
            if has_yield(operand):
                _set(owner, key, self.lift(operand, steps))
                continue
            later = [_get(*place) for place in places[i + 1 :]]
            is_function = isinstance(owner, ast.Call) and key == ("func", None)
            if isinstance(operand, ast.Starred):
                unpacked = ast.copy_location(ast.List([operand], ast.Load()), operand)
                again = ast.Starred(self.keep(unpacked, steps), ast.Load())
                _set(owner, key, ast.copy_location(again, operand))
            elif not _steady(operand, binds(*later), is_function=is_function):
                if isinstance(operand, ast.Slice | ast.FormattedValue):
                    self._keep_parts(operand, steps)
                elif isinstance(owner, ast.Call) and is_function:
                    self._keep_function(owner, steps)
                else:
                    _set(owner, key, self.keep(operand, steps))

    def _keep_parts(self, node: ast.expr, steps: Block) -> None:
        for owner, key in _operands_of(node):
            part = _get(owner, key)
            if not _steady(part, frozenset()):
                _set(owner, key, self.keep(part, steps))

    def _keep_function(self, call: ast.Call, steps: Block) -> None:
        # A bound method can't be written down, its object may: the attribute is read afterwards.
        if isinstance(call.func, ast.Attribute):
            call.func.value = self.keep(call.func.value, steps)
        else:
            call.func = self.keep(call.func, steps)

    def _short_circuit(self, node: ast.BoolOp, steps: Block) -> ast.expr:
        name = self._temporary("t")
        block = steps
        for i, operand in enumerate(node.values):
            value = self.lift(operand, block)
            self._assign(name, value, block)
            if i + 1 < len(node.values):
                test: ast.expr = _load(name, operand)
                if isinstance(node.op, ast.Or):
                    test = ast.copy_location(ast.UnaryOp(ast.Not(), test), operand)
                inner: Block = []
                block.append(Branch(span_of(operand), test, inner, []))
                block = inner
        return _load(name, node)

    def _conditional(self, node: ast.IfExp, steps: Block) -> ast.expr:
        name = self._temporary("t")
        test = self.lift(node.test, steps)
        body: Block = []
        orelse: Block = []
        self._assign(name, self.lift(node.body, body), body)
        self._assign(name, self.lift(node.orelse, orelse), orelse)
        steps.append(Branch(span_of(node.test), test, body, orelse))
        return _load(name, node)


_Key = tuple[str, int | None]


def _operands_of(node: ast.expr) -> list[tuple[ast.AST, _Key]]:
    """Where the operands are, in the order in which they are evaluated."""
    match node:
        case ast.Dict():
            pairs = range(len(node.values))
            return [
                place
                for i in pairs
                for place in ((node, ("keys", i)), (node, ("values", i)))
                if _get(*place) is not None
            ]
        case ast.Call():
            positional: list[tuple[ast.AST, _Key]] = [
                (node, ("args", i)) for i in range(len(node.args))
            ]
            named: list[tuple[ast.AST, _Key]] = [(k, ("value", None)) for k in node.keywords]
            return [(node, ("func", None)), *positional, *named]
        case ast.NamedExpr():
            return [(node, ("value", None))]
    found: list[tuple[ast.AST, _Key]] = []
    for name, value in ast.iter_fields(node):
        if isinstance(value, list):
            found += [(node, (name, i)) for i, v in enumerate(value) if isinstance(v, ast.expr)]
        elif isinstance(value, ast.expr):
            found.append((node, (name, None)))
    return found


def _get(owner: ast.AST, key: _Key) -> ast.expr:
    value = getattr(owner, key[0])
    return cast("ast.expr", value if key[1] is None else value[key[1]])


def _set(owner: ast.AST, key: _Key, value: ast.expr) -> None:
    if key[1] is None:
        setattr(owner, key[0], value)
    else:
        getattr(owner, key[0])[key[1]] = value


def _steady(node: ast.expr, rebound: frozenset[str], *, is_function: bool = False) -> bool:
    """Whether reading it again after the yield gives the same."""
    match node:
        case ast.Constant() | ast.Lambda():
            return True
        case ast.Name():
            return node.id not in rebound
        case ast.FormattedValue():
            return _steady(node.value, rebound) and node.format_spec is None
        case ast.Attribute():
            return is_function and isinstance(node.value, ast.Name) and _steady(node.value, rebound)
    return False


def _beyond_first(node: ast.expr) -> list[ast.AST]:
    generators = cast("ast.ListComp", node).generators
    others: list[ast.AST] = [*generators[1:], generators[0].target, *generators[0].ifs]
    children = [c for c in ast.iter_child_nodes(node) if c not in generators]
    return others + children


def _load(name: str, at: ast.expr) -> ast.Name:
    return ast.copy_location(ast.Name(name, ast.Load()), at)
