"""A frame and the frames of generators that it holds, as a traceback shows a stack."""

from __future__ import annotations

import linecache
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from pauseflow.codec.showing import shown
from pauseflow.errors import CodecError
from pauseflow.origin import Code, Origin, named
from pauseflow.resumable.frame import Frame
from pauseflow.resumable.origins import OWN, read_to_show
from pauseflow.resumable.prepared import Resumable
from pauseflow.resumable.replay import ReplayFrame
from pauseflow.resumable.showing import FrameView, told_short

MOST = 20
"""Frames of one stack that are shown."""

_DEPTH = 20

Find = Callable[[str], Iterable[Resumable]]
"""The generator functions of a name that this process has."""


def views_of(
    frame: bytes, find: Find | None = None, code: Code | None = None
) -> tuple[FrameView, ...]:
    """What a person sees of a frame, and of the generators that it holds: the innermost last.

    Nothing is made of what the frame holds, and nothing of the app is run. Never fails: what can't
    be read is said in the note.

    Args:
        frame: of a series.
        find: where the app is there: what it has.
        code: the app's code for the stage, if the app is there.
    """
    try:
        version, read = read_to_show(frame)
    except CodecError as error:
        return (FrameView("?", "?", "?", 0, note=f"the frame can't be read: {error}"),)
    if isinstance(read, ReplayFrame):
        note = f"run again from the beginning, {read.taken} values are skipped"
        view = FrameView(read.function, read.fingerprint, "?", 0, note=note, version=version)
        return (_noted(view, code),)
    view = FrameView(read.function, read.fingerprint, "?", read.line, _scope(read), version=version)
    found: list[FrameView] = []
    for each in (view, *_inner(read)):
        placed = _placed(each, find)
        found.append(_other(placed, find) if found and placed is each else placed)
        if len(found) == MOST:
            break
    return (_noted(found[0], code), *found[1:])


def _noted(view: FrameView, code: Code | None) -> FrameView:
    """The view, with a note if the app's code can't go on with it."""
    if code is None or code.can_enter(Origin(view.function, view.fingerprint, view.version)):
        return view
    other = f"made by code {named(view.fingerprint, view.version)}, and the app here has {code}"
    return replace(view, note="; ".join(filter(None, (view.note, other))))


def _placed(view: FrameView, find: Find | None) -> FrameView:
    """The view with file and source line, if the code that made it is here."""
    for known in find(view.function) if find is not None else ():
        if known.name == view.function and known.fingerprint == view.fingerprint:
            file = known.file
            return replace(view, file=file, source=linecache.getline(file, view.line).strip())
    return view


def _other(view: FrameView, find: Find | None) -> FrameView:
    """The view of a held generator, with a note if the function is here, but with other code."""
    here = find is not None and any(known.name == view.function for known in find(view.function))
    return replace(view, note="the app here has other code for it") if here else view


def _scope(frame: Frame) -> dict[str, str]:
    """The live locals, hidden iterators last; generators among these have a view of their own."""
    data = frame.to_data()
    told = {name: shown(value) for name, value in data[5].items()}
    if len(data) > 6:
        told |= {name: told_short(tagged, data[8]) for name, tagged in data[6].items()}
    return _ordered(told)


def _told_scope(scope: list[Any], heap: list[Any]) -> dict[str, str]:
    pairs = zip(scope[::2], scope[1::2], strict=False)
    return _ordered({n: told_short(tagged, heap) for n, tagged in pairs if isinstance(n, str)})


def _ordered(told: dict[str, str]) -> dict[str, str]:
    hidden = {name for name in told if not name or name.startswith("_pf")}
    ordered = {name: told[name] for name in sorted(told.keys() - hidden)}
    for name in sorted(hidden):
        if not told[name].startswith("<generator "):
            kind = "(iterator)" if not name or name.startswith("_pf_it") else "(in between)"
            ordered[f"{kind[:-1]} {len(ordered)})" if kind in ordered else kind] = told[name]
    return ordered


def _inner(frame: Frame) -> Iterator[FrameView]:
    data = frame.to_data()
    if len(data) > 6:
        heap, seen = data[8], set[int]()
        for tagged in data[6].values():
            yield from _generators(tagged, heap, seen, _DEPTH)


def _generators(value: Any, heap: list[Any], seen: set[int], depth: int) -> Iterator[FrameView]:
    """The generators in a value that is laid out, each followed by those in its own locals."""
    if not isinstance(value, list) or not depth:
        return
    match value:
        case ["@", int(place)]:
            if 0 <= place < len(heap) and place not in seen:
                seen.add(place)
                yield from _generators(heap[place], heap, seen, depth - 1)
        case ["p" | "n" | "b" | "x" | "X", *_]:
            pass
        case ["g", str(name), str(fingerprint), int(), int(line), list(scope), *_]:
            if not name.startswith(OWN):
                yield FrameView(name, fingerprint, "?", line, _told_scope(scope, heap))
            for tagged in scope[1::2]:
                yield from _generators(tagged, heap, seen, depth - 1)
        case _:
            for part in value:
                yield from _generators(part, heap, seen, depth - 1)
