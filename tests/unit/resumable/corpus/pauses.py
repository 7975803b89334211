from __future__ import annotations

from corpus.world import Opened, case, tick
from pauseflow.pause import PauseFlow


@case(2)
def asks(n):
    for i in range(n):
        answer = yield PauseFlow()
        yield i, answer


@case(2)
def asks_twice_in_one(n):
    pair = ((yield PauseFlow()), (yield PauseFlow()))
    tick("asked")
    yield n, pair


def raises_calmly(n):
    for i in range(n):
        yield tick(i)


@case(3, like=raises_calmly)
def raises(n):
    for i in range(n):
        if i == 1:
            raise PauseFlow
        yield tick(i)
        raise PauseFlow(after=1)


def raises_in_handler_calmly(n):
    attempts = 0
    while attempts < n:
        attempts += 1
        try:
            raise OSError(attempts)
        except OSError:
            tick("busy")
    yield attempts


@case(2, like=raises_in_handler_calmly)
def raises_in_handler(n):
    attempts = 0
    while attempts < n:
        attempts += 1
        try:
            raise OSError(attempts)
        except OSError:
            tick("busy")
            raise PauseFlow(after=attempts)  # noqa: B904
    yield attempts


def raises_last_in_loop_calmly(n):
    for i in range(n):
        yield i
    else:
        yield tick("else")


@case(2, like=raises_last_in_loop_calmly)
def raises_last_in_loop(n):
    for i in range(n):
        yield i
        raise PauseFlow
    else:
        yield tick("else")


@case(2)
def delegates_asking(n):
    answer = yield from ask(n)
    yield "outer", answer


def ask(n):
    answers = []
    for _ in range(n):
        answers.append((yield PauseFlow()))
    tick("asked")
    return answers


@case(2)
def asks_in_test(n):
    while n and (yield PauseFlow()):
        n -= 1
        yield tick(n)


@case(2)
def asks_in_with(n):
    with Opened("w") as w:
        answer = yield PauseFlow()
        yield w.read(answer)
        for i in range(n):
            yield w.read((i, (yield PauseFlow())))


@case(2)
def asks_in_try(n):
    try:
        yield (yield PauseFlow())
        yield tick(n)
    finally:
        n = None


def pause_in_variable_calmly(n):
    yield n  # a generator, reached after the pause


@case(2, like=pause_in_variable_calmly)
def pause_in_variable(n):
    pause = PauseFlow(after=n)
    raise pause
    yield n  # a generator, reached after the pause


@case(1)
def pauses_first(n):
    yield PauseFlow()
    yield n
    yield PauseFlow()
