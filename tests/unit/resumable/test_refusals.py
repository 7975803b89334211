from __future__ import annotations

import types
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import pytest

from pauseflow.errors import NotResumable
from pauseflow.pause import PauseFlow
from pauseflow.resumable import Series, prepare


def in_handler(n: int) -> Iterator[Any]:
    try:
        yield n
    except ValueError:
        yield "here"


def in_finally(n: int) -> Iterator[Any]:
    try:
        yield n
    finally:
        yield "here"


def in_loop_of_handler(n: int) -> Iterator[Any]:
    try:
        n += 1
    except ValueError:
        for i in (yield n):
            print(i)


def sent(n: int) -> Iterator[Any]:
    got = yield (n, n)
    yield got


def sent_text(n: int) -> Iterator[Any]:
    yield (yield f"{n}")


def sees_locals(n: int) -> Iterator[Any]:
    yield locals()


def evaluates(n: int) -> Iterator[Any]:
    yield eval("n")


def catches_pauses(n: int) -> Iterator[Any]:
    try:
        yield n
    except PauseFlow:
        print("paused")


def catches_exit(n: int) -> Iterator[Any]:
    try:
        yield n
    except (ValueError, GeneratorExit):
        print("left")


def groups(n: int) -> Iterator[Any]:
    try:
        yield n
    except* ValueError:
        pass


def rebinds_target(n: int) -> Iterator[Any]:
    with nullcontext(n) as m:
        m += 1  # noqa: PLW2901 (that is what is refused)
        yield m


def rebinds_argument(n: int) -> Iterator[Any]:
    with nullcontext(n) as m:
        n = m + 1
        yield n


def escaping(n: int) -> Iterator[Any]:
    def add() -> None:
        nonlocal n
        n += 1

    callbacks = [add]
    yield len(callbacks)
    yield n


def changes_attribute(n: Any) -> Iterator[Any]:
    n.total += yield PauseFlow()


def chained_comparison(n: int) -> Iterator[Any]:
    yield 1 < (yield PauseFlow()) < n


def in_with_header(n: int) -> Iterator[Any]:
    with nullcontext((yield n)):
        pass


def hidden_name(n: int) -> Iterator[Any]:
    _pf_x = n
    yield _pf_x


def outer() -> Callable[[int], Iterator[Any]]:
    count = 0

    def changes_outer(n: int) -> Iterator[Any]:
        nonlocal count
        count += n
        yield count

    return changes_outer


@pytest.mark.parametrize(
    ("fn", "offset", "reason"),
    [
        (in_handler, 4, "inside an `except` handler"),
        (in_finally, 4, "inside `finally`"),
        (in_loop_of_handler, 4, "inside an `except` handler"),
        (sent, 1, r"send\(\)"),
        (sent_text, 1, r"send\(\)"),
        (sees_locals, 1, r"locals\(\)"),
        (evaluates, 1, r"eval\(\)"),
        (catches_pauses, 3, "handler for PauseFlow"),
        (catches_exit, 3, "handler for GeneratorExit"),
        (groups, 1, r"except\*"),
        (rebinds_target, 1, "'m', which this `with` binds, is bound again"),
        (rebinds_argument, 1, "'n', which this `with` is entered with"),
        (escaping, 1, "'add' changes n and is handed on"),
        (changes_attribute, 1, "changes an attribute"),
        (chained_comparison, 1, "chained comparison"),
        (in_with_header, 1, "header of a `with`"),
        (hidden_name, 1, "_pf_x"),
        (outer(), 1, "nonlocal count"),
    ],
)
def test_what_can_not_be_right_is_refused_with_its_line(
    fn: Callable[[int], Any], offset: int, reason: str
) -> None:
    with pytest.raises(NotResumable, match=reason) as caught:
        prepare(fn)
    error = caught.value
    assert error.file == __file__
    assert error.line == fn.__code__.co_firstlineno + offset
    assert error.instead.endswith(".")
    assert fn.__name__ in str(error)


def test_a_function_without_source_is_refused() -> None:
    scope: dict[str, Any] = {}
    exec("def made(n):\n    yield n\n", scope)
    with pytest.raises(NotResumable, match="source of made can't be read"):
        prepare(scope["made"])


def test_a_lambda_is_refused() -> None:
    with pytest.raises(NotResumable, match="not a `def`"):
        prepare(lambda n: (yield n))


def test_what_is_no_generator_function_is_refused() -> None:
    with pytest.raises(NotResumable, match="not a generator function"):
        prepare(outer)
    with pytest.raises(NotResumable, match="written in Python"):
        prepare(len)


def test_a_file_that_was_changed_since_it_was_imported_is_refused(tmp_path: Any) -> None:
    file = tmp_path / "changing.py"
    file.write_text("def one(n):\n    yield n\n")
    module = types.ModuleType("changing")
    exec(compile(file.read_text(), str(file), "exec"), vars(module))
    file.write_text("# moved\n\ndef one(n, m):\n    yield m\n")
    with pytest.raises(NotResumable, match="as it was imported"):
        prepare(module.one)


def test_a_refused_generator_is_run_again_unless_strict() -> None:
    series = Series(in_handler)
    assert series.kind == "replay"
    assert len(series.warnings) == 1
    assert "test_refusals.py:" in series.warnings[0]
    with pytest.raises(NotResumable):
        Series(in_handler, strict=True)
