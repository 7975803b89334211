"""`flowctl graph`: what is drawn, of which flow or run, and where it goes."""

import dataclasses
import io
import re
import sys
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner

from pauseflow import errors
from pauseflow.cli import graph as command
from pauseflow.cli.invocation import Invocation
from pauseflow.cli.root import flowctl
from pauseflow.client import Held, RunState

APP = """
from pauseflow import Flow


def told(run_id):
    pass


def over():
    pass


def numbers(n):
    yield from range(n)


def double(n):
    return 2 * n


doubling = Flow("doubling", on_cancel=told)
doubling.map(double, retries=3, ordered=False)
counting = Flow("counting")
counting.branch(numbers, finished=over).map(double, name="twice")
"""


@pytest.fixture
def app(shop, monkeypatch):
    (shop / "drawn.py").write_text(APP)
    monkeypatch.setenv("FLOWCTL_APP", "drawn.py")
    return shop


@pytest.fixture
def shown(monkeypatch):
    """What the command shows on a terminal."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.delenv("NO_COLOR", raising=False)

    def shown(*arguments):
        screen = io.StringIO()
        screen.isatty = lambda: True  # type: ignore[method-assign]
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", screen)
            command.graph.main(arguments, standalone_mode=False, obj=Invocation())
        return screen.getvalue()

    return shown


def test_a_flow_is_drawn_without_a_server_and_none_is_started(app, call):
    result = call("graph", "counting")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "flow counting",
        "numbers (branch)",
        "↓ twice → results",
        "⇣ numbers.finished (finished)",
    ]
    assert result.stderr == ""
    assert not (app / ".pauseflow").exists()


def test_the_graph_of_what_runs_when_a_run_is_cancelled(app, call):
    drawn = call("graph", "doubling.on_cancel").stdout
    assert drawn.startswith("flow doubling.on_cancel\non_cancel (each, ")
    assert call("graph", "counting.on_cancel").exit_code == 3


def test_a_run_by_its_name_or_with_its_flow_has_counts(app, client, call):
    counts = "arrived 10, done 7, in flight 2, backlog 1, held 4, parked 1, 2,500/s"
    expected = [f"double (unordered, retries 3) → results  {counts}"]
    for arguments in (["r1"], ["--run", "r1"], ["doubling", "--run", "r1"]):
        result = call("graph", *arguments)
        title, taken, condition, *rest = result.stdout.splitlines()
        assert title.startswith("run r1 of flow doubling: running, submitted ")
        assert (taken, condition) == ("10 taken in, 6 results", "1 parked")
        assert rest == expected


def test_where_a_run_halted_and_what_is_paused_is_said(app, client, call):
    said = call("graph", "r2").stdout
    assert "stage 'double' failed on record r1:double:7: ValueError: no" in said
    assert said.endswith("2,500/s, failed\n")
    client.holds = Held(stages=frozenset({("doubling", "double")}))
    assert call("graph", "r1").stdout.endswith("2,500/s, paused\n")


def test_without_the_app_a_run_has_its_stages_but_no_arrows(shop, client, call):
    result = call("graph", "--run", "r1")
    assert result.exit_code == 0
    assert result.stderr.startswith("Without arrows: which app?")
    assert result.stdout.splitlines()[-1].startswith("double  arrived 10, done 7")
    for option in ("--svg", "--mermaid"):
        result = call("graph", "--run", "r1", option)
        assert (result.exit_code, result.stdout) == (2, "")
        assert "which app?" in result.stderr


def test_stages_of_a_run_that_the_flow_has_not_are_drawn_and_said(app, client, call):
    (stage,) = client.infos["r1"].stages
    old = dataclasses.replace(stage, name="triple", arrived=99)
    client.infos["r1"] = dataclasses.replace(client.infos["r1"], stages=(stage, old))
    result = call("graph", "r1")
    assert result.stdout.splitlines()[-1].split()[:3] == ["triple", "arrived", "99,"]
    assert "Run r1 has a stage 'triple', and flow doubling of this app has not" in result.stderr


def test_a_damaged_run_is_drawn_as_far_as_it_goes(app, client, call):
    client.infos["r1"] = dataclasses.replace(
        client.infos["r1"], flow="", stages=(), parked=(), error="what the server knows is damaged"
    )
    result = call("graph", "r1")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[2:] == ["what the server knows is damaged"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["doublin"], 3, "Did you mean 'doubling'?"),
        (["r11"], 3, "there is no flow and no run 'r11'. Did you mean 'r1'?"),
        (["nothing_like_it"], 3, "See flowctl flows, and flowctl runs."),
        (["--run", "r9"], 3, "there is no run 'r9'"),
        (["counting", "--run", "r1"], 2, "run r1 is one of flow doubling, and not of counting"),
        ([], 2, "which graph?"),
        (["doubling", "--watch"], 2, "doubling is a flow"),
        (["r1", "--watch"], 2, "--watch draws on a terminal"),
        (["r1", "--watch", "--svg"], 2, "leave out --svg"),
        (["doubling", "--direction", "down"], 2, "--direction is for --svg and --mermaid"),
        (["doubling", "--svg", "--output", "no/such/folder.svg"], 2, "can't write no/such/folder"),
    ],
)
def test_what_makes_no_sense_is_said(app, client, call, arguments, code, said):
    result = call("graph", *arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    assert said in result.stderr


def test_a_name_that_is_no_flow_is_told_of_although_no_server_answers(app, client, call):
    client.failure = errors.ServerUnreachable("nobody at home")
    result = call("graph", "doublin")
    assert result.exit_code == 4
    assert "has no flow 'doublin'. Did you mean 'doubling'" in result.stderr
    assert "Whether there is a run 'doublin' is not known: nobody at home" in result.stderr
    assert call("graph", "doubling").exit_code == 0


def test_without_a_server_a_misspelled_flow_starts_none(app, call):
    result = call("graph", "doublin")
    assert result.exit_code == 3
    assert "Did you mean 'doubling'?" in result.stderr
    assert not (app / ".pauseflow").exists()


def test_files(app, client, call):
    result = call("graph", "counting", "--svg", "--output", "counting.svg")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    assert ET.parse(app / "counting.svg").getroot().tag.endswith("svg")
    assert call("graph", "counting", "--svg").stdout == (app / "counting.svg").read_text()
    assert call("graph", "r1", "--svg").stdout.count("arrived 10") == 2  # drawn, and described
    assert call("graph", "counting", "--mermaid").stdout.startswith("flowchart TD\n")
    said = call("graph", "r1", "--mermaid", "--direction", "right").stdout
    assert said.startswith("flowchart LR\n")
    assert "arrived 10, done 7" in said
    call("graph", "counting", "--output", "counting.txt")
    assert "↓ twice" in (app / "counting.txt").read_text(encoding="utf-8")


def test_a_terminal_gets_colours(app, client, shown):
    said = shown("r1")
    assert "\x1b[1;36mdouble" in said
    assert "\x1b[33mparked 1" in said


def test_without_colours_a_terminal_gets_the_same_words(app, client, shown, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    said = shown("r1")
    assert not re.search(r"\x1b\[[\d;]*3\d", said)
    *_, name, counts, more = re.sub(r"\x1b\[[\d;]*m", "", said).splitlines()
    assert name == "double (unordered, retries 3) → results"
    assert counts == "  arrived 10, done 7, in flight 2, backlog 1, held 4,"
    assert more == "  parked 1, 2,500/s"


def test_where_arrows_cannot_be_printed_there_are_others(app):
    result = CliRunner(charset="ascii").invoke(flowctl, ["graph", "counting"])
    assert result.exit_code == 0
    assert result.stdout_bytes.splitlines()[2:] == [
        b"v twice -> results",
        b": numbers.finished (finished)",
    ]


def test_watching_draws_until_the_run_is_over(app, client, shown, monkeypatch):
    monkeypatch.setattr(command, "EVERY", 0)
    going = client.infos["r1"]
    (stage,) = going.stages
    ended = dataclasses.replace(stage, done=10, in_flight=0, backlog=0, parked=0, ended=True)
    done = dataclasses.replace(going, state=RunState.DONE, stages=(ended,), parked=())
    later = iter([going, going, done])
    monkeypatch.setattr(client, "run", lambda run_id: next(later))
    said = shown("r1", "--watch")
    assert said.count("done 7") == 2
    assert said.rindex("done 7") < said.index("done 10")
    assert next(later, None) is None
