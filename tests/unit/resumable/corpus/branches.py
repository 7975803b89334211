from __future__ import annotations

from corpus.world import case, tick


@case(5)
def chain(n):
    for i in range(n):
        if i == 0:
            yield "zero"
        elif tick(i) == 1:
            yield "one"
            yield "uno"
        elif i == 2:
            tick("silent")
        else:
            yield i
            if i == 4:
                yield "last"


@case(4)
def test_with_effect(n):
    if tick(n) > 3:
        yield "big"
    if tick(n) > 5:
        yield "never"
    else:
        yield "small"
        tick("else")


@case(2)
def nested(n):
    if n:
        yield 1
        if n > 1:
            tick(2)
            yield 2
            if n > 2:
                yield 3
            else:
                yield 4
        yield 5
    tick("end")


@case(3)
def conditional_expression(n):
    for i in range(n):
        yield tick("odd") if i % 2 else tick("even")


@case(3)
def only_else(n):
    for i in range(n):
        if i < 5:
            pass
        else:
            yield "never"
        yield i


@case(4)
def straight(n):
    a = tick(n)
    yield a
    b = a + tick(1)
    c = b * 2
    yield b
    yield c
    d = tick(a + b + c)
    yield d
