"""From steps back to code: a generator function that can be entered at any of its points.

The hidden local `_pf_at` is the point to enter at, and None once it is reached: in normal running
each block costs one "is None". Statements in a row are written twice, once for normal running and
once, guarded one by one, for entering in the middle of them.
"""

from __future__ import annotations

import ast
import copy

from pauseflow.resumable.reading import Reading
from pauseflow.resumable.scope import binds
from pauseflow.resumable.source import Source
from pauseflow.resumable.steps import (
    Block,
    Branch,
    Cases,
    Delegating,
    Each,
    Ensured,
    Guarded,
    Loop,
    Plain,
    Raising,
    Span,
    Step,
    Within,
    Yielding,
    every,
    has_header,
    is_compound,
    last_point,
    span_of,
)
from pauseflow.resumable.template import code, place

RUNTIME = "_pf"
AT, ENTRY, STANDS, CONTROL = "_pf_at", "_pf_in", "_pf_on", "_pf_ctl"

REACHED = f"{AT} = {ENTRY}.bound = None"
"""At the point: from here on it runs as ever, and lets go of what it was entered with."""


def rewrite(source: Source, reading: Reading) -> ast.Module:
    """The module to compile: the function inside one that holds its free variables' names."""
    writer = _Writer(reading)
    body = writer.function_body()
    original = source.node
    arguments = reading.arguments
    for name in (AT, ENTRY):
        hidden = ast.arg(name)
        arguments.kwonlyargs.append(ast.copy_location(hidden, original))
        arguments.kw_defaults.append(None)
    function = copy.copy(original)  # its other fields differ between Pythons
    function.args, function.body, function.decorator_list = arguments, body, []
    function.returns = None
    return ast.Module([function], [])


class _Writer:
    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        steps = list(every(reading.steps))
        self._controlled = any(
            isinstance(step, Within | Ensured)
            or (isinstance(step, Guarded) and step.catches_pauses)
            for step in steps
        )
        self._deleted = {
            name
            for step in steps
            if isinstance(step, Plain) and isinstance(step.node, ast.Delete)
            for name in binds(step.node)
        } | {
            handler.name
            for step in steps
            if isinstance(step, Guarded)
            for handler in step.handlers
            if handler.name
        }

    def function_body(self) -> list[ast.stmt]:
        first = self._reading.steps[0].span
        at = Span(first.line, first.column, first.line, first.column)
        control = f"{CONTROL} = {RUNTIME}.Control()\n" if self._controlled else ""
        opening = code(
            f"{control}if {AT} is not None:\n    BIND\n    if {AT} == 0:\n        {REACHED}",
            at,
            BIND=self._binding(at),
        )
        declared = self._declarations(at)
        return [*declared, *opening, *self._block(self._reading.steps), *code("return", at)]

    def _declarations(self, at: Span) -> list[ast.stmt]:
        """`global` comes before the first use, wherever it stood."""
        names: set[str] = set()
        for step in every(self._reading.steps):
            if isinstance(step, Plain) and isinstance(step.node, ast.Global):
                names.update(step.node.names)
        return code(f"global {', '.join(sorted(names))}", at) if names else []

    def _binding(self, at: Span) -> list[ast.stmt]:
        bound: list[ast.stmt] = []
        for name in sorted(self._reading.locals):
            text = f"if {name!r} in {ENTRY}: {name} = {ENTRY}.pop({name!r})"
            if name in self._reading.parameters:
                text += f"\nelse: del {name}"
            bound += code(text, at)
        for name, statement in self._reading.made_again.items():
            bound += code(f"if {name!r} in {ENTRY}.again:\n    MAKE", at, MAKE=[statement])
        return bound

    # -- blocks

    def _block(self, steps: Block) -> list[ast.stmt]:
        written: list[ast.stmt] = []
        row: list[Step] = []
        for step in steps:
            if is_compound(step):
                written += self._row(row, step if has_header(step) else None)
                row = []
                written += self._entered(step)
            else:
                row.append(step)
        return written + self._row(row, None)

    def _row(self, row: Block, header: Step | None) -> list[ast.stmt]:
        """Statements in a row, and the point before the compound step that follows them."""
        if not row:
            if header is None:
                return []
            at = _start(header.span)
            return code(f"if {AT} is not None and {AT} == {header.lo}: {REACHED}", at)
        at = _start(row[0].span)
        hot = [statement for step in row for statement in self._hot(step)]
        last = row[-1].hi if header is None else header.lo
        cold: list[ast.stmt] = code(f"_pf_from = {AT}; {REACHED}", at)
        for step in row:
            cold += self._cold(step)
        return code(
            f"if {AT} is None:\n    HOT\nelif {AT} <= {last}:\n    COLD", at, HOT=hot, COLD=cold
        )

    def _hot(self, step: Step) -> list[ast.stmt]:
        match step:
            case Plain(node=ast.Global()):
                return []
            case Plain():
                return [step.node]
            case Raising():
                return [step.node]
            case Yielding():
                return [*code(f"{STANDS} = {step.hi}", _start(step.span)), _yield(step)]
            case Delegating():
                return [*self._delegate(step), *self._delegating(step)]
        raise TypeError(type(step).__name__)

    def _cold(self, step: Step) -> list[ast.stmt]:
        at = _start(step.span)
        again = f"if _pf_from <= {step.lo}:\n    AGAIN\n"
        match step:
            case Yielding():
                taken = "TARGET = _pf_in.take()" if step.target else "_pf_in.take()"
                return code(
                    f"{again}elif _pf_from == {step.hi}:\n    {taken}",
                    at,
                    AGAIN=self._hot(step),
                    **({"TARGET": step.target} if step.target else {}),
                )
            case Delegating():
                return [
                    *code(again, at, AGAIN=self._delegate(step)),
                    *code(f"if _pf_from <= {step.hi}:\n    GO", at, GO=self._delegating(step)),
                ]
            case Raising():
                return code(
                    f"{again}elif _pf_from == {step.hi}:\n    {ENTRY}.take()",
                    at,
                    AGAIN=self._hot(step),
                )
        return code(again, at, AGAIN=self._hot(step))

    def _delegate(self, step: Delegating) -> list[ast.stmt]:
        name = step.iterator
        return code(f"{name} = None\n{name} = {RUNTIME}.iter(VALUE)", step.span, VALUE=step.value)

    def _delegating(self, step: Delegating) -> list[ast.stmt]:
        name = step.iterator
        bind = "TARGET = " if step.target else ""
        written = code(
            f"{STANDS} = {step.hi}\n{bind}(yield from {name})\n{name} = None",
            _start(step.span),
            **({"TARGET": step.target} if step.target else {}),
        )
        for node in ast.walk(written[1]):  # a PauseFlow out of it points here
            if isinstance(node, ast.expr | ast.stmt):
                place(node, step.span)
        return written

    def _entered(self, step: Step) -> list[ast.stmt]:
        match step:
            case Branch():
                inside = self._branch(step)
            case Loop():
                inside = self._loop(step)
            case Each():
                inside = self._each(step)
            case Within():
                inside = self._within(step)
            case Guarded():
                inside = self._guarded(step)
            case Ensured():
                inside = self._ensured(step)
            case Cases():
                inside = self._cases(step)
            case _:
                raise TypeError(type(step).__name__)
        at = _start(step.span)
        return code(f"if {AT} is None or {AT} <= {step.hi}:\n    INSIDE", at, INSIDE=inside)

    # -- compound steps

    def _branch(self, step: Branch) -> list[ast.stmt]:
        at = _start(step.span)
        return code(
            f"if TEST if {AT} is None else {AT} <= {last_point(step.body, step.lo)}:\n"
            f"    BODY\n"
            f"else:\n"
            f"    OTHER",
            at,
            TEST=step.test,
            BODY=self._block(step.body),
            OTHER=self._block(step.orelse),
        )

    def _loop(self, step: Loop) -> list[ast.stmt]:
        endless = isinstance(step.test, ast.Constant) and not step.orelse
        body_end = last_point(step.body, step.lo)
        test = "TEST" if endless else f"TEST if {AT} is None else {AT} <= {body_end}"
        other = "\nelse:\n    OTHER" if step.orelse else ""
        return code(
            f"while {test}:\n    BODY{other}",
            _start(step.span),
            TEST=step.test,
            BODY=self._block(step.body),
            OTHER=self._block(step.orelse),
        )

    def _each(self, step: Each) -> list[ast.stmt]:
        at = _start(step.span)
        name, runtime = step.iterator, RUNTIME
        wait = "a" if step.is_async else ""
        target = step.target.id
        item = f"{target} if {target!r} in {ENTRY}.bound else None"
        if target.startswith(RUNTIME):
            item = "None"
        opening = code(
            f"if {AT} is None:\n"
            f"    {name} = None\n"
            f"    {name} = _pf_go = {runtime}.{wait}iter(ITERABLE)\n"
            f"elif {AT} == {step.asking}:\n"
            f"    {REACHED}\n"
            f"    _pf_go = {name}\n"
            f"elif {AT} <= {last_point(step.body, step.asking)}:\n"
            f"    _pf_go = {runtime}.{wait}again({item}, {name})\n"
            f"else:\n"
            f"    _pf_go = {runtime}.{wait}nothing()",
            at,
            ITERABLE=step.iterable,
        )
        keyword = "async for" if step.is_async else "for"
        other = "\nelse:\n    OTHER" if step.orelse else ""
        loop = code(
            f"{keyword} TARGET in _pf_go:\n    BODY{other}",
            at,
            TARGET=step.target,
            BODY=self._block(step.body),
            OTHER=self._block(step.orelse),
        )
        header = loop[0]
        assert isinstance(header, ast.For | ast.AsyncFor)  # noqa: S101 (the template says so)
        place(header.iter, span_of(step.iterable))
        end = span_of(step.iterable)
        header.end_lineno, header.end_col_offset = end.end_line, end.end_column
        return [*opening, *loop, *code(f"{name} = _pf_go = None", at)]

    def _within(self, step: Within) -> list[ast.stmt]:
        at = _start(step.span)
        bind = " as TARGET" if step.target else ""
        parts = {"TARGET": step.target} if step.target else {}
        manager = f"{CONTROL}.{'awith' if step.is_async else 'hold'}(MANAGER)"
        keyword = "async with" if step.is_async else "with"
        return code(
            f"{keyword} {manager}{bind}:\n    BODY",
            at,
            MANAGER=step.manager,
            BODY=self._block(step.body),
            **parts,
        )

    def _guarded(self, step: Guarded) -> list[ast.stmt]:
        at = _start(step.span)
        other = "\nelse:\n    OTHER" if step.orelse else ""
        shell = code(
            f"try:\n    BODY\nexcept {CONTROL}.passing:\n    raise{other}",
            at,
            BODY=self._block(step.body),
            OTHER=self._block(step.orelse),
        )[0]
        assert isinstance(shell, ast.Try)  # noqa: S101 (the template says so)
        if not step.catches_pauses:
            shell.handlers.clear()
        for handler in step.handlers:
            written = ast.ExceptHandler(handler.type, handler.name, self._block(handler.body))
            shell.handlers.append(place(written, handler.span))
        first = min((s.lo for h in step.handlers for s in h.body[:1]), default=0)
        last = max((s.hi for h in step.handlers for s in h.body[-1:]), default=-1)
        return code(
            f"if {AT} is None or not {first} <= {AT} <= {last}:\n    SHELL\nelse:\n    AGAIN",
            at,
            SHELL=[shell],
            AGAIN=self._handlers_again(step, at),
        )

    def _handlers_again(self, step: Guarded, at: Span) -> list[ast.stmt]:
        """Handlers entered from outside, after a pause in them: their exception is over."""
        written: list[ast.stmt] = []
        for handler in step.handlers:
            end = last_point(handler.body, 0)
            written = [
                *written,
                *code(
                    f"if {AT} is not None and {AT} <= {end}:\n    BODY",
                    at,
                    BODY=self._block(handler.body),
                ),
            ]
        return written

    def _ensured(self, step: Ensured) -> list[ast.stmt]:
        return code(
            f"try:\n"
            f"    BODY\n"
            f"except {CONTROL}.passing:\n"
            f"    {CONTROL}.gone = True\n"
            f"    raise\n"
            f"finally:\n"
            f"    if not {CONTROL}.gone:\n"
            f"        FINAL",
            _start(step.span),
            BODY=self._block(step.body),
            FINAL=step.final,
        )

    def _cases(self, step: Cases) -> list[ast.stmt]:
        at = _start(step.span)
        cases: list[ast.match_case] = []
        chain: list[ast.stmt] = []
        for i, case in reversed(list(enumerate(step.cases, 1))):
            chosen = code(f"_pf_case = {i}", at)
            cases.insert(0, ast.match_case(case.pattern, case.guard, chosen))
            chain = code(
                f"if _pf_case == {i} if {AT} is None else {AT} <= {last_point(case.body, 0)}:\n"
                f"    BODY\n"
                f"else:\n"
                f"    OTHER",
                at,
                BODY=self._block(case.body),
                OTHER=chain,
            )
        match = ast.Match(step.subject, cases)
        place(match, step.span)
        return code(
            f"if {AT} is None:\n    _pf_case = 0\n    MATCH\nCHAIN", at, MATCH=[match], CHAIN=chain
        )


def _yield(step: Yielding) -> ast.stmt:
    value = place(ast.Yield(step.value), step.span)
    if step.target is None:
        return place(ast.Expr(value), step.span)
    return place(ast.Assign([step.target], value), step.span)


def _start(span: Span) -> Span:
    return Span(span.line, span.column, span.line, span.column)
