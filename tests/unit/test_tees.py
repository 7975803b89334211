"""A handle that is used twice: lines part, and each goes its own way."""

import pytest

from pauseflow import Flow, FlowDefinitionError
from pauseflow.client import RunState
from support.cluster import Cluster
from support.inventory import assert_no_leaks


def words(line):
    yield from line.split()


def letters(word):
    yield from word


def failing(word):
    if word == "b" and not failing.mended:
        raise ValueError(word)
    return word.upper()


def results_of(fake, flow, value):
    """What the engine gives; nothing must be left over."""
    with Cluster(fake, flow) as cluster:
        cluster.client.submit(flow, value, run_id="r")
        cluster.settle()
        assert cluster.client.run("r").state is RunState.DONE
        return list(cluster.client.results("r"))


def test_each_line_gets_every_record(fake):
    flow = Flow("f")
    each = flow.branch(words)
    each.map(str.upper, name="up")
    each.map(len)
    assert flow.run("a bb") == ["A", 1, "BB", 2]
    assert sorted(map(str, results_of(fake, flow, "a bb"))) == ["1", "2", "A", "BB"]


def test_each_line_keeps_its_own_order(fake):
    flow = Flow("f")
    each = flow.branch(range, name="numbers")
    each.map(lambda n: ("a", n), name="a")
    each.map(lambda n: ("b", n), name="b").filter(lambda pair: pair[1] % 2, name="odd")
    results = results_of(fake, flow, 50)
    assert [n for line, n in results if line == "a"] == list(range(50))
    assert [n for line, n in results if line == "b"] == list(range(1, 50, 2))


def test_lines_may_part_at_the_very_beginning(fake):
    flow = Flow("f")
    flow.map(lambda x: x + 1, name="more")
    flow.map(lambda x: x * 10, name="tenfold")
    assert [stage.name for stage in flow.graph.stages] == ["f.input", "more", "tenfold"]
    assert flow.run(3) == [4, 30]
    assert sorted(results_of(fake, flow, 3)) == [4, 30]


def test_the_name_of_the_beginning_may_be_taken():
    flow = Flow("f")
    flow.map(len, name="f.input")
    flow.map(abs)
    with pytest.raises(FlowDefinitionError, match=r"two stages are called 'f\.input'"):
        flow.graph  # noqa: B018 # building it is what fails


def told_flow(told, finished=None):
    flow = Flow("f")
    each = flow.branch(words, finished=finished or (lambda line: told.append(("over", line))))
    each.map(lambda word: told.append(("a", word)), name="a")
    spelled = each.branch(letters, finished=lambda word: told.append(("spelled", word)))
    spelled.each(lambda letter: told.append(("b", letter)), name="b")
    spelled.map(lambda letter: told.append(("c", letter)), name="c").count(per=flow)
    return flow


def check_told(told):
    assert sorted(told) == [
        *[("a", "hi"), ("a", "yo"), ("b", "h"), ("b", "i"), ("b", "o"), ("b", "y")],
        *[("c", "h"), ("c", "i"), ("c", "o"), ("c", "y")],
        *[("over", "hi yo"), ("spelled", "hi"), ("spelled", "yo")],
    ]
    assert told[-1] == ("over", "hi yo")
    for word in ("hi", "yo"):
        after = told[told.index(("spelled", word)) :]
        assert not {(line, letter) for line in "bc" for letter in word} & set(after)


def test_finished_is_called_once_after_every_line_is_through(fake):
    told = []
    flow = told_flow(told)
    flow.run("hi yo")
    check_told(told)
    told.clear()
    results_of(fake, flow, "hi yo")
    check_told(told)


def test_so_is_one_that_is_async(fake):
    told = []

    async def over(line):
        told.append(("over", line))

    flow = told_flow(told, over)
    flow.run("hi yo")
    check_told(told)
    told.clear()
    results_of(fake, flow, "hi yo")
    check_told(told)


def test_a_finished_that_fails_is_called_again(fake):
    told = []

    def over(line):
        told.append(("over", line))
        if told.count(("over", line)) == 1:
            raise ValueError(line)

    flow = Flow("f")
    each = flow.branch(words, finished=over, retries=1, backoff=0)
    each.map(str.upper, name="up")
    each.map(len)
    results_of(fake, flow, "a b")
    assert told == [("over", "a b")] * 2


def test_a_dead_letter_of_one_line_is_tried_again_in_it_alone(fake):
    told = []
    failing.mended = False
    flow = Flow("f")
    each = flow.branch(words, finished=told.append)
    each.map(failing, on_error="dead")
    each.map(len)
    with Cluster(fake, flow) as cluster:
        client = cluster.client
        client.submit(flow, "a b c", run_id="r")
        cluster.settle()
        assert sorted(map(str, client.results("r"))) == ["1", "1", "1", "A", "C"]
        assert told == ["a b c"]
        failing.mended = True
        (run_id,) = client.retry_dead(flow, ["r:failing:1"]).values()
        cluster.settle()
        assert client.run(run_id).state is RunState.DONE
        assert list(client.results(run_id)) == ["B"]
        assert told == ["a b c"]


def test_what_only_a_fold_of_one_line_needs_leaves_nothing_behind(fake):
    told = []
    flow = Flow("f")
    each = flow.branch(words, finished=told.append)
    each.branch(letters).count()
    each.map(len)
    assert sorted(flow.run("ab c")) == [1, 1, 2, 2]
    assert sorted(results_of(fake, flow, "ab c")) == [1, 1, 2, 2]
    assert told == ["ab c"] * 2
    assert_no_leaks(fake)
