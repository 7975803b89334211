"""Loads the Lua scripts, and checks each against the typed Python signature that calls it.

A script is a file in `lua/`. Its header names what it takes:

```lua
-- KEYS: run stages...
-- ARGV: run_id now payload...
-- @include clock
```

Each name becomes a local of the script, so no script counts indexes; a name that ends in `...`
stands for the rest. The Python signature has the same names in the same order, as `Key`, `Keys`,
`Arg` or `Args`; a difference is an error at import, so that neither side can drift.
"""

from __future__ import annotations

import hashlib
import inspect
import re
from collections.abc import Callable, Sequence
from importlib import resources
from typing import Any, ParamSpec, TypeAlias

Key: TypeAlias = str
Keys: TypeAlias = Sequence[str]
Arg: TypeAlias = str | bytes | int
Args: TypeAlias = Sequence[str | bytes | int]
Command: TypeAlias = tuple[Any, ...]

P = ParamSpec("P")

_HEADER = re.compile(r"^-- (KEYS|ARGV): (.*)$", re.MULTILINE)
_INCLUDE = re.compile(r"^-- @include (\w+)$", re.MULTILINE)

SOURCES: dict[str, str] = {}
"""The text of every script by its SHA-1 hex digest, for loading into a server."""


class ScriptError(Exception):
    """A script and its Python signature differ: a mistake in pauseflow itself."""


def _read(name: str) -> str:
    return resources.files("pauseflow.store").joinpath("lua", f"{name}.lua").read_text()


def _included(text: str, done: set[str]) -> str:
    """The texts that a script includes, each once, what they include before them."""
    parts = []
    for name in _INCLUDE.findall(text):
        if name in done:
            continue
        done.add(name)
        body = _read(f"includes/{name}")
        parts.append(_included(body, done) + body)
    return "".join(parts)


def _names(text: str, which: str, script: str) -> list[str]:
    found = [names for kind, names in _HEADER.findall(text) if kind == which]
    if len(found) != 1:
        raise ScriptError(f"{script}.lua has {len(found)} '-- {which}:' lines; it needs one")
    return str(found[0]).split()


def _locals(names: list[str], table: str) -> str:
    fixed = [name for name in names if not name.endswith("...")]
    if not fixed:
        return ""
    values = ", ".join(f"{table}[{i}]" for i in range(1, len(fixed) + 1))
    return f"local {', '.join(fixed)} = {values}\n"


def _signature(function: Callable[..., object]) -> tuple[list[str], list[str]]:
    keys: list[str] = []
    args: list[str] = []
    for name, parameter in inspect.signature(function).parameters.items():
        kind = str(parameter.annotation)
        if kind not in ("Key", "Keys", "Arg", "Args"):
            raise ScriptError(f"{function.__name__}: annotate {name} as Key, Keys, Arg or Args")
        target = keys if kind.startswith("Key") else args
        if target is keys and args:
            raise ScriptError(
                f"{function.__name__}: keys come before arguments, but {name} doesn't"
            )
        target.append(name + ("..." if kind.endswith("s") else ""))
    return keys, args


def assemble(name: str) -> tuple[str, list[str], list[str]]:
    """A script's whole text with its includes, and the names of its keys and arguments."""
    text = _read(name)
    keys, args = _names(text, "KEYS", name), _names(text, "ARGV", name)
    for names in (keys, args):
        if any(each.endswith("...") for each in names[:-1]):
            raise ScriptError(f"{name}.lua: only the last name can stand for the rest")
    whole = _locals(keys, "KEYS") + _locals(args, "ARGV") + _included(text, set()) + text
    return whole, keys, args


def script(function: Callable[P, object]) -> Callable[P, Command]:
    """Turns a typed stub into a function that makes the EVALSHA command of the script of its name.

    Raises:
        ScriptError: the stub's parameters are not what the script's header declares.
    """
    name = function.__name__
    whole, lua_keys, lua_args = assemble(name)
    keys, args = _signature(function)
    if (keys, args) != (lua_keys, lua_args):
        raise ScriptError(
            f"{name}.lua declares KEYS {lua_keys} ARGV {lua_args}; "
            f"its Python signature has {keys} and {args}"
        )
    # sha1 is what EVALSHA names scripts by
    sha = hashlib.sha1(whole.encode(), usedforsecurity=False).hexdigest()
    SOURCES[sha] = whole
    fixed_keys = len(keys) - 1 if keys and keys[-1].endswith("...") else len(keys)
    more_keys = fixed_keys < len(keys)
    more_args = bool(args) and args[-1].endswith("...")

    def command(*given: Any) -> Command:
        first_arg = len(keys)
        last = len(given) - 1 if more_args else len(given)
        rest = given[-1] if more_args else ()
        if more_keys:
            some = given[fixed_keys]
            count = fixed_keys + len(some)
            return (
                "EVALSHA",
                sha,
                count,
                *given[:fixed_keys],
                *some,
                *given[first_arg:last],
                *rest,
            )
        return ("EVALSHA", sha, fixed_keys, *given[:last], *rest)

    command.__name__ = name
    command.__doc__ = function.__doc__
    return command  # type: ignore[return-value]  # the stub's own signature, checked above
