"""Several lines become one: records as they arrive, ends and series when all are through."""

from collections import Counter

import pytest

from pauseflow import Flow, FlowDefinitionError, merge
from pauseflow.client import RunState
from support.cluster import Cluster
from support.inventory import assert_no_leaks


def words(line):
    yield from line.split()


def letters(word):
    yield from word


def submitted(fake, flow, value):
    with Cluster(fake, flow) as cluster:
        cluster.client.submit(flow, value, run_id="r")
        cluster.settle()
        assert cluster.client.run("r").state is RunState.DONE
        results = list(cluster.client.results("r"))
    assert_no_leaks(fake)
    return results


def both(fake, flow, value):
    results = flow.run(value)
    assert Counter(submitted(fake, flow, value)) == Counter(results)
    return results


def test_records_of_all_lines_come_to_one(fake):
    flow = Flow("f")
    each = flow.branch(words)
    merge(each.map(str.upper, name="up"), each.map(len)).map(lambda x: (x,), name="tuple")
    assert both(fake, flow, "a bb") == [("A",), (1,), ("BB",), (2,)]


def test_each_line_keeps_its_own_order(fake):
    flow = Flow("f")
    numbers = flow.branch(range, name="numbers")
    odd = numbers.filter(lambda n: n % 2, name="odd").map(lambda n: ("odd", n), name="o")
    merge(odd, numbers.map(lambda n: ("all", n), name="a"), name="both")
    results = submitted(fake, flow, 100)
    assert [n for line, n in results if line == "odd"] == list(range(1, 100, 2))
    assert [n for line, n in results if line == "all"] == list(range(100))


def test_the_run_folds_over_all_of_them(fake):
    flow = Flow("f")
    each = flow.branch(words)
    merge(each.map(str.upper, name="up"), each, each.branch(letters)).count()
    assert both(fake, flow, "ab c") == [7]


def test_lines_of_a_route_meet_again(fake):
    flow = Flow("f")
    routes = flow.branch(words).route(len, [1, 2], otherwise=True)
    merge(routes[1].map(str.upper, name="up"), routes[2], routes.otherwise).map(str, name="str")
    assert both(fake, flow, "a bb ccc d") == ["A", "bb", "ccc", "D"]


def test_finished_is_called_once_when_all_lines_are_through(fake):
    told = []
    flow = Flow("f")
    each = flow.branch(words, finished=lambda line: told.append(("words", line)))
    spelled = each.branch(letters, finished=lambda word: told.append(("letters", word)))
    one = merge(spelled.map(str.upper, name="up"), spelled, name="one")
    merge(one, each.map(len), name="two").each(told.append, name="see")
    expected = Counter({("words", "ab c"): 1, ("letters", "ab"): 1, ("letters", "c"): 1})
    expected.update(["A", "B", "C", "a", "b", "c", 2, 1])
    for run in (lambda: flow.run("ab c"), lambda: submitted(fake, flow, "ab c")):
        told.clear()
        run()
        assert Counter(told) == expected
        assert told[-1] == ("words", "ab c")
        after = told[told.index(("letters", "ab")) :]
        assert not {"A", "B", "a", "b"} & set(after)


def test_a_fold_of_a_series_comes_before_lines_meet(fake):
    flow = Flow("f")
    each = flow.branch(words)
    spelled = each.branch(letters)
    merge(spelled.count(), each.map(len)).sum()
    assert both(fake, flow, "ab c") == [6]


REFUSED = {
    "one": (lambda f, s: merge(s), r"one of several lines, and got 1"),
    "no handle": (lambda f, s: merge(s, 3), r"takes handles.*not 3"),
    "an end": (lambda f, s: merge(s, s.each(print)), r"takes handles"),
    "twice": (lambda f, s: merge(s, s), r"the same line twice"),
    "two flows": (lambda f, s: merge(s, Flow("g").map(len)), r"handles of two flows, 'f' and 'g'"),
    "a name": (lambda f, s: merge(s, s.map(len), name="a b"), r"can't be called 'a b'"),
    "a fold of a series": (
        lambda f, s: merge(s, s.map(len)).count(per="words"), r"no series of 'words' at this place",
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", REFUSED)
def test_mistakes_are_found_when_the_flow_is_built(mistake):
    make, message = REFUSED[mistake]
    flow = Flow("f")
    with pytest.raises(FlowDefinitionError, match=message):
        make(flow, flow.branch(words))


def test_an_unordered_line_under_a_finished_is_refused():
    flow = Flow("f")
    each = flow.branch(words, finished=print)
    with pytest.raises(FlowDefinitionError, match="'up' is ordered=False"):
        merge(each.map(len), each.filter(len, name="some")).map(str.upper, name="up", ordered=False)


def test_what_comes_in_may_meet_what_was_made_of_it(fake):
    flow = Flow("f")
    merge(flow, flow.map(str.upper, name="up")).map(str, name="str")
    assert both(fake, flow, "a") == ["A", "a"]


def test_chunks_come_one_at_a_time_where_copies_of_markers_are_counted():
    flow = Flow("f")
    each = flow.branch(words, finished=print)
    merge(each.map(len), each, name="counts")
    other = Flow("g")
    both = other.branch(words)
    merge(both.map(len), both, name="through")
    assert flow.graph["counts"].keeps
    assert flow.graph["counts"].sequential
    assert not other.graph["through"].keeps
    assert not other.graph["through"].sequential
