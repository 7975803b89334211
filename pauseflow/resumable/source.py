"""Where a function's source is, and what it is, apart from comments and formatting."""

from __future__ import annotations

import ast
import functools
import hashlib
import inspect
import linecache
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FunctionType
from typing import Any, TypeAlias

from pauseflow.errors import NotResumable
from pauseflow.resumable.scope import Function

FORMAT = 1
"""Part of every fingerprint: raised when points are numbered, or frames laid out, in a new way."""

_IGNORED = {"type_comment", "kind", "ctx", "decorator_list", "returns", "annotation"}


@dataclass(frozen=True, slots=True)
class Source:
    """A function as its author wrote it.

    Args:
        node: the function's definition, with positions in the file.
        file: the file's name.
        class_name: the innermost class around it, which private names are spelled with.
        fingerprint: of the definition without comments, formatting, annotations and decorators.
    """

    node: Function
    file: str
    class_name: str
    fingerprint: str


def source_of(fn: FunctionType) -> Source:
    """Find and parse the source of a function.

    Raises:
        NotResumable: there is none, or it isn't the source of this function.
    """
    code = fn.__code__
    file, line = code.co_filename, code.co_firstlineno
    if fn.__name__ == "<lambda>" or code.co_name.startswith("<"):
        raise NotResumable(
            f"{code.co_name} is not a `def`",
            instead="Write it as a generator function with a name.",
            file=file,
            line=line,
        )
    lines = _lines(fn)
    if not lines:
        raise NotResumable(
            f"the source of {code.co_qualname} can't be read",
            instead="Define it in a file that is there when the worker runs.",
            file=file,
            line=line,
        )
    found = _defined("".join(lines), file).get((code.co_name, line), [])
    if len(found) != 1 or not _is_of(found[0][0], code):
        raise NotResumable(
            f"the source in the file is not that of {code.co_qualname} as it was imported",
            instead="Start the process again with the file as it is now.",
            file=file,
            line=line,
        )
    node, class_name = found[0]
    return Source(node, file, class_name, fingerprint_of(node))


def fingerprint_of(node: ast.AST) -> str:
    """A short digest of code, the same on every Python, machine and formatting."""
    digest = hashlib.blake2b(digest_size=8)
    digest.update(f"{FORMAT}".encode())
    for token in _tokens(node, top=True):
        digest.update(token.encode("utf-8", "surrogatepass"))
        digest.update(b"\0")
    return digest.hexdigest()


def unwrapped(fn: Callable[..., Any]) -> Callable[..., Any]:
    """The function under bound methods and partials."""
    while isinstance(fn, functools.partial) or inspect.ismethod(fn):
        fn = fn.func if isinstance(fn, functools.partial) else fn.__func__
    return fn


def _tokens(node: object, *, top: bool = False) -> Iterator[str]:
    if isinstance(node, ast.AST):
        yield type(node).__name__
        for name, value in ast.iter_fields(node):
            if name in _IGNORED or value is None or value == []:
                continue
            if isinstance(node, ast.JoinedStr):
                value = _joined(value)  # noqa: PLW2901 (the same field, told alike everywhere)
            if top and name == "body":
                value = _without_docstring(value)  # noqa: PLW2901 (the same field, less one)
            yield f".{name}"
            yield from _tokens(value)
        yield ";"
    elif isinstance(node, list):
        for item in node:
            yield from _tokens(item)
        yield "]"
    else:
        yield f"{type(node).__name__}:{node!r}"


def _joined(parts: list[ast.expr]) -> list[ast.expr]:
    """The parts of an f-string, with no two texts beside each other: Pythons differ in that."""
    joined: list[ast.expr] = []
    for part in parts:
        if not isinstance(part, ast.Constant):
            joined.append(part)
        elif joined and isinstance(joined[-1], ast.Constant):
            joined[-1] = ast.Constant(str(joined[-1].value) + str(part.value))
        elif part.value:
            joined.append(part)
    return joined


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    first = body[0]
    documented = (
        isinstance(first, ast.Expr)
        and isinstance(first.value, ast.Constant)
        and isinstance(first.value.value, str)
    )
    return body[1:] if documented else body


def _lines(fn: FunctionType) -> list[str]:
    try:
        return inspect.findsource(fn)[0]
    except (OSError, TypeError, IndexError):
        # Modules that are frozen into the interpreter tell their file all the same.
        file = fn.__globals__.get("__file__")
        return linecache.getlines(file) if isinstance(file, str) else []


_Found: TypeAlias = list[tuple[Function, str]]


@functools.lru_cache(maxsize=64)
def _defined(text: str, file: str) -> dict[tuple[str, int], _Found]:
    """The functions in a file, with the classes around them, by name and first line."""
    try:
        tree = ast.parse(text, file)
    except (SyntaxError, ValueError, RecursionError) as error:
        raise NotResumable(
            f"the source can't be parsed ({error})",
            instead="Start the process again with the file as it is now.",
            file=file,
        ) from None
    found: dict[tuple[str, int], _Found] = {}
    for node, class_name in _functions(tree):
        found.setdefault((node.name, _first_line(node)), []).append((node, class_name))
    return found


def _functions(tree: ast.AST, class_name: str = "") -> Iterator[tuple[Function, str]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node, class_name
        inside = node.name if isinstance(node, ast.ClassDef) else class_name
        yield from _functions(node, inside)


def _first_line(node: Function) -> int:
    return node.decorator_list[0].lineno if node.decorator_list else node.lineno


def _is_of(node: Function, code: Any) -> bool:
    arguments = node.args
    return (
        isinstance(node, ast.AsyncFunctionDef) == bool(code.co_flags & _ASYNC)
        and len(arguments.posonlyargs) + len(arguments.args) == code.co_argcount
        and len(arguments.posonlyargs) == code.co_posonlyargcount
        and len(arguments.kwonlyargs) == code.co_kwonlyargcount
    )


_ASYNC = inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR


def function_fingerprint(fn: Callable[..., Any]) -> str:
    """The fingerprint of a function that need not be resumable; "" if it has no source."""
    if not isinstance(fn, FunctionType):
        return ""
    try:
        return source_of(fn).fingerprint
    except NotResumable:
        return ""


def class_fingerprint(kind: type) -> str:
    """The fingerprint of a class's source, without that of its bases; "" if it has none."""
    try:
        text = textwrap.dedent(inspect.getsource(kind))
        return fingerprint_of(ast.parse(text).body[0])
    except (OSError, TypeError, SyntaxError, IndexError):
        return ""
