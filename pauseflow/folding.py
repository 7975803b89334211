"""Folds: how a stage makes one value of many records."""

from __future__ import annotations

import heapq
import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

from pauseflow import codec
from pauseflow.errors import FlowDefinitionError, NotSerializable


@dataclass(frozen=True, slots=True)
class Fold:
    """How one value is made of the records of a scope.

    Attributes:
        step: the value so far and a record give the value after it.
        start: gives the value before any record; None: the first record is the value.
        result: gives what goes downstream from the value at the end.
        many: the same as `step` for each of a list of records, in less time.
        parts: the value is a list that grows: only what is new of it is written down each time.
        per: the name of the branch whose series each have a value; None: the whole run has one.
    """

    step: Callable[[Any, Any], Any]
    start: Callable[[], Any] | None = None
    result: Callable[[Any], Any] | None = None
    many: Callable[[Any, list[Any]], Any] | None = None
    parts: bool = False
    per: str | None = None

    def of_scope(self, per: str | None) -> Fold:
        """The same, with a value for each series of a branch."""
        return replace(self, per=per)


def folding(fn: Callable[[Any, Any], Any], initial: object, name: str) -> Fold:
    """A fold that begins with a value, or with what a function without arguments gives.

    Raises:
        FlowDefinitionError: the value has no encoding.
    """
    if callable(initial):
        return Fold(fn, initial)
    try:
        data = codec.encode(initial)
    except NotSerializable as error:
        raise FlowDefinitionError(
            f"stage {name!r} begins with a {error.type_name}, which has no encoding: give plain "
            f"data, or a function without arguments that makes it"
        ) from None
    return Fold(fn, lambda: codec.decode(data))


def counting() -> Fold:
    """How many records there are."""
    return Fold(
        lambda count, _: count + 1,
        start=lambda: 0,
        many=lambda count, records: count + len(records),
    )


def summing(start: Callable[[], Any] | None) -> Fold:
    """The records added up, one after the other."""
    return Fold(
        operator.add,
        start=start,
        # not sum(): from 3.12 on that adds floats in another way than one after the other
        many=lambda total, records: reduce(operator.add, records, total),
    )


def extreme(choose: Callable[..., Any], key: Callable[[Any], Any] | None) -> Fold:
    """The least or the greatest record, the first one of equals.

    Args:
        choose: `min` or `max`.
        key: what of a record is compared; None: the record.
    """
    return Fold(
        lambda best, record: choose(best, record, key=key),
        many=lambda best, records: choose([best, *records], key=key),
    )


def collecting(into: Callable[[Iterable[Any]], Any]) -> Fold:
    """All records, in order, as what `into` makes of them."""

    def add(records: list[Any], record: object) -> list[Any]:
        records.append(record)
        return records

    def extend(records: list[Any], more: list[Any]) -> list[Any]:
        records += more
        return records

    return Fold(add, start=list, result=None if into is list else into, many=extend, parts=True)


def topping(count: int, key: Callable[[Any], Any] | None) -> Fold:
    """The greatest records, the greatest first, of equals the first one first."""

    def extend(best: list[Any], records: list[Any]) -> list[Any]:
        return heapq.nlargest(count, best + records, key=key)

    return Fold(lambda best, record: extend(best, [record]), start=list, many=extend)
