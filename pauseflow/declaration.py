"""From what an author writes to a `Stage`, with every mistake that can be seen at that moment."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Literal, TypedDict

from pauseflow.callee import Callee
from pauseflow.duration import seconds_of
from pauseflow.errors import FlowDefinitionError
from pauseflow.failing import Backoff
from pauseflow.failure_options import failure_policy
from pauseflow.graph import ON_CANCEL, Kind, Stage
from pauseflow.limits import Limit, Rate

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,79}")

ON_CANCEL_RETRIES = 5


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
        retries: how often a record is run again after failures. What it had emitted before is
            kept: a branch goes on from where it stood. Progress since the last failure starts the
            count anew; a pause is not a failure.
        backoff: the wait before each retry: a `Backoff`, or how long the first one is (seconds, a
            timedelta, or a text such as "500ms"), from which they double up to five minutes.
        retry_on: an exception type, or a tuple of them: only these are worth a retry.
        give_up_on: an exception type, or a tuple of them, which are not.
        on_error: when no retry is left: "halt", and the run stops there in order, with nothing
            lost; or "dead", and it goes on without the record, which is kept as a dead letter; or
            a function, as `fallback` is.
        fallback: a function of the error and the record, for a record that has no retry left: what
            it returns is a map's output for it, or the last one of a branch's series. When it
            raises too, `on_error` says what becomes of the record. Not for `filter` and `each`.
        timeout: seconds, a timedelta or a text, that a record may take at a stretch: pauses don't
            count, and a branch begins anew with each value of its series. Past it, `StageTimeout`
            is raised in the function, and is a failure like any other. It can't cut short a call
            into C, nor, in an `async def`, what does not await. Not with `threads=`.
        rate: how many records may begin in a span of time, in the whole fleet: "50/s", or
            ("10/min", key) with a function of the record, for so many of each key.
        limit: how many records may be at work at once, in the whole fleet: 5, or (5, key).
    """

    name: str | None
    ordered: bool
    sequential: bool | None
    window: int | None
    concurrency: int | None
    threads: int | None
    retries: int | None
    backoff: float | timedelta | str | Backoff | None
    retry_on: type[Exception] | tuple[type[Exception], ...] | None
    give_up_on: type[Exception] | tuple[type[Exception], ...] | None
    on_error: Literal["halt", "dead"] | Callable[[Any, Any], Any] | None
    fallback: Callable[[Any, Any], Any] | None
    timeout: float | timedelta | str | None
    rate: str | tuple[str, Callable[[Any], object]] | Rate | None
    limit: int | tuple[int, Callable[[Any], object]] | Limit | None


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
    rate, limit = _limits(name, options)
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
        failing=failure_policy(kind, name, options),
        timeout=timeout_of(name, options.get("timeout"), threads=threads or 1),
        rate=rate,
        limit=limit,
    )


def declare_on_cancel(fn: object) -> Stage:
    """Make the stage that tells `fn` of a cancelled run.

    Raises:
        FlowDefinitionError: `fn` can't be called with one argument.
    """
    callee = Callee.of(fn, asked_by="on_cancel=...")
    if callee.is_generator:
        raise FlowDefinitionError(
            f"on_cancel= is the generator function {callee.signature()}: its values would go "
            f"nowhere. Give a plain function, and use return"
        )
    return declare(
        Kind.EACH, fn, {"name": ON_CANCEL, "retries": ON_CANCEL_RETRIES, "on_error": "dead"}
    )


def declare_finished(branch: Stage, fn: object) -> Stage:
    """Make the stage that runs `fn` when a series of `branch` is over.

    It is retried as the branch is. The branch's fallback, timeout, rate and limit are not its own.

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
        failing=replace(branch.failing, fallback=None),
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


def timeout_of(name: str, value: object, *, threads: int = 1) -> float | None:
    """The seconds that a stage's `timeout=` means.

    Raises:
        FlowDefinitionError: it is no span of time, or there are threads, which nothing interrupts.
    """
    if value is None:
        return None
    try:
        seconds = seconds_of(value, "timeout")
    except (TypeError, ValueError) as error:
        raise FlowDefinitionError(f"stage {name!r}: {error}") from None
    if threads > 1:
        raise FlowDefinitionError(
            f"stage {name!r} has timeout= and threads={threads}, and a thread can't be "
            f"interrupted: give the calls in it timeouts of their own, or make it async def with "
            f"concurrency={threads}, or leave out threads= and start more workers"
        )
    return seconds


def _limits(name: str, options: Mapping[str, Any]) -> tuple[Rate | None, Limit | None]:
    rate, limit = options.get("rate"), options.get("limit")
    return (
        None if rate is None else Rate.of(rate, stage=name),
        None if limit is None else Limit.of(limit, stage=name),
    )
