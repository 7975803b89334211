from __future__ import annotations

from corpus.world import case, tick


@case([1, "a", [1, 2], {"k": 3, "z": 4}, None, 2.5])
def kinds(items):
    for item in items:
        match tick(item):
            case int(n):
                yield "int", n
                yield n + 1
            case str() as text if text > "b":
                yield "never"
            case str(text):
                tick(text)
                yield text
            case [first, *rest]:
                yield first
                yield rest
            case {"k": value, **others}:
                yield value
                tick("mapping")
                yield others
            case None:
                pass
            case _:
                yield "other"
                yield item


@case(3)
def loops_inside(n):
    for i in range(n):
        match i:
            case 0 | 2:
                for j in range(2):
                    yield i, tick(j)
                    if i == 2:
                        break
            case 1:
                yield "one"
                continue
        yield "end"


@case(2)
def nothing_matches(n):
    match n:
        case 5:
            yield "never"
    yield tick(n)


@case((1, (2, 3)))
def guards(pair):
    match pair:
        case (a, (b, c)) if a > 5:
            yield "never"
        case (a, (b, c)) if tick(b) == 2:
            yield a, b, c
            yield tick("in")
