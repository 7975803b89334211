"""What can be written as a flow, and the graph that comes of it."""

import functools
import subprocess
import sys

import pytest

from pauseflow import Flow, FlowDefinitionError, NotResumable, PauseflowError, ReplayWarning
from pauseflow.errors import AppError
from pauseflow.graph import Graph, Kind, Outlet, Stage


def parse(record):
    return record


def is_open(record):
    return bool(record)


def ship(record):
    pass


def pages(record):
    yield from record


def announce():
    pass


async def fetch(record):
    return record


async def stream(record):
    yield record


def test_a_line_of_stages_in_the_order_in_which_they_were_written():
    flow = Flow("orders")
    flow.map(parse).filter(is_open).each(ship)
    graph = flow.graph
    assert [(stage.name, stage.kind) for stage in graph.stages] == [
        ("parse", Kind.MAP),
        ("is_open", Kind.FILTER),
        ("ship", Kind.EACH),
    ]
    assert graph.root is graph["parse"]
    assert graph.outlets("parse") == (Outlet("is_open"),)
    assert graph.upstream("ship") == ("is_open",)
    assert graph.upstream("parse") == ()
    assert "ship" in graph
    assert "shop" not in graph


def test_what_the_last_stage_emits_are_the_results_and_an_each_emits_nothing():
    mapped, shipped = Flow("mapped"), Flow("shipped")
    mapped.map(parse)
    shipped.each(ship)
    assert mapped.graph.outlets("parse") == (Outlet(None, records=True, markers=False),)
    assert shipped.graph.outlets("ship") == ()


def test_finished_is_a_stage_after_the_end_of_the_line_innermost_first():
    flow = Flow("nested")
    outer = flow.branch(pages, name="outer", finished=announce)
    outer.branch(pages, name="inner", finished=announce).map(parse)
    graph = flow.graph
    names = [stage.name for stage in graph.stages]
    assert names == ["outer", "inner", "parse", "inner.finished", "outer.finished"]
    assert graph.outlets("parse") == (
        Outlet(None, records=True, markers=False),
        Outlet("inner.finished", records=False, markers=True),
    )
    assert graph.outlets("inner.finished") == (
        Outlet("outer.finished", records=False, markers=True),
    )
    assert graph.outlets("outer.finished") == ()
    assert graph["inner.finished"].scope == "inner"
    assert graph["inner.finished"].sequential
    assert graph["outer"].marks
    assert graph["inner"].marks


def test_finished_after_an_each_gets_the_markers_alone():
    flow = Flow("shipped")
    flow.branch(pages, finished=announce).each(ship)
    assert flow.graph.outlets("ship") == (Outlet("pages.finished", records=False, markers=True),)


@pytest.mark.parametrize(
    ("finished", "takes_value"),
    [
        (lambda: None, False),
        (lambda record: None, True),
        (lambda record=None: None, False),
        (lambda *records: None, False),
    ],
)
def test_finished_gets_the_branched_record_only_if_it_must_have_it(finished, takes_value):
    flow = Flow("f")
    flow.branch(pages, finished=finished)
    assert flow.graph["pages"].takes_value is takes_value
    assert flow.graph["pages.finished"].takes_value is takes_value


class Scorer:
    def __call__(self, record):
        return record

    def score(self, record):
        return record

    async def fetch(self, record):
        return record


class Countdown:
    def __init__(self, start):
        self.left = start

    def __iter__(self):
        return self

    def __next__(self):
        if not self.left:
            raise StopIteration
        self.left -= 1
        return self.left


def with_factor(factor, record):
    return factor * record


@pytest.mark.parametrize(
    ("fn", "name", "is_async"),
    [
        (parse, "parse", False),
        (fetch, "fetch", True),
        (Scorer().score, "score", False),
        (Scorer().fetch, "fetch", True),
        (Scorer(), "Scorer", False),
        (functools.partial(with_factor, 3), "with_factor", False),
        (functools.partial(functools.partial(with_factor), 3), "with_factor", False),
        (functools.partial(fetch), "fetch", True),
        (int, "int", False),
        (str.upper, "upper", False),
        (len, "len", False),
    ],
)
def test_every_callable_of_one_record_is_a_stage_and_names_it(fn, name, is_async):
    flow = Flow("f")
    flow.map(fn)
    assert flow.graph.root.name == name
    assert flow.graph.root.is_async is is_async


def test_a_name_of_ones_own_comes_before_the_functions():
    flow = Flow("f")
    flow.map(lambda record: record, name="same").map(parse, name="parse.v2")
    assert [stage.name for stage in flow.graph.stages] == ["same", "parse.v2"]


def test_each_is_sequential_unless_it_is_told_to_do_several_at_once():
    def options(**given):
        flow = Flow("f")
        flow.each(ship, **given)
        stage = flow.graph.root
        return stage.ordered, stage.sequential, stage.window, stage.threads

    assert options() == (True, True, 1, 1)
    assert options(sequential=False) == (True, False, None, 1)
    assert options(ordered=False) == (False, False, None, 1)
    assert options(threads=4) == (True, False, None, 4)
    assert options(window=8) == (True, False, 8, 1)


def test_sequential_means_a_window_of_one():
    flow = Flow("f")
    flow.map(parse, sequential=True).map(fetch, concurrency=5, window=3, ordered=False)
    parsed, fetched = flow.graph.stages
    assert (parsed.sequential, parsed.window) == (True, 1)
    assert (fetched.concurrency, fetched.window, fetched.ordered) == (5, 3, False)


def mistake(build):
    """The message that `build(flow)` is refused with."""
    with pytest.raises(FlowDefinitionError) as caught:
        build(Flow("orders"))
    assert isinstance(caught.value, PauseflowError)
    return str(caught.value)


def named_pages(flow):
    return flow.branch(pages, finished=announce)


@pytest.mark.parametrize(
    ("build", "parts"),
    [
        # not something to call
        (lambda flow: flow.map(None), ["map(...) takes a function of one record", "None"]),
        (lambda flow: flow.map(parse(3)), ["was given 3 (int)"]),
        (lambda flow: flow.map(fetch(3)), ["the coroutine fetch(...)", "map(fetch)"]),
        (lambda flow: flow.branch(pages([])), ["the generator pages(...)", "branch(pages)"]),
        # the wrong shape
        (lambda flow: flow.map(pages), ["generator function pages(record)", "use branch(pages)"]),
        (
            lambda flow: flow.map(Countdown),
            ["iterator class Countdown(start)", "branch(Countdown)"],
        ),
        (lambda flow: flow.filter(stream), ["generator function stream", "use branch(stream)"]),
        (lambda flow: flow.each(pages), ["use branch(pages)"]),
        (lambda flow: flow.map(with_factor), ["called with one record", "functools.partial"]),
        (lambda flow: flow.map(announce), ["called with one record, and announce() can't be"]),
        (
            lambda flow: flow.branch(pages, finished=with_factor),
            ["with nothing, or with the record that was branched", "with_factor(factor, record)"],
        ),
        (lambda flow: flow.branch(pages, finished="done"), ["finished=... takes a function"]),
        (lambda flow: flow.branch(pages, finished=pages), ["finished=", "use return"]),
        # names
        (lambda flow: flow.map(lambda record: record), ["a lambda", "add name='...'"]),
        (
            lambda flow: flow.map(functools.partial(lambda f, record: record, 1)),
            ["a lambda", "add name='...'"],
        ),
        (
            lambda flow: flow.map(parse).map(parse),
            ["'orders'", "two stages are called 'parse': give one a name=..."],
        ),
        (
            lambda flow: named_pages(flow).map(parse, name="pages.finished"),
            ["two stages are called 'pages.finished'"],
        ),
        (lambda flow: flow.map(parse, name="a b"), ["'a b'", "letters, digits and _ . -"]),
        (lambda flow: flow.map(parse, name=""), ["a stage can't be called ''"]),
        (lambda flow: flow.map(parse, name="x" * 81), ["at most 80 characters"]),
        (lambda flow: flow.map(parse, name=3), ["a stage can't be called 3"]),
        # options
        (
            lambda flow: flow.map(parse, ordred=False),
            ["no option ordred=", "did you mean ordered="],
        ),
        (lambda flow: flow.branch(pages, finish=announce), ["did you mean finished="]),
        (lambda flow: flow.map(parse, xyzzy=1), ["no option xyzzy=", "name, ordered, sequential"]),
        (lambda flow: flow.map(fetch, threads=4), ["'fetch' is async", "concurrency=4"]),
        (lambda flow: flow.map(parse, concurrency=4), ["'parse' is not async", "threads=4"]),
        (lambda flow: flow.map(parse, threads=0), ["threads=0 must be a number, 1 or more"]),
        (lambda flow: flow.map(parse, window=True), ["window=True must be a number"]),
        (lambda flow: flow.map(parse, window="5"), ["window='5' must be a number"]),
        (lambda flow: flow.map(parse, ordered=0), ["ordered=0 must be True or False"]),
        (
            lambda flow: flow.map(parse, sequential=True, ordered=False),
            ["sequential=True and ordered=False", "leave one of them out"],
        ),
        (
            lambda flow: flow.map(fetch, sequential=True, concurrency=2),
            ["sequential=True", "leave out window=, concurrency= and threads="],
        ),
        (lambda flow: flow.map(parse, sequential=True, window=2), ["leave out window="]),
        # the graph
        (lambda flow: flow.graph, ["flow 'orders' has no stages", "flow.map(function)"]),
        (lambda flow: flow.run(1), ["has no stages"]),
        (
            lambda flow: named_pages(flow).map(parse, ordered=False),
            ["'parse' is ordered=False, and comes after branch 'pages' with finished="],
        ),
        (
            lambda flow: named_pages(flow).map(parse).map(is_open).each(ship, ordered=False),
            ["'ship' is ordered=False", "branch 'pages'"],
        ),
        (lambda flow: flow.each(ship).map, ["'ship' is an each", ".map can't follow it"]),
        (lambda flow: flow.each(ship).branch(pages), [".branch can't follow it"]),
        (lambda flow: Flow("no spaces"), ["a flow can't be called 'no spaces'"]),
        (lambda flow: Flow(parse), ["takes a name first"]),
    ],
)
def test_a_mistake_is_found_when_it_is_written_and_says_what_to_write(build, parts):
    message = mistake(build)
    for part in parts:
        assert part in message


def test_a_flow_in_use_never_changes():
    flow = Flow("f")
    parsed = flow.map(parse)
    assert flow.graph is flow.graph
    with pytest.raises(FlowDefinitionError, match="in use already"):
        parsed.map(is_open)
    assert len(flow.graph.stages) == 1


def test_an_unordered_branch_may_have_finished_of_its_own():
    flow = Flow("f")
    flow.branch(pages, ordered=False, finished=announce).each(ship)
    assert flow.graph["pages"].marks


def test_a_stage_that_is_not_there_is_told_with_the_nearest():
    flow = Flow("orders")
    flow.map(parse).each(ship)
    with pytest.raises(AppError, match="'orders' has no stage 'prase': did you mean 'parse'"):
        flow.graph["prase"]
    with pytest.raises(AppError, match="it has parse, ship"):
        flow.graph.outlets("zzz")


def test_a_handle_knows_its_flow():
    flow = Flow("orders")
    parsed = flow.map(parse)
    end = parsed.each(ship)
    assert parsed.flow is flow
    assert end.flow is flow
    assert repr(flow) == "Flow('orders': parse > ship)"
    with pytest.raises(AttributeError, match="no attribute 'shape'"):
        end.shape  # noqa: B018 # asking is the point


def stage(name):
    return Stage(name=name, kind=Kind.MAP, fn=parse)


def test_a_graph_may_part_and_meet_again():
    graph = Graph(
        "diamond",
        [stage("last"), stage("left"), stage("right"), stage("first")],
        {
            "first": [Outlet("left"), Outlet("right")],
            "left": [Outlet("last")],
            "right": [Outlet("last")],
        },
    )
    names = [each.name for each in graph.stages]
    assert names[0] == "first"
    assert names[-1] == "last"
    assert sorted(names) == ["first", "last", "left", "right"]
    assert set(graph.upstream("last")) == {"left", "right"}


@pytest.mark.parametrize(
    ("stages", "outlets", "message"),
    [
        (["a", "b"], {"a": ["b"], "b": ["a"]}, "circle: 'a', 'b'"),
        (["a", "b", "c"], {"a": ["b"], "b": ["c"], "c": ["b"]}, "circle"),
        (["a"], {"a": ["x"]}, "leads to 'x', which is not a stage"),
        (["a", "b"], {}, "more than one beginning: 'a' and 'b'"),
        (["a", "a"], {}, "two stages of one name"),
        ([], {}, "no stages"),
    ],
)
def test_a_graph_that_leads_nowhere_is_refused(stages, outlets, message):
    with pytest.raises(FlowDefinitionError, match=message):
        Graph(
            "g",
            [stage(name) for name in stages],
            {name: [Outlet(target) for target in to] for name, to in outlets.items()},
        )


def test_the_fingerprint_tells_shapes_apart_and_nothing_else():
    def line(*names, **options):
        flow = Flow("f")
        handle = flow
        for name in names:
            handle = handle.map(parse, name=name, **options)
        return flow.graph.fingerprint

    assert line("a", "b") == line("a", "b")
    assert line("a", "b") == line("a", "b", window=3)
    assert len({line("a", "b"), line("b", "a"), line("a"), line("a", "b", ordered=False)}) == 4


def in_a_handler(record):
    try:
        yield 1 / record
    except ZeroDivisionError:
        yield 0


def test_a_generator_that_must_be_run_again_is_told_when_it_is_written():
    flow = Flow("f")
    with pytest.warns(
        ReplayWarning, match=r"'in_a_handler'.*test_flow\.py.*running it again"
    ) as told:
        flow.branch(in_a_handler)
    assert told[0].filename == __file__
    assert flow.run(0) == [0]
    with pytest.raises(NotResumable, match=r"test_flow\.py"):
        Flow("g").branch(in_a_handler, strict=True)


def test_a_migration_is_a_function_for_each_older_version():
    flow = Flow("f")
    with pytest.raises(FlowDefinitionError, match="migrate= takes a dict"):
        flow.branch(pages, migrate={"v1": "v2"})
    flow.branch(pages, migrate={"v1": lambda scope: ()})


def test_importing_pauseflow_imports_no_redis():
    code = "import sys, pauseflow; sys.exit('redis' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("mpa", ": did you mean .map(...)?"),
        ("flat_map", ": did you mean .branch(...)?"),
        ("flatMap", ": did you mean .branch(...)?"),
        ("foreach", ": did you mean .each(...)?"),
        ("__wrapped__", ""),
        ("qwertz", ""),
    ],
)
def test_a_misspelled_method_is_told_which_one_was_meant(written, meant):
    for handle in (Flow("f"), Flow("f").map(parse)):
        with pytest.raises(AttributeError) as caught:
            getattr(handle, written)
        assert str(caught.value).endswith(f"object has no attribute {written!r}{meant}")
        assert not hasattr(handle, written)
