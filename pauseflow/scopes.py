"""Scopes: what makes one value of all records that descend from one, or of a whole run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Generic, TypeVar, Unpack, overload

from pauseflow.errors import FlowDefinitionError
from pauseflow.fold_declaration import (
    FoldOptions,
    check_key,
    declare_fold,
    fold_name,
    scope_of,
)
from pauseflow.folding import (
    Fold,
    collecting,
    counting,
    extreme,
    folding,
    summing,
    topping,
)
from pauseflow.plan import Plan

if TYPE_CHECKING:
    from typing import TypeAlias

    from pauseflow.flow import Flow, Stream

    Per: TypeAlias = "Stream[Any] | str | None"

T = TypeVar("T")
A = TypeVar("A")


class Scoped(Generic[T]):
    """The part of a handle that folds records.

    Each method takes `per=`: the handle that a branch returned, or its name, for one value a
    series; the flow for one value of the whole run. Left out, it is the innermost branch whose
    series the records belong to, or else the whole run. The value is emitted when its scope is
    over: for a run, when its input is closed and everything before is done.

    What is kept meanwhile lives in Redis and is written in the same step as all else that comes of
    a chunk: it is exact whatever is killed, and any worker goes on with it. It is one value, read
    and written as a whole, so it should fit into a record; a collected list is written in parts.
    """

    _flow: Flow
    _plan: Plan
    _after: str | None
    _arm: int | None

    def fold(
        self,
        fn: Callable[[A, T], A],
        initial: A | Callable[[], A],
        *,
        per: Per = None,
        **options: Unpack[FoldOptions],
    ) -> Stream[A]:
        """Call `fn` with the value so far and each record; what it returns is the value then.

        Args:
            fn: a function of the value and a record. It may change the value in place, and return
                it. It is called again for what was not committed yet when a worker was lost or a
                call raised, so it should have no effects elsewhere.
            initial: the value of a scope without records: plain data, or a function that makes it.
            per: see the class.
            **options: see `FoldOptions`.

        Raises:
            FlowDefinitionError: it can't work; the message says what to write instead.
        """
        name = fold_name(fn, "fold(...)", options)
        return self._folded(folding(fn, initial, name), name, "fold(...)", per, options)

    def reduce(
        self, fn: Callable[[Any, T], Any], *, per: Per = None, **options: Unpack[FoldOptions]
    ) -> Stream[Any]:
        """Like `fold`, but the first record is the value to begin with.

        A scope without records gives nothing.

        Args:
            fn: as of `fold`.
            per: see the class.
            **options: see `FoldOptions`.

        Raises:
            FlowDefinitionError: it can't work; the message says what to write instead.
        """
        name = fold_name(fn, "reduce(...)", options)
        return self._folded(Fold(fn), name, "reduce(...)", per, options)

    def count(self, *, per: Per = None, **options: Unpack[FoldOptions]) -> Stream[int]:
        """How many records there are. See the class for `per`, `FoldOptions` for the rest."""
        return self._folded(counting(), "count", "count(...)", per, options)

    def sum(
        self, start: Any = 0, *, per: Per = None, **options: Unpack[FoldOptions]
    ) -> Stream[Any]:
        """The records added up in order, with `+`.

        Args:
            start: what they are added to; the sum of no records.
            per: see the class.
            **options: see `FoldOptions`.
        """
        fold = summing(folding(_never, start, "sum").start)
        return self._folded(fold, "sum", "sum(...)", per, options)

    def min(
        self,
        *,
        key: Callable[[T], Any] | None = None,
        per: Per = None,
        **options: Unpack[FoldOptions],
    ) -> Stream[T]:
        """The least record, the first of equals. A scope without records gives nothing.

        Args:
            key: what of a record is compared.
            per: see the class.
            **options: see `FoldOptions`.
        """
        check_key(key, "min(...)")
        return self._folded(extreme(min, key), "min", "min(...)", per, options)

    def max(
        self,
        *,
        key: Callable[[T], Any] | None = None,
        per: Per = None,
        **options: Unpack[FoldOptions],
    ) -> Stream[T]:
        """The greatest record, the first of equals. A scope without records gives nothing.

        Args:
            key: what of a record is compared.
            per: see the class.
            **options: see `FoldOptions`.
        """
        check_key(key, "max(...)")
        return self._folded(extreme(max, key), "max", "max(...)", per, options)

    def top(
        self,
        n: int,
        *,
        key: Callable[[T], Any] | None = None,
        per: Per = None,
        **options: Unpack[FoldOptions],
    ) -> Stream[list[T]]:
        """A list of the `n` greatest records, the greatest first, of equals the first one first.

        Args:
            n: how many, 1 or more; fewer come of a scope that has fewer.
            key: what of a record is compared.
            per: see the class.
            **options: see `FoldOptions`.

        Raises:
            FlowDefinitionError: `n` is no such number.
        """
        if not isinstance(n, int) or isinstance(n, bool) or n < 1:
            raise FlowDefinitionError(f"top({n!r}): give a number, 1 or more")
        check_key(key, "top(...)")
        return self._folded(topping(n, key), "top", "top(...)", per, options)

    @overload
    def collect(self, *, per: Per = ..., **options: Unpack[FoldOptions]) -> Stream[list[T]]: ...

    @overload
    def collect(
        self, into: Callable[[Iterable[T]], A], *, per: Per = ..., **options: Unpack[FoldOptions]
    ) -> Stream[A]: ...

    def collect(
        self,
        into: Callable[[Iterable[T]], Any] = list,
        *,
        per: Per = None,
        **options: Unpack[FoldOptions],
    ) -> Stream[Any]:
        """All records of a scope, in order, in one.

        Args:
            into: what is made of them: `list`, `dict` of pairs, `set`, `tuple`, or a function of an
                iterable.
            per: see the class.
            **options: see `FoldOptions`.

        Raises:
            FlowDefinitionError: `into` can't be called.
        """
        if not callable(into):
            raise FlowDefinitionError(
                f"collect({into!r}): give list, dict, set, or a function of an iterable"
            )
        return self._folded(collecting(into), "collect", "collect(...)", per, options)

    def _folded(
        self, fold: Fold, default: str, call: str, per: Per, options: FoldOptions
    ) -> Stream[Any]:
        from pauseflow.flow import Flow, Stream  # noqa: PLC0415 # a handle is made of this class

        name = options.get("name") or default
        open_ones = self._plan.scopes(self._after)
        if per is None:
            scope = open_ones[0] if open_ones else None
        elif isinstance(per, Flow):
            if per is not self._flow:
                raise FlowDefinitionError(
                    f"stage {name!r}: per= is another flow, {per.name!r}: write per={{this flow}}"
                )
            scope = None
        elif isinstance(per, Stream) and per.flow is not self._flow:
            raise FlowDefinitionError(
                f"stage {name!r}: per= is a handle of another flow, {per.flow.name!r}"
            )
        else:
            wanted = per.after if isinstance(per, Stream) else per
            scope = scope_of(name, wanted, open_ones)
        stage = declare_fold(fold.of_scope(scope), name, call, options)
        self._plan.add(stage, after=self._after, arm=self._arm)
        return Stream(self._flow, self._plan, stage.name)


def _never(value: object, _: object) -> object:
    return value
