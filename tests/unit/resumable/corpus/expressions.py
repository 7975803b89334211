from __future__ import annotations

from corpus.world import case, tick
from pauseflow.pause import PauseFlow


def ask():
    return PauseFlow()


@case(2)
def in_call(n):
    values = []
    values.append((yield ask()))
    values.extend([n, (yield ask())])
    yield max(len(values), n, (yield ask()) == "x")
    yield values


@case(2)
def left_to_right(n):
    def note(value):
        return tick(value)

    yield [note(1), (yield ask()), note(2)]
    yield note("left") + str((yield ask()))


@case(2)
def in_operators(n):
    yield n + len((yield ask()))
    yield -len((yield ask())) * n
    yield (yield ask()) == "answer"
    yield not (yield ask())


@case(2)
def short_circuit(n):
    yield n > 1 and (yield ask())
    yield n > 5 and (yield ask())
    yield n > 1 or (yield ask())
    yield n > 5 or (yield ask()) or tick("never")
    yield (n > 1 and tick("one") and (yield ask())) or "none"


@case(2)
def conditional(n):
    yield (yield ask()) if n > 1 else "no"
    yield "yes" if (yield ask()) else "no"
    yield tick("a") if n > 5 else (yield ask())


@case(2)
def displays(n):
    yield {"n": n, "answer": (yield ask()), **{"more": n}}
    yield {n, (yield ask())} == {n, "x"}
    yield [*range(n), (yield ask()), *"ab"]


@case(2)
def formatted(n):
    yield f"{n}: {(yield ask())!r:>10} {n + 1}"


@case(3)
def formatted_over_lines(n):
    for i in range(n):
        before = i
        yield f"""
            {before}
            {tick(i)} and {n:>{before + 2}}
        """
        yield (
            f"{tick(i)}"
            f"and {before}"
        )  # fmt: skip


@case(2)
def walrus(n):
    while (answer := (yield ask())) and n:
        n -= 1
        yield answer, tick(n)
    if (size := len(answer)) > 2:
        yield size


@case(2)
def augmented(n):
    total = "" if n else None
    total += yield ask()
    yield total
    total += str((yield ask())) + tick("x")
    yield total


@case(2)
def returned(n):
    yield n
    return (yield ask())


@case(2)
def subscripts(n):
    table = {}
    table[n] = yield ask()
    yield table
    yield table[n][: len((yield ask()))]
    a, b = (yield ask()), tick("second")
    yield b


@case(2)
def annotated(n):
    total: int = tick(n)
    answer: object = yield ask()
    later: str
    yield total, answer
    later = "x"
    yield later


@case(2)
def asserted(n):
    assert (yield ask()) is not n
    assert n, "message"
    yield n


@case(3)
def comprehension(n):
    yield [i * n for i in range(tick(n))]
    squares = {i: i * n for i in range(n)}
    yield squares
    yield sum(i for i in squares.values())
