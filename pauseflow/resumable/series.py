"""Series: how one record's outputs are opened, captured and reopened, for any branch function."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import FunctionType, GeneratorType
from typing import Any, Final, Literal

from pauseflow import codec
from pauseflow.errors import CaptureError, CodecError, ForeignFrame, NotResumable
from pauseflow.origin import Code
from pauseflow.resumable import iterators
from pauseflow.resumable.awaited import Awaited
from pauseflow.resumable.call import Call
from pauseflow.resumable.entering import Entry
from pauseflow.resumable.frame import (
    Frame,
    capture,
    captured_iterator,
    entered,
    restored_iterator,
)
from pauseflow.resumable.instances import has_iteration, iterates
from pauseflow.resumable.migration import TAKEN, Migrations, captured_locals
from pauseflow.resumable.packing import GENERATORS, Packer
from pauseflow.resumable.prepared import BY_CODE, Resumable, name_of, prepare
from pauseflow.resumable.reach import Reach
from pauseflow.resumable.replay import REPLAY, ReplayFrame, Replaying, ReplayingAsync
from pauseflow.resumable.showing import FrameView, told_locals
from pauseflow.resumable.source import class_fingerprint, function_fingerprint, unwrapped
from pauseflow.resumable.standing import Ends, code_of
from pauseflow.resumable.unpacking import malformed
from pauseflow.resumable.views import views_of

Kind = Literal["generator", "async generator", "iterator class", "function", "replay"]
AnySeries = Any
"""An iterator, or an asynchronous one for asynchronous kinds."""

_VERSION: Final = "version"
_LOG = logging.getLogger("pauseflow.resumable")


class Series:
    """How one record's series of outputs is opened, captured and reopened.

    Made once per stage, when the flow is built.

    Args:
        fn: a generator function, a class of iterators, or a function that gives an iterable; each
            of them may be asynchronous, a bound method or a partial.
        strict: refuse what could only be resumed by running it again.
        version: a label of this code, which is written into its frames: up to 64 characters.
        migrate: for the fingerprint or label of older code, a function from the captured locals,
            by name, to the arguments of a new call: a tuple, a dict of keyword arguments, or the
            one argument itself.

    Attributes:
        kind: what `fn` is, as far as resuming is concerned.
        is_async: `open` and `reopen` give asynchronous iterators.
        name: `module:qualname` of `fn`.
        fingerprint: of its source; "" if it has none.
        version: its label; "" if it has none.
        warnings: why it is resumed by running it again, for whoever builds the flow to be told.

    Raises:
        NotResumable: with `strict`, it can't be resumed where it stopped.
        ValueError: the label is none, or `migrate` is not as above.
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        *,
        strict: bool = False,
        version: str | None = None,
        migrate: Mapping[str, Callable[..., Any]] | None = None,
    ) -> None:
        self.kind: Kind
        self.warnings: tuple[str, ...] = ()
        self.fingerprint = ""
        self._fn = fn
        self._strict = strict
        self._resumable: Resumable | None = None
        self._told = False
        plain = unwrapped(fn)
        self.name = name_of(plain)
        self._migrations = Migrations(self.name, fn, version, migrate)
        self.version = self._migrations.version
        is_generator = inspect.isgeneratorfunction(plain)
        self.is_async = inspect.isasyncgenfunction(plain) or inspect.iscoroutinefunction(plain)
        if is_generator or inspect.isasyncgenfunction(plain):
            self._generator(fn)
        elif isinstance(plain, type) and _is_opaque(plain):
            self._opaque(plain)
        elif isinstance(plain, type) and _iterates(plain):
            self._class(plain)
        else:
            self.kind = "function"
            self.fingerprint = function_fingerprint(plain)
            self._reach = Reach(plain)

    def _generator(self, fn: Callable[..., Any]) -> None:
        try:
            self._resumable = prepare(fn)
        except NotResumable as error:
            self._run_again(error)
            self.fingerprint = function_fingerprint(unwrapped(fn))
            return
        self.kind = "async generator" if self.is_async else "generator"
        self.fingerprint = self._resumable.fingerprint

    def _opaque(self, plain: type) -> None:
        reason = "its iterators do not tell their state"
        instead = "Write a generator function that goes over it, inside replayable(...)."
        self._run_again(NotResumable(reason, instead=instead, file=self.name))
        self.fingerprint = class_fingerprint(plain)

    def _run_again(self, error: NotResumable) -> None:
        if self._strict:
            raise error
        self.kind = "replay"
        told = (
            f"{error} Until then it is resumed by running it again for the same record and "
            f"skipping what it emitted before."
        )
        self.warnings = (told,)

    def _class(self, plain: type) -> None:
        self.kind = "iterator class"
        self.fingerprint = class_fingerprint(plain)
        self._reach = Reach(plain)
        self.is_async = hasattr(plain, "__aiter__") and not hasattr(plain, "__iter__")
        maker = getattr(plain, "__aiter__" if self.is_async else "__iter__", None)
        made_by = inspect.isasyncgenfunction if self.is_async else inspect.isgeneratorfunction
        if isinstance(maker, FunctionType) and made_by(maker):
            self._generator(maker)
            if self._resumable is not None:
                self.kind = "iterator class"
                self._resumable.reach = Reach(self._resumable, plain)

    # -- opening

    def open(self, record: Any) -> AnySeries:
        """Start the series of a record.

        Nothing of a generator runs before its first item is asked for. A PauseFlow that a
        function raises before it returns comes out of here.
        """
        if self._resumable is not None and self.kind != "iterator class":
            return self._resumable.start(record)
        return self._begun(record, None)

    def _begun(self, record: Any, call: Call | None) -> AnySeries:
        """A series from its beginning, for the record or with other arguments."""
        if self.is_async and self.kind == "function":
            return self._awaited(record, call)
        if self._resumable is not None and self.kind != "iterator class":
            return (call or Call((record,))).of(self._resumable.start)
        made = self._fn(record) if call is None else call.of(self._fn)
        if self.kind == "iterator class":
            if self._resumable is not None:
                return self._resumable.start(made)
            return aiter(made) if self.is_async else self._known(made, call)
        if self.kind == "replay":
            return self._replaying(made, call=call)
        return self._known(made, call)

    def _awaited(self, record: Any, call: Call | None) -> Awaited:
        begun = call or Call((record,))
        return Awaited(lambda: begun.of(self._fn), lambda made: self._known(made, call), call)

    def _replaying(
        self,
        made: Any,
        taken: int = 0,
        answers: dict[int, Any] | None = None,
        value: object = None,
        call: Call | None = None,
    ) -> Replaying | ReplayingAsync:
        if hasattr(made, "__aiter__"):
            return ReplayingAsync(aiter(made), taken, answers, value, call)
        return Replaying(iter(made), taken, answers, value, call)

    def _known(self, made: Any, call: Call | None) -> AnySeries:
        """The iterator of what a function returned; one that can't be captured counts."""
        if self.is_async and hasattr(made, "__aiter__"):
            series = aiter(made)
            return series if has_iteration(series) else ReplayingAsync(series, call=call)
        iterator: Iterator[Any] = iter(made)
        if isinstance(iterator, GeneratorType):
            adopted = self._adopted(iterator)
            return adopted if adopted is not None else Replaying(iterator, call=call)
        if type(iterator) in iterators.NATIVE or has_iteration(iterator):
            return iterator
        return Replaying(iterator, call=call)

    def _adopted(self, generator: GeneratorType[Any, Any, Any]) -> Iterator[Any] | None:
        """The rewritten form of a generator that a function has made and not begun."""
        if id(code_of(generator)) in BY_CODE:
            return generator
        frame = generator.gi_frame
        if frame is None or inspect.getgeneratorstate(generator) != inspect.GEN_CREATED:
            return None
        for found in self._reach.generators():
            if found.fn.__code__ is code_of(generator):
                scope = {n: v for n, v in frame.f_locals.items() if n in found.parameters}
                return found.enter(0, Entry(scope))
        return None

    # -- capturing

    def capture(
        self, series: AnySeries, *, emitted: int, raised: BaseException | None = None
    ) -> bytes:
        """Write a series down, and leave its `with` blocks; what goes on is the frame.

        Called when the series has yielded or raised a PauseFlow, and at the end of a time slice,
        after any value that was taken. If it can't be captured it is as it was before.

        Args:
            series: from `open` or `reopen`, and not running.
            emitted: how many outputs of this record were emitted in all.
            raised: the PauseFlow that came out of it, if one did.

        Raises:
            CaptureError: a live local has no encoding, or it stands where it can't be entered.
        """
        del emitted  # what replays counts for itself, pauses too
        iterator = series.iterator if isinstance(series, Awaited) else series
        if isinstance(iterator, GENERATORS):
            frame = capture(iterator, raised=raised).encode()
        elif isinstance(iterator, Replaying | ReplayingAsync):
            frame = self._replayed(iterator.state, iterator.call)
        elif iterator is None:
            frame = self._replayed(series.state, series.call)
        else:
            packer = Packer(self._reach, Ends(raised))
            frame = captured_iterator(iterator, packer, self.name, self.fingerprint).encode()
        return codec.encode([_VERSION, self.version, frame]) if self.version else frame

    def _replayed(self, state: list[Any], call: Call | None) -> bytes:
        if self._strict and state[0]:
            raise self._not_run_again()
        if not self._told and self.kind != "replay":
            self._told = True
            _LOG.warning(
                "%s gave an iterator that does not tell its state: it is resumed by calling the "
                "function again and skipping what was taken before",
                self.name,
            )
        began = [] if call is None else [list(call.args), call.kwargs]
        return codec.encode([REPLAY, self.name, self.fingerprint, *state, *began])

    def _not_run_again(self) -> CaptureError:
        code = getattr(unwrapped(self._fn), "__code__", None)
        return CaptureError(
            "the iterator that it returned", self.name,
            file=code.co_filename if code else self.name,
            line=code.co_firstlineno if code else 0,
            reason="it does not tell its state, and strict=True forbids running it again",
            instead="Make it a generator function that goes over it, or return a list",
        )  # fmt: skip

    # -- reopening

    def reopen(
        self, record: Any, frame: bytes, value: object = None, *, error: BaseException | None = None
    ) -> AnySeries:
        """Go on with a series where its frame stands.

        Args:
            record: the record that it was opened for.
            frame: what `capture` gave, in this process or another.
            value: what the `yield PauseFlow(...)` evaluates to at which it stands.
            error: what that `yield` raises instead.

        Raises:
            ForeignFrame: the frame was made by other code, and no migration is declared for it.
            MalformedData: the bytes are no frame.
        """
        version, read = _read(frame)
        try:
            if isinstance(read, ReplayFrame):
                return self._replay(record, read, value)
            return self._entered(read, value, error)
        except ForeignFrame as foreign:
            key = self._migrations.key_of(read.fingerprint, version)
            if key is None:
                raise foreign.labelled(version, self.version) from None
        kept, lost = self._locals(read)
        return self._begun(record, self._migrations.call(key, kept, lost))

    def _entered(self, read: Frame, value: object, error: BaseException | None) -> AnySeries:
        resumable = self._resumable or self._adopter(read)
        if resumable is not None:
            self._check(read.fingerprint, resumable.fingerprint)
            return self._gone_on(entered(read, resumable, value, error))
        self._check(read.fingerprint)
        if self.kind == "replay":
            malformed("it is not that of a series which is run again")
        return self._gone_on(restored_iterator(read, self._reach))

    def _gone_on(self, iterator: Any) -> AnySeries:
        if self.kind == "function" and self.is_async:
            return Awaited(None, None, None, iterator=iterator)
        return iterator

    def _replay(self, record: Any, frame: ReplayFrame, value: object) -> AnySeries:
        self._check(frame.fingerprint)
        if self.kind in ("generator", "async generator"):
            malformed("it is that of a series which is run again")
        begun = frame.call or Call((record,))

        def forward(made: Any) -> Any:
            if not frame.taken and value is None:
                return self._known(made, frame.call)
            return self._replaying(made, frame.taken, frame.answers, value, frame.call)

        if self.kind == "function" and self.is_async:
            state = [frame.taken, frame.answers]
            return Awaited(lambda: begun.of(self._fn), forward, frame.call, state=state)
        return self._replaying(begun.of(self._fn), frame.taken, frame.answers, value, frame.call)

    def _locals(self, frame: Frame | ReplayFrame) -> tuple[dict[str, Any], dict[str, str]]:
        if isinstance(frame, ReplayFrame):
            return {TAKEN: frame.taken}, {}
        if self._resumable is not None:
            return captured_locals(frame, self._resumable.reach, self._resumable.given)
        return captured_locals(frame, self._own_reach)

    def _adopter(self, frame: Frame | ReplayFrame) -> Resumable | None:
        """The generator function that a function called for its result."""
        if self.kind not in ("function", "iterator class") or isinstance(frame, ReplayFrame):
            return None
        known = [found for found in self._reach.generators() if found.name == frame.function]
        fitting = [found for found in known if found.fingerprint == frame.fingerprint]
        return next(iter(fitting or known), None)

    def _check(self, fingerprint: str, own: str | None = None) -> None:
        known = self.fingerprint if own is None else own
        if fingerprint != known:
            raise ForeignFrame(self.name, frame_fingerprint=fingerprint, code_fingerprint=known)

    # -- showing

    @functools.cached_property
    def code(self) -> Code:
        """Which frames can go on in it, for other processes to know."""
        reach = self._resumable.reach if self._resumable is not None else self._own_reach
        holds = frozenset(filter(None, reach.fingerprints())) - {self.fingerprint}
        return Code(self.fingerprint, self.version, self._migrations.keys, holds)

    @property
    def _own_reach(self) -> Reach:
        return Reach() if self.kind == "replay" else self._reach

    def views(self, frame: bytes) -> tuple[FrameView, ...]:
        """As `describe`, with the generators that the frame holds: the innermost comes last."""

        def find(name: str) -> Iterable[Resumable]:
            reach = self._resumable.reach if self._resumable is not None else self._own_reach
            mine = () if self._resumable is None else (self._resumable,)
            return (each for each in (*mine, *reach.find(name)) if isinstance(each, Resumable))

        return views_of(frame, find, self.code)

    def describe(self, frame: bytes) -> FrameView:
        """What an operator sees of a frame. Never fails: it says what it can't read."""
        file = "?" if self._resumable is None else self._resumable.file
        try:
            version, read = _read(frame)
        except (CodecError, RecursionError) as error:
            return FrameView(self.name, "?", file, 0, note=f"the frame can't be read: {error}")
        own = self._resumable or self._adopter(read) or self
        notes = []
        if read.fingerprint != own.fingerprint:
            label = f" (version {self.version!r})" if self.version else ""
            notes.append(f"made by other code; this code is {own.fingerprint}{label}")
        if isinstance(read, ReplayFrame):
            notes.append(f"run again from the beginning, {read.taken} values are skipped")
            line, told = 0, {}
        else:
            line, told = read.line, told_locals(read)
        note = "; ".join(notes)
        return FrameView(read.function, read.fingerprint, file, line, told, note, version)


def _iterates(kind: type) -> bool:
    return any(hasattr(kind, name) for name in ("__iter__", "__next__", "__aiter__", "__anext__"))


def _read(frame: bytes) -> tuple[str, Frame | ReplayFrame]:
    """The label of the code that made a frame, which is around the frame; "" if it has none."""
    version, data = "", codec.decode(frame)
    match data:
        case ["version", str(version), bytes(inner)]:
            data = codec.decode(inner)
    replay = ReplayFrame.from_data(data)
    return version, Frame.from_data(data) if replay is None else replay


def _is_opaque(kind: type) -> bool:
    """Whether its objects are iterators that are written in C, and not known."""
    return hasattr(kind, "__next__") and not iterates(kind) and kind not in iterators.NATIVE
