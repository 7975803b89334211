"""From what an author writes of a fold to its `Stage`, with every mistake that can be seen."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal, TypedDict

from pauseflow.callee import Callee
from pauseflow.declaration import Options, check_name, timeout_of
from pauseflow.errors import FlowDefinitionError
from pauseflow.failing import Backoff
from pauseflow.failure_options import failure_policy
from pauseflow.folding import Fold
from pauseflow.graph import Kind, Stage


class FoldOptions(TypedDict, total=False):
    """What a stage that folds can be told; see `Options` for what they mean.

    Keys:
        name: unique in the flow; by default the function's name, or `count`, `sum`, `collect` etc.
        retries: as of other stages.
        backoff: as of other stages.
        retry_on: as of other stages.
        give_up_on: as of other stages.
        on_error: "dead": the value goes on without the record.
        timeout: as of other stages.
    """

    name: str | None
    retries: int | None
    backoff: float | timedelta | str | Backoff | None
    retry_on: type[Exception] | tuple[type[Exception], ...] | None
    give_up_on: type[Exception] | tuple[type[Exception], ...] | None
    on_error: Literal["halt", "dead"] | None
    timeout: float | timedelta | str | None


def fold_name(fn: object, call: str, options: Mapping[str, Any]) -> str:
    """The name of a stage that folds with `fn`.

    Args:
        fn: the author's function of the value and a record.
        call: how the author's call reads, such as `fold(...)`.
        options: those of `FoldOptions` that were given.

    Raises:
        FlowDefinitionError: `fn` can't be one, or has no name.
    """
    callee = Callee.of(fn, asked_by=call)
    name = options.get("name")
    if callee.is_async or callee.is_generator or callee.is_iterator or not callee.takes(2):
        raise FlowDefinitionError(
            f"{call} takes a plain function of the value so far and a record, which returns the "
            f"value after it, and {callee.signature()} is not one"
        )
    if name is None and not callee.name:
        raise FlowDefinitionError(
            f"{call} was given a lambda, which has no name that stays the same from one deploy to "
            f"the next: add name='...', or define a function"
        )
    return str(callee.name if name is None else name)


def check_key(key: object, call: str) -> None:
    """Refuse a `key=` that can't be called with a record.

    Raises:
        FlowDefinitionError: that is so.
    """
    if key is not None and not (callable(key) and Callee.of(key, asked_by=call).takes(1)):
        raise FlowDefinitionError(
            f"{call}: key={key!r} must be a function of one record, such as key=len"
        )


def declare_fold(fold: Fold, name: str, call: str, options: Mapping[str, Any]) -> Stage:
    """Make the stage of a fold.

    Args:
        fold: how the value is made.
        name: the stage's name.
        call: how the author's call reads, such as `fold(...)`.
        options: those of `FoldOptions` that were given.

    Raises:
        FlowDefinitionError: it can't work; the message says what to write instead.
    """
    for option in options:
        if option in FoldOptions.__annotations__:
            continue
        if option in Options.__annotations__:
            raise FlowDefinitionError(
                f"{call} has no option {option}=: a value is made of one record after the other"
            )
        near = difflib.get_close_matches(option, FoldOptions.__annotations__, n=1)
        known = (
            f"did you mean {near[0]}=?"
            if near
            else f"it has {', '.join(FoldOptions.__annotations__)}"
        )
        raise FlowDefinitionError(f"{call} has no option {option}=: {known}")
    return Stage(
        name=check_name(name, "a stage"),
        kind=Kind.FOLD,
        fn=fold.step,
        sequential=True,
        window=1,
        failing=failure_policy(Kind.FOLD, name, options),
        timeout=timeout_of(name, options.get("timeout")),
        fold=fold,
    )


def scope_of(name: str, wanted: str | None, open_ones: Sequence[str]) -> str:
    """The branch that a fold is to have a value for each series of.

    Args:
        name: the fold's.
        wanted: what the author asked for.
        open_ones: the branches whose series a record belongs to there, the innermost first.

    Raises:
        FlowDefinitionError: it is none of them.
    """
    if wanted is not None and wanted in open_ones:
        return wanted
    near = difflib.get_close_matches(wanted or "", open_ones, n=1)
    if near:
        hint = f"did you mean {near[0]!r}?"
    elif open_ones:
        hint = f"records belong to series of {', '.join(map(repr, open_ones))} there"
    else:
        hint = "records belong to no series there"
    raise FlowDefinitionError(
        f"stage {name!r}: there is no series of {wanted!r} at this place: {hint}. For the whole "
        f"run, write per=flow, or leave per= out where there is no branch"
    )
