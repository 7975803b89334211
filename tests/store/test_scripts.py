"""The loader of scripts, and that each script says what it takes."""

from __future__ import annotations

from importlib import resources

import pytest

from pauseflow.store import commands, remedies, scripts
from pauseflow.store.scripts import Arg, Args, Key, Keys, ScriptError, assemble, script

ALL = sorted(
    entry.name.removesuffix(".lua")
    for entry in resources.files("pauseflow.store").joinpath("lua").iterdir()
    if entry.name.endswith(".lua")
)


@pytest.fixture
def texts(monkeypatch):
    """Scripts that a test writes, in place of those of the package."""
    written = {}
    monkeypatch.setattr(scripts, "_read", written.__getitem__)
    monkeypatch.setattr(scripts, "SOURCES", {})
    return written


@pytest.mark.parametrize("name", ALL)
def test_each_script_says_what_it_takes_and_gives(name):
    text, keys, _ = assemble(name)
    assert keys
    assert text.count("-- RETURNS: ") == 1
    assert "KEYS[" in text
    assert any(callable(getattr(module, name, None)) for module in (commands, remedies))


def test_names_become_locals_and_the_last_may_stand_for_the_rest(texts):
    texts["probe"] = "-- KEYS: first rest...\n-- ARGV: a b...\nreturn 1\n"
    text, keys, args = assemble("probe")
    assert text.startswith("local first = KEYS[1]\nlocal a = ARGV[1]\n")
    assert (keys, args) == (["first", "rest..."], ["a", "b..."])

    @script
    def probe(first: Key, rest: Keys, a: Arg, b: Args) -> None:
        """Does nothing."""

    (sha,) = scripts.SOURCES
    assert probe("k1", ["k2", "k3"], 7, [8, b"9"]) == (
        "EVALSHA", sha, 3, "k1", "k2", "k3", 7, 8, b"9",
    )  # fmt: skip
    assert probe("k1", [], "x", []) == ("EVALSHA", sha, 1, "k1", "x")
    assert (probe.__name__, probe.__doc__) == ("probe", "Does nothing.")


def test_a_script_may_have_no_arguments_or_no_keys(texts):
    texts["probe"] = "-- KEYS: one\n-- ARGV:\nreturn 1\n".replace("ARGV:\n", "ARGV: \n")

    @script
    def probe(one: Key) -> None: ...

    assert probe("k")[2:] == (1, "k")


def test_includes_come_once_and_before_what_needs_them(texts):
    texts["probe"] = "-- KEYS: k\n-- ARGV: a\n-- @include x\n-- @include y\nreturn 1\n"
    texts["includes/x"] = "-- @include y\nlocal x = y\n"
    texts["includes/y"] = "local y = 1\n"
    text, _, _ = assemble("probe")
    assert text.count("local y = 1") == text.count("local x = y") == 1
    assert text.index("local y = 1") < text.index("local x = y") < text.index("return 1")


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("-- ARGV: a\n", "has 0 '-- KEYS:' lines"),
        ("-- KEYS: k\n", "has 0 '-- ARGV:' lines"),
        ("-- KEYS: k\n-- KEYS: k\n-- ARGV: a\n", "has 2 '-- KEYS:' lines"),
        ("-- KEYS: k... l\n-- ARGV: a\n", "only the last name"),
        ("-- KEYS: other\n-- ARGV: a\n", "declares KEYS"),
        ("-- KEYS: k\n-- ARGV: a b\n", "its Python signature has"),
        ("-- KEYS: k...\n-- ARGV: a\n", "declares KEYS"),
    ],
)
def test_a_header_that_is_not_the_signatures_is_refused(texts, header, said):
    texts["probe"] = header

    def probe(k: Key, a: Arg) -> None: ...

    with pytest.raises(ScriptError, match=said):
        script(probe)


def test_a_signature_that_says_too_little_is_refused(texts):
    texts["probe"] = "-- KEYS: k\n-- ARGV: a\n"

    def probe(k: Key, a) -> None: ...

    with pytest.raises(ScriptError, match="annotate a as Key, Keys, Arg or Args"):
        script(probe)


def test_keys_come_first(texts):
    texts["probe"] = "-- KEYS: k\n-- ARGV: a\n"

    def probe(a: Arg, k: Key) -> None: ...

    with pytest.raises(ScriptError, match="keys come before arguments"):
        script(probe)


def test_every_script_runs_on_the_server_under_its_own_name(server, wire):
    wire.load_scripts()
    known = wire.call(("SCRIPT", "EXISTS", *scripts.SOURCES))
    assert known == [1] * len(scripts.SOURCES)
    assert len(scripts.SOURCES) >= len(ALL)


def test_rates_are_noted_for_runs_that_are_there(server, wire):
    assert wire.call(commands.rates("run", "{}")) == 0
    assert wire.call(("KEYS", "*")) == []
    wire.call(("HSET", "run", "flow", "f"))
    assert wire.call(commands.rates("run", "{}")) == 1
    assert wire.call(("HGET", "run", "rates")) == b"{}"
    wire.call(("DEL", "run"))


def test_scripts_are_loaded_in_the_midst_of_other_commands(server, wire):
    wire.call(("SCRIPT", "FLUSH"))
    wire.call(("HSET", "run", "flow", "f"))
    assert wire.exchange(
        [
            ("HSET", "run", "x", 1),
            commands.rates("run", "{}"),
            ("HGET", "run", "x"),
            commands.rates("no", ""),
        ]
    ) == [1, 1, b"1", 0]
    wire.call(("DEL", "run"))
