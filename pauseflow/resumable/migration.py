"""Migrations: how frames of older code go on in newer code."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Final

from pauseflow.errors import ForeignFrame, FrameError, MalformedData, MigrationFailed
from pauseflow.resumable.call import Call
from pauseflow.resumable.frame import Frame
from pauseflow.resumable.reach import Reach
from pauseflow.resumable.unpacking import Unpacker

LONGEST: Final = 64
"""Characters in a version's label, at most: it is in every frame."""

ITERATOR: Final = "iterator"
"""What a migration gets an iterator as that is no local."""
TAKEN: Final = "taken"
"""What a migration gets of a series that is run again: how many values were taken of it."""


class Migrations:
    """For each older fingerprint or label, a function from captured locals to a new call.

    Args:
        name: `module:qualname` of the code that frames go on in, for messages.
        fn: that code: the function or class that is called.
        version: its own label; None if it has none.
        functions: from a fingerprint or label to a function.

    Raises:
        ValueError: a label, a key or a function is none; the message says what to write.
    """

    def __init__(
        self,
        name: str,
        fn: Callable[..., Any],
        version: str | None,
        functions: Mapping[str, Callable[..., Any]] | None,
    ) -> None:
        check_versions(version, functions)
        self.version = version or ""
        self._name = name
        self._fn = fn
        self._functions = dict(functions or {})

    def key_of(self, fingerprint: str, version: str) -> str | None:
        """Under what a frame's code is declared; the fingerprint is the more exact."""
        return next((key for key in (fingerprint, version) if key in self._functions), None)

    @property
    def keys(self) -> frozenset[str]:
        """The fingerprints and labels that there is a migration for."""
        return frozenset(self._functions)

    def call(self, key: str, kept: Mapping[str, Any], lost: Mapping[str, str]) -> Call:
        """The call that a frame goes on with.

        Args:
            key: from `key_of`.
            kept: the captured locals.
            lost: the names of captured locals that can't be made here, and why.

        Raises:
            MigrationFailed: the function raised, or gave no arguments for a call.
        """
        try:
            given = self._functions[key](dict(kept))
        except Exception as error:
            raise self._failed(key, f"raised {error!r}", kept, lost) from error
        if isinstance(given, tuple):
            call = Call(given)
        elif isinstance(given, dict) and all(type(name) is str for name in given):
            call = Call((), given)
        else:
            call = Call((given,))
        if given is None:
            raise self._failed(key, "returned None", kept, lost)
        try:
            inspect.signature(self._fn).bind(*call.args, **call.kwargs)
        except TypeError as error:
            told = f"returned {given!r:.80}, which can't be handed on ({error})"
            raise self._failed(key, told, kept, lost) from None
        except ValueError:  # a class without a signature: the call itself will tell
            pass
        return call

    def _failed(
        self, key: str, what: str, kept: Mapping[str, Any], lost: Mapping[str, str]
    ) -> MigrationFailed:
        return MigrationFailed(self._name, key, what, kept=tuple(kept), lost=lost)


def check_versions(version: str | None, functions: Mapping[str, Callable[..., Any]] | None) -> None:
    """Check a label, and what `migrate=` was given.

    Raises:
        ValueError: they make no sense; the message says what to write.
    """
    if version is not None and not _is_label(version):
        raise ValueError(
            f"version={version!r:.80} must be a short text such as 'v2': up to {LONGEST} printable "
            f"characters, no space at its ends"
        )
    if functions is None:
        return
    if not isinstance(functions, Mapping) or not all(
        isinstance(key, str) and key and _makes_arguments(fn) for key, fn in functions.items()
    ):
        raise ValueError(
            "migrate= takes a dict from the old code's fingerprint or version label to a plain "
            "function that makes the new call's arguments from the old locals, such as "
            "{'v1': lambda kept: (kept['n'],)}"
        )
    if version in functions:
        raise ValueError(
            f"version={version!r} is the label of this code, and migrate= is for older ones: give "
            f"this code a new label"
        )


def _is_label(version: object) -> bool:
    return (
        isinstance(version, str)
        and 0 < len(version) <= LONGEST
        and version.isprintable()
        and version == version.strip()
    )


def _makes_arguments(fn: object) -> bool:
    return callable(fn) and not (
        inspect.iscoroutinefunction(fn)
        or inspect.isgeneratorfunction(fn)
        or inspect.isasyncgenfunction(fn)
    )


def captured_locals(
    frame: Frame, reach: Reach, given: tuple[object, ...] = ()
) -> tuple[dict[str, Any], dict[str, str]]:
    """The locals of a frame by name, as values; and those of which none can be made, with why.

    For an iterator that is an object of a class these are its attributes; for another iterator it
    is itself, as "iterator".

    Args:
        frame: of older code.
        reach: what it may name: what the newer code names.
        given: values that belong to the stage.
    """
    data = frame.to_data()
    kept: dict[str, Any] = dict(data[5])
    lost: dict[str, str] = {}
    if len(data) == 6:
        return kept, lost
    special, heap = data[6], data[8]
    match special:
        case {"": ["@", int(place)]} if 0 <= place < len(heap):
            match heap[place]:
                case ["y", str(), state]:
                    return _attributes(Unpacker(heap, reach, given).value_of(state)), lost
    try:
        unpacker = Unpacker(heap, reach, given)
        return kept | {n or ITERATOR: unpacker.value_of(t) for n, t in special.items()}, lost
    except (FrameError, MalformedData):
        pass  # one by one, to find out which
    for name, tagged in special.items():
        try:
            kept[name or ITERATOR] = Unpacker(heap, reach, given).value_of(tagged)
        except ForeignFrame:
            lost[name or ITERATOR] = "a generator of other code"
        except MalformedData as error:
            lost[name or ITERATOR] = str(error)
    return kept, lost


def _attributes(state: Any) -> dict[str, Any]:
    parts = state if isinstance(state, tuple) else (state,)
    if all(part is None or isinstance(part, dict) for part in parts):
        return {name: value for part in parts for name, value in (part or {}).items()}
    return {"state": state}
