"""How a frame and its locals read to an operator, without making anything of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pauseflow.codec.showing import Instance
from pauseflow.resumable.frame import Frame
from pauseflow.resumable.standing import shown

_LENGTH = 200
_DEPTH = 4


@dataclass(frozen=True, slots=True)
class FrameView:
    """What an operator sees of a frame.

    Attributes:
        function: `module:qualname` of the function that stands there.
        fingerprint: of the code that made the frame.
        file: the function's source file, as this process knows it; "?" if it doesn't.
        line: the source line where it stands; 0 if it has none.
        locals: the live locals' names and how their values read, shortened.
        note: what can't be told, and why; empty if all can.
        version: the label of the code that made the frame; empty if it has none.
        source: the text of that line, if this process has the code that made the frame.
    """

    function: str
    fingerprint: str
    file: str
    line: int
    locals: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    version: str = ""
    source: str = ""


def told_locals(frame: Frame) -> dict[str, str]:
    """The live locals' names, and how their values read; shortened, and never failing."""
    data = frame.to_data()
    special: Mapping[str, Any] = data[6] if len(data) > 6 else {}
    heap: list[Any] = data[8] if len(data) > 6 else []
    told = {shown(name): _short(_repr(value)) for name, value in data[5].items()}
    for name, tagged in special.items():
        told[shown(name) or "the iterator"] = told_short(tagged, heap)
    return told


def told_short(tagged: Any, heap: list[Any]) -> str:
    """How a value reads that is laid out in a frame's heap; shortened."""
    return _short(_told(tagged, heap, _DEPTH))


def _told(tagged: Any, heap: list[Any], depth: int) -> str:
    match tagged:
        case ["@", int(place)] if 0 <= place < len(heap) and depth:
            return _laid(heap[place], heap, depth - 1)
        case ["@", _]:
            return "..."
        case ["x" | "X", _]:
            return "<of the stage>"
    return _repr(tagged)


def _laid(laid: Any, heap: list[Any], depth: int) -> str:  # noqa: C901, PLR0911 (a line a kind of value)
    def each(items: list[Any]) -> str:
        return ", ".join(_told(item, heap, depth) for item in items[:20])

    match laid:
        case ["p", value]:
            return _repr(value)
        case ["l", list(items)]:
            return f"[{each(items)}]"
        case ["t", list(items)]:
            return f"({each(items)})"
        case ["q", _, list(items)]:
            return f"deque([{each(items)}])"
        case ["d" | "o" | "c" | "f", *_, list(pairs)]:
            shown_pairs = [
                f"{_told(key, heap, depth)}: {_told(value, heap, depth)}"
                for key, value in zip(pairs[::2], pairs[1::2], strict=False)
            ]
            return f"{{{', '.join(shown_pairs[:20])}}}"
        case ["r", start, stop, step]:
            return f"range({start}, {stop}, {step})"
        case ["i", kind, *state]:
            return f"<{kind} iterator: {each(state)}>" if state else "<iterator: nothing left>"
        case ["g", name, _, _, line, *_]:
            return f"<generator {name}, at line {line}>"
        case ["z", Instance(name=name, plain=dict(fields))]:
            told = ", ".join(f"{field}={_told(fields[field], heap, depth)}" for field in fields)
            return f"{name.rpartition(':')[2]}({told})"
        case ["n" | "y" | "z", name, *_]:
            return f"<{name}>" if isinstance(name, str) else f"<{type(name).__qualname__}>"
    return _repr(laid)


def _repr(value: object) -> str:
    try:
        return repr(value)
    except Exception as error:  # noqa: BLE001 (a user's __repr__ may raise anything)
        return f"<no repr: {type(error).__name__}>"


def _short(text: str) -> str:
    return text if len(text) <= _LENGTH else f"{text[: _LENGTH - 3]}..."
