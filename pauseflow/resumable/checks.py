"""What is looked for in a generator's body before it is rewritten, and refused."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from pauseflow.resumable.bindings import walk_own
from pauseflow.resumable.lifting import Refuser
from pauseflow.resumable.scope import INNER_SCOPES, binds, names_of, reads

HIDDEN = "_pf"
"""How every name begins that the rewriter adds."""

_SEES_LOCALS = {"locals", "vars", "eval", "exec", "dir"}


def check_body(body: list[ast.stmt], local_names: set[str], refuse: Refuser) -> None:
    """Look for what sees hidden locals, and for state that is not part of a frame.

    Args:
        body: the function's body.
        local_names: of its parameters and variables.
        refuse: makes the error.

    Raises:
        NotResumable: there is some.
    """
    for node in walk_own(body):
        match node:
            case ast.Call(func=ast.Name(id=name)) if (
                name in _SEES_LOCALS and name not in local_names and not _given(node)
            ):
                raise refuse(
                    node, f"`{name}()`, which sees the local variables", "Name what you need."
                )
            case ast.Nonlocal(names=names):
                raise refuse(
                    node,
                    f"`nonlocal {', '.join(names)}`: it is not part of the frame",
                    "Keep it in a local of the generator, or yield it.",
                )
            case ast.Name(id=name) | ast.arg(arg=name) if name.startswith(HIDDEN):
                raise refuse(node, f"the name {name!r}", f"Names in {HIDDEN} are taken.")
    _check_closures(body, local_names, refuse)


def check_with(
    item: ast.withitem, inside: Sequence[ast.AST], local_names: set[str], refuse: Refuser
) -> None:
    """Look for names of a `with` header that are bound again inside it: it is entered again.

    Raises:
        NotResumable: there are some.
    """
    rebound = names_of(inside).binds
    for name in sorted(binds(item.optional_vars) & rebound):
        raise refuse(
            item.context_expr,
            f"{name!r}, which this `with` binds, is bound again inside it",
            "Use another name there: on resume the `with` is entered, and binds it, anew.",
        )
    for name in sorted(reads(item.context_expr) & local_names & rebound):
        raise refuse(
            item.context_expr,
            f"{name!r}, which this `with` is entered with, is bound again inside it",
            "Use another name inside: on resume the `with` is entered again.",
        )


def _check_closures(body: list[ast.stmt], local_names: set[str], refuse: Refuser) -> None:
    """An inner function may change a local only if it is called, and goes nowhere else."""
    called = {id(node.func) for node in walk_own(body) if isinstance(node, ast.Call)}
    for node in walk_own(body):
        if not isinstance(node, INNER_SCOPES):
            continue
        written = names_of([node]).written_inside & local_names
        name = getattr(node, "name", "a lambda")
        escapes = isinstance(node, ast.Lambda | ast.ClassDef) or any(
            isinstance(use, ast.Name)
            and use.id == name
            and isinstance(use.ctx, ast.Load)
            and id(use) not in called
            for use in walk_own(body)
        )
        if written and escapes:
            raise refuse(
                node,
                f"{name!r} changes {', '.join(sorted(written))} and is handed on",
                "Only call it here, or keep that state in an object or a list.",
            )


def _given(call: ast.Call) -> bool:
    """`vars(x)`, `dir(x)` and `eval(text, globals)` do not look at the locals."""
    name = call.func.id if isinstance(call.func, ast.Name) else ""
    return len(call.args) >= (2 if name in {"eval", "exec"} else 1) and name != "locals"
