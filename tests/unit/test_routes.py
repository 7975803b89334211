"""Each record goes down one of several lines."""

import pytest

from pauseflow import Flow, FlowDefinitionError, StageFailed, current
from pauseflow.client import RunState
from support.cluster import Cluster


def words(line):
    yield from line.split()


def kind(word):
    return "number" if word.isdigit() else "long" if len(word) > 2 else "short"


def submitted(fake, flow, value):
    with Cluster(fake, flow) as cluster:
        cluster.client.submit(flow, value, run_id="r")
        cluster.settle()
        assert cluster.client.run("r").state is RunState.DONE
        return list(cluster.client.results("r"))


def both(fake, flow, value):
    results = flow.run(value)
    assert sorted(map(repr, submitted(fake, flow, value))) == sorted(map(repr, results))
    return results


TEXT = "a 12 house 7 bb tree"


def test_a_handle_for_each_line(fake):
    flow = Flow("f")
    routes = flow.branch(words).route(kind, ["number", "long", "short"])
    routes["number"].map(int, name="int")
    routes["long"].map(str.upper, name="up")
    assert both(fake, flow, TEXT) == ["a", 12, "HOUSE", 7, "bb", "TREE"]


def test_a_function_for_each_line(fake):
    flow = Flow("f")
    routes = flow.branch(words).route(
        kind,
        {"number": lambda line: line.map(int, name="int").sum(per=flow)},
        otherwise=lambda line: line.map(str.upper, name="up"),
    )
    assert "sum" in repr(routes["number"])
    assert "up" in repr(routes.otherwise)
    assert both(fake, flow, TEXT) == ["A", "HOUSE", "BB", "TREE", 19]


def test_otherwise_is_a_line_of_its_own(fake):
    flow = Flow("f")
    routes = flow.branch(words).route(kind, ["number"], otherwise=True)
    routes.otherwise.count(per=flow)
    assert both(fake, flow, TEXT) == ["12", "7", 4]


def test_lines_may_part_again(fake):
    flow = Flow("f")
    numbers = flow.branch(words).route(kind, ["number"], otherwise=lambda line: line.each(print))
    numbers["number"].map(int, name="int")
    numbers["number"].map(len)
    assert both(fake, flow, "1 22") == [1, 1, 22, 2]


def test_finished_waits_for_every_line(fake):
    told = []
    flow = Flow("f")
    routes = flow.branch(words, finished=lambda line: told.append("over")).route(
        kind, ["number", "long"], otherwise=True
    )
    routes["number"].each(told.append, name="n")
    routes["long"].map(told.append, name="l").count()
    submitted(fake, flow, TEXT)
    assert sorted(told[:-1]) == ["12", "7", "house", "tree"]
    assert told[-1] == "over"


@pytest.mark.parametrize("options", [{"ordered": False}, {"window": 1}])
def test_keys_and_order_of_a_line(fake, options):
    def keyed(word):
        return word, current().key

    flow = Flow("f")
    routes = flow.branch(words).route(kind, ["number"], otherwise=True, **options)
    routes["number"].map(keyed)
    results = submitted(fake, flow, "1 a 2 b 3")
    numbers = [each for each in results if isinstance(each, tuple)]
    assert numbers == [("1", "r:keyed:0"), ("2", "r:keyed:1"), ("3", "r:keyed:2")]


def test_an_answer_that_leads_nowhere_halts_the_run(fake):
    flow = Flow("f")
    flow.branch(words).route(kind, ["number"])
    with pytest.raises(StageFailed, match="route 'kind' was given 'short', which leads nowhere"):
        flow.run("1 a")
    with Cluster(fake, flow) as cluster:
        cluster.client.submit(flow, "1 a", run_id="r")
        cluster.settle()
        info = cluster.client.run("r")
        assert info.state is RunState.HALTED
        assert "it knows 'number'. Add otherwise=True" in info.error


def test_such_a_record_may_be_set_aside(fake):
    flow = Flow("f")
    flow.branch(words).route(kind, ["number"], on_error="dead")
    dead = []
    assert flow.run("1 a 2", dead=dead) == ["1", "2"]
    assert len(dead) == 1
    assert submitted(fake, flow, "1 a 2") == ["1", "2"]


async def later(word):
    return word


REFUSED = {
    "a str": (lambda s: s.route(kind, "number"), r"a list of answers, or a dict"),
    "no list": (lambda s: s.route(kind, 3), r"a list of answers"),
    "none": (lambda s: s.route(kind, []), r"one answer or more"),
    "twice": (lambda s: s.route(kind, ["a", "a"]), r"each once"),
    "a list as an answer": (lambda s: s.route(kind, [[1]]), r"keys of a dict"),
    "no function": (lambda s: s.route(kind, {"a": 3}), r"that for 'a' is 3"),
    "threads": (lambda s: s.route(kind, ["a"], threads=3), r"no option threads="),
    "async": (lambda s: s.route(later, ["a"]), r"later\(word\) is async"),
    "no such line": (lambda s: s.route(kind, ["a"])["b"], r"no route for 'b': there are 'a'"),
    "no others": (lambda s: s.route(kind, ["a"]).otherwise, r"add otherwise=True"),
}


@pytest.mark.parametrize("mistake", REFUSED)
def test_mistakes_are_found_when_the_flow_is_built(mistake):
    make, message = REFUSED[mistake]
    with pytest.raises(FlowDefinitionError, match=message):
        make(Flow("f").branch(words))


def test_the_graph_names_the_lines():
    flow = Flow("f")
    routes = flow.map(str.upper, name="up").route(kind, ["number"], otherwise=True)
    routes["number"].map(int, name="int")
    outlets = flow.graph.outlets("kind")
    assert [(outlet.name, outlet.target) for outlet in outlets] == [
        ("number", "int"), ("otherwise", None),
    ]  # fmt: skip
