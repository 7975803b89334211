"""Random graphs of stages, and random courses of events: each line ends as in one process."""

import os
from collections import Counter
from itertools import islice

from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from test_equivalence import STAGES, TRIES, Scene
from test_fold_equivalence import FOLD, FOLDS, number_in

from pauseflow import Flow, merge
from pauseflow.local import LocalRun
from support.inventory import assert_no_leaks

ROUTE = ("route", lambda x: x % 3, {})

NODE = st.one_of(st.sampled_from(STAGES), FOLD, st.just(ROUTE))


def build(specs, parents, finals, told):
    """A flow of these stages; each follows one of those before it, or the flow itself."""
    flow = Flow("f")
    handles = [flow]
    for number, (spec, parent) in enumerate(zip(specs, parents, strict=True)):
        above = handles[parent % len(handles)]
        name = f"s{number}"
        if len(spec) == 2:
            which, depth = spec
            scopes = [*flow._plan.scopes(above.after), flow]
            folded = FOLDS[which](above, name, scopes[depth % len(scopes)])
            handles.append(folded.map(number_in, name=f"{name}.number"))
            continue
        kind, fn, options = spec
        if kind == "merge":
            other = handles[fn % len(handles)]
            lines = [above, above.map(number_in, name=f"{name}.same") if other is above else other]
            handles.append(merge(*lines, name=name))
            continue
        if kind == "branch" and number in finals:
            options = options | {
                "finished": lambda value, number=number: told.append((number, value))
            }
        if kind == "route":
            routes = above.route(
                fn,
                [0, 1],
                otherwise=lambda line: line.each(print, name=f"{line.after}.e"),
                name=name,
            )
            routes[0].map(number_in, name=f"{name}.zero").map(
                lambda value, number=number: (("zero", number), value), name=f"{name}.end"
            )
            handles.append(routes[1].map(number_in, name=f"{name}.one"))
            continue
        handles.append(getattr(above, kind)(fn, name=name, **options))
    followed = {name for name, _ in flow._plan._followers}
    for number, handle in enumerate(handles[1:]):
        if handle.after not in followed:
            handle.map(lambda value, number=number: (number, value), name=f"end{number}")
    return flow


def by_line(results):
    lines = {}
    for number, value in results:
        lines.setdefault(number, []).append(value)
    return lines


MOST = 400
"""Results of one run: merges may double them again and again."""

SETTINGS = settings(
    max_examples=int(os.environ.get("EXAMPLES", "120")),
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@SETTINGS
@given(
    data=st.data(),
    specs=st.lists(NODE, min_size=2, max_size=5),
    parents=st.lists(st.integers(0, 5), min_size=5, max_size=5),
    finals=st.one_of(st.just(set(range(6))), st.sets(st.integers(0, 5))),
    values=st.lists(st.integers(0, 7), min_size=1, max_size=5),
)
def test_lines_that_part_give_what_each_gives_alone(data, specs, parents, finals, values):
    parents = parents[: len(specs)]
    told = []
    TRIES.clear()
    graph = build(specs, parents, finals, told).graph
    run = LocalRun(graph, run_id="local", isolate=True, sleep=lambda _: None)
    expected = by_line(run.results_of(values))
    expected_told = told[:]
    TRIES.clear()
    told.clear()
    scene = Scene(data, build(specs, parents, finals, told))
    assert by_line(scene.run(values)) == expected
    if scene.lost:
        assert set(told) == set(expected_told)
    else:
        assert Counter(told) == Counter(expected_told)
    for number in finals:
        mine = [value for told_by, value in dict.fromkeys(told) if told_by == number]
        theirs = [value for told_by, value in dict.fromkeys(expected_told) if told_by == number]
        assert sorted(mine) == sorted(theirs)
    assert_no_leaks(scene.server)


MERGE = st.tuples(st.just("merge"), st.integers(0, 5), st.just({}))
ANY_ORDER = st.tuples(st.sampled_from([0, 1, 2, 6]), st.integers(0, 3))
"""Folds whose value does not depend on the order of records."""


@SETTINGS
@given(
    data=st.data(),
    specs=st.lists(
        st.one_of(st.sampled_from(STAGES), ANY_ORDER, st.just(ROUTE), MERGE, MERGE),
        min_size=2,
        max_size=6,
    ),
    parents=st.lists(st.integers(0, 5), min_size=6, max_size=6),
    finals=st.one_of(st.just(set(range(6))), st.sets(st.integers(0, 5))),
    values=st.lists(st.integers(0, 7), min_size=1, max_size=4),
)
def test_lines_that_meet_again_give_the_same_in_some_order(data, specs, parents, finals, values):
    parents = parents[: len(specs)]
    told = []
    TRIES.clear()
    graph = build(specs, parents, finals, told).graph
    run = LocalRun(graph, run_id="local", isolate=True, sleep=lambda _: None)
    expected = Counter(islice(run.results_of(values), MOST))
    assume(expected.total() < MOST)
    expected_told = Counter(told)
    TRIES.clear()
    told.clear()
    scene = Scene(data, build(specs, parents, finals, told))
    assert Counter(scene.run(values)) == expected
    assert (set(told), scene.lost > 0) == (set(expected_told), scene.lost > 0)
    if not scene.lost:
        assert Counter(told) == expected_told
    assert_no_leaks(scene.server)
