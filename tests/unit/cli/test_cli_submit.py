"""flowctl submit: what is taken, what is said, and going on where it stopped."""

import json
from collections.abc import Iterable

import pytest

from pauseflow import errors
from pauseflow.flow import Flow

FLOWS = """
from pauseflow.flow import Flow

def double(x):
    return 2 * x

doubling = Flow("doubling").map(double)
"""


class FakeFeed:
    def __init__(self, run_id: str, taken: list[object], *, closed: bool) -> None:
        self.run_id = run_id
        self.taken = taken
        self.closed = closed

    @property
    def position(self) -> int:
        return len(self.taken)

    def extend(self, values: Iterable[object]) -> int:
        for value in values:
            if self.closed:
                raise errors.RunNotOpen(f"the input of run {self.run_id!r} is closed")
            if value == "interrupt":
                raise KeyboardInterrupt
            self.taken.append(value)
        return self.position

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def feeds(client, shop, monkeypatch) -> dict[str, FakeFeed]:
    """The runs that were opened, by id. Beside it, a fake client and an app."""
    found: dict[str, FakeFeed] = {}

    def open_feed(flow: Flow, *, run_id: str | None = None, priority: str) -> FakeFeed:
        assert priority == "normal"
        assert flow.name == "doubling"
        name = run_id or "made-up"
        return found.setdefault(name, FakeFeed(name, [], closed=False))

    def submit(flow: Flow, value: object, *, run_id: str | None = None, priority: str) -> str:
        assert priority in ("normal", "high")
        found[run_id or "made-up"] = FakeFeed(run_id or "made-up", [value], closed=True)
        return run_id or "made-up"

    monkeypatch.setattr(client, "open", open_feed, raising=False)
    monkeypatch.setattr(client, "submit", submit, raising=False)
    monkeypatch.setattr(client, "workers", list, raising=False)
    monkeypatch.setenv("REDIS_URL", "redis://nowhere:1")
    monkeypatch.setenv("FLOWCTL_APP", "./submit_flows.py")
    (shop / "submit_flows.py").write_text(FLOWS)
    return found


def test_one_record_is_submitted_and_the_runs_id_printed(feeds, call):
    result = call("submit", "doubling", '{"a": 1}')
    assert (result.exit_code, result.stdout) == (0, "made-up\n")
    assert feeds["made-up"].taken == [{"a": 1}]
    assert json.loads(call("submit", "doubling", "-1", "--json").stdout) == {"run": "made-up"}
    assert feeds["made-up"].taken == [-1]


def test_a_file_becomes_one_run_whose_input_is_closed(feeds, call, shop):
    (shop / "in.jsonl").write_text("1\n\n2\n3")
    result = call("submit", "doubling", "--file", "in.jsonl", "--run-id", "r")
    assert (result.exit_code, result.stdout) == (0, "r\n")
    assert feeds["r"].taken == [1, 2, 3]
    assert feeds["r"].closed


@pytest.mark.parametrize("arguments", [("-",), ("--file", "-")])
def test_stdin_is_a_file_too(feeds, call, arguments):
    result = call("submit", "doubling", *arguments, stdin="1\n2\n")
    assert result.exit_code == 0
    assert feeds["made-up"].taken == [1, 2]


def test_a_bad_line_loses_nothing_before_it_and_the_mended_file_goes_on_after(feeds, call, shop):
    file = shop / "in.jsonl"
    file.write_text('1\n\n"two"\nthree\n4\n')
    result = call("submit", "doubling", "--file", "in.jsonl", "--run-id", "r")
    assert result.exit_code == 2
    (said,) = result.stderr.splitlines()
    assert said.startswith("flowctl: in.jsonl:4: this line is not JSON: Expecting value")
    assert "2 records were taken into run r" in said
    assert "--run-id r" in said
    assert feeds["r"].taken == [1, "two"]
    assert not feeds["r"].closed

    file.write_text('1\n\n"two"\n"three"\n4\n')
    result = call("submit", "doubling", "--file", "in.jsonl", "--run-id", "r")
    assert result.exit_code == 0
    assert "2 records already" in result.stderr
    assert feeds["r"].taken == [1, "two", "three", 4]
    assert feeds["r"].closed


def test_the_same_file_again_adds_nothing(feeds, call, shop):
    (shop / "in.jsonl").write_text("1\n2\n")
    for _ in range(2):
        result = call("submit", "doubling", "--file", "in.jsonl", "--run-id", "r")
        assert result.exit_code == 0
    assert feeds["r"].taken == [1, 2]


def test_a_shorter_file_under_the_same_name_is_another_file(feeds, call, shop):
    (shop / "in.jsonl").write_text("1\n2\n3\n")
    call("submit", "doubling", "--file", "in.jsonl", "--run-id", "r")
    (shop / "in.jsonl").write_text("1\n")
    result = call("submit", "doubling", "--file", "in.jsonl", "--run-id", "r")
    assert result.exit_code == 2
    assert "2 records fewer than run r has taken" in result.stderr


def test_a_longer_file_than_the_run_took_is_refused(feeds, call, shop):
    (shop / "in.jsonl").write_text("1\n")
    call("submit", "doubling", "--file", "in.jsonl", "--run-id", "r")
    (shop / "in.jsonl").write_text("1\n2\n")
    result = call("submit", "doubling", "--file", "in.jsonl", "--run-id", "r")
    assert result.exit_code == 2
    assert "the input of run 'r' is closed" in result.stderr


def test_an_interrupt_says_how_to_go_on(feeds, call, shop):
    (shop / "in.jsonl").write_text('1\n2\n"interrupt"\n4\n')
    result = call("submit", "doubling", "--file", "in.jsonl", "--run-id", "r")
    assert result.exit_code == 130
    assert "At least 2 records were taken into run r" in result.stderr
    assert "--run-id r" in result.stderr
    assert not feeds["r"].closed


def test_follow_prints_results_only_and_the_runs_id_aside(feeds, client, call):
    client.infos["made-up"] = client.infos["r1"]
    result = call("submit", "doubling", "1", "--follow")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == ["1", '"zwei"', '{"$bytes": "Mw=="}']
    assert "run made-up" in result.stderr


def test_follow_reads_results_while_a_file_is_fed(feeds, client, call):
    client.infos["made-up"] = client.infos["r1"]
    result = call("submit", "doubling", "-", "--follow", stdin="1\n2\n")
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 3
    assert feeds["made-up"].closed


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("1", "2"), "give one record"),
        (("--file", "no-such-file"), "no-such-file can't be read: No such file"),
        (("--file", "."), ". can't be read: Is a directory"),
    ],
)
def test_input_that_cannot_be_read(feeds, call, arguments, said):
    result = call("submit", "doubling", *arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert not feeds
