"""What a frame may name: functions and classes that its own function's source names.

A frame is data, and data names nothing that is looked up freely. A generator held by another one,
the function of a `map`, the class of an iterator: each is found because the source of the function
that holds it says its name, or because it was prepared.
"""

from __future__ import annotations

import ast
import builtins
import inspect
from collections.abc import Iterator
from types import FunctionType, ModuleType
from typing import Any

from pauseflow.errors import NotResumable
from pauseflow.resumable.prepared import Resumable, declared, name_of, quietly_prepared

_BUILTINS = [value for value in vars(builtins).values() if callable(value)]


class Reach:
    """What can be found from one function.

    Args:
        roots: the function, or several; classes count with all their methods.
    """

    def __init__(self, *roots: Any) -> None:
        self._roots = roots
        self._found: dict[str, list[Any]] | None = None

    def find(self, name: str) -> list[Any]:
        """The functions (resumable where they are generators) and classes of this name."""
        if self._found is None:
            self._found = self._explored()
        return self._found.get(name, []) or list(declared(name))

    def generators(self) -> Iterator[Resumable]:
        """The generator functions that can be found."""
        if self._found is None:
            self._found = self._explored()
        for known in self._found.values():
            yield from (value for value in known if isinstance(value, Resumable))

    def _explored(self) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = {}
        seen: set[int] = set()
        waiting: list[Any] = [*self._roots, *_BUILTINS]
        waiting += _equivalents()
        while waiting:
            value = waiting.pop()
            if isinstance(value, Resumable):
                if value not in found.setdefault(value.name, []):
                    found[value.name].append(value)
                value = value.fn
            if id(value) in seen:
                continue
            seen.add(id(value))
            waiting += self._next(value, found)
        return found

    @staticmethod
    def _next(value: Any, found: dict[str, list[Any]]) -> Iterator[Any]:
        if isinstance(value, FunctionType):
            known = found.setdefault(name_of(value), [])
            resumable = quietly_prepared(value)
            if resumable is not None and resumable not in known:
                known.append(resumable)
            elif resumable is None and value not in known:
                known.append(value)
            yield from named_by(value)
        elif callable(value) and hasattr(value, "__qualname__"):
            known = found.setdefault(name_of(value), [])
            if value not in known:
                known.append(value)
            if isinstance(value, type) and value.__module__ != "builtins":
                for member in vars(value).values():
                    inner = getattr(member, "__func__", member)
                    if isinstance(inner, FunctionType):
                        yield inner


def named_by(fn: FunctionType) -> Iterator[Any]:
    """What the source of a function names: through its globals, its closure and modules there."""
    scope = {**vars(builtins), **fn.__globals__}
    for name, cell in zip(fn.__code__.co_freevars, fn.__closure__ or (), strict=True):
        try:
            scope[name] = cell.cell_contents
        except ValueError:
            scope.pop(name, None)
    yield from _callable(_owner(fn))
    attributes: set[str] = set()
    for node in ast.walk(_tree(fn)):
        if isinstance(node, ast.Name):
            yield from _callable(scope.get(node.id))
        elif isinstance(node, ast.Attribute):
            attributes.add(node.attr)
            yield from _callable(_dotted(node, scope))
    # A method called on an object: of which class, only the object will tell.
    for kind in list(fn.__globals__.values()):
        if isinstance(kind, type) and any(name in vars(kind) for name in attributes):
            yield kind


def named_by_code(fn: Any) -> list[Any]:
    """What a function names that is no generator, as far as its compiled code tells."""
    if not isinstance(fn, FunctionType):
        return [fn] if isinstance(fn, type) else []
    scope = {**vars(builtins), **fn.__globals__}
    found = [scope.get(name) for name in fn.__code__.co_names]
    for cell in fn.__closure__ or ():
        try:
            found.append(cell.cell_contents)
        except ValueError:
            continue
    return [value for value in found if isinstance(value, type | FunctionType)]


def _callable(value: Any) -> Iterator[Any]:
    if isinstance(value, type | FunctionType) or inspect.isbuiltin(value):
        yield value


def _owner(fn: FunctionType) -> Any:
    """The class that a method belongs to, if its qualified name leads there."""
    path = fn.__code__.co_qualname.split(".")[:-1]
    found: Any = fn.__globals__.get(path[0]) if path else None
    for name in path[1:]:
        found = vars(found).get(name) if isinstance(found, type) else None
    return found


def _dotted(node: ast.expr, scope: dict[str, Any]) -> Any:
    if isinstance(node, ast.Attribute):
        owner = _dotted(node.value, scope)
        return vars(owner).get(node.attr) if isinstance(owner, ModuleType | type) else None
    return scope.get(node.id) if isinstance(node, ast.Name) else None


def _tree(fn: FunctionType) -> ast.AST:
    try:
        resumable = quietly_prepared(fn)
        return ast.Module([], []) if resumable is None else resumable.source_code.node
    except NotResumable:
        return ast.Module([], [])


def _equivalents() -> list[Any]:
    from pauseflow.resumable import equivalents  # noqa: PLC0415 (they are written with it)

    return list(equivalents.FUNCTIONS)
