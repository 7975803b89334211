"""Values as a person sees them: decoded without any class of the app, and running none of its code.

What a class's `decode` function, `__setstate__` or `__repr__` would do does not matter here, and it
does not matter whether the class is there: an instance shows as its name and what was written.
"""

from __future__ import annotations

from typing import Any, Final

from pauseflow.codec.reader import read_items
from pauseflow.codec.registry import Registry, Shape

LONGEST: Final = 200
"""Characters of a value that are shown."""


class Instance:
    """An instance of a class, as the data tells it.

    Args:
        name: what the data calls the class.
        plain: the plain value that stands for the instance.
    """

    __slots__ = ("name", "plain")

    def __init__(self, name: str, plain: object) -> None:
        self.name = name
        self.plain = plain

    def __repr__(self) -> str:
        short = self.name.rpartition(":")[2]
        if type(self.plain) is dict:
            fields = ", ".join(f"{name}={value!r}" for name, value in self.plain.items())
            return f"{short}({fields})"
        return f"{short}({self.plain!r})"


class _As:
    """The shape of a class of which only the name is known."""

    def __init__(self, name: str) -> None:
        self._name = name

    def plain(self, value: Any) -> object:
        """What was written."""
        return value.plain

    def instance(self, plain: object) -> object:
        """The instance that is only shown."""
        return Instance(self._name, plain)


class _Any(dict[str, Shape]):
    """A shape for every name."""

    def get(self, name: str, default: object = None, /) -> Any:  # noqa: ARG002 (there is always one)
        return _As(name)


_SHOWN: Final = Registry(frozenset())
_SHOWN.named = _Any()


def decode_to_show(data: bytes) -> object:
    """The value that the codec wrote, with an `Instance` for each instance of a class.

    Raises:
        MalformedData: the bytes are damaged, or not one value.
    """
    return read_items(1, data, _SHOWN)[0]


def decode_items_to_show(count: int, data: bytes) -> list[object]:
    """As `decode_to_show`, of the `count` values that `data` holds."""
    return read_items(count, data, _SHOWN)


def shown(value: object) -> str:
    """How a value reads, shortened. Never fails."""
    try:
        text = repr(value)
    except Exception as error:  # noqa: BLE001 (nested too deeply, say)
        text = f"<no repr: {type(error).__name__}>"
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
