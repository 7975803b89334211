"""Folds: one value of a scope, in this process and through the engine."""

import re

import pytest

from pauseflow import Flow, FlowDefinitionError, PauseFlow, ServerUnreachable, StageFailed, codec
from pauseflow.client import RunState
from pauseflow.errors import NotSerializable
from pauseflow.stages import Budget, Work, runner_for
from support.cluster import Cluster
from support.hands import FixedTuning


def lines(text):
    yield from text.split("\n")


def words(line):
    yield from line.split()


TEXT = "a bb ccc\nd ee\n\nf"


def nested():
    flow = Flow("f")
    of_text = flow.branch(lines)
    return flow, of_text, of_text.branch(words)


def both_ways(fake, flow, value):
    """What `run` gives, once the engine has given the same."""
    expected = flow.run(value)
    with Cluster(fake, flow) as cluster:
        cluster.client.submit(flow, value, run_id="r")
        cluster.settle()
        assert list(cluster.client.results("r")) == expected
        assert cluster.client.run("r").state is RunState.DONE
    return expected


@pytest.mark.parametrize(
    ("per", "counts"), [("words", [3, 2, 0, 1]), ("lines", [6]), ("all", [6]), (None, [3, 2, 0, 1])]
)
def test_a_value_for_each_series_or_for_the_run(fake, per, counts):
    flow, of_text, of_lines = nested()
    scopes = {"words": of_lines, "lines": of_text, "all": flow, None: None}
    of_lines.count(per=scopes[per])
    assert both_ways(fake, flow, TEXT) == counts


def test_a_scope_may_be_named(fake):
    flow, _, of_lines = nested()
    of_lines.count(per="lines")
    assert both_ways(fake, flow, TEXT) == [6]


def test_after_a_fold_records_belong_to_what_is_around_its_scope(fake):
    flow, _, of_lines = nested()
    of_lines.count().max().count(name="texts")
    assert both_ways(fake, flow, TEXT) == [1]


FOLDS = {
    "count": (lambda s: s.count(), [3, 2, 0, 1]),
    "sum": (lambda s: s.sum("<"), ["<abbccc", "<dee", "<", "<f"]),
    "min": (lambda s: s.min(key=len), ["a", "d", "f"]),
    "max": (lambda s: s.max(), ["ccc", "ee", "f"]),
    "top": (lambda s: s.top(2, key=len), [["ccc", "bb"], ["ee", "d"], [], ["f"]]),
    "list": (lambda s: s.collect(), [["a", "bb", "ccc"], ["d", "ee"], [], ["f"]]),
    "set": (lambda s: s.collect(set), [{"a", "bb", "ccc"}, {"d", "ee"}, set(), {"f"}]),
    "dict": (
        lambda s: s.map(lambda w: (w, len(w)), name="pair").collect(dict),
        [{"a": 1, "bb": 2, "ccc": 3}, {"d": 1, "ee": 2}, {}, {"f": 1}],
    ),
    "reduce": (
        lambda s: s.reduce(lambda a, b: f"{a}-{b}", name="join"), ["a-bb-ccc", "d-ee", "f"],
    ),
    "fold": (
        lambda s: s.fold(lambda a, b: [*a, b.upper()], [], name="upper"),
        [["A", "BB", "CCC"], ["D", "EE"], [], ["F"]],
    ),
    "fold from a function": (
        lambda s: s.fold(lambda a, b: a | {b}, set, name="letters"),
        [{"a", "bb", "ccc"}, {"d", "ee"}, set(), {"f"}],
    ),
}  # fmt: skip


@pytest.mark.parametrize("fold", FOLDS)
def test_every_fold(fake, fold):
    make, values = FOLDS[fold]
    flow, _, of_lines = nested()
    make(of_lines)
    assert both_ways(fake, flow, TEXT) == values


def test_finished_is_told_after_the_value_was_emitted(fake):
    told = []
    flow = Flow("f")
    flow.branch(words, finished=told.append).count().map(told.append, name="see")
    assert both_ways(fake, flow, "a b c") == [None]
    assert told == [3, "a b c"] * 2


def test_a_step_that_pauses_or_fails_in_the_middle_leaves_no_trace(fake):
    tries = []

    def risky(values, value):
        values.append(value)
        tries.append(value)
        if tries.count(value) == 1 and value == "bb":
            raise PauseFlow
        if tries.count(value) == 1 and value == "ccc":
            raise ValueError(value)
        return values

    flow = Flow("f")
    flow.branch(words).fold(risky, [], retries=1, backoff=0)
    assert flow.run("a bb ccc d") == [["a", "bb", "ccc", "d"]]
    tries.clear()
    with Cluster(fake, flow) as cluster:
        cluster.client.submit(flow, "a bb ccc d", run_id="r")
        cluster.settle()
        assert list(cluster.client.results("r")) == [["a", "bb", "ccc", "d"]]


def test_a_record_may_be_left_out(fake):
    flow = Flow("f")
    flow.branch(words).map(int, name="number").fold(
        lambda a, b: a + 10 // b, 0, name="f", on_error="dead"
    )
    dead = []
    assert flow.run("1 0 2", dead=dead) == [15]
    assert len(dead) == 1
    with Cluster(fake, flow) as cluster:
        cluster.client.submit(flow, "1 0 2", run_id="r")
        cluster.settle()
        assert list(cluster.client.results("r")) == [15]
        assert [letter.key for letter in cluster.client.dead()] == ["r:f:1"]


def test_a_value_without_an_encoding_is_named(fake):
    class Odd:
        pass

    def build(seen, word):
        return [*seen, {"odd": Odd()}] if word == "x" else [*seen, word]

    flow = Flow("f")
    flow.branch(words).fold(build, [])
    message = r"stage 'build' can't keep its value at \[2\]\[\"odd\"\]: .*Odd has no encoding"
    with Cluster(fake, flow) as cluster:
        cluster.client.submit(flow, "a b x c", run_id="r")
        cluster.settle()
        info = cluster.client.run("r")
        assert info.state is RunState.HALTED
        assert "record r:build:2" in info.error
        assert re.search(message, info.error)


def test_what_can_not_be_made_of_the_records_halts_the_run_at_its_end(fake):
    flow = Flow("f")
    flow.branch(words).collect(dict, per=flow)
    with pytest.raises(StageFailed, match="dictionary update sequence"):
        flow.run("abc d")
    with Cluster(fake, flow) as cluster:
        cluster.client.submit(flow, "abc d", run_id="r")
        cluster.settle()
        info = cluster.client.run("r")
        assert info.state is RunState.HALTED
        assert "dictionary update sequence" in info.error


REFUSED = {
    "not a branch": (
        lambda f, s: s.count(per="wrods"), r"no series of 'wrods'.*did you mean 'words'",
    ),
    "another flow": (lambda f, s: s.count(per=Flow("g")), r"per= is another flow, 'g'"),
    "another flow's handle": (
        lambda f, s: s.count(per=Flow("g").branch(words)), r"a handle of another flow, 'g'",
    ),
    "over already": (lambda f, s: s.count().sum(per="words"), r"no series of 'words'"),
    "unordered": (
        lambda f, s: s.map(str.upper, name="up", ordered=False).count(per="words"),
        r"'up' between them is ordered=False",
    ),
    "no function": (lambda f, s: s.fold(3, 0), r"fold\(\.\.\.\)"),
    "one parameter": (
        lambda f, s: s.fold(lambda a: a, 0, name="x"), r"of the value so far and a record",
    ),
    "a lambda": (lambda f, s: s.fold(lambda a, b: a, 0), r"add name="),
    "an initial value": (
        lambda f, s: s.fold(max, object(), name="x"), r"begins with a .*no encoding",
    ),
    "an option": (lambda f, s: s.count(concurrency=3), r"no option concurrency=: a value is made"),
    "a misspelt option": (lambda f, s: s.count(retrys=3), r"did you mean retries=\?"),
    "top of none": (lambda f, s: s.top(0), r"top\(0\): give a number, 1 or more"),
    "a key": (lambda f, s: s.max(key=3), r"key=3 must be a function of one record"),
    "a name": (lambda f, s: s.count(name="no spaces"), r"a stage can't be called 'no spaces'"),
    "collect": (lambda f, s: s.collect(3), r"collect\(3\): give list"),
    "twice": (lambda f, s: s.count(per=f).count(per=f), r"two stages are called 'count'"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", REFUSED)
def test_mistakes_are_found_when_the_flow_is_built(mistake):
    make, message = REFUSED[mistake]
    flow, _, of_lines = nested()
    with pytest.raises(FlowDefinitionError, match=message):
        make(flow, of_lines)


def test_a_local_run_names_what_has_no_encoding():
    flow = Flow("f")
    flow.branch(words).fold(lambda a, b: object(), 0, name="odd")
    with pytest.raises(NotSerializable, match=r"emitted by stage 'odd'.*object has no encoding"):
        flow.run("a b")


def test_a_run_that_was_paused_goes_on_from_its_value(fake, monkeypatch):
    # Resuming sends stages an empty chunk, which may be run beside one that is not committed yet.
    for module in ("pauseflow_workers.worker", "pauseflow.client"):
        monkeypatch.setattr(f"{module}.Tuning", lambda: FixedTuning(target=1, window=2, limit=1))
    flow = Flow("f")
    flow.map(lambda x: x, name="same")
    flow.count()
    with Cluster(fake, flow) as cluster:
        with cluster.client.open(flow, run_id="r") as feed:
            feed.extend([5, 6])
        cluster.step(cluster.workers[0])
        cluster.step(cluster.workers[0])
        assert cluster.client.run("r").stages[2].done == 1
        cluster.client.pause("r")
        cluster.client.resume("r")
        cluster.settle()
        assert sorted(cluster.client.results("r")) == [2, 5, 6]


def test_a_server_that_is_gone_as_a_list_is_read_does_not_fail_the_stage(monkeypatch):
    flow = Flow("f")
    flow.collect()
    runner = runner_for(flow.graph.root, "f")
    first = runner.run(Work("r", 0, [1, 2]), Budget(9))
    assert first.kept == {b"0": codec.encode([1, 2]), b"n": b"1"}

    def gone(_run, names):
        if names == [b"n"]:
            return [b"1"]
        raise ServerUnreachable("nobody answers")

    monkeypatch.setattr(runner, "_load", gone)
    with pytest.raises(ServerUnreachable):
        runner.run(Work("r", 2, [3], ended=True), Budget(9))
