"""Objects of classes that iterate: their state, and objects made of it again."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from types import FunctionType
from typing import Any

from pauseflow import codec
from pauseflow.errors import MalformedData, NotSerializable


def has_iteration(value: object) -> bool:
    """Whether it is an object of a class, written in Python, that is an iterator or makes one.

    A class that the codec knows is not meant, unless it is an iterator.
    """
    kind = type(value)
    if not iterates(kind):
        return False
    if not _written_in_python(kind, "__next__") and not _written_in_python(kind, "__anext__"):
        try:
            codec.encode(value)
        except NotSerializable:
            pass
        else:
            return False
    try:
        object.__new__(kind)
    except TypeError:  # a subclass of something built in
        return False
    return True


def instance_state(value: Any) -> Any:
    """What `__getstate__` gives: by default the attributes, and slots beside them."""
    return value.__getstate__()


def iterates(kind: type) -> bool:
    """Whether a class, written in Python, is one of iterators, or of what makes them."""
    names = ("__next__", "__iter__", "__anext__", "__aiter__")
    return any(_written_in_python(kind, name) for name in names)


def parts_of(value: Any) -> list[Any]:
    """What an object holds in its attributes."""
    if dataclasses.is_dataclass(value):
        return [getattr(value, part.name, None) for part in dataclasses.fields(value)]
    if isinstance(value, tuple | list | set):  # of a class of its own
        return list(value)
    return list(vars(value).values()) if hasattr(value, "__dict__") else []


def is_record(value: object) -> bool:
    """Whether it is an object of a dataclass, which the codec writes field by field."""
    return (
        dataclasses.is_dataclass(value) and not isinstance(value, type) and not has_iteration(value)
    )


def skeleton(value: Any, replaced: Callable[[Any], Any]) -> Any:
    """An object of the same dataclass with something else in each field."""
    bare: Any = object.__new__(type(value))
    for part in dataclasses.fields(value):
        object.__setattr__(bare, part.name, replaced(getattr(value, part.name)))
    return bare


def fill(bare: Any, restored: Callable[[Any], Any]) -> None:
    """Put back what `skeleton` took away, in place."""
    for part in dataclasses.fields(bare):
        object.__setattr__(bare, part.name, restored(getattr(bare, part.name)))


def made_instance(kind: type, state: Any) -> Any:
    """An object of a class with a state, made without running `__init__`.

    Raises:
        MalformedData: the state does not fit the class.
    """
    try:
        value: Any = object.__new__(kind)
    except TypeError as error:
        raise MalformedData(f"a {kind.__qualname__} can't be made of data: {error}") from None
    set_state = getattr(kind, "__setstate__", None)
    if set_state is not None:
        set_state(value, state)
        return value
    attributes, slots = state if isinstance(state, tuple) and len(state) == 2 else (state, None)
    for part in (attributes, slots):
        if part is None:
            continue
        if not isinstance(part, dict) or not all(isinstance(name, str) for name in part):
            raise MalformedData(f"the state of a {kind.__qualname__} is not a map of attributes")
        for name, attribute in part.items():
            object.__setattr__(value, name, attribute)
    return value


def _written_in_python(kind: type, name: str) -> bool:
    return isinstance(inspect.getattr_static(kind, name, None), FunctionType)
