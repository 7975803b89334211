"""Where a function binds its names, and which of them can be made again on resume."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from pauseflow.resumable.scope import INNER_SCOPES, names_of, reads


def walk_own(body: list[ast.stmt]) -> Iterator[ast.AST]:
    """Every node of this function, without the insides of the functions in it."""
    waiting: list[ast.AST] = list(reversed(body))
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, INNER_SCOPES):
            waiting.extend(reversed(list(ast.iter_child_nodes(node))))


def _bindings(body: list[ast.stmt]) -> Iterator[tuple[str, ast.AST]]:
    """Every place where a local name is bound."""
    for node in walk_own(body):
        for name in _bound_here(node):
            yield name, node


def _bound_here(node: ast.AST) -> list[str]:
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
            return [name]
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)):
            return [name]
        case ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name)):
            return [name]
        case ast.alias():
            return [node.asname or node.name.partition(".")[0]]
    return []


def made_again(body: list[ast.stmt], parameters: set[str]) -> dict[str, ast.stmt]:
    """The names that a single `import`, `def` or `lambda` binds, with that statement."""
    counts: dict[str, int] = {}
    for name, _ in _bindings(body):
        counts[name] = counts.get(name, 0) + 1
    once = {name for name, count in counts.items() if count == 1} - parameters
    found: dict[str, ast.stmt] = {}
    for node in walk_own(body):
        match node:
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                for alias in aliases:
                    name = alias.asname or alias.name.partition(".")[0]
                    if name in once:
                        found[name] = _importing(node, alias)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) if name in once:
                defaults = [d for d in (*node.args.defaults, *node.args.kw_defaults) if d]
                if not node.decorator_list and all(isinstance(d, ast.Constant) for d in defaults):
                    found[name] = node
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Lambda() as function) if (
                name in once and all(isinstance(d, ast.Constant) for d in function.args.defaults)
            ):
                found[name] = node
    return found


def _importing(node: ast.Import | ast.ImportFrom, alias: ast.alias) -> ast.stmt:
    if isinstance(node, ast.Import):
        return ast.copy_location(ast.Import([alias]), node)
    return ast.copy_location(ast.ImportFrom(node.module, [alias], node.level), node)


def inner_reads(body: list[ast.stmt]) -> dict[str, frozenset[str]]:
    """For each function inside, the outer names that it reads when it is called."""
    found: dict[str, frozenset[str]] = {}
    for node in walk_own(body):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                found[name] = found.get(name, frozenset()) | frozenset(names_of([node]).reads)
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Lambda()):
                found[name] = found.get(name, frozenset()) | reads(node.value)
    return found
