"""flowctl as a program: help, exit codes, and one message an error. No server."""

import importlib.metadata
import json
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from pauseflow import errors
from pauseflow.cli.exits import Exit, code_of
from pauseflow.cli.root import COMMANDS, PLUGINS_HELP, flowctl
from pauseflow.client import Client


def test_help_lists_every_command_and_the_exit_codes(call):
    result = call("--help")
    assert result.exit_code == 0
    for name in (*COMMANDS, "worker", "coordinator"):
        assert f"  {name} " in result.stdout
    for code in Exit:
        assert f" {int(code)} " in result.stdout


@pytest.mark.parametrize("name", [*COMMANDS, "worker", "coordinator"])
def test_every_command_has_help_that_begins_as_the_list_says(name, call):
    result = call(name, "--help")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"Usage: flowctl {name}")


def test_help_imports_neither_redis_nor_rich():
    code = (
        "import sys, pauseflow.cli\n"
        "sys.argv = ['flowctl', '--help']\n"
        "try:\n    pauseflow.cli.main()\n"
        "finally:\n    print(sorted({'redis', 'rich'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "[]"
    assert done.returncode == 0


def test_a_misspelled_command_or_option_gets_the_nearest_name(call):
    result = call("sumbit")
    assert (result.exit_code, "Did you mean 'submit'?" in result.stderr) == (2, True)
    result = call("run", "flow", "--wrokers", "3")
    assert (result.exit_code, "Did you mean '--workers'?" in result.stderr) == (2, True)


def test_commands_of_other_packages_are_found_and_get_the_global_options(monkeypatch, call):
    seen: dict[str, object] = {}

    @click.command()
    @click.option("--url", envvar="NO_SUCH_VARIABLE")
    def brew(url: str | None) -> None:
        """Make tea."""
        seen["url"] = url

    entry = type("Entry", (), {"name": "brew", "load": staticmethod(lambda: brew)})
    broken = type("Entry", (), {"name": "spill", "load": staticmethod(lambda: 1 / 0)})
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [entry, broken])
    result = call("--help")
    assert "Make tea." in result.stdout
    assert "can't be loaded: division by zero" in result.stdout
    assert call("--url", "redis://h", "brew").exit_code == 0
    assert seen == {"url": "redis://h"}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.UnknownRun("x"), 3),
        (errors.UnknownName("x"), 3),
        (errors.UnknownLetter("x"), 3),
        (errors.LetterRefused("x"), 2),
        (errors.SkipRefused("x"), 1),
        (errors.ServerUnreachable("x"), 4),
        (errors.ServerRefused("x"), 4),
        (errors.ServerFull("x"), 4),
        (errors.SettingsError("x"), 2),
        (errors.AppError("x"), 2),
        (errors.FlowDefinitionError("x"), 2),
        (errors.NotSerializable("socket"), 2),
        (errors.RunConflict("x"), 2),
        (errors.RunFailed("x"), 1),
        (errors.ResultsDropped("x"), 1),
        (errors.StoreError("DB index is out of range"), 4),
        (KeyError("x"), 70),
    ],
)
def test_each_error_is_one_message_and_its_exit_code(client, error, code, call):
    client.failure = error
    result = call("runs")
    assert code_of(error) == code
    assert result.exit_code == code
    assert result.stdout == ""
    assert result.stderr.startswith("flowctl: ")
    assert str(error) in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_debug_shows_the_traceback_before_or_after_the_command(client):
    client.failure = errors.ServerFull("no room")
    for arguments in (("--debug", "runs"), ("runs", "--debug")):
        result = CliRunner().invoke(flowctl, arguments)
        assert "Traceback" in result.stderr
        assert result.stderr.splitlines()[-1] == "flowctl: no room"
        assert result.exit_code == 4


def test_an_interrupt_is_130(client, call):
    client.failure = KeyboardInterrupt()  # type: ignore[assignment]
    result = call("runs")
    assert result.exit_code == 130
    assert "interrupted" in result.stderr


def test_a_bad_address_is_refused_before_anything_is_connected(shop, call):
    result = call("--url", "http://:hunter2@host", "runs")
    assert result.exit_code == 2
    assert "redis://host:6379/0" in result.stderr
    assert "hunter2" not in result.stderr


def test_an_option_after_the_command_beats_one_before_it(client, monkeypatch, call):
    urls: list[str] = []
    monkeypatch.setattr(
        Client, "connect", lambda url, *, namespace: urls.append(f"{url} {namespace}") or client
    )
    call("--url", "redis://a", "runs", "--url", "redis://b", "--namespace", "n")
    call("--url", "redis://a", "--namespace", "m", "runs")
    assert urls == ["redis://b n", "redis://a m"]


FLOWS = """
from pauseflow.flow import Flow

def double(x):
    return 2 * x

def pages(x):
    return [x]

doubling = Flow("doubling").map(double)
branching = Flow("branching")
branching.branch(pages).map(double, ordered=False).each(print)
"""


def test_flows_are_drawn_as_lines(shop, call):
    (shop / "flows_drawn.py").write_text(FLOWS)
    result = call("flows", "--app", "flows_drawn")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "branching: pages (branch) → double (unordered) → print (each)",
        "doubling: double",
    ]


def test_flows_for_programs(shop, call):
    (shop / "flows_listed.py").write_text(FLOWS)
    lines = call("flows", "--app", "flows_listed", "--json").stdout.splitlines()
    found = [json.loads(line) for line in lines]
    assert [flow["name"] for flow in found] == ["branching", "doubling"]
    assert [stage["to"] for stage in found[0]["stages"]] == [["double"], ["print"], []]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (FLOWS + "doubling.map(double)\n", "two stages"),
        ("import no_such_library\n", "ModuleNotFoundError: No module named 'no_such_library'"),
        ("", "has no flows"),
    ],
)
def test_an_app_that_cannot_be_used_is_bad_input(shop, source, said, call):
    (shop / "flows_broken.py").write_text(source)
    for arguments in (("flows",), ("run", "f", "1"), ("submit", "f", "1")):
        result = call(*arguments, "--app", "./flows_broken.py")
        assert result.exit_code == 2
        assert said in result.stderr
        assert len(result.stderr.splitlines()) == 1


def test_an_unknown_flow_is_not_found(shop, call):
    (shop / "flows_known.py").write_text(FLOWS)
    for arguments in (("run", "dubling", "1"), ("submit", "dubling", "1")):
        result = call(*arguments, "--app", "flows_known")
        assert result.exit_code == 3
        assert "Did you mean 'doubling'?" in result.stderr
    assert not (shop / ".pauseflow").exists()


@pytest.mark.parametrize("command", ["run", "submit"])
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("f", "hello"), "write '\"hello\"', with both quotes"),
        (("f",), "JSON"),
        (("f", "1", "--file", "x"), "file"),
        (("f", "--fiel", "x"), "Did you mean '--file'?"),
        ((), "Missing argument 'FLOW'"),
    ],
)
def test_bad_input_is_said_before_anything_is_started(shop, command, arguments, said, call):
    (shop / "flows_given.py").write_text(FLOWS.replace("doubling", "f"))
    result = call(command, *arguments, "--app", "flows_given")
    assert result.exit_code == 2
    assert said in result.stderr
    assert not (shop / ".pauseflow").exists()


def test_every_plugin_that_is_described_exists():
    names = {e.name for e in importlib.metadata.entry_points(group="pauseflow.commands")}
    assert set(PLUGINS_HELP) <= names
