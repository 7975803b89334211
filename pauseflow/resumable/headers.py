"""Calls that make iterators: where a resumable generator, or iterator, takes a native one's place.

`for x in walk(node)` and `yield from walk(node)` become loops over `call(walk)(node)`: `call`
gives the rewritten generator function for one that can be resumed, an iterator whose state can be
had for one of itertools', and otherwise the function itself.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import itertools
from collections.abc import Mapping, Sequence
from types import FunctionType, ModuleType
from typing import Any

MISSING = object()
"""What a name resolves to that stands for nothing yet."""

BUILDERS: set[type] = {enumerate, zip, map, filter, reversed}
BUILDERS |= {value for value in vars(itertools).values() if isinstance(value, type)}


class HeaderCalls:
    """Rewrites the calls in a loop's header, and in `name = call(...)`.

    Args:
        scopes: what the function's names stand for: its closure, its globals, the builtins.
        runtime: the hidden name under which the rewritten code finds `call`.
        own: the first parameter of a method, and the class that the method is in.
    """

    def __init__(
        self,
        scopes: Sequence[Mapping[str, Any]],
        runtime: str,
        own: Mapping[str, type] | None = None,
    ) -> None:
        self._scopes = scopes
        self._own = own or {}
        self._runtime = runtime
        self.locals: set[str] = set()

    def header(self, node: ast.expr) -> ast.expr:
        """The iterable of a `for`, or the operand of a `yield from`."""
        return self._bound(node, guess=True)

    def assigned(self, node: ast.expr) -> ast.expr:
        """The value of an assignment to a name."""
        return self._bound(node, guess=False)

    def catches_errors_only(self, node: ast.expr | None) -> bool:
        """Whether an `except` catches nothing but subclasses of Exception."""
        if node is None:
            return False
        if isinstance(node, ast.Tuple):
            return all(self.catches_errors_only(part) for part in node.elts)
        found = self.resolve(node)
        found = found if isinstance(found, tuple) else (found,)
        return all(isinstance(kind, type) and issubclass(kind, Exception) for kind in found)

    def resolve(self, node: ast.expr) -> object:  # noqa: PLR0911 (one branch a kind of node reads best in one place)
        """What a name, or a dotted name, stands for now, without calling anything."""
        if isinstance(node, ast.Attribute):
            owner = self._owner(node.value)
            if isinstance(owner, ModuleType):
                return vars(owner).get(node.attr, MISSING)
            if owner is itertools.chain and node.attr == "from_iterable":
                return itertools.chain.from_iterable
            if isinstance(owner, type):
                found = inspect.getattr_static(owner, node.attr, MISSING)
                return found if isinstance(found, FunctionType) else MISSING
            return MISSING
        if not isinstance(node, ast.Name) or node.id in self.locals:
            return MISSING
        for scope in self._scopes:
            if node.id in scope:
                return scope[node.id]
        return MISSING

    def _owner(self, node: ast.expr) -> object:
        if isinstance(node, ast.Name) and node.id in self._own:
            return self._own[node.id]
        return self.resolve(node)

    def _bound(self, node: ast.expr, *, guess: bool) -> ast.expr:
        if not isinstance(node, ast.Call):
            return node
        function = self.resolve(node.func)
        if function is MISSING:
            known = guess
        else:
            known = isinstance(function, type) and function in BUILDERS
            known = known or (isinstance(function, FunctionType) and _is_generator(function))
            known = known or function is iter or function == itertools.chain.from_iterable
        if not known:
            return node
        node.args = [self._bound(argument, guess=guess) for argument in node.args]
        if function is not iter:
            call = ast.Attribute(ast.Name(self._runtime, ast.Load()), "call", ast.Load())
            node.func = ast.Call(call, [node.func], [])
            ast.copy_location(node.func, node)
            ast.fix_missing_locations(node)
        return node


def owner_of(fn: FunctionType) -> type | None:
    """The class that a method belongs to, if its qualified name leads there."""
    path = fn.__code__.co_qualname.split(".")[:-1]
    found: Any = fn.__globals__.get(path[0]) if path else None
    for name in path[1:]:
        found = vars(found).get(name) if isinstance(found, type) else None
    return found if isinstance(found, type) else None


def own_of(fn: FunctionType) -> dict[str, type]:
    """The first parameter of a method, and its class."""
    owner = owner_of(fn)
    if owner is None or not fn.__code__.co_argcount:
        return {}
    return {fn.__code__.co_varnames[0]: owner}


def scopes_of(fn: FunctionType) -> list[Mapping[str, Any]]:
    """Where the names of a function that are not local are found, the nearest first."""
    return [_cells(fn), fn.__globals__, vars(builtins)]


def _cells(fn: FunctionType) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, cell in zip(fn.__code__.co_freevars, fn.__closure__ or (), strict=True):
        try:
            found[name] = cell.cell_contents
        except ValueError:
            found[name] = MISSING
    return found


def _is_generator(fn: FunctionType) -> bool:
    return inspect.isgeneratorfunction(fn) or inspect.isasyncgenfunction(fn)
