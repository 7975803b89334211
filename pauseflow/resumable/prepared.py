"""A generator function, rewritten and compiled once."""

from __future__ import annotations

import ast
import copy
import functools
import inspect
import weakref
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType, MethodType, SimpleNamespace
from typing import Any

from pauseflow.errors import NotResumable
from pauseflow.resumable import entering
from pauseflow.resumable.headers import HeaderCalls, own_of, scopes_of
from pauseflow.resumable.liveness import live_at_points
from pauseflow.resumable.places import Places
from pauseflow.resumable.reading import read
from pauseflow.resumable.rewriting import AT, ENTRY, RUNTIME, rewrite
from pauseflow.resumable.source import Source, source_of, unwrapped
from pauseflow.resumable.steps import Delegating, every

ENTRIES: weakref.WeakKeyDictionary[Any, entering.Entry] = weakref.WeakKeyDictionary()
"""For each generator that another one may hold, the entry that its frame has as a local."""

_FUTURE_FLAGS = functools.reduce(
    lambda flags, name: flags | getattr(__import__("__future__"), name).compiler_flag,
    ("annotations", "generator_stop"),
    0,
)

INSIDE = "pauseflow_inside"


class Resumable:
    """A generator function that can be entered at any of its points.

    Args:
        fn: the author's function.
        given: values that belong to the function itself, not to a frame: the object of a bound
            method, and what a partial holds. A local that *is* one of them is found there on
            resume, and need not be written down.

    Attributes:
        fn: the author's function.
        name: `module:qualname`, by which frames know it.
        fingerprint: of its source.
        function: the rewritten generator function.
        live: for each point, the locals that a frame keeps; `live_sets` the same as sets.
        iterators: for each point, the hidden locals among them that hold a loop's iterator.
        places: from instructions to points.
        made_again: locals whose `import` or `def` runs again on resume.
        calls: what the function's source calls by name, for finding those functions again.
        given: values that are not written down.
    """

    def __init__(self, fn: FunctionType, given: tuple[object, ...] = ()) -> None:
        kind = inspect.isgeneratorfunction(fn) or inspect.isasyncgenfunction(fn)
        if not kind:
            raise NotResumable(
                f"{fn.__qualname__} is not a generator function",
                instead="Give a function with a `yield` in it.",
                file=fn.__code__.co_filename,
                line=fn.__code__.co_firstlineno,
            )
        self.fn = fn
        self.source_code: Source = source_of(fn)
        self.name = name_of(fn)
        self.fingerprint = self.source_code.fingerprint
        reading = read(self.source_code, HeaderCalls(scopes_of(fn), RUNTIME, own_of(fn)))
        self.parameters = tuple(reading.parameters)
        self.names = frozenset(reading.locals)
        self.made_again = frozenset(reading.made_again)
        self.live_sets = live_at_points(reading)
        self.live = {k: tuple(sorted(v)) for k, v in self.live_sets.items()}
        self.iterators = {k: _iterators(v) for k, v in self.live.items()}
        self.places = Places(reading.steps)
        self.delegates = {
            step.hi: step.iterator for step in every(reading.steps) if isinstance(step, Delegating)
        }
        self._tree = rewrite(self.source_code, reading)
        self.function = _compiled(self._tree, fn, self.source_code.node.name)
        self.code = self.function.__code__
        defaults = (*(fn.__defaults__ or ()), *(fn.__kwdefaults__ or {}).values())
        self.given = (*given, *defaults)
        self.start: Callable[..., Iterator[Any]] = self.function
        BY_CODE[id(self.code)] = self

    @functools.cached_property
    def reach(self) -> Any:
        """What frames of this function may name."""
        from pauseflow.resumable.reach import Reach  # noqa: PLC0415 (they need each other)

        return Reach(self)

    @property
    def is_async(self) -> bool:
        """Whether it makes asynchronous generators."""
        return inspect.isasyncgenfunction(self.fn)

    @property
    def file(self) -> str:
        """The name of the file that the function is in."""
        return self.source_code.file

    @property
    def source(self) -> str:
        """The rewritten source, for the curious."""
        return ast.unparse(self._tree)

    def line(self, point: int) -> int:
        """The source line of a point."""
        return self.places.lines.get(point, self.source_code.node.lineno)

    def held(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
        """Start one that another generator holds, and that must be told from its like."""
        entry = entering.Entry({})
        generator: Iterator[Any] = self.function(*args, **kwargs, **{ENTRY: entry})
        ENTRIES[generator] = entry
        return generator

    def enter(self, point: int, entry: entering.Entry, *, held: bool = False) -> Iterator[Any]:
        """A generator that goes on at a point, with the entry's locals.

        Args:
            point: where.
            entry: what it is entered with.
            held: another generator holds it, and it must be told from its like.
        """
        positional, named = self._blanks
        generator: Iterator[Any] = self.function(*positional, **named, _pf_at=point, _pf_in=entry)
        if held:
            ENTRIES[generator] = entry
        return generator

    @functools.cached_property
    def _blanks(self) -> tuple[tuple[None, ...], dict[str, None]]:
        """Arguments for a call whose parameters are bound from an entry at once."""
        code = self.fn.__code__
        keywords = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
        return (None,) * code.co_argcount, dict.fromkeys(keywords)


def _iterators(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(n for n in names if n.startswith("_pf_it") and not n.startswith("_pf_item"))


BY_CODE: dict[int, Resumable] = {}
"""Every resumable by the identity of its rewritten code, which it keeps alive."""

_PREPARED: dict[tuple[FunctionType, tuple[int, ...]], Resumable | NotResumable] = {}
_DECLARED: dict[str, list[Resumable]] = {}


def prepare(fn: Callable[..., Any], *, strict: bool = False) -> Resumable:
    """Rewrite and compile a generator function, once.

    A function that was prepared is also known by its name to frames of others that hold it: call
    this at import time for a generator function that can't be found by name where it is used.

    Args:
        fn: a generator function, asynchronous or not; a bound method or a partial of one.
        strict: accepted for symmetry with `Series`; this function is always strict.

    Raises:
        NotResumable: it can't be written down at its yields; says why, where, and what to write.
    """
    del strict
    found = _prepared(fn)
    known = _DECLARED.setdefault(found.name, [])
    if found not in known:
        known.append(found)
    return found


def declared(name: str) -> list[Resumable]:
    """What was prepared under this name."""
    return _DECLARED.get(name, [])


def name_of(fn: Callable[..., Any]) -> str:
    """`module:qualname`: how frames call a function or class."""
    module = getattr(fn, "__module__", None) or "?"
    code = getattr(fn, "__code__", None)  # the class of functions has one that is no code
    if isinstance(code, CodeType):
        return f"{module}:{code.co_qualname}"
    qualname = getattr(fn, "__qualname__", type(fn).__qualname__)
    return f"{module}:{qualname}"


def _prepared(fn: Callable[..., Any]) -> Resumable:
    plain = unwrapped(fn)
    if not isinstance(plain, FunctionType):
        raise NotResumable(
            f"{plain!r} is not a generator function written in Python",
            instead="Write a generator function that calls it.",
        )
    given = tuple(_given(fn))
    key = (plain, tuple(map(id, given)))
    found = _PREPARED.get(key)
    if found is None:
        try:
            found = Resumable(plain, given)
            if fn is not plain:
                found.start = _rebound(fn, found.function)
        except NotResumable as error:
            found = error
        _PREPARED[key] = found
    if isinstance(found, NotResumable):
        raise found
    return found


def _given(fn: Callable[..., Any]) -> Iterator[object]:
    while isinstance(fn, functools.partial | MethodType):
        if isinstance(fn, MethodType):
            yield fn.__self__
            fn = fn.__func__
        else:
            yield from fn.args
            yield from fn.keywords.values()
            fn = fn.func


def _rebound(fn: Callable[..., Any], function: FunctionType) -> Callable[..., Any]:
    """The same method or partial, of the rewritten function."""
    if isinstance(fn, MethodType):
        return MethodType(_rebound(fn.__func__, function), fn.__self__)
    if isinstance(fn, functools.partial):
        return functools.partial(_rebound(fn.func, function), *fn.args, **fn.keywords)
    return function


def call(function: Any) -> Any:
    """What rewritten code calls instead of a function whose result it may hold over a pause."""
    if isinstance(function, FunctionType):
        held = _held(function)
        return function if held is None else held.held
    if isinstance(function, MethodType) and isinstance(function.__func__, FunctionType):
        held = _held(function.__func__)
        return function if held is None else functools.partial(held.held, function.__self__)
    return EQUIVALENTS.get(function, function) if type(function) in _MAKERS else function


EQUIVALENTS: dict[Any, Callable[..., Any]] = {}
"""For each builtin that makes iterators, what makes resumable ones; see `equivalents`."""

_MAKERS = (type, type(len))


def quietly_prepared(fn: FunctionType) -> Resumable | None:
    """As `prepare`, without declaring it; None if it is no generator or can't be resumed."""
    if not fn.__code__.co_flags & (inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR):
        return None
    try:
        return _prepared(fn)
    except NotResumable:
        return None


def _held(function: FunctionType) -> Resumable | None:
    if (function, ()) not in _PREPARED and "<locals>" in function.__code__.co_qualname:
        return None  # made anew at each call of what is around it
    return quietly_prepared(function)


_RUNTIME = SimpleNamespace(
    **{
        name: getattr(entering, name)
        for name in ("Control", "iter", "aiter", "again", "nothing", "aagain", "anothing")
    },
    call=call,
)


def _compiled(tree: ast.Module, fn: FunctionType, name: str) -> FunctionType:
    free = [*fn.__code__.co_freevars, RUNTIME]
    inner = copy.copy(tree.body[0])
    # Under its own name, a function that calls itself would find the one in `around`.
    inner.name = INSIDE  # type: ignore[attr-defined]
    module = ast.parse(f"def around({', '.join(free)}): pass")
    around = module.body[0]
    assert isinstance(around, ast.FunctionDef)  # noqa: S101 (as it is written above)
    around.body = [inner]
    ast.fix_missing_locations(module)
    code = compile(
        module,
        fn.__code__.co_filename,
        "exec",
        flags=fn.__code__.co_flags & _FUTURE_FLAGS,
        dont_inherit=True,
    )
    inside = _constant(_constant(code, "around"), INSIDE)
    inside = inside.replace(co_name=name, co_qualname=fn.__code__.co_qualname)
    cells = dict(zip(fn.__code__.co_freevars, fn.__closure__ or (), strict=True))
    cells[RUNTIME] = _cell(_RUNTIME)
    made = FunctionType(
        inside,
        fn.__globals__,
        fn.__name__,
        fn.__defaults__,
        tuple(cells[name] for name in inside.co_freevars),
    )
    made.__kwdefaults__ = {**(fn.__kwdefaults__ or {}), AT: None, ENTRY: None}
    made.__qualname__ = fn.__qualname__
    made.__module__ = fn.__module__
    made.__doc__ = fn.__doc__
    return made


def _constant(code: CodeType, name: str) -> CodeType:
    return next(
        constant
        for constant in code.co_consts
        if isinstance(constant, CodeType) and constant.co_name == name
    )


def _cell(value: object) -> Any:
    def holds() -> object:
        return value

    return (holds.__closure__ or ())[0]
