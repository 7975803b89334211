"""Random flows with folds, and random courses of events: the results are those of one process."""

import os
from functools import partial

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from test_equivalence import STAGES, TRIES, Scene

from pauseflow import Flow, PauseFlow
from pauseflow.local import LocalRun
from support.inventory import assert_no_leaks


def number_in(value):
    """What a fold gives may be a list; the stages after it take numbers."""
    if isinstance(value, list):
        return sum(map(number_in, value)) % 50
    return value % 50


def listing(values, value):
    values.append(value)
    if value % 3 == 1 and TRIES.setdefault(("listing", len(values), value), 0) < 1:
        TRIES[("listing", len(values), value)] += 1
        raise PauseFlow(after=30)
    return values


FOLDS = [
    lambda stream, name, per: stream.count(per=per, name=name),
    lambda stream, name, per: stream.sum(per=per, name=name),
    lambda stream, name, per: stream.max(per=per, name=name),
    lambda stream, name, per: stream.min(key=lambda x: -x, per=per, name=name),
    lambda stream, name, per: stream.top(3, per=per, name=name),
    lambda stream, name, per: stream.collect(per=per, name=name),
    lambda stream, name, per: stream.collect(sorted, per=per, name=name),
    lambda stream, name, per: stream.fold(listing, [], per=per, name=name),
    lambda stream, name, per: stream.reduce(lambda a, b: a * 2 + b, per=per, name=name),
]


def build(specs, finals=()):
    """A flow of these stages. A fold is (its number, which of the open scopes it ends)."""
    flow = Flow("f")
    handle = flow
    for number, spec in enumerate(specs):
        name = f"s{number}"
        if len(spec) == 2:
            which, depth = spec
            scopes = flow._plan.scopes(handle.after)
            per = [*scopes, flow][depth % (len(scopes) + 1)]
            handle = FOLDS[which](handle, name, per).map(number_in, name=f"{name}.number")
            continue
        kind, fn, options = spec
        if number in finals and kind == "branch":
            handle = handle.branch(fn, name=name, finished=finals[number], **options)
        else:
            handle = getattr(handle, kind)(fn, name=name, **options)
    return flow


FOLD = st.tuples(st.integers(0, len(FOLDS) - 1), st.integers(0, 3))


@settings(
    max_examples=int(os.environ.get("EXAMPLES", "120")),
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    data=st.data(),
    specs=st.lists(st.one_of(st.sampled_from(STAGES), FOLD), min_size=1, max_size=4),
    values=st.lists(st.integers(0, 7), min_size=1, max_size=6),
)
def test_flows_with_folds_give_the_same_results(data, specs, values):
    specs = [*specs, data.draw(FOLD)]
    finals = {number: partial(lambda *_: None) for number in data.draw(st.sets(st.integers(0, 4)))}
    TRIES.clear()
    graph = build(specs, finals).graph
    run = LocalRun(graph, run_id="local", isolate=True, sleep=lambda _: None)
    expected = list(run.results_of(values))
    TRIES.clear()
    scene = Scene(data, build(specs, finals))
    assert scene.run(values) == expected
    assert_no_leaks(scene.server)
