"""What flowctl shows of runs: runs, show, results, retry."""

import dataclasses
import json
from datetime import UTC, datetime, timedelta

import pytest

from pauseflow import errors
from pauseflow.cli.table import age
from pauseflow.client import ParkedInfo, RunState, SetAsideInfo


def test_runs_are_a_table_with_what_holds_them(client, call):
    result = call("runs")
    assert result.exit_code == 0
    headings, *rows = result.stdout.splitlines()
    assert headings.split() == ["RUN", "FLOW", "STATE", "TAKEN", "RESULTS", "AGE"]
    assert [row.split()[:5] for row in rows] == [
        ["r1", "doubling", "running", "10", "6"],
        ["r2", "doubling", "halted", "10", "6"],
        ["r3", "doubling", "running", "10", "6"],
    ]
    assert rows[0].endswith("1 parked")
    assert rows[1].endswith("ValueError: no")
    assert rows[2].endswith("waits for a reader")


def test_runs_and_show_tell_how_many_records_were_set_aside(client, call):
    one = dataclasses.replace(client.infos["r1"], dead=2)
    other = dataclasses.replace(one, id="r2", state=RunState.DONE, dead=1)
    client.infos = {"r1": one, "r2": other}
    first, second = call("runs").stdout.splitlines()[1:]
    assert first.endswith("1 parked, 2 set aside")
    assert second.endswith("1 set aside")
    assert "2 set aside: flowctl dead list" in call("show", "r1").stdout


def test_entries_that_were_set_aside_are_told_beside_the_runs(client, call):
    assert call("runs").stderr == ""
    since = datetime.now(UTC) - timedelta(minutes=5)
    client.aside = [SetAsideInfo("pauseflow:{x:0}:stream:f:s", "7-0", since, "no chunk")] * 3
    told = call("runs").stderr
    assert "3 entries" in told
    assert "5 min ago, from pauseflow:{x:0}:stream:f:s: no chunk" in told
    assert call("runs", "--json").stderr == ""


def test_runs_for_programs_are_json_lines(client, call):
    lines = call("runs", "--json", "--limit", "2").stdout.splitlines()
    first, second = map(json.loads, lines)
    assert first["id"] == "r1"
    assert first["state"] == "running"
    assert first["created"] == "2024-01-02T00:00:00+00:00"
    assert first["stages"][0]["held"] == 4
    assert second["error"].endswith("ValueError: no")


def test_no_runs_is_said_aside(client, call):
    result = call("runs", "--flow", "tripling")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "no runs" in result.stderr
    assert call("runs", "--flow", "tripling", "--json").stdout == ""


def test_show_tells_each_stages_books_and_what_is_parked(client, call):
    lines = call("show", "r1").stdout.splitlines()
    assert lines[0].startswith("run r1 of flow doubling: running, submitted ")
    assert lines[1] == "10 taken in, 6 results (60 bytes kept, 2 read, 1 dropped)"
    books = dict(zip(lines[3].split(), lines[4].removesuffix(" s").split(), strict=True))
    assert books == {
        "STAGE": "double",
        "ARRIVED": "10",
        "DONE": "7",
        "CURSOR": "3",
        "FLYING": "2",
        "BACKLOG": "1",
        "HELD": "4",
        "PARKED": "1",
        "RATE": "2,500/s",
        "BUSY": "1.2",
    }
    assert lines[-1].split()[:3] == ["double", "r1:double:7", "pause"]
    assert lines[-1].endswith("until tea")


def test_show_says_what_to_do_for_a_halted_run_and_for_one_that_waits_for_a_reader(client, call):
    assert "flowctl retry r2" in call("show", "r2").stdout
    assert "flowctl results r3 --follow" in call("show", "r3").stdout
    assert "results r1" not in call("show", "r1").stdout


def test_show_for_programs_is_one_object(client, call):
    assert json.loads(call("show", "r1", "--json").stdout)["parked"][0]["note"] == "until tea"


@pytest.mark.parametrize("command", ["show", "results", "retry"])
def test_an_unknown_run_is_not_found(client, call, command):
    result = call(command, "nope")
    assert result.exit_code == 3
    assert "there is no run 'nope'" in result.stderr


def test_results_are_json_lines_and_nothing_else(client, call):
    result = call("results", "r1")
    assert result.stdout == '1\n"zwei"\n{"$bytes": "Mw=="}\n'
    assert result.stderr == ""
    assert call("results", "r1", "--start", "2").stdout == '{"$bytes": "Mw=="}\n'


def test_results_before_a_failure_are_printed(client, call):
    client.after = errors.RunFailed("run 'r1' halted: no")
    result = call("results", "r1", "--follow")
    assert result.exit_code == 1
    assert len(result.stdout.splitlines()) == 3
    assert "halted" in result.stderr


def test_a_reader_that_has_had_enough_is_no_error(client, call):
    client.after = BrokenPipeError()
    result = call("results", "r1")
    assert (result.exit_code, result.stderr) == (0, "")


def test_retry_says_whether_there_was_anything_to_retry(client, call):
    assert "goes on" in call("retry", "r2").stderr
    assert "nothing to retry" in call("retry", "r1").stderr


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (86400 * 9, "9 d"), (-30, "30 s")],
)
def test_ages_are_short(seconds, shown):
    now = datetime(2024, 1, 2, tzinfo=UTC)
    assert age(now - timedelta(seconds=seconds), now) == shown


def test_show_tells_the_last_line_of_an_error_and_obeys_no_escapes(client, call):
    note = "Traceback ...\n  somewhere\nValueError: \x1b[2Jgone\n"
    parked = ParkedInfo("double", "r1:double:7", "failed", datetime.now(UTC), None, note)
    client.infos["r1"] = dataclasses.replace(client.infos["r1"], parked=(parked,))
    said = call("show", "r1").stdout
    assert said.splitlines()[-1].endswith("after flowctl retry  ValueError: \\x1b[2Jgone")
    assert "Traceback" not in said


def test_quarantine_lists_what_was_set_aside_and_counts_it(client, call):
    result = call("quarantine")
    assert (result.stdout, result.stderr) == ("", "Set aside so far: 0.\n")
    since = datetime.now(UTC) - timedelta(minutes=5)
    stream = "pauseflow:{x:0}:stream:f:s"
    client.aside = [SetAsideInfo(stream, "7-0", since, "no\nchunk", b"\xff\x1b[2J" + b"x" * 90)] * 3
    result = call("quarantine", "--limit", "1")
    heading, line = result.stdout.splitlines()
    assert heading.split() == ["AGE", "FOUND", "IN", "REASON", "IT", "BEGINS", "WITH"]
    assert "stream:f:s 7-0" in line
    assert "\\xff\\x1b[2Jxxx" in line
    assert "\x1b" not in line
    assert result.stderr == "Set aside so far: 3.\n"
    told = json.loads(call("quarantine", "--json").stdout)
    assert told["total"] == 3
    assert told["entries"][0]["stream"] == stream
    assert bytes.fromhex(told["entries"][0]["body"]).startswith(b"\xff\x1b[2J")
