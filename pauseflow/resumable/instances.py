"""Objects of classes that iterate: their state, and objects made of it again."""

from __future__ import annotations

from typing import Any

from pauseflow.errors import MalformedData


def has_iteration(value: object) -> bool:
    """Whether it is an object of a class, written in Python, that is an iterator or makes one."""
    kind = type(value)
    if not kind.__flags__ & _WRITTEN_IN_PYTHON or isinstance(
        value, list | tuple | dict | set | str
    ):
        return False
    names = ("__next__", "__iter__", "__anext__", "__aiter__")
    return any(hasattr(kind, name) for name in names)


def instance_state(value: Any) -> Any:
    """What `__getstate__` gives: by default the attributes, and slots beside them."""
    return value.__getstate__()


def made_instance(kind: type, state: Any) -> Any:
    """An object of a class with a state, made without running `__init__`.

    Raises:
        MalformedData: the state does not fit the class.
    """
    value: Any = kind.__new__(kind)
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


_WRITTEN_IN_PYTHON = 1 << 9  # Py_TPFLAGS_HEAPTYPE
