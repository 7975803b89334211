"""Which names a piece of code reads and binds in the function that it stands in."""

# ruff: noqa: D102 (what a visitor does with a node is in the name of its method)
from __future__ import annotations

import ast
from collections.abc import Iterable

Function = ast.FunctionDef | ast.AsyncFunctionDef
Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
INNER_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)


class Names(ast.NodeVisitor):
    """The names of one scope: what it reads, binds, deletes, and declares to be elsewhere.

    What an inner function reads from outside itself counts as read where the function is made.
    """

    def __init__(self) -> None:
        self.reads: set[str] = set()
        self.binds: set[str] = set()
        self.deletes: set[str] = set()
        self.globals: set[str] = set()
        self.nonlocals: set[str] = set()
        self.written_inside: set[str] = set()

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self.reads.add(node.id)
        elif isinstance(node.ctx, ast.Store):
            self.binds.add(node.id)
        else:
            self.deletes.add(node.id)
            self.binds.add(node.id)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name):
            self.reads.add(node.target.id)
        self.generic_visit(node)

    def visit_Global(self, node: ast.Global) -> None:
        self.globals.update(node.names)

    def visit_Nonlocal(self, node: ast.Nonlocal) -> None:
        self.nonlocals.update(node.names)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.name:
            self.binds.add(node.name)
            self.deletes.add(node.name)
        self.generic_visit(node)

    def visit_alias(self, node: ast.alias) -> None:
        if node.name != "*":
            self.binds.add(node.asname or node.name.partition(".")[0])

    def visit_MatchAs(self, node: ast.MatchAs) -> None:
        if node.name:
            self.binds.add(node.name)
        self.generic_visit(node)

    def visit_MatchStar(self, node: ast.MatchStar) -> None:
        if node.name:
            self.binds.add(node.name)

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        if node.rest:
            self.binds.add(node.rest)
        self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._function(node)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._parameters(node.args)
        self._inside([node.body], parameter_names(node.args))

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.binds.add(node.name)
        for part in (*node.decorator_list, *node.bases, *node.keywords):
            self.visit(part)
        inner = Names()
        for statement in node.body:
            inner.visit(statement)
        # A class body that binds a name may still have read it from outside before.
        self.reads |= inner.reads | inner.nonlocals
        self.written_inside |= inner.written_inside | inner.nonlocals

    def visit_ListComp(self, node: ast.ListComp) -> None:
        self._comprehension(node)

    def visit_SetComp(self, node: ast.SetComp) -> None:
        self._comprehension(node)

    def visit_DictComp(self, node: ast.DictComp) -> None:
        self._comprehension(node)

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> None:
        self._comprehension(node)

    def _function(self, node: Function) -> None:
        self.binds.add(node.name)
        for decorator in node.decorator_list:
            self.visit(decorator)
        self._parameters(node.args)
        if node.returns:
            self.visit(node.returns)
        self._inside(node.body, parameter_names(node.args))

    def _parameters(self, arguments: ast.arguments) -> None:
        for default in (*arguments.defaults, *arguments.kw_defaults):
            if default is not None:
                self.visit(default)
        for argument in all_parameters(arguments):
            if argument.annotation:
                self.visit(argument.annotation)

    def _inside(self, body: Iterable[ast.AST], parameters: set[str]) -> None:
        inner = Names()
        for part in body:
            inner.visit(part)
        own = (inner.binds | parameters) - inner.nonlocals - inner.globals
        self.reads |= (inner.reads | inner.nonlocals) - own - inner.globals
        self.written_inside |= (inner.written_inside - own) | inner.nonlocals

    def _comprehension(self, node: Comprehension) -> None:
        inner = Names()
        targets = Names()
        for part in node.generators:
            targets.visit(part.target)
        for child in ast.iter_child_nodes(node):
            inner.visit(child)
        self.reads |= inner.reads - targets.binds
        self.binds |= inner.binds - targets.binds  # a := inside binds outside
        self.written_inside |= inner.written_inside - targets.binds


def all_parameters(arguments: ast.arguments) -> list[ast.arg]:
    """Every parameter, in the order of the code object's local variables."""
    found = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return [*found, *(extra for extra in (arguments.vararg, arguments.kwarg) if extra)]


def parameter_names(arguments: ast.arguments) -> set[str]:
    """The names of every parameter."""
    return {argument.arg for argument in all_parameters(arguments)}


def names_of(parts: Iterable[ast.AST]) -> Names:
    """The names of these nodes, all of one scope."""
    found = Names()
    for part in parts:
        found.visit(part)
    return found


def reads(*parts: ast.AST | None) -> frozenset[str]:
    """The names that these nodes read."""
    return frozenset(names_of(part for part in parts if part is not None).reads)


def binds(*parts: ast.AST | None) -> frozenset[str]:
    """The names that these nodes bind."""
    return frozenset(names_of(part for part in parts if part is not None).binds)


class _Mangling(ast.NodeTransformer):
    """Private names (`__x` in a class) as the compiler would spell them."""

    def __init__(self, class_name: str) -> None:
        self._prefix = "_" + class_name.lstrip("_")

    def visit(self, node: ast.AST) -> ast.AST:
        for field in ("id", "attr", "arg", "name", "asname", "rest"):
            value = getattr(node, field, None)
            if isinstance(value, str):
                setattr(node, field, self._spell(value))
        if isinstance(node, ast.Global | ast.Nonlocal):
            node.names = [self._spell(name) for name in node.names]
        return self.generic_visit(node)

    def _spell(self, name: str) -> str:
        private = name.startswith("__") and not name.endswith("__") and "." not in name
        return self._prefix + name if private else name


def mangle(body: list[ast.stmt], arguments: ast.arguments, class_name: str) -> None:
    """Spell the private names of a method in place, for it is compiled outside its class."""
    if not class_name.strip("_"):
        return
    mangling = _Mangling(class_name)
    mangling.visit(arguments)
    for statement in body:
        mangling.visit(statement)
