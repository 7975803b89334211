"""flowctl dead and flowctl skip, on a server, with workers that are stepped by hand."""

import itertools
import json
import sys

import pytest

from pauseflow.app import load
from pauseflow.client import Client
from pauseflow.store.letters import Letter
from support.cluster import Cluster

APP = """
from dataclasses import dataclass
from pauseflow import Flow, PauseFlow, register

BROKEN = {2}

@register
@dataclass
class Order:
    number: int

def orders(n):
    for number in range(n):
        yield Order(number)

def ship(order):
    if isinstance(order, Order) and order.number in BROKEN:
        raise ValueError(f"no stock for {order.number}\\nnone")
    return str(order)

def steps(n):
    for number in range(n):
        yield number
        yield PauseFlow()
        if number in BROKEN:
            raise KeyError(number)

shop = Flow("shop")
shop.branch(orders).map(ship, on_error="dead")
halting = Flow("halting")
halting.branch(orders).map(ship)
stepping = Flow("stepping")
stepping.branch(steps, on_error="dead")
"""


NUMBERS = itertools.count()


@pytest.fixture
def app(shop, monkeypatch):
    name = f"shopping_{next(NUMBERS)}"  # its class can be registered once
    (shop / f"{name}.py").write_text(APP)
    sys.path.insert(0, str(shop))
    monkeypatch.setenv("FLOWCTL_APP", name)
    return load(name)


@pytest.fixture
def cluster(app, fake, monkeypatch):
    with Cluster(fake, *app.flows.values()) as cluster:
        monkeypatch.setattr(Client, "connect", lambda url, *, namespace: Client(fake))
        monkeypatch.setenv("REDIS_URL", "redis://nowhere:1/0")
        yield cluster


@pytest.fixture
def died(app, cluster):
    """Records of two flows that have died: two runs of shop, one of stepping."""
    for flow, run_id in (("shop", "a"), ("shop", "b"), ("stepping", "c")):
        cluster.client.submit(app.flow(flow), 4, run_id=run_id)
        cluster.settle()
        cluster.advance(300)


def keys(client):
    return [letter.key for letter in client.dead()]


def test_a_list_names_key_flow_and_error(died, call):
    result = call("dead", "list")
    assert result.exit_code == 0
    headings, *rows = result.stdout.splitlines()
    assert headings.split() == ["KEY", "FLOW", "ATTEMPTS", "AGE", "ERROR"]
    assert [row.split()[:3] for row in rows] == [
        ["c:steps:0", "stepping", "1"],
        ["b:ship:2", "shop", "1"],
        ["a:ship:2", "shop", "1"],
    ]
    assert rows[1].endswith("ValueError: no stock for 2")


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (("--flow", "shop"), ["b:ship:2", "a:ship:2"]),
        (("--run", "a"), ["a:ship:2"]),
        (("--stage", "steps"), ["c:steps:0"]),
        (("--error", "KeyError"), ["c:steps:0"]),
        (("--limit", "1"), ["c:steps:0"]),
    ],
)
def test_a_list_has_only_what_was_asked_for(died, call, options, found):
    lines = call("dead", "list", "--json", *options).stdout.splitlines()
    assert [json.loads(line)["key"] for line in lines] == found


def test_a_list_says_when_there_are_more_or_none(cluster, died, call):
    assert "3 dead letters in all" in call("dead", "list", "--limit", "2").stderr
    assert "no dead letters of these" in call("dead", "list", "--flow", "x").stderr
    cluster.client.drop_dead(keys(cluster.client))
    assert call("dead", "list").stderr == "There are no dead letters.\n"


def test_show_has_record_error_and_traceback(died, call):
    lines = call_shown(call, "dead", "show", "a:ship:2")
    assert lines[0].startswith("dead letter a:ship:2 of flow shop, set aside ")
    assert lines[0].endswith(" ago after 1 attempt")
    assert lines[1] == 'record: {"number": 2}'
    assert lines[2] == "goes on from its beginning"
    assert "in ship" in "\n".join(lines)
    assert lines[-2:] == ["ValueError: no stock for 2", "none"]
    found = json.loads(call("dead", "show", "a:ship:2", "--json").stdout)
    assert (found["record"], found["stage"], found["error_type"]) == (
        {"number": 2},
        "ship",
        "ValueError",
    )


def test_show_says_where_in_the_code_a_frame_stands(app, died, call):
    lines = call_shown(call, "dead", "show", "c:steps:0")
    assert lines[1:3] == ["record: 4", "3 values were emitted before it failed"]
    line = APP.splitlines().index("        yield PauseFlow()") + 1
    assert lines[3].endswith(f"{app.name}.py:{line}")
    assert "    number = 2" in lines


def test_show_does_without_the_app(died, call, monkeypatch):
    monkeypatch.delenv("FLOWCTL_APP")
    lines = call_shown(call, "dead", "show", "c:steps:0")
    line = APP.splitlines().index("        yield PauseFlow()") + 1
    assert lines[3].endswith(f"steps, line {line}")
    assert "    number = 2" in lines


def test_show_does_without_the_class_of_the_record(app, cluster, died, call):
    item = cluster.client.dead_letter("a:ship:2").item
    replaced(cluster, "a:ship:2", item=item.replace(b"shopping", b"elsewher"))
    assert call_shown(call, "dead", "show", "a:ship:2")[1] == 'record: "Order(number=2)"'
    replaced(cluster, "a:ship:2", item=b"\xc1")
    assert "can't be read" in call_shown(call, "dead", "show", "a:ship:2")[1]


def call_shown(call, *arguments):
    from click.testing import CliRunner  # noqa: PLC0415 - only here a traceback is no accident

    from pauseflow.cli.root import flowctl  # noqa: PLC0415 - the same

    result = CliRunner().invoke(flowctl, arguments)
    assert result.exit_code == 0, result.stderr
    return result.stdout.splitlines()


def replaced(cluster, key, **parts):
    """The letter with other parts in it."""
    known = cluster.client.dead_letter(key)
    other = Letter(**{each: getattr(known, each) for each in Letter.__slots__} | parts)
    cluster.wire.call(("HSET", cluster.keys.letters, key, other.pack()))


def test_show_says_what_it_cannot_read_or_knows_to_be_no_record(app, cluster, died, call):
    replaced(cluster, "a:ship:2", state=b"\xc1")
    assert "can't be read" in call_shown(call, "dead", "show", "a:ship:2")[2]
    replaced(cluster, "b:ship:2", is_marker=True, crashes=3, traceback="")
    lines = call_shown(call, "dead", "show", "b:ship:2")
    assert lines[0].endswith("3 of its workers died")
    assert lines[1] == "the end of a series, for finished="
    assert lines[-2:] == ["ValueError: no stock for 2", "none"]
    replaced(cluster, "c:steps:0", flow="stopping")
    assert "steps, line" in "".join(call_shown(call, "dead", "show", "c:steps:0"))


@pytest.mark.parametrize("command", ["show", "retry", "edit", "drop"])
def test_an_unknown_key_is_not_found_and_changes_nothing(cluster, died, call, command):
    more = ["1"] if command == "edit" else []
    given = ["a:shp:2", *more] if command in ("show", "edit") else ["b:ship:2", "a:shp:2", *more]
    result = call("dead", command, *given)
    assert result.exit_code == 3
    assert "Did you mean 'a:ship:2'?" in result.stderr
    assert len(keys(cluster.client)) == 3


def test_retry_prints_the_runs_that_go_on(app, cluster, died, call):
    sys.modules[app.name].BROKEN.clear()
    result = call("dead", "retry", "a:ship:2", "c:steps:0")
    assert result.exit_code == 0
    first, second = result.stdout.split()
    assert cluster.finish(first) == ["Order(number=2)"]
    assert cluster.finish(second) == [3]
    assert keys(cluster.client) == ["b:ship:2"]


def test_retry_of_all_that_fit(app, cluster, died, call):
    sys.modules[app.name].BROKEN.clear()
    result = call("dead", "retry", "--all", "--flow", "shop", "--json")
    assert {json.loads(line)["key"] for line in result.stdout.splitlines()} == {
        "a:ship:2",
        "b:ship:2",
    }
    assert "2 dead letters" in result.stderr
    assert keys(cluster.client) == ["c:steps:0"]


def test_retry_needs_the_flow_and_the_stage_and_says_so_before_anything_goes_on(
    app, cluster, died, call
):
    letter = cluster.client.dead_letter("a:ship:2")
    for name, said in (("flow", "has no flow 'shopp'"), ("stage", "has no stage 'shopp'")):
        parts = {each: getattr(letter, each) for each in Letter.__slots__}
        other = Letter(**parts | {name: "shopp"})
        cluster.wire.call(("HSET", cluster.keys.letters, "a:ship:2", other.pack()))
        cluster.wire.call(("ZADD", cluster.keys.dead, 1, other.key))
        cluster.wire.call(("HSET", cluster.keys.letters, other.key, other.pack()))
        result = call("dead", "retry", "b:ship:2", other.key)
        assert result.exit_code == 3
        assert said in result.stderr
        assert "b:ship:2" in keys(cluster.client)


def test_an_edit_takes_json_from_the_line_or_from_stdin(cluster, died, call):
    assert call("dead", "edit", "a:ship:2", '{"n": 1}').exit_code == 0
    assert cluster.client.dead_letter("a:ship:2").record == {"n": 1}
    assert call("dead", "edit", "a:ship:2", "-", stdin='"later"').exit_code == 0
    (run_id,) = call("dead", "retry", "a:ship:2").stdout.split()
    assert cluster.finish(run_id) == ["later"]


@pytest.mark.parametrize(
    ("text", "stdin", "said"),
    [
        ("{half", None, "is not JSON"),
        ("-", '{"a": NaN}', "is not JSON"),
        ("-", b"\xff", "not UTF-8"),
        ('"\\ud800"', None, None),
        (None, "", "give the record as JSON"),
    ],
)
def test_an_edit_that_is_no_record_changes_nothing(cluster, died, call, text, stdin, said):
    before = cluster.client.dead_letter("a:ship:2")
    given = ["a:ship:2"] if text is None else ["a:ship:2", text]
    result = call("dead", "edit", *given, stdin=stdin)
    if said is None:
        assert result.exit_code == 0  # odd, but a record
        return
    assert result.exit_code == 2
    assert said in result.stderr
    assert cluster.client.dead_letter("a:ship:2") == before


def test_an_edit_in_an_editor(cluster, died, call, monkeypatch):
    shown = []
    monkeypatch.setattr("pauseflow.cli.dead._on_a_terminal", lambda: True)
    monkeypatch.setattr("click.edit", lambda text, **_: shown.append(text) or "7\n")
    assert call("dead", "edit", "c:steps:0").exit_code == 0
    assert shown == ["4\n"]
    assert cluster.client.dead_letter("c:steps:0").record == 7
    monkeypatch.setattr("click.edit", lambda text, **_: text)
    result = call("dead", "edit", "c:steps:0")
    assert (result.exit_code, "nothing was changed" in result.stderr) == (2, True)


def test_drop_takes_keys_or_all_that_fit(cluster, died, call):
    assert call("dead", "drop", "a:ship:2").exit_code == 0
    assert keys(cluster.client) == ["c:steps:0", "b:ship:2"]
    result = call("dead", "drop", "--all", "--error", "KeyError")
    assert (result.exit_code, "--yes" in result.stderr) == (2, True)
    assert call("dead", "drop", "--all", "--error", "KeyError", "--yes").exit_code == 0
    assert keys(cluster.client) == ["b:ship:2"]
    assert "1 dead letter" in call("dead", "drop", "--all", "--yes").stderr
    assert keys(cluster.client) == []


def test_dropping_all_is_asked_for_on_a_terminal(cluster, died, call, monkeypatch):
    monkeypatch.setattr("pauseflow.cli.dead._on_a_terminal", lambda: True)
    result = call("dead", "drop", "--all", stdin="n\n")
    assert result.exit_code == 130
    assert "3 dead letters" in result.stderr
    assert len(keys(cluster.client)) == 3
    assert call("dead", "drop", "--all", stdin="y\n").exit_code == 0
    assert keys(cluster.client) == []


@pytest.mark.parametrize("command", ["retry", "drop"])
@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((), "or --all"),
        (("a:ship:2", "--all"), "not both"),
        (("a:ship:2", "--flow", "shop"), "--flow go"),
        (("--run", "a"), "say --all"),
    ],
)
def test_keys_or_all_and_not_both(cluster, died, call, command, given, said):
    result = call("dead", command, *given)
    assert result.exit_code == 2
    assert said in result.stderr
    assert len(keys(cluster.client)) == 3


def test_a_misspelled_command_gets_the_nearest_name(call):
    result = call("dead", "lits")
    assert (result.exit_code, "Did you mean 'list'?" in result.stderr) == (2, True)


def test_skip_prints_the_keys_of_what_it_set_aside(app, cluster, call):
    cluster.client.submit(app.flow("halting"), 4, run_id="h")
    cluster.settle()
    result = call("skip", "h")
    assert (result.exit_code, result.stdout) == (0, "h:ship:2\n")
    assert "goes on" in result.stderr
    assert len(cluster.finish("h")) == 3
    assert "nothing to skip" in call("skip", "h").stderr
    assert call("skip", "nope").exit_code == 3
