from __future__ import annotations

import itertools
import linecache
from typing import Any

from corpus.world import WORLD, Case, Opened, tick
from driving import Driver, plainly
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from pauseflow.pause import PauseFlow

NAMES = ("a", "b", "c")
FILES = itertools.count()


def check(value: int) -> int:
    if value % 3 == 0:
        raise ValueError(value)
    return value


def some(n: int) -> Any:
    for i in range(n):
        yield tick(i)
    return n


class Body:
    """Draws a body, line by line."""

    def __init__(self, draw: Any) -> None:
        self._draw = draw
        self._names = 0

    def new(self, kind: str) -> str:
        self._names += 1
        return f"{kind}{self._names}"

    def choose(self, *options: Any) -> Any:
        return self._draw(st.sampled_from(options))

    def name(self) -> str:
        return str(self.choose(*NAMES))

    def expression(self) -> str:
        return str(
            self.choose(
                self.name(), f"{self.name()} + 1", f"({self.name()} * 2) % 5",
                f"tick({self.name()})", f"check({self.name()})", "len(seen)",
            )
        )  # fmt: skip

    def block(self, depth: int, *, loop: bool) -> list[str]:
        lines: list[str] = []
        for _ in range(self._draw(st.integers(1, 3))):
            lines += self.statement(depth, loop=loop)
        return lines

    def inner(self, depth: int, *, loop: bool) -> list[str]:
        return ["    " + line for line in self.block(depth - 1, loop=loop)]

    def statement(self, depth: int, *, loop: bool) -> list[str]:
        simple = ["assign", "assign", "yield", "yield", "append", "ask", "from", "sent"]
        if loop:
            simple += ["break", "continue"]
        if depth < 2:
            simple += ["return"]
        compound = ["if", "while", "for", "try", "with", "match", "each", "finally"]
        kind = self.choose(*(simple if depth == 0 else simple[:4] + compound * 2))
        return getattr(self, f"_{kind}")(depth, loop)  # type: ignore[no-any-return]

    def _assign(self, depth: int, loop: bool) -> list[str]:
        return [f"{self.name()} = {self.expression()}"]

    def _append(self, depth: int, loop: bool) -> list[str]:
        return [f"seen.append({self.expression()})"]

    def _yield(self, depth: int, loop: bool) -> list[str]:
        return [f"yield {self.choose(self.expression(), 'seen', '(a, b)')}"]

    def _ask(self, depth: int, loop: bool) -> list[str]:
        return ["seen.append((yield PauseFlow()))"]

    def _sent(self, depth: int, loop: bool) -> list[str]:
        return [f"{self.name()} = check({self.name()}) + len((yield PauseFlow()))"]

    def _from(self, depth: int, loop: bool) -> list[str]:
        return [f"{self.name()} = yield from some({self.name()} % 3)"]

    def _break(self, depth: int, loop: bool) -> list[str]:
        return [f"if {self.name()} % 2:", "    break"]

    def _continue(self, depth: int, loop: bool) -> list[str]:
        return [f"if {self.name()} % 2:", "    continue"]

    def _return(self, depth: int, loop: bool) -> list[str]:
        return [f"if {self.name()} > 2:", f"    return {self.name()}"]

    def _if(self, depth: int, loop: bool) -> list[str]:
        lines = [f"if {self.expression()}:", *self.inner(depth, loop=loop)]
        if self.choose(True, False):
            lines += [f"elif {self.name()} > 1:", *self.inner(depth, loop=loop)]
        if self.choose(True, False):
            lines += ["else:", *self.inner(depth, loop=loop)]
        return lines

    def _while(self, depth: int, loop: bool) -> list[str]:
        count = self.new("w")
        lines = [f"{count} = 0", f"while {count} < 2:", f"    {count} += 1"]
        return [*lines, *self.inner(depth, loop=True), *self._orelse(depth, loop)]

    def _for(self, depth: int, loop: bool) -> list[str]:
        items = self.choose("range(2)", "[a, b]", "tick([0, 1])", "some(2)", "{a: 1, b: 2}", "'xy'")
        target = self.new("i")
        lines = [f"for {target} in {items}:", f"    seen.append({target})"]
        return [*lines, *self.inner(depth, loop=True), *self._orelse(depth, loop)]

    def _each(self, depth: int, loop: bool) -> list[str]:
        target = f"{self.new('i')}, {self.name()}"
        lines = [f"for {target} in enumerate(some({self.name()} % 3)):"]
        return [*lines, *self.inner(depth, loop=True), *self._orelse(depth, loop)]

    def _orelse(self, depth: int, loop: bool) -> list[str]:
        return ["else:", *self.inner(depth, loop=loop)] if self.choose(True, False) else []

    def _try(self, depth: int, loop: bool) -> list[str]:
        lines = ["try:", *self.inner(depth, loop=loop)]
        lines += [f"except {self.choose('ValueError', '(ValueError, KeyError)', 'Exception')}:"]
        lines += ["    tick('handled')"]
        if self.choose(True, False):
            lines += ["else:", *self.inner(depth, loop=loop)]
        return lines

    def _finally(self, depth: int, loop: bool) -> list[str]:
        lines = ["try:", *self.inner(depth, loop=loop)]
        return [*lines, "finally:", f"    {self.name()} = len(seen)", "    seen.append('finally')"]

    def _with(self, depth: int, loop: bool) -> list[str]:
        target = self.new("m")
        swallows = self.choose("", ", swallows=ValueError")
        lines = [f"with Opened('{target}'{swallows}) as {target}:"]
        lines += [f"    seen.append({target}.read(0))"]
        return [*lines, *self.inner(depth, loop=loop)]

    def _match(self, depth: int, loop: bool) -> list[str]:
        lines = [f"match {self.expression()}:", "    case 0 | 1:"]
        lines += ["    " + line for line in self.inner(depth, loop=loop)]
        captured = self.new("x")
        lines += [f"    case int({captured}) if {captured} > 2:"]
        lines += ["    " + line for line in self.inner(depth, loop=loop)]
        return lines


@st.composite
def bodies(draw: Any) -> str:
    lines = ["a = n", "b = 1", "c = 2", "seen = []", *Body(draw).block(3, loop=False)]
    lines += ["yield seen", "yield a, b, c"]
    return "def generated(n):\n" + "\n".join("    " + line for line in lines) + "\n"


def function_of(source: str) -> Any:
    file = f"generated_{next(FILES)}.py"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    scope: dict[str, Any] = {
        "__name__": "generated", "tick": tick, "check": check, "some": some, "Opened": Opened,
        "PauseFlow": PauseFlow,
    }  # fmt: skip
    exec(compile(source, file, "exec"), scope)
    return scope["generated"]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(bodies(), st.integers(0, 3))
def test_any_body_stopped_anywhere_gives_what_the_plain_one_gives(source: str, n: int) -> None:
    note(source)
    fn = function_of(source)
    case = Case("generated", fn, n, fn)
    expected = plainly(case)
    calls = WORLD.calls
    driver = Driver(case)
    assert driver.run(at_yields=True) == expected
    assert driver.run(at_yields=False) == expected
    for pause_at in range(1, min(calls, 12) + 1):
        note(f"pause at {pause_at}")
        assert driver.run(at_yields=bool(pause_at % 2), pause_at=pause_at) == expected
