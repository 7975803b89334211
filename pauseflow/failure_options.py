"""From `retries=`, `on_error=` and their like to a `FailurePolicy`, with every visible mistake."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import Any, Literal

from pauseflow.callee import Callee
from pauseflow.duration import seconds_of
from pauseflow.errors import FlowDefinitionError
from pauseflow.failing import Backoff, FailurePolicy
from pauseflow.graph import Kind

_ENDS = ("halt", "dead")
# Where a function's value for a failed record can't go anywhere.
_WITHOUT_FALLBACK = {
    Kind.FILTER: "a filter lets its record through or does not: catch the error in {name} and "
    "return True or False",
    Kind.FOLD: "a fold has its value only at the end: catch the error in {name} and return the "
    "value without the record, or write on_error='dead'",
    Kind.EACH: "an each emits nothing: catch the error in {name}, or write on_error='dead'",
}


def failure_policy(kind: Kind, name: str, options: Mapping[str, Any]) -> FailurePolicy:
    """Make the policy that a stage's `retries=`, `on_error=` and so on ask for.

    Args:
        kind: MAP, FILTER, EACH or BRANCH.
        name: the stage's name, for messages.
        options: those of `Options` that were given.

    Raises:
        FlowDefinitionError: they can't work; the message says what to write instead.
    """
    retries = _retries(name, options.get("retries"))
    given = [
        option
        for option in ("backoff", "retry_on", "give_up_on")
        if options.get(option) is not None
    ]
    if given and retries is None:
        raise FlowDefinitionError(
            f"stage {name!r} has {given[0]}=, and no retries= that it could be about: add "
            f"retries=5, or however many"
        )
    on_error, fallback = _on_error(kind, name, options)
    return FailurePolicy(
        retries=retries,
        backoff=_backoff(name, options.get("backoff")),
        retry_on=_exceptions("retry_on", name, options.get("retry_on")) or (Exception,),
        give_up_on=_exceptions("give_up_on", name, options.get("give_up_on")),
        on_error=on_error,
        fallback=fallback,
    )


def _retries(name: str, value: object) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
        return value
    raise FlowDefinitionError(f"stage {name!r}: retries={value!r} must be a number, 0 or more")


def _backoff(name: str, value: object) -> Backoff:
    if value is None:
        return Backoff()
    if isinstance(value, Backoff):
        return value
    try:
        first = seconds_of(value, "backoff", zero=True)
    except (TypeError, ValueError) as error:
        raise FlowDefinitionError(f"stage {name!r}: {error}, or a Backoff") from None
    return Backoff(first, most=max(first, Backoff().most))


def _exceptions(option: str, name: str, value: object) -> tuple[type[Exception], ...]:
    if value is None:
        return ()
    given = value if isinstance(value, tuple) else (value,)
    for each in given:
        if not (isinstance(each, type) and issubclass(each, Exception)):
            raise FlowDefinitionError(
                f"stage {name!r}: {option}= takes an exception class or a tuple of them, such as "
                f"(OSError, TimeoutError), and {each!r} is none that derives from Exception"
            )
    if not given:
        raise FlowDefinitionError(
            f"stage {name!r}: {option}=() names no exception: leave it out, or write retries=0"
        )
    return given


def _on_error(
    kind: Kind, name: str, options: Mapping[str, Any]
) -> tuple[Literal["halt", "dead"], Callable[[Any, Any], Any] | None]:
    on_error, fallback = options.get("on_error"), options.get("fallback")
    if callable(on_error):
        if fallback is not None:
            raise FlowDefinitionError(
                f"stage {name!r} has two functions for a record that failed: give on_error= or "
                f"fallback=, not both"
            )
        on_error, fallback = None, on_error
    if fallback is not None:
        _check_fallback(kind, name, fallback)
    if on_error is None or on_error == "halt":
        return "halt", fallback
    if on_error == "dead":
        return "dead", fallback
    near = difflib.get_close_matches(str(on_error), _ENDS, n=1)
    hint = f"did you mean {near[0]!r}?" if near else "give 'halt', 'dead', or a function"
    raise FlowDefinitionError(f"stage {name!r}: on_error={on_error!r} is none of them: {hint}")


def _check_fallback(kind: Kind, name: str, fallback: object) -> None:
    callee = Callee.of(fallback, asked_by="fallback=...")
    if kind in _WITHOUT_FALLBACK:
        instead = _WITHOUT_FALLBACK[kind].format(name=name)
        raise FlowDefinitionError(f"stage {name!r} can't have a fallback, since {instead}")
    if callee.is_async or callee.is_generator:
        what = "a generator" if callee.is_generator else "async"
        raise FlowDefinitionError(
            f"fallback of stage {name!r} is {what}: {callee.signature()}. It must be a plain "
            f"function that returns one record"
        )
    if not callee.takes(2):
        raise FlowDefinitionError(
            f"fallback of stage {name!r} is called with the error and the record, and "
            f"{callee.signature()} can't be"
        )
