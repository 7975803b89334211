"""Frames: paused generators and iterators as plain data, captured and restored."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import GeneratorType
from typing import Any

from pauseflow import codec
from pauseflow.errors import (
    CaptureError,
    ForeignFrame,
    MalformedData,
    NotSerializable,
)
from pauseflow.resumable.entering import Entry
from pauseflow.resumable.flat import ATOMS, decode_any, encode_flat
from pauseflow.resumable.packing import GENERATORS, Packer, Unpackable
from pauseflow.resumable.prepared import BY_CODE, ENTRIES, Resumable, declared, prepare
from pauseflow.resumable.reach import Reach
from pauseflow.resumable.rewriting import AT, CONTROL, STANDS
from pauseflow.resumable.source import FORMAT
from pauseflow.resumable.standing import Ends, Standing, code_of, stand
from pauseflow.resumable.unpacking import Unpacker, checked_entry, malformed

_ITERATOR = "iterator"
_PARTS = (int, str, str, int, int, dict, dict, list, list)


class Frame:
    """One paused generator, or iterator, as data."""

    __slots__ = ("_bytes", "_data")

    def __init__(self, data: list[Any], encoded: bytes | None = None) -> None:
        self._data = data
        self._bytes = encoded

    @property
    def function(self) -> str:
        """`module:qualname` of its function."""
        return self._data[1]  # type: ignore[no-any-return]  # checked when it was read

    @property
    def fingerprint(self) -> str:
        """Of the code that it belongs to."""
        return self._data[2]  # type: ignore[no-any-return]  # as above

    @property
    def point(self) -> int:
        """The number of the point where it goes on."""
        return self._data[3]  # type: ignore[no-any-return]  # as above

    @property
    def line(self) -> int:
        """The source line where it stands; 0 if it has none."""
        return self._data[4]  # type: ignore[no-any-return]  # as above

    @property
    def locals(self) -> dict[str, Any]:
        """The live locals by name, for display.

        What is not plain data shows as it is laid out in the frame.
        """
        return {**self._data[5], **(self._data[6] if len(self._data) > 6 else {})}

    def to_data(self) -> list[Any]:
        """The frame as plain data, which the codec encodes."""
        return self._data

    def encode(self) -> bytes:
        """The frame as bytes."""
        if self._bytes is None:
            self._bytes = codec.encode(self._data)
        return self._bytes

    @classmethod
    def from_data(cls, data: object) -> Frame:
        """The frame that `to_data` gave.

        Raises:
            MalformedData: it is no such data, or of a newer format.
        """
        if type(data) is not list or len(data) not in (6, 9):
            malformed("it has not the parts of one")
        if data[0] != FORMAT:
            malformed(f"its format is {data[0]!r:.20}, and this version knows {FORMAT}")
        for part, kind in zip(data, _PARTS, strict=False):
            if type(part) is not kind:
                malformed(f"one of its parts is a {type(part).__qualname__}")
        for names in data[5:7]:
            if not all(type(name) is str for name in names):
                malformed("one of its locals has no name")
        return cls(data)

    @classmethod
    def decode(cls, data: bytes) -> Frame:
        """The frame that `encode` gave.

        Raises:
            MalformedData: it is no such data.
        """
        return cls.from_data(decode_any(data))

    def __repr__(self) -> str:
        return f"<Frame of {self.function} at line {self.line}>"


def start(fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Iterator[Any]:
    """A generator of the rewritten function: as the function's own, but it can be captured.

    Raises:
        NotResumable: the function can't be rewritten.
    """
    return prepare(fn).start(*args, **kwargs)


def capture(it: Any, *, raised: BaseException | None = None) -> Frame:
    """Write down a suspended generator or iterator, and leave it.

    The `with` blocks that it stands in are left as if they had come to their end, its `finally`
    blocks are not run, and a generator is closed: what goes on is the frame. (Managers of an
    `async with` are left by `aclose()`, which the caller awaits.) If it can't be captured, nothing
    is left and it can be advanced further.

    Args:
        it: a generator made by `start` or `restore`; an object of a class that iterates; one of
            Python's own iterators.
        raised: the PauseFlow that came out of it, if one did.

    Raises:
        CaptureError: a live local has no encoding, or it stands where it can't be entered again.
    """
    if raised is None and type(it) is GeneratorType:
        frame = _captured_flat(it)
        if frame is not None:
            return frame
    ends = Ends(raised)
    if isinstance(it, GENERATORS):
        return _captured(it, ends)
    packer = Packer(Reach(type(it)), ends)
    return captured_iterator(it, packer, _ITERATOR, "")


def captured_iterator(it: Any, packer: Packer, function: str, fingerprint: str) -> Frame:
    """The frame of an iterator that is no generator."""
    try:
        packer.special({"": it})
        data = [FORMAT, function, fingerprint, 0, 0, {}, {"": packer.tag(it)}, [], packer.heap]
        encoded = codec.encode(data)
    except (Unpackable, NotSerializable, RecursionError) as error:
        value = error.value if isinstance(error, Unpackable) else it
        raise CaptureError(
            "the iterator", type(value).__qualname__, file=function, line=0, reason=_why(error)
        ) from None
    _leave(packer.standings)
    return Frame(data, encoded)


def _captured_flat(it: GeneratorType[Any, Any, Any]) -> Frame | None:
    """The frame of a generator that keeps nothing but small values, which most are."""
    resumable = BY_CODE.get(id(it.gi_code))
    running = it.gi_frame
    if resumable is None or running is None or it.gi_running:
        return None
    scope = running.f_locals
    point = scope.get(STANDS)
    if point is None or resumable.made_again or CONTROL in scope:
        return None
    live = {name: scope[name] for name in resumable.live[point] if name in scope}
    if not ATOMS.issuperset(map(type, live.values())):
        return None
    data = [FORMAT, resumable.name, resumable.fingerprint, point, resumable.line(point), live]
    encoded = encode_flat(data)
    it.close()
    return Frame(data, encoded)


def _captured(it: Any, ends: Ends) -> Frame:
    standing = stand(it, ends)
    if standing is None:
        raise CaptureError(
            "the generator", it.__qualname__, file="?", line=0, reason="it has come to its end"
        )
    data, standings = _laid_out(standing, ends)
    try:
        encoded = codec.encode(data)
    except NotSerializable as error:
        raise _culprit(standing, ends, error) from None
    try:
        _leave(standings)
    finally:
        if isinstance(it, GeneratorType):
            it.close()
    return Frame(data, encoded)


def _laid_out(standing: Standing, ends: Ends) -> tuple[list[Any], list[Standing]]:
    resumable, scope = standing.resumable, standing.scope
    packer = Packer(resumable.reach, ends, resumable.given)
    try:
        special = packer.special(scope)
    except Unpackable as error:
        names = {id(value): name for name, value in scope.items()}
        name = names.get(id(error.value), "a value in its locals")
        raise standing.refusal(name, error.value, error.reason) from None
    laid: dict[str, Any] = {}
    for name in scope:
        if name in special:
            try:
                laid[name] = packer.tag(scope[name])
            except Unpackable as error:
                raise standing.refusal(name, error.value, error.reason) from None
            except RecursionError:
                raise standing.refusal(name, scope[name], "it is nested too deeply") from None
    plain = {name: value for name, value in scope.items() if name not in special}
    data = [
        FORMAT, resumable.name, resumable.fingerprint, standing.point, standing.line, plain,
    ]  # fmt: skip
    if laid or standing.again:
        data += [laid, standing.again, packer.heap]
    return data, [standing, *packer.standings]


def _culprit(standing: Standing, ends: Ends, error: NotSerializable) -> CaptureError:
    """Which local it is that the codec refused."""
    for name, value in standing.scope.items():
        alone = Standing(standing.resumable, standing.point, {name: value}, [])
        try:
            codec.encode(_laid_out(alone, ends)[0])
        except NotSerializable as why:
            return standing.refusal(name, value, _why(why))
        except CaptureError as why:
            return why
    return standing.refusal("the locals", standing.scope, _why(error))


def _why(error: Exception) -> str:
    if isinstance(error, NotSerializable):
        return error.reason or f"{error.type_name} has no encoding"
    return str(error)


def _leave(standings: list[Standing]) -> None:
    """Leave the `with` blocks of generators that were captured, the innermost first.

    An asynchronous one leaves all of its own, in their order, while it is closed.
    """
    for standing in standings:
        if standing.control is not None:
            standing.control.gone = True
    for standing in reversed(standings):
        if standing.control is not None and not standing.resumable.is_async:
            standing.control.leave()


def restore(frame: Frame, value: object = None, *, error: BaseException | None = None) -> Any:
    """A generator, or iterator, that goes on where a frame stands.

    Args:
        frame: as `capture` made it, in this process or another.
        value: what the `yield PauseFlow(...)` evaluates to at which it stands.
        error: what that `yield` raises instead.

    Raises:
        ForeignFrame: no function of this name and fingerprint was prepared in this process.
        MalformedData: the frame is damaged.
    """
    if frame.function == _ITERATOR:
        return restored_iterator(frame, Reach())
    known = declared(frame.function)
    for resumable in reversed(known):
        if resumable.fingerprint == frame.fingerprint:
            return entered(frame, resumable, value, error)
    have = known[-1].fingerprint if known else ""
    raise ForeignFrame(frame.function, frame_fingerprint=frame.fingerprint, code_fingerprint=have)


def entered(
    frame: Frame, resumable: Resumable, value: object, error: BaseException | None
) -> Iterator[Any]:
    """As `restore`, of a function that is known to have made the frame."""
    data = frame.to_data()
    scope: dict[str, Any] = data[5]
    again: list[Any] = []
    if len(data) == 6:
        entry = checked_entry(resumable, data[3], scope, again)
        if value is not None or error is not None:
            entry.value, entry.error = value, error
        return resumable.enter(data[3], entry)
    try:
        unpacker = Unpacker(data[8], resumable.reach, resumable.given)
        scope = {**scope, **{n: unpacker.value_of(tagged) for n, tagged in data[6].items()}}
        again = data[7]
        entry = checked_entry(resumable, data[3], scope, again)
    except RecursionError:
        raise MalformedData("a frame is nested too deeply") from None
    if value is not None or error is not None:
        innermost = _innermost(resumable, data[3], entry)
        innermost.value, innermost.error = value, error
    return resumable.enter(data[3], entry)


def _innermost(resumable: Resumable, point: int, entry: Entry) -> Entry:
    """The entry of the generator that waits: what another one delegates to, at any depth."""
    iterator = resumable.delegates.get(point)
    inner = ENTRIES.get(entry.get(iterator)) if iterator else None
    if inner is None or iterator is None:
        return entry
    held = BY_CODE[id(code_of(entry[iterator]))]
    frame = entry[iterator].gi_frame
    return _innermost(held, frame.f_locals[AT], inner)


def restored_iterator(frame: Frame, reach: Reach) -> Any:
    """The iterator that `captured_iterator` wrote down."""
    data = frame.to_data()
    if len(data) != 9 or "" not in data[6]:
        malformed("it holds no iterator")
    try:
        made = Unpacker(data[8], reach).value_of(data[6][""])
    except RecursionError:
        raise MalformedData("a frame is nested too deeply") from None
    if not (hasattr(type(made), "__next__") or hasattr(type(made), "__anext__")):
        malformed(f"{type(made).__qualname__} is not an iterator")
    return made
