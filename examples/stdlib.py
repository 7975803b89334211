"""Facts about every source file of the running Python's standard library.

A branch walks the folders, a map parses each file. The walk is a recursive generator: it is
written down between two files and goes on in whichever worker comes next.

Run it in this process, on two workers, or only for one folder:

    python examples/stdlib.py
    flowctl run --app examples/stdlib.py stdlib null --workers 2
    flowctl run --app examples/stdlib.py stdlib '"asyncio"'

`python examples/stdlib.py FILE` sums up facts that `flowctl run` has printed into a file.
"""

import ast
import json
import sys
import sysconfig
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NotRequired, TypedDict

from pauseflow import Flow

LIBRARY = sysconfig.get_path("stdlib")
NOT_THE_LIBRARY = {"site-packages", "dist-packages", "__pycache__"}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


class Function(TypedDict):
    """A function and its length."""

    name: str
    line: int
    lines: int


class Facts(TypedDict):
    """What is known of a file. Of one that can't be parsed: why, and nothing of what is in it."""

    path: str
    lines: int
    functions: NotRequired[int]
    classes: NotRequired[int]
    longest: NotRequired[Function | None]
    unparsable: NotRequired[str]


def source_files(folder: str | None) -> Iterator[str]:
    """Paths of source files, relative to the library, sorted within each folder.

    Args:
        folder: where in the library; None for all of it.
    """
    here = folder or ""
    for name in sorted(entry.name for entry in Path(LIBRARY, here).iterdir()):
        path = f"{here}/{name}" if here else name
        if Path(LIBRARY, path).is_dir():
            if name not in NOT_THE_LIBRARY:
                yield from source_files(path)
        elif name.endswith(".py"):
            yield path


def parse(path: str) -> Facts:
    """The facts about one file."""
    source = Path(LIBRARY, path).read_bytes()
    lines = len(source.splitlines())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd escapes, which the library's tests have
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        # Python's own tests have files that are wrong on purpose.
        return {"path": path, "lines": lines, "unparsable": f"{type(error).__name__}: {error}"}
    functions: list[Function] = []
    classes = 0
    for name, node in definitions(tree, ""):
        if isinstance(node, FUNCTIONS):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            functions.append({"name": name, "line": node.lineno, "lines": length})
        else:
            classes += 1
    return {
        "path": path,
        "lines": lines,
        "functions": len(functions),
        "classes": classes,
        "longest": max(functions, key=lambda function: function["lines"], default=None),
    }


def definitions(tree: ast.AST, prefix: str) -> Iterator[tuple[str, ast.AST]]:
    """Every function and class below a node, with its dotted name, in the order of the source."""
    stack = [(prefix, child) for child in reversed(list(ast.iter_child_nodes(tree)))]
    while stack:
        outer, node = stack.pop()
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            outer += f".{node.name}" if outer else node.name
            yield outer, node
        stack += [(outer, child) for child in reversed(list(ast.iter_child_nodes(node)))]


stdlib = Flow("stdlib")
stdlib.branch(source_files, strict=True).map(parse)


def summary(all_facts: Iterable[Facts]) -> str:
    """Totals, and the ten longest functions."""
    files = list(all_facts)
    parsed = [facts for facts in files if "unparsable" not in facts]
    long = [(facts["path"], facts["longest"]) for facts in parsed if facts["longest"] is not None]
    long.sort(key=lambda pair: -pair[1]["lines"])
    rows = [
        f"files       {len(files):9,}",
        f"  unparsable{len(files) - len(parsed):9,}",
        f"lines       {sum(facts['lines'] for facts in files):9,}",
        f"functions   {sum(facts['functions'] for facts in parsed):9,}",
        f"classes     {sum(facts['classes'] for facts in parsed):9,}",
        "",
        "lines  the ten longest functions",
    ]
    rows += [f"{f['lines']:5}  {f['name']}  ({path}:{f['line']})" for path, f in long[:10]]
    return "\n".join(rows)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        with Path(sys.argv[1]).open(encoding="utf-8") as printed:
            print(summary(json.loads(line) for line in printed))
    else:
        print(summary(stdlib.iter(None)))
