"""Which locals may still be read, at each point where a generator can be entered.

Only these are kept in a frame, so that a response object or a connection that is done with does
not stand in the way of a pause.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace

from pauseflow.resumable.reading import Reading
from pauseflow.resumable.scope import binds, reads
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
    Step,
    Within,
    Yielding,
)

Live = frozenset[str]
NOTHING: Live = frozenset()

HANDLED = "the exception being handled"
"""Stands for what a handler caught: it lives only while the handler runs, and is not kept."""


def live_at_points(reading: Reading) -> dict[int, Live]:
    """For each point, the locals that may be read before they are bound again.

    Point 0 is the beginning: every parameter is live there.
    """
    analysis = _Analysis(reading)
    analysis.block(reading.steps, NOTHING, _Around())
    found = {point: frozenset(live) for point, live in analysis.points.items()}
    found[0] = frozenset(reading.parameters)
    return found


@dataclass(frozen=True, slots=True)
class _Around:
    """What is live where control may go from inside a block, and what encloses it."""

    error: Live = NOTHING
    leave: Live = NOTHING  # at `break`
    again: Live = NOTHING  # at `continue`
    done: Live = NOTHING  # at `return`
    iterators: Live = NOTHING
    entered: tuple[tuple[Live, Live], ...] = ()  # of each `with`: what it reads, what it binds
    handling: bool = False
    caught_as: Live = NOTHING  # names of the handlers' exceptions


class _Analysis:
    def __init__(self, reading: Reading) -> None:
        self._locals = reading.locals | {HANDLED}
        self._inner_reads = reading.inner_reads
        self.points: dict[int, set[str]] = {}

    def block(self, steps: Block, after: Live, around: _Around) -> Live:
        """What is live before a block, given what is live after it."""
        live = after
        for step in reversed(steps):
            live = self._step(step, live, around)
        return live

    def _record(self, point: int, live: Live, around: _Around) -> Live:
        kept = set(live | around.iterators)
        for needs, bound in reversed(around.entered):
            kept = (kept - bound) | needs
        waiting = [name for name in kept if name in self._inner_reads]
        while waiting:
            inner = self._inner_reads[waiting.pop()] & self._locals
            waiting += [n for n in inner - kept if n in self._inner_reads]
            kept |= inner
        if kept & around.caught_as:
            kept.add(HANDLED)
        self.points.setdefault(point, set()).update(kept & self._locals)
        return live

    def _step(self, step: Step, after: Live, around: _Around) -> Live:  # noqa: C901, PLR0912 (one branch a kind of node reads best in one place)
        match step:
            case Plain():
                live = self._plain(step.node, after, around)
            case Yielding():
                going_on = (after - binds(step.target)) | around.error
                self._record(step.hi, going_on, around)
                live = going_on | reads(step.value)
            case Delegating():
                going_on = (after - binds(step.target)) | around.error
                self._record(step.hi, going_on | {step.iterator}, around)
                live = going_on | reads(step.value)
            case Raising():
                self._record(step.hi, after | around.error, around)
                handled = {HANDLED} if step.node.exc is None else NOTHING
                live = after | around.error | reads(step.node.exc, step.node.cause) | handled
            case Branch():
                live = reads(step.test) | around.error
                live |= self.block(step.body, after, around)
                live |= self.block(step.orelse, after, around)
            case Loop():
                live = self._loop(step, after, around)
            case Each():
                live = self._each(step, after, around)
            case Within():
                live = self._within(step, after, around)
            case Guarded():
                return self._guarded(step, after, around)
            case Ensured():
                return self._ensured(step, after, around)
            case Cases():
                live = after | around.error | reads(step.subject)
                for case in step.cases:
                    inside = self.block(case.body, after, around) | reads(case.guard)
                    live |= (inside - binds(case.pattern)) | reads(case.pattern)
            case _:
                raise TypeError(type(step).__name__)
        return self._record(step.lo, live, around)

    @staticmethod
    def _plain(node: ast.stmt, after: Live, around: _Around) -> Live:
        match node:
            case ast.Break():
                return around.leave
            case ast.Continue():
                return around.again
            case ast.Return():
                return around.done | reads(node.value) | around.error
        if isinstance(node, ast.Delete):
            deleted = {target.id for target in node.targets if isinstance(target, ast.Name)}
            return (after - deleted) | deleted | reads(node) | around.error
        return (after - _surely_bound(node)) | reads(node) | around.error

    def _loop(self, step: Loop, after: Live, around: _Around) -> Live:
        endless = isinstance(step.test, ast.Constant) and bool(step.test.value)
        over = NOTHING if endless else self.block(step.orelse, after, around)
        head = reads(step.test) | over | around.error
        while True:
            inside = replace(around, leave=after, again=head)
            grown = head | self.block(step.body, head, inside)
            if grown == head:
                return head
            head = grown

    def _each(self, step: Each, after: Live, around: _Around) -> Live:
        asking = self.block(step.orelse, after, around) | around.error
        inside = replace(around, iterators=around.iterators | {step.iterator})
        while True:
            turn = replace(inside, leave=after, again=asking)
            grown = asking | (self.block(step.body, asking, turn) - binds(step.target))
            if grown == asking:
                break
            asking = grown
        self._record(step.asking, asking, inside)
        return asking | reads(step.iterable)

    def _within(self, step: Within, after: Live, around: _Around) -> Live:
        needs = reads(step.manager, step.target) & self._locals
        bound = binds(step.target)
        inside = replace(
            around,
            error=around.error | after,  # a manager may swallow an error
            entered=(*around.entered, (needs, bound)),
        )
        return needs | (self.block(step.body, after, inside) - bound) | around.error

    def _guarded(self, step: Guarded, after: Live, around: _Around) -> Live:
        caught = NOTHING
        for handler in step.handlers:
            names = around.caught_as | {handler.name or ""}
            handling = replace(around, handling=True, caught_as=names)
            inside = self.block(handler.body, after, handling)
            caught |= (inside - {handler.name or ""}) | reads(handler.type)
        if not around.handling:
            caught -= {HANDLED}
        over = self.block(step.orelse, after, around)
        return self.block(step.body, over, replace(around, error=around.error | caught))

    def _ensured(self, step: Ensured, after: Live, around: _Around) -> Live:
        final = reads(*step.final)
        inside = replace(
            around,
            error=around.error | final | after,
            leave=around.leave | final,
            again=around.again | final,
            done=around.done | final,
        )
        return self.block(step.body, after | final, inside)


def _surely_bound(node: ast.stmt) -> frozenset[str]:
    """What a statement binds whenever it comes to its end."""
    match node:
        case ast.Assign(targets=targets):
            return binds(*targets)
        case ast.AugAssign(target=target):
            return binds(target)
        case ast.AnnAssign(target=target, value=value) if value is not None:
            return binds(target)
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return frozenset((name,))
        case ast.Import() | ast.ImportFrom():
            return binds(node)
    return NOTHING
