"""Random trees of stages, and random courses of events: each line ends as in one process."""

import os
from collections import Counter

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from test_equivalence import STAGES, TRIES, Scene
from test_fold_equivalence import FOLD, FOLDS, number_in

from pauseflow import Flow
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
    followed = {None if at == 0 else handles[at].after for at in _parents(parents)}
    for number, handle in enumerate(handles[1:]):
        if handle.after not in followed:
            handle.map(lambda value, number=number: (number, value), name=f"end{number}")
    return flow


def _parents(parents):
    return [parent % (number + 1) for number, parent in enumerate(parents)]


def by_line(results):
    lines = {}
    for number, value in results:
        lines.setdefault(number, []).append(value)
    return lines


@settings(
    max_examples=int(os.environ.get("EXAMPLES", "120")),
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
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
