from __future__ import annotations

import ast
import asyncio
import contextlib
import traceback
from collections.abc import Iterator
from typing import Any

import pytest
from corpus.world import WORLD, Opened, tick

from pauseflow import codec
from pauseflow.errors import CaptureError, ForeignFrame, MalformedData
from pauseflow.pause import PauseFlow
from pauseflow.resumable import Frame, capture, fingerprint, prepare, restore, start
from pauseflow.resumable.source import fingerprint_of

LOG: list[str] = []


def through_bytes(frame: Frame) -> Frame:
    return Frame.from_data(codec.decode(codec.encode(frame.to_data())))


def counted(n: int) -> Iterator[Any]:
    LOG.append("start")
    try:
        for i in range(n):
            with Opened("w"):
                yield i
    finally:
        LOG.append("finally")


@pytest.fixture(autouse=True)
def _clean() -> None:
    LOG.clear()
    WORLD.clear()


def test_a_frame_goes_on_where_it_stood() -> None:
    it = start(counted, 4)
    assert [next(it), next(it)] == [0, 1]
    again = restore(through_bytes(capture(it)))
    assert list(again) == [2, 3]
    assert LOG == ["start", "finally"]


def test_one_frame_can_be_taken_up_many_times() -> None:
    it = start(counted, 3)
    next(it)
    frame = capture(it)
    assert list(restore(frame)) == [1, 2]
    assert list(restore(frame)) == [1, 2]


def test_a_capture_leaves_with_blocks_in_order_and_runs_no_finally() -> None:
    it = start(counted, 2)
    next(it)
    capture(it)
    assert WORLD.managers == ["+w", "-w"]
    assert LOG == ["start"]
    assert list(it) == []  # it was let go of: what goes on is the frame


def test_closing_without_a_capture_runs_everything() -> None:
    it = start(counted, 2)
    next(it)
    it.close()  # type: ignore[attr-defined]
    assert WORLD.managers == ["+w", "-w GeneratorExit"]
    assert LOG == ["start", "finally"]


def test_a_failed_capture_leaves_the_generator_as_it_was() -> None:
    it = start(holding_a_handle, 1)
    next(it)
    with pytest.raises(CaptureError) as caught:
        capture(it)
    assert WORLD.managers == ["+w"]
    assert caught.value.local == "handle"
    assert caught.value.type_name == "object"
    assert f"{__file__}:{caught.value.line}" in str(caught.value)
    assert "register" in str(caught.value)
    assert list(it) == ["after"]
    assert WORLD.managers == ["+w", "-w"]


def holding_a_handle(n: int) -> Iterator[Any]:
    with Opened("w"):
        handle = object()
        yield n
        repr(handle)
        yield "after"


def test_a_pause_out_of_a_call_leaves_with_blocks_without_an_error_and_no_finally() -> None:
    WORLD.clear(pause_at=1)
    it = start(pausing, 2)
    with pytest.raises(PauseFlow) as raised:
        next(it)
    assert WORLD.managers == ["+w", "-w"]
    assert LOG == []
    again = restore(through_bytes(capture(it, raised=raised.value)))
    assert list(again) == [0, 1]
    assert WORLD.managers == ["+w", "-w", "+w", "-w"]
    assert LOG == ["finally"]


def pausing(n: int) -> Iterator[Any]:
    try:
        with Opened("w"):
            for i in range(n):
                yield tick(i)
    except BaseException as error:
        LOG.append(f"seen {error!r}")
        raise
    finally:
        LOG.append("finally")


def test_a_group_of_pauses_is_a_pause() -> None:
    for inside in ([PauseFlow()], [PauseFlow(), BaseExceptionGroup("deeper", [PauseFlow()])]):
        WORLD.clear()
        LOG.clear()
        error = BaseExceptionGroup("tasks", inside)
        RAISED[:] = [error]
        it = start(raising, 1)
        with pytest.raises(BaseExceptionGroup) as caught:
            list(it)
        assert LOG == []
        assert WORLD.managers == ["+w", "-w"]
        assert list(restore(capture(it, raised=caught.value))) == [1]


RAISED: list[BaseException] = []


def raising(n: int) -> Iterator[Any]:
    try:
        with Opened("w"):
            raise_once()
            yield n
    except BaseException as error:
        LOG.append(f"seen {error!r}")
        raise
    finally:
        LOG.append("finally")


def raise_once() -> None:
    if RAISED:
        raise RAISED.pop()


def test_a_handler_of_everything_does_not_see_the_letting_go() -> None:
    it = start(pausing, 3)
    next(it)
    capture(it)
    assert LOG == []


def test_the_awaited_value_is_that_of_the_yield() -> None:
    it = start(asking, 1)
    assert isinstance(next(it), PauseFlow)
    frame = capture(it)
    assert list(restore(frame, "yes")) == [(1, "yes")]
    assert list(restore(frame)) == [(1, None)]


def test_the_awaited_value_reaches_the_generator_that_is_delegated_to() -> None:
    it = start(delegating, 1)
    next(it)
    assert list(restore(through_bytes(capture(it)), "yes")) == [(1, "yes"), "outer"]


def test_an_error_can_be_raised_at_the_pause() -> None:
    it = start(delegating, 1)
    next(it)
    again = restore(through_bytes(capture(it)), error=TimeoutError("too late"))
    assert list(again) == ["too late", "outer"]


def asking(n: int) -> Iterator[Any]:
    try:
        answer = yield PauseFlow()
    except TimeoutError as error:
        answer = None
        late = str(error)
    else:
        late = ""
    yield late or (n, answer)


def delegating(n: int) -> Iterator[Any]:
    yield from asking(n)
    yield "outer"


def test_only_live_locals_are_kept() -> None:
    it = start(mostly_dead, 5)
    next(it)
    assert set(capture(it).locals) == {"kept"}


def mostly_dead(n: int) -> Iterator[Any]:
    dead = object()
    kept = n
    yield str(dead)[:0]
    dead = 5
    yield kept + dead


def test_frames_before_the_first_item_and_of_what_is_not_advanced() -> None:
    frame = through_bytes(capture(start(counted, 2)))
    assert frame.locals == {"n": 2}
    frame = through_bytes(capture(restore(frame)))
    it = restore(frame)
    assert next(it) == 0
    waiting = restore(capture(it))
    assert list(restore(through_bytes(capture(waiting)))) == [1]


def test_tracebacks_point_into_the_source_as_it_was_written() -> None:
    it = start(failing, 3)
    assert next(it) == 3
    it = restore(through_bytes(capture(it)))
    with pytest.raises(ZeroDivisionError) as caught:
        next(it)
    last = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert (last.filename, last.line, last.name) == (__file__, "yield n / zero", "failing")


def failing(n: int) -> Iterator[Any]:
    zero = 0
    yield n
    yield n / zero


def test_a_frame_shows_where_it_stands() -> None:
    it = start(failing, 3)
    next(it)
    frame = capture(it)
    assert frame.function.endswith(":failing")
    assert frame.line == failing.__code__.co_firstlineno + 2
    assert frame.fingerprint == fingerprint(failing)
    assert frame.locals == {"n": 3, "zero": 0}


def test_a_frame_of_other_code_is_not_entered() -> None:
    it = start(failing, 3)
    next(it)
    data = capture(it).to_data()
    with pytest.raises(ForeignFrame, match="this code is"):
        restore(Frame.from_data([*data[:2], "0123456789abcdef", *data[3:]]))
    with pytest.raises(ForeignFrame, match="no such function"):
        restore(Frame.from_data([data[0], "os:system", *data[2:]]))


def test_comments_and_formatting_do_not_change_a_fingerprint() -> None:
    def made(text: str) -> str:
        return fingerprint_of(ast.parse(text).body[0])

    plain = made("def f(a):\n    yield a + 1\n")
    assert plain == made('def f(a: int) -> "x":\n    """Doc."""\n    # note\n    yield (a+1)\n')
    assert plain != made("def f(a):\n    yield a + 2\n")
    assert plain != made("def f(b):\n    yield b + 1\n")


@pytest.mark.parametrize(
    "damage",
    [
        lambda d: None,
        lambda d: [],
        lambda d: d[:5],
        lambda d: [99, *d[1:]],
        lambda d: [*d[:3], 999, *d[4:]],
        lambda d: [*d[:3], -1, *d[4:]],
        lambda d: [*d[:5], {"other": 1}],
        lambda d: [*d[:5], {"_pf_at": 1}],
        lambda d: [*d[:5], {1: 1}],
        lambda d: [*d[:5], {}, {"n": ["@", 0]}, [], []],
        lambda d: [*d[:5], {}, {"n": ["@", 0]}, [], [["n", "os:system"]]],
        lambda d: [*d[:5], {}, {"n": ["@", 0]}, [], [["y", "subprocess:Popen", ["@", 0]]]],
        lambda d: [*d[:5], {}, {"n": ["@", 0]}, [], [["t", [["@", 0]]]]],
        lambda d: [*d[:5], {}, {"n": ["@", 0]}, [], [["i", "list", 5, 0]]],
        lambda d: [*d[:5], {}, {"n": ["@", 0]}, [], [["i", "nothing"]]],
        lambda d: [*d[:5], {}, {"n": ["@", 0]}, [], [["d", [["@", 1], 1]], ["l", []]]],
        lambda d: [*d[:5], {}, {"n": ["x", 7]}, [], []],
        lambda d: [*d[:5], {}, {}, ["os"], []],
    ],
)
def test_damaged_frames_are_malformed(damage: Any) -> None:
    it = start(counted, 3)
    next(it)
    data = capture(it).to_data()
    plain = [*data[:5], {"n": 3}]
    with pytest.raises(MalformedData):
        restore(Frame.from_data(damage(plain)))


@pytest.mark.parametrize("name", ["builtins:eval", "builtins:print", "subprocess:run", "os:system"])
def test_data_can_not_have_called_what_the_code_does_not_hand_on(name: str) -> None:
    it = start(mapping, 2)
    next(it)
    data = capture(it).to_data()
    heap = [["n", name] if laid[0] == "n" else laid for laid in data[8]]
    assert heap != data[8]
    with pytest.raises(MalformedData, match="names"):
        restore(Frame.from_data([*data[:8], heap]))


def mapping(n: int) -> Iterator[Any]:
    for text in map(str, range(n)):
        print(end="")
        yield text


def test_a_frame_whose_loop_has_no_iterator_is_malformed() -> None:
    it = start(counted, 3)
    next(it)
    data = capture(it).to_data()
    with pytest.raises(MalformedData, match="iterator"):
        restore(Frame.from_data([*data[:5], data[5] | dict.fromkeys(data[6], "no")]))


def test_what_a_frame_holds_is_found_by_the_source_that_names_it_only() -> None:
    def local(n: int) -> Iterator[int]:
        yield n
        yield n

    it = start(taking, local(1))
    next(it)
    with pytest.raises(CaptureError, match="was not rewritten"):
        capture(it)
    it = start(taking, prepare(local).held(1))
    next(it)
    assert list(restore(through_bytes(capture(it)))) == [1]  # it was prepared by name


def taking(items: Iterator[Any]) -> Iterator[Any]:
    for item in items:
        yield item


def test_iterators_alone() -> None:
    it = iter([1, 2, 3])
    next(it)
    assert list(restore(through_bytes(capture(it)))) == [2, 3]
    with pytest.raises(CaptureError, match="callable_iterator"):
        capture(iter(int, 1))


def test_pauses_where_nothing_can_go_on_are_refused() -> None:
    for fn in (paused_in_finally, paused_in_reraising_handler, paused_in_exit):
        WORLD.clear(pause_at=1)
        it = start(fn, 1)
        with pytest.raises(PauseFlow) as raised:
            list(it)
        with pytest.raises(CaptureError) as caught:
            capture(it, raised=raised.value)
        assert "paused" in str(caught.value)


def paused_in_finally(n: int) -> Iterator[Any]:
    try:
        yield n
    finally:
        tick(n)


def paused_in_reraising_handler(n: int) -> Iterator[Any]:
    yield n
    try:
        raise ValueError(n)
    except ValueError:
        tick(n)
        raise


class ExitPauses:
    def __enter__(self) -> None: ...

    def __exit__(self, *error: object) -> None:
        tick("exit")


def paused_in_exit(n: int) -> Iterator[Any]:
    with ExitPauses():
        yield n


def test_an_error_that_is_still_needed_can_not_be_kept() -> None:
    WORLD.clear(pause_at=1)
    it = start(error_needed, 1)
    with pytest.raises(PauseFlow) as raised:
        list(it)
    with pytest.raises(CaptureError) as caught:
        capture(it, raised=raised.value)
    assert caught.value.local == "the exception being handled"


def error_needed(n: int) -> Iterator[Any]:
    yield n
    try:
        raise ValueError(n)
    except ValueError as error:
        tick(n)
        text = str(error)
    yield text


def test_async_managers_are_left_while_it_is_closed() -> None:
    async def run() -> None:
        it: Any = start(async_managed, 2)
        assert await anext(it) == 0
        frame = capture(it)
        await it.aclose()
        assert WORLD.managers == ["+w", "-w"]
        again: Any = restore(through_bytes(frame))
        assert [item async for item in again] == [1]

    asyncio.run(run())


def test_async_generators_leave_all_their_blocks_in_order() -> None:
    async def run() -> None:
        it: Any = start(async_mixed, 1)
        assert await anext(it) == 1
        capture(it)
        assert "-" not in "".join(WORLD.managers)
        await it.aclose()
        assert WORLD.managers[3:] == ["-innermost", "-inner", "-outer"]

    asyncio.run(run())


async def async_mixed(n: int) -> Any:
    with Opened("outer"):
        async with Opened("inner"):
            with Opened("innermost"):
                yield n


async def async_managed(n: int) -> Any:
    async with Opened("w"):
        for i in range(n):
            yield i


def test_the_rewritten_source_can_be_read() -> None:
    assert "def counted" in prepare(counted).source
    assert "_pf_at is None" in prepare(counted).source


def test_a_generator_that_is_running_can_not_be_captured() -> None:
    with pytest.raises(CaptureError, match="running"):
        next(RUNNING[0])


def capturing_itself(n: int) -> Iterator[Any]:
    capture(RUNNING[0])
    yield n


RUNNING = [start(capturing_itself, 1)]


def test_what_a_user_catches_with_suppress_is_not_a_pause() -> None:
    WORLD.clear(pause_at=1)
    it = start(suppressing, 1)
    with pytest.raises(PauseFlow) as raised:
        next(it)
    assert list(restore(capture(it, raised=raised.value))) == [1]


def suppressing(n: int) -> Iterator[Any]:
    with contextlib.suppress(BaseException):
        yield tick(n)
