"""From a function's source to its steps, refusing what can't be resumed."""

from __future__ import annotations

import ast
import copy
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from pauseflow.errors import NotResumable
from pauseflow.resumable.bindings import inner_reads, made_again, walk_own
from pauseflow.resumable.checks import HIDDEN, check_body, check_with
from pauseflow.resumable.headers import HeaderCalls
from pauseflow.resumable.lifting import YIELDS, Lifter, has_yield
from pauseflow.resumable.scope import (
    mangle,
    names_of,
    parameter_names,
)
from pauseflow.resumable.source import Source
from pauseflow.resumable.steps import (
    Block,
    Branch,
    Case,
    Cases,
    Each,
    Ensured,
    Guarded,
    Handler,
    Loop,
    Plain,
    Raising,
    Step,
    Within,
    number,
    span_of,
)
from pauseflow.resumable.template import place


@dataclass(slots=True)
class Reading:
    """A generator's body, read.

    Args:
        steps: the body.
        arguments: the parameters, without annotations and defaults.
        parameters: their names.
        locals: every local name, parameters and hidden ones included.
        made_again: names that a single `import`, `def` or `lambda` binds, with that statement: on
            resume the statement runs again, for what it makes can't be written down.
        inner_reads: for each inner function's name, the locals that it reads when it is called.
    """

    steps: Block
    arguments: ast.arguments
    parameters: list[str]
    locals: set[str]
    made_again: dict[str, ast.stmt]
    inner_reads: dict[str, frozenset[str]]


def read(source: Source, headers: HeaderCalls) -> Reading:
    """Read a function's source as steps.

    Raises:
        NotResumable: something in it can't be written down at a pause.
    """
    return _Reader(source, headers).read()


class _Reader:
    def __init__(self, source: Source, headers: HeaderCalls) -> None:
        self._source = source
        self._headers = headers
        self._count = 0
        self._hidden: set[str] = set()
        self._lifter = Lifter(self._refusal, self._temporary, self._header)
        self._cursed: list[str] = []  # why a yield here is refused; the innermost last

    def read(self) -> Reading:
        node = copy.deepcopy(self._source.node)
        arguments, body = node.args, node.body
        mangle(body, arguments, self._source.class_name)
        names = names_of(body)
        parameters = parameter_names(arguments)
        self._locals = (names.binds | parameters) - names.globals
        self._globals = names.globals
        self._headers.locals = self._locals
        # What is deleted somewhere may be unbound inside a loop over it.
        self._targets = self._locals - names.deletes
        _span_formatted(body)
        check_body(body, self._locals, self._refusal)
        again = made_again(body, parameters)
        for argument in (
            *arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs,
            *filter(None, (arguments.vararg, arguments.kwarg)),
        ):  # fmt: skip
            argument.annotation = None
        arguments.defaults = []
        arguments.kw_defaults = [None] * len(arguments.kwonlyargs)
        steps = self._block(body)
        number(steps)
        return Reading(
            steps=steps,
            arguments=arguments,
            parameters=_in_order(arguments),
            locals=self._locals | self._hidden,
            made_again=again,
            inner_reads=inner_reads(body),
        )

    # -- statements

    def _block(self, body: list[ast.stmt]) -> Block:
        steps: Block = []
        for statement in body:
            self._statement(statement, steps)
        return steps

    def _statement(self, node: ast.stmt, steps: Block) -> None:
        match node:
            case ast.If():
                test = self._lifter.lift(node.test, steps)
                inside = (self._block(node.body), self._block(node.orelse))
                steps.append(Branch(span_of(node), test, *inside))
            case ast.While():
                self._while(node, steps)
            case ast.For() | ast.AsyncFor():
                self._for(node, steps)
            case ast.With() | ast.AsyncWith():
                steps.append(self._with(node, node.items))
            case ast.Try():
                steps.append(self._try(node))
            case ast.TryStar():
                self._refuse(node, "`except*`", "Catch with `except`.")
            case ast.Match():
                self._match(node, steps)
            case ast.Raise():
                node.exc = self._lifter.lift(node.exc, steps) if node.exc else None
                if has_yield(node.cause):
                    self._refuse_place(node, "the cause of a `raise`")
                steps.append(Raising(span_of(node), node))
            case _:
                self._simple(node, steps)

    def _simple(self, node: ast.stmt, steps: Block) -> None:
        if has_yield(node):
            if self._cursed:
                self._refuse(
                    _first_yield(node),
                    f"a yield inside {self._cursed[-1]}",
                    "Note there what happened, and yield after the `try` statement.",
                )
            for inner in _own_yields(node):
                if not (isinstance(node, ast.Expr) and inner is node.value):
                    self._answer(inner)
            match node:
                case ast.Expr(value=ast.Yield() | ast.YieldFrom() as value):
                    self._lifter.step(value, None, steps)
                    return
                case ast.Assign(
                    targets=[ast.Name() as target], value=ast.Yield() | ast.YieldFrom() as value
                ) if target.id not in self._globals:
                    self._lifter.step(value, target, steps)
                    return
                case ast.Expr() | ast.Return() | ast.Assign() | ast.AnnAssign() | ast.AugAssign():
                    self._value(node, steps)
                case ast.Assert() if not has_yield(node.msg):
                    node.test = self._lifter.lift(node.test, steps)
                case _:
                    self._refuse_place(node, f"a `{type(node).__name__.lower()}` statement")
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            node.value = self._headers.assigned(node.value)
        steps.append(Plain(span_of(node), node))

    def _value(
        self,
        node: ast.Expr | ast.Return | ast.Assign | ast.AnnAssign | ast.AugAssign,
        steps: Block,
    ) -> None:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AugAssign | ast.AnnAssign):
            targets = [node.target]
        if has_yield(*targets):
            self._refuse_place(node, "the target of an assignment")
        if isinstance(node, ast.AugAssign) and not (
            isinstance(node.target, ast.Name) and node.target.id in self._locals
        ):
            self._refuse(
                node,
                "a yield on the right of an assignment that changes an attribute, item or global",
                "Take it out: `value = yield ...`, then change it.",
            )
        if node.value is not None:
            node.value = self._lifter.lift(node.value, steps)

    def _answer(self, node: ast.Yield | ast.YieldFrom) -> None:
        """Only a pause has an answer: what is sent for any other value, nobody would send."""
        if isinstance(node, ast.Yield) and isinstance(
            node.value,
            ast.Tuple | ast.List | ast.Dict | ast.Set | ast.JoinedStr | ast.BinOp | ast.ListComp
            | ast.Compare | ast.BoolOp,
        ):  # fmt: skip
            self._refuse(
                node,
                "the value that `send()` would give for a yielded value is used here",
                "Only `yield PauseFlow(...)` has a value: what the flow waited for.",
            )

    def _while(self, node: ast.While, steps: Block) -> None:
        if not has_yield(node.test):
            inside = (self._block(node.body), self._block(node.orelse))
            steps.append(Loop(span_of(node), node.test, *inside))
            return
        if node.orelse:
            self._refuse_place(node.test, "the test of a `while` with an `else`")
        self._refuse_cursed(node.test)
        body: Block = []
        test = self._lifter.lift(node.test, body)
        negated = ast.copy_location(ast.UnaryOp(ast.Not(), test), test)
        leave = ast.copy_location(ast.Break(), test)
        body.append(Branch(span_of(test), negated, [Plain(span_of(test), leave)], []))
        body += self._block(node.body)
        always = ast.copy_location(ast.Constant(value=True), node.test)
        steps.append(Loop(span_of(node), always, body, []))

    def _for(self, node: ast.For | ast.AsyncFor, steps: Block) -> None:
        if has_yield(node.target):
            self._refuse_place(node.target, "the target of a `for`")
        self._refuse_cursed(node.iter)
        iterable = self._header(self._lifter.lift(node.iter, steps))
        body: Block = []
        if isinstance(node.target, ast.Name) and node.target.id in self._targets:
            target = node.target
        else:
            target = ast.copy_location(ast.Name(self._temporary("item"), ast.Store()), node.target)
            item = ast.copy_location(ast.Name(target.id, ast.Load()), node.target)
            unpack = ast.copy_location(ast.Assign([node.target], item), node.target)
            body.append(Plain(span_of(node.target), unpack))
        body += self._block(node.body)
        steps.append(
            Each(
                span_of(node), target, iterable, body, self._block(node.orelse),
                self._temporary("it"), isinstance(node, ast.AsyncFor),
            )
        )  # fmt: skip

    def _with(self, node: ast.With | ast.AsyncWith, items: list[ast.withitem]) -> Within:
        item, rest = items[0], items[1:]
        if has_yield(item.context_expr, item.optional_vars):
            self._refuse_place(item.context_expr, "the header of a `with`")
        inner: list[ast.AST] = [*rest, *node.body]
        check_with(item, inner, self._locals, self._refusal)
        body: Block = [self._with(node, rest)] if rest else self._block(node.body)
        is_async = isinstance(node, ast.AsyncWith)
        return Within(span_of(node), item.context_expr, item.optional_vars, body, is_async)

    def _try(self, node: ast.Try) -> Step:
        if node.finalbody:
            if node.handlers:
                inner = ast.copy_location(ast.Try(node.body, node.handlers, node.orelse, []), node)
                body: Block = [self._try(inner)]
            else:
                body = self._block(node.body)
            for statement in node.finalbody:
                found = _first_yield(statement)
                if found is not statement:
                    self._refuse(
                        found,
                        "a yield inside `finally`",
                        "Yield after the `try` statement: `finally` runs when it is really left.",
                    )
            return Ensured(span_of(node), body, node.finalbody)
        body = self._block(node.body)
        handlers = [self._handler(handler) for handler in node.handlers]
        orelse = self._block(node.orelse)
        passing = not all(self._headers.catches_errors_only(h.type) for h in node.handlers)
        return Guarded(span_of(node), body, handlers, orelse, passing)

    def _handler(self, node: ast.ExceptHandler) -> Handler:
        if node.type is not None:
            named = {n.id for n in ast.walk(node.type) if isinstance(n, ast.Name)}
            named |= {n.attr for n in ast.walk(node.type) if isinstance(n, ast.Attribute)}
            for name in ("PauseFlow", "GeneratorExit"):
                if name in named:
                    self._refuse(
                        node.type,
                        f"a handler for {name}",
                        "Let it pass: a pause is no error, and passes every other handler here; "
                        "clean up in a `finally` or a `with`.",
                    )
            if has_yield(node.type):
                self._refuse_place(node.type, "the header of an `except`")
        self._cursed.append("an `except` handler")
        body = self._block(node.body)
        self._cursed.pop()
        return Handler(span_of(node), node.type, node.name, body)

    def _match(self, node: ast.Match, steps: Block) -> None:
        self._refuse_cursed(node.subject)
        subject = self._lifter.lift(node.subject, steps)
        cases: list[Case] = []
        for case in node.cases:
            if has_yield(case.guard):
                self._refuse_place(node, "the guard of a `case`")
            cases.append(Case(case.pattern, case.guard, self._block(case.body)))
        steps.append(Cases(span_of(node), subject, cases))

    # -- names

    def _temporary(self, kind: str) -> str:
        self._count += 1
        name = f"{HIDDEN}_{kind}{self._count}"
        self._hidden.add(name)
        return name

    def _header(self, expression: ast.expr) -> ast.expr:
        return self._headers.header(expression)

    # -- refusals

    def _refuse_cursed(self, node: ast.expr) -> None:
        if self._cursed and has_yield(node):
            self._refuse(
                _first_yield(node),
                f"a yield inside {self._cursed[-1]}",
                "Note there what happened, and yield after the `try` statement.",
            )

    def _refuse_place(self, node: ast.AST, place: str) -> NoReturn:
        self._refuse(
            node, f"a yield in {place}", "Take it out before: `value = yield ...`, then use it."
        )

    def _refusal(self, node: ast.AST, reason: str, instead: str) -> NotResumable:
        line = getattr(node, "lineno", self._source.node.lineno)
        return NotResumable(
            f"{self._source.node.name} can't be resumed: {reason}",
            instead=instead,
            file=Path(self._source.file),
            line=line,
        )

    def _refuse(self, node: ast.AST, reason: str, instead: str) -> NoReturn:
        raise self._refusal(node, reason, instead)


def _span_formatted(body: list[ast.stmt]) -> None:
    """Let what is inside an f-string stand where the string does: some Pythons tell it wrongly."""
    for statement in body:
        for node in ast.walk(statement):
            if isinstance(node, ast.JoinedStr):
                for inner in ast.walk(node):
                    if isinstance(inner, ast.expr):
                        place(inner, span_of(node))


def _own_yields(node: ast.AST) -> list[ast.Yield | ast.YieldFrom]:
    return [n for n in walk_own([node]) if isinstance(n, YIELDS)]  # type: ignore[list-item]  # walks any node


def _first_yield(node: ast.AST) -> ast.AST:
    if not has_yield(node):
        return node
    for child in walk_own([node]):  # type: ignore[list-item]  # walks any node
        if isinstance(child, YIELDS):
            return child
    return node


def _in_order(arguments: ast.arguments) -> list[str]:
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    rest = [extra for extra in (arguments.vararg, arguments.kwarg) if extra]
    return [argument.arg for argument in (*named, *rest)]
