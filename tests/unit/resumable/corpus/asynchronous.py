from __future__ import annotations

import asyncio

from corpus.world import Opened, case, tick
from pauseflow.pause import PauseFlow


async def later(value):
    await asyncio.sleep(0)
    return tick(value)


@case(3)
async def simple(n):
    for i in range(n):
        yield await later(i)
        tick("after")


async def numbers(n):
    for i in range(n):
        await asyncio.sleep(0)
        yield tick(i)


async def quiet(n):
    for i in range(n):
        yield i


@case(3)
async def loops(n):
    async for i in numbers(n):
        yield i
        async for j in numbers(i):
            if j == 1:
                break
            yield i, j
        else:
            yield "else"


@case(2)
async def managers(n):
    async with Opened("a") as a:
        for i in range(n):
            yield a.read(await later(i))
            with Opened("s") as s:
                yield s.read(i)
    yield "left"


async def asks_only(n):
    for i in range(n):
        answer = yield PauseFlow()
        yield i, answer, await later(i)


@case(2, like=asks_only)
async def asks(n):
    for i in range(n):
        answer = yield PauseFlow()
        yield i, answer, await later(i)
        raise PauseFlow


@case(2)
async def trying(n):
    done = []
    for i in range(n):
        try:
            yield i
            if i:
                raise ValueError(await later(i))
        except ValueError:
            tick("caught")
        finally:
            done.append(i)
    yield done


@case(3)
async def comprehension(n):
    yield [i async for i in quiet(n)]
    yield [await later(i) for i in range(1)]


@case(2)
async def held(n):
    source = numbers(n + 1)
    yield await anext(source)
    async for value in source:
        yield value


class Ticker:
    def __init__(self, n):
        self.n = n

    def __aiter__(self):
        return self

    async def __anext__(self):
        if not self.n:
            raise StopAsyncIteration
        value = await later(self.n)
        self.n -= 1
        return value


case(3)(Ticker)


@case(2)
async def over_class(n):
    async for value in Ticker(n):
        yield value


@case(3)
async def plain_function(n):
    return [await later(i) for i in range(1)] + [n]
