"""What a frame may name: functions and classes that its own function's code names.

A frame is data, and data names nothing that is looked up freely. A generator held by another one,
the function of a `map`, the class of an iterator: each is found because the code of the function
that holds it says its name, or because it was prepared.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator, Mapping, Sequence
from types import CodeType, FunctionType, MethodDescriptorType, ModuleType
from typing import Any

from pauseflow.errors import NotResumable
from pauseflow.resumable.headers import owner_of, scopes_of
from pauseflow.resumable.prepared import Resumable, declared, name_of, quietly_prepared
from pauseflow.resumable.source import function_fingerprint, source_of

_EQUIVALENTS = "pauseflow.resumable.equivalents"
_OF_ITERATORS = {"__init__", "__iter__", "__next__", "__aiter__", "__anext__", "__setstate__"}


_VALUES = (type, FunctionType, MethodDescriptorType)


class Reach:
    """What can be found from some functions and classes.

    Args:
        roots: functions, resumable or not, and classes.
    """

    def __init__(self, *roots: Any) -> None:
        self._roots = [root.fn if isinstance(root, Resumable) else root for root in roots]
        self._resumable = {root.fn: root for root in roots if isinstance(root, Resumable)}
        self._found: dict[str, list[Any]] | None = None
        self._values: dict[str, list[Any]] | None = None

    def find(self, name: str) -> list[Any]:
        """The functions and classes of this name; generator functions as what enters them."""
        found = [self._entered(value) for value in self._index().get(name, ())]
        return found or list(declared(name))

    def generators(self) -> Iterator[Resumable]:
        """The generator functions that can be found, those that can be resumed."""
        for known in list(self._index().values()):
            for value in known:
                entered = self._entered(value)
                if isinstance(entered, Resumable):
                    yield entered

    def fingerprints(self) -> Iterator[str]:
        """Those of the generator functions that can be found, without the library's own."""
        for known in self._index().values():
            for value in known:
                if _is_generator(value) and value.__module__ != _EQUIVALENTS:
                    yield function_fingerprint(value)

    def _entered(self, value: Any) -> Any:
        if not isinstance(value, FunctionType):
            return value
        return self._resumable.get(value) or quietly_prepared(value) or value

    def _index(self) -> dict[str, list[Any]]:
        if self._found is None:
            found: dict[str, list[Any]] = {}
            for value in _explored([*self._roots, *_equivalents()]):
                found.setdefault(name_of(value), []).append(value)
            self._found = found
        return self._found

    def value(self, name: str) -> list[Any]:
        """The functions and classes of this name that the code uses as values.

        One that the code only calls is none: else data could have it called with anything.
        """
        if self._values is None:
            values: dict[str, list[Any]] = {}
            explored = [value for known in self._index().values() for value in known]
            for value in (*_factories(), *_used_as_values(explored)):
                values.setdefault(name_of(value), []).append(value)
            self._values = values
        return self._values.get(name, [])


def _explored(roots: list[Any]) -> Iterator[Any]:
    """What the roots name, what that names, and so on.

    In other packages than that of what names it, only generator functions and iterators are looked
    into: a frame holds nothing else that only the inside of a library knows.
    """
    seen: set[int] = set()
    waiting: list[tuple[Any, str]] = [(root, "") for root in roots]
    while waiting:
        value, package = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        yield value
        own = _package(value)
        if not package or own == package or _is_generator(value):
            waiting.extend((inner, own) for inner in _named_by(value))
        elif isinstance(value, type):
            for method in _methods(value):
                named = named_by_code(method) if method.__name__ in _OF_ITERATORS else []
                waiting.extend((inner, "?") for inner in (method, *named))


def _named_by(value: Any) -> Iterator[Any]:
    if isinstance(value, type) and value.__module__ != "builtins":
        yield from _methods(value)
        yield from value.__bases__
    elif isinstance(value, FunctionType):
        yield from named_by_code(value)


def _methods(kind: type) -> Iterator[FunctionType]:
    for member in vars(kind).values():
        inner = getattr(member, "__func__", None) if not callable(member) else member
        if isinstance(inner, FunctionType):
            yield inner


def named_by_code(fn: Any) -> list[Any]:
    """The functions and classes that a function's code names.

    Through its globals, its closure and the modules there; and, for a method that it calls on an
    object of which only the object will tell the class, the classes there that have such a one.
    """
    if not isinstance(fn, FunctionType):
        return [fn] if isinstance(fn, type) else []
    names = set(_names(fn.__code__))
    found: list[Any] = []
    modules: list[ModuleType] = []
    scopes = scopes_of(fn)
    for name in names:
        for scope in scopes:
            if name in scope:
                value = scope[name]
                (modules if isinstance(value, ModuleType) else found).append(value)
                break
    for module in modules:
        found += [vars(module)[name] for name in names.intersection(vars(module))]
    for kind in list(fn.__globals__.values()):
        if isinstance(kind, type) and not names.isdisjoint(vars(kind)):
            found.append(kind)
    found.append(owner_of(fn))
    return [v for v in found if isinstance(v, type | FunctionType) or inspect.isbuiltin(v)]


def _used_as_values(explored: list[Any]) -> Iterator[Any]:
    for fn in explored:
        if not isinstance(fn, FunctionType):
            continue
        try:
            tree = source_of(fn).node
        except NotResumable:
            continue
        scopes = scopes_of(fn)
        called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Name | ast.Attribute) and id(node) not in called:
                value = _resolved(node, scopes)
                if isinstance(value, _VALUES) or inspect.isbuiltin(value):
                    yield value


def _resolved(node: ast.expr, scopes: Sequence[Mapping[str, Any]]) -> Any:
    if isinstance(node, ast.Attribute):
        owner = _resolved(node.value, scopes)
        if isinstance(owner, type):
            found = inspect.getattr_static(owner, node.attr, None)
            return found.__func__ if isinstance(found, staticmethod) else found
        return vars(owner).get(node.attr) if isinstance(owner, ModuleType) else None
    if isinstance(node, ast.Name):
        return next((scope[node.id] for scope in scopes if node.id in scope), None)
    return None


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    yield from code.co_freevars
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _is_generator(value: Any) -> bool:
    return inspect.isgeneratorfunction(value) or inspect.isasyncgenfunction(value)


def _package(value: Any) -> str:
    return str(getattr(value, "__module__", None) or "?").partition(".")[0]


def _equivalents() -> list[Any]:
    from pauseflow.resumable import equivalents  # noqa: PLC0415 (they are written with it)

    return list(equivalents.FUNCTIONS)


def _factories() -> list[Any]:
    from pauseflow.resumable import equivalents  # noqa: PLC0415 (they are written with it)

    return list(equivalents.FACTORIES)
