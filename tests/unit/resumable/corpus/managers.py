from __future__ import annotations

import contextlib

from corpus.world import Opened, case, tick


@case(3)
def simple(n):
    with Opened("a") as a:
        for i in range(n):
            yield a.read(tick(i))
    yield "left"


@case(2)
def without_target(n):
    for i in range(n):
        with Opened("turn"):
            yield i
            tick(i)
            yield i


@case(2)
def several(n):
    with Opened("a") as a, Opened("b") as b:
        yield a.read(n)
        tick("inside")
        yield b.read(n)


@case(2)
def nested(n):
    with Opened("outer") as outer:
        yield outer.read(tick(0))
        for i in range(n):
            with Opened(f"inner {i}") as inner:
                yield outer.read(i), inner.read(i)
            tick("between")
        yield outer.read(n)


@case(2)
def swallowing(n):
    for i in range(n):
        with Opened("s", swallows=ValueError):
            yield i
            raise ValueError(tick(i))
        yield "swallowed"


@case(2)
def suppress(n):
    for i in range(n):
        with contextlib.suppress(KeyError):
            yield {0: "zero"}[i]
            tick("found")
        yield "on"


@case(3)
def left_by_break(n):
    for i in range(n):
        with Opened("b") as b:
            if i == 1:
                break
            yield b.read(tick(i))
    yield "broken"


@case(3)
def left_by_return(n):
    with Opened("r") as r:
        for i in range(n):
            yield r.read(i)
            if tick(i) == 1:
                return


@case(2)
def with_finally(n):
    closed = 0
    for i in range(n):
        try:
            with Opened("w") as w:
                yield w.read(tick(i))
        finally:
            closed += 1
    yield closed


@case(2)
def tuple_target(n):
    with contextlib.nullcontext((n, n + 1)) as (a, b):
        yield a
        tick("inside")
        yield b


@contextlib.contextmanager
def session(name):
    with Opened(name) as opened:
        yield opened


@case(2)
def context_manager(n):
    with session("s") as s:
        for i in range(n):
            yield s.read(tick(i))


@case(2)
def exit_stack(n):
    with contextlib.ExitStack() as stack:
        a = stack.enter_context(Opened("a")).name
        yield a
        for i in range(n):
            yield tick(i)


@case(2)
def without_yield(n):
    with Opened("w") as w:
        tick("one")
        value = w.read(n)
        tick("two")
    yield value
