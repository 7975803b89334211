"""From what an author writes to a `Stage`, with every mistake that can be seen at that moment."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any, TypedDict

from pauseflow.callee import Callee
from pauseflow.errors import FlowDefinitionError
from pauseflow.graph import Kind, Stage

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,79}")


class Options(TypedDict, total=False):
    """What every stage can be told.

    Keys:
        name: unique in the flow; the function's name if left out. Work in Redis refers to it, so
            it should outlive a refactoring. A lambda has no name of its own and needs one.
        ordered: False: records don't wait for each other; see the guarantee about order.
        sequential: one chunk at a time, so that side effects are in order too. True for `each`,
            unless it is told to do several at once.
        window: chunks of one run in flight at once.
        concurrency: records at once within a chunk, for `async def`.
        threads: records at once within a chunk, for other functions.
    """

    name: str | None
    ordered: bool
    sequential: bool | None
    window: int | None
    concurrency: int | None
    threads: int | None


def check_name(name: object, what: str) -> str:
    """The name, if it is one.

    Args:
        name: what the author gave.
        what: whose name it is, such as "a flow", for the message.

    Raises:
        FlowDefinitionError: it isn't a str, or has characters that names don't have.
    """
    if isinstance(name, str) and NAME.fullmatch(name):
        return name
    raise FlowDefinitionError(
        f"{what} can't be called {name!r}: a name begins with a letter or underscore, goes on with "
        f"letters, digits and _ . - and has at most 80 characters"
    )


def declare(
    kind: Kind,
    fn: object,
    options: Mapping[str, Any],
    *,
    extra: tuple[str, ...] = (),
) -> Stage:
    """Make the stage that `flow.<kind>(fn, **options)` asks for.

    Args:
        kind: MAP, FILTER, EACH or BRANCH.
        fn: the author's function or class.
        options: those of `Options` that were given.
        extra: further options that this kind has, for "did you mean".

    Raises:
        FlowDefinitionError: it can't work; the message says what to write instead.
    """
    call = f"{kind}(...)"
    _check_option_names(kind, options, extra)
    callee = Callee.of(fn, asked_by=call)
    name = _stage_name(callee, options.get("name"), call)
    _check_body(kind, callee, name)
    concurrency, threads = _parallelism(callee, name, options)
    ordered = _flag("ordered", options.get("ordered", True), name)
    window = _count("window", options.get("window"), name)
    parallel = max(concurrency or 1, threads or 1) > 1
    sequential = _sequential(kind, name, options, ordered=ordered, window=window, parallel=parallel)
    return Stage(
        name=name,
        kind=kind,
        fn=callee.fn,
        ordered=ordered,
        sequential=sequential,
        window=1 if sequential else window,
        concurrency=concurrency or 1,
        threads=threads or 1,
        is_async=callee.is_async,
    )


def declare_finished(branch: Stage, fn: object) -> Stage:
    """Make the stage that runs `fn` when a series of `branch` is over.

    Raises:
        FlowDefinitionError: `fn` can't be called with no argument or with the branched record.
    """
    callee = Callee.of(fn, asked_by="finished=...")
    if callee.is_generator:
        raise FlowDefinitionError(
            f"finished= of stage {branch.name!r} is the generator function {callee.signature()}: "
            f"its values would go nowhere. Give a plain function, and use return"
        )
    takes_value = not callee.takes(0)
    if takes_value and not callee.takes(1):
        raise FlowDefinitionError(
            f"finished= of stage {branch.name!r} is called with nothing, or with the record that "
            f"was branched, and {callee.signature()} takes neither"
        )
    return Stage(
        name=f"{branch.name}.finished",
        kind=Kind.FINISHED,
        fn=callee.fn,
        sequential=True,
        window=1,
        is_async=callee.is_async,
        scope=branch.name,
        takes_value=takes_value,
    )


def _check_option_names(kind: Kind, options: Mapping[str, Any], extra: tuple[str, ...]) -> None:
    known = (*Options.__annotations__, *extra)
    for option in options:
        if option in known:
            continue
        near = difflib.get_close_matches(option, known, n=1)
        hint = f"did you mean {near[0]}=?" if near else f"it has {', '.join(known)}"
        raise FlowDefinitionError(f"{kind}(...) has no option {option}=: {hint}")


def _stage_name(callee: Callee, name: object, call: str) -> str:
    if name is not None:
        return check_name(name, "a stage")
    if not callee.name:
        raise FlowDefinitionError(
            f"{call} was given a lambda, which has no name that stays the same from one deploy to "
            f"the next: add name='...', or define a function"
        )
    return check_name(callee.name, "a stage")


def _check_body(kind: Kind, callee: Callee, name: str) -> None:
    if kind is not Kind.BRANCH and (callee.is_generator or callee.is_iterator):
        what = "generator function" if callee.is_generator else "iterator class"
        raise FlowDefinitionError(
            f"stage {name!r} is the {what} {callee.signature()}, and {kind} gives one "
            f"output at most for a record: use branch({callee.name or '...'})"
        )
    if not callee.takes(1):
        raise FlowDefinitionError(
            f"stage {name!r} is called with one record, and {callee.signature()} can't be: give "
            f"it one parameter without a default, or fix the others with functools.partial"
        )


def _parallelism(
    callee: Callee, name: str, options: Mapping[str, Any]
) -> tuple[int | None, int | None]:
    concurrency = _count("concurrency", options.get("concurrency"), name)
    threads = _count("threads", options.get("threads"), name)
    if callee.is_async and threads is not None:
        raise FlowDefinitionError(
            f"stage {name!r} is async, so threads= is of no use to it: write "
            f"concurrency={threads}, or make it a plain function"
        )
    if not callee.is_async and concurrency is not None:
        raise FlowDefinitionError(
            f"stage {name!r} is not async, so concurrency= is of no use to it: write "
            f"threads={concurrency}, or make it an async def function"
        )
    return concurrency, threads


def _sequential(
    kind: Kind,
    name: str,
    options: Mapping[str, Any],
    *,
    ordered: bool,
    window: int | None,
    parallel: bool,
) -> bool:
    several = (window or 1) > 1 or parallel
    given = options.get("sequential")
    if given is None:
        return kind is Kind.EACH and ordered and not several
    if not _flag("sequential", given, name):
        return False
    if not ordered:
        raise FlowDefinitionError(
            f"stage {name!r} is told to be sequential=True and ordered=False: leave one of them out"
        )
    if several:
        raise FlowDefinitionError(
            f"stage {name!r} is sequential=True, which means one record after the other: leave out "
            f"window=, concurrency= and threads=, or sequential="
        )
    return True


def _count(option: str, value: object, name: str) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
        return value
    raise FlowDefinitionError(f"stage {name!r}: {option}={value!r} must be a number, 1 or more")


def _flag(option: str, value: object, name: str) -> bool:
    if isinstance(value, bool):
        return value
    raise FlowDefinitionError(f"stage {name!r}: {option}={value!r} must be True or False")
