from __future__ import annotations

import functools

from corpus.world import Opened, case, tick


@case(2)
def with_header(n):
    for i in range(n):
        with Opened("h") as h:
            yield h.read(i)


def deco(fn):
    @functools.wraps(fn)
    def wrapper(*a, **k):
        for item in fn(*a, **k):
            yield item

    return wrapper


@deco
def decorated(n):
    for i in range(n):
        yield tick(i)


case(3)(decorated)


@case(2)
def handler_flow(n):
    for i in range(5):
        try:
            if i % 2:
                raise ValueError(i)
            yield i
        except ValueError as e:
            k = int(str(e))
            tick(k)
            if k == 1:
                continue
            tick("x")
            try:
                tick("inner")
                raise KeyError
            except KeyError:
                tick("innermost")
                for z in range(2):
                    tick(z)
            else:
                tick("no")
            tick("end")
            break
        else:
            tick("else")
    yield "end"


@case(2)
def nested_with_return(n):
    for i in range(n):
        with Opened("a"), Opened("b") as b:
            try:
                yield b.read(tick(i))
                if i:
                    return
            finally:
                n += 1


class Meth:
    K = 5

    @classmethod
    def cm(cls, n):
        for i in range(n):
            yield cls.K + tick(i)

    @staticmethod
    def sm(n):
        for i in range(n):
            yield tick(i)

    def user(self, n):
        for a in self.cm(n):
            yield a
        for b in Meth.sm(n):
            yield b
        yield from Meth.cm(n)


case(2)(Meth.cm)
case(2)(Meth.sm)
case(2)(Meth().user)


@case(3)
def chain_of_builders(n):
    for i, (a, b) in enumerate(zip(map(str, gen(n)), filter(None, gen(n + 3)), strict=False)):
        yield i, a, b


def gen(n):
    for i in range(n):
        yield tick(i)


@case(3)
def sum_of_gen(n):
    total = sum(x for x in range(n))
    yield total
    xs = sorted(range(n), key=lambda v: -v)
    yield xs
    m = max((v for v in xs), default=tick(0))
    yield m


@case(2)
def posonly(a, /, b=3, *args, c=4, **kw):
    for i in range(a):
        yield i, b, args, c, kw
        tick(i)


@case(2)
def assertion(n):
    assert tick(n), "x"
    yield n
    try:
        assert n > 5, f"not {tick('msg')}"
    except AssertionError as e:
        s = str(e)
    yield s


@case(2)
def star_call(n):
    args = [1, 2]
    yield f3(*args, (yield_ := tick(n)))
    yield yield_


def f3(*a):
    return a


@case(2)
def del_stuff(n):
    d = {i: i for i in range(n)}
    for i in list(d):
        yield dict(d)
        del d[i]
        tick(len(d))


@case(3)
def chained_assign(n):
    a = b = [n]
    for i in range(n):
        a.append(tick(i))
        yield b
    (c, *d), e = (1, 2, 3), 4
    yield c, d, e


@case(2)
def genexp_in_for(n):
    for x in [y * 2 for y in range(n)]:
        yield tick(x)


@case(3)
def nested_func_gen(n):
    for x in reversed(sorted(gen2(n))):
        yield tick(x)


def gen2(n):
    yield from range(n)


@case(2)
def try_in_while_else(n):
    while n:
        try:
            n -= 1
            yield n
        except ValueError:
            tick("never")
        else:
            tick("else")
        finally:
            n = n
    else:
        for q in range(2):
            yield tick(q)


@case(2)
def lots_of_names(n):
    print_ = repr
    for i in range(n):
        yield print_(i)
        tick(i)


@case(2)
def type_local(n):
    kinds = {"i": int, "s": str}
    for k, f in kinds.items():
        yield k, f("3"), tick(k)


@case(3)
def walrus_loop(n):
    it = iter(range(n))
    while (x := next(it, None)) is not None:
        yield x
        tick(x)


@case(3)
def iter_sentinel_free(n):
    data = list(range(n))
    while data and (last := data.pop()) >= 0:
        yield last
        if last == 1:
            data.extend([tick(7)]) if len(data) < 2 else None
