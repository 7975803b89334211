from __future__ import annotations

from corpus.world import case, tick


@case(4)
def bare(n):
    for i in range(n):
        yield i


@case(3)
def with_work(n):
    total = 0
    for i in range(n):
        total += tick(i)
        yield total
        tick(("after", i))


@case(5)
def while_loop(n):
    while n > 0:
        yield n
        n -= tick(1)


@case(3)
def while_else(n):
    while n:
        n -= 1
        yield n
    else:
        tick("else")
        yield "else"
    yield "end"


@case(5)
def while_break(n):
    while True:
        n = tick(n - 1)
        if n == 1:
            break
        yield n
    else:
        yield "never"
    yield "broken"


@case(6)
def continues(n):
    for i in range(n):
        if i % 2:
            continue
        tick(i)
        if i == 4:
            continue
        yield i


@case(4)
def for_else(n):
    for i in range(n):
        yield i
    else:
        yield tick("else")
        yield "else again"


@case(4)
def for_else_broken(n):
    for i in range(n):
        if i == 2:
            break
        yield i
    else:
        yield "never"
    tick("after")


@case(3)
def nested(n):
    for i in range(n):
        for j in range(i + 1):
            for k in range(j + 1):
                yield i, j, tick(k)
            tick((i, j))
        yield i


@case(3)
def nested_break(n):
    for i in range(n):
        for j in range(10):
            if j > i:
                break
            yield i, j
        else:
            yield "never"
        yield tick(i)


@case(3)
def loop_without_yield(n):
    total = 0
    for i in range(n):
        total += tick(i)
    yield total
    for i in range(n):
        for j in range(n):
            total += tick(i * j)
            if total > 7:
                break
        else:
            total -= tick(1)
    yield total


@case(3)
def test_with_effect(n):
    while tick(n) > 0:
        n -= 1
        yield n


@case(3)
def iterable_with_effect(n):
    for i in tick(range(n)):
        for j in tick([i, i + 1]):
            yield i, j


@case([[1, 2], [3, 4]])
def unpacking(pairs):
    for a, b in pairs:
        yield a
        yield b
        tick((a, b))


@case([(1, 2, 3), (4, 5, 6, 7)])
def star_unpacking(rows):
    for first, *rest in rows:
        yield first
        rest.append(tick(first))
        yield rest


@case(3)
def target_rebound(n):
    for i in range(n):
        yield i
        i = tick(i * 10)
        yield i


@case(3)
def target_after_loop(n):
    for i in range(n):
        yield "turn", i > 5
    yield i
    for i in ():
        yield "never", i
    yield i


@case(3)
def target_item(n):
    box = {}
    for box["i"] in range(n):
        yield box["i"]
        tick(dict(box))
    yield box


@case(4)
def same_list(n):
    queue = [n]
    for item in queue:
        if item:
            queue.append(item - 1)
        yield item
        tick(len(queue))
    yield queue


@case(2)
def return_value(n):
    for i in range(n):
        yield i
        if tick(i) == 1:
            return "early"


@case(3)
def no_yield_reached(n):
    if n > 100:
        yield n
    tick("only this")


@case(2)
def deleted(n):
    value = tick(n)
    yield value
    del value
    for i in range(n):
        value = i
        yield value
        del value
        bound = True
        try:
            value  # noqa: B018
        except UnboundLocalError:
            bound = False
        yield bound


@case(3)
def target_deleted(n):
    for i in range(n):
        yield i
        del i
        bound = True
        yield "deleted"
        try:
            tick(i)
        except UnboundLocalError:
            bound = False
        yield bound


@case(3)
def forever(n):
    while True:
        for i in range(n):
            if i == 2:
                return
            yield tick(i)


# fmt: off
@case(2)
def one_line(n):
    for i in range(n): yield i; tick(i); yield -i  # noqa: E701, E702
    if n: tick("a"); tick("b"); yield "c"  # noqa: E701, E702
    while n: n -= tick(1); yield n  # noqa: E701, E702
# fmt: on


@case(3)
def over_string(n):
    for letter in "añ\u20ac"[:n]:
        yield letter
        tick(letter)
