from __future__ import annotations

from corpus.world import case, tick

FACTOR = 10


@case(3)
def sorted_by_lambda(n):
    sign = -1
    for value in sorted(range(n), key=lambda x: x * sign):
        yield tick(value)


@case(3)
def inner_function(n):
    def scaled(x):
        return x * n

    for i in range(n):
        yield scaled(i)
        n += tick(1)


@case(3)
def inner_lambda(n):
    scaled = lambda x: x * n + FACTOR  # noqa: E731
    for i in range(n):
        yield scaled(i)
        tick(i)


@case(3)
def counter(n):
    total = 0

    def add(x):
        nonlocal total
        total += tick(x)
        return total

    for i in range(n):
        yield add(i)
    yield total


@case(2)
def functions_of_functions(n):
    base = 1

    def inner(x):
        return x + base

    def outer(x):
        return inner(x) * n

    for i in range(n):
        base = i
        yield outer(tick(i))


@case(2)
def imports_inside(n):
    import json
    from os.path import basename as base

    for i in range(n):
        yield json.dumps({"i": i})
        yield base(f"a/{tick(i)}")


@case(3)
def comprehensions_capture(n):
    offset = 100
    for i in range(n):
        yield [x + offset for x in range(i)]
        offset += tick(1)
        yield {x: offset for x in "ab"}
        yield any(x > offset for x in range(n))


def made(factor):
    def scale(n):
        for i in range(n):
            yield tick(i) * factor

    return scale


case(3)(made(7))


@case(2)
def global_read(n):
    global FACTOR
    for i in range(n):
        yield i * FACTOR
        tick(FACTOR)


@case(3)
def name_reused(n):
    rows = [{"v": i} for i in range(n)]
    for r in rows:
        total = sum(r["v"] for r in rows)
        yield r["v"], tick(total)


def defaults(n, *, scale=2, extra=FACTOR):
    for i in range(n):
        yield i * scale + extra
        tick(i)


case(2)(defaults)


def rest(*args, **options):
    for value in args:
        yield tick(value)
    for name in options:
        yield name
    yield args


case(2)(rest)
