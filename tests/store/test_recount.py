"""The recount of runs: silent about healthy ones, at whatever moment it looks."""

import os

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from test_equivalence import STAGES, TRIES, Scene, build, listed

from pauseflow import Flow
from pauseflow.store.recount import recount
from pauseflow.store.survey import Surveyor
from support.hands import FixedTuning, Hands

LOOSE = [
    (kind, fn, {"ordered": False, **options})
    for kind, fn, options in STAGES
    if not options.get("sequential") and fn.__name__ not in ("calling", "nested")
]


class Watched(Scene):
    """A random cluster whose run is recounted after whatever happens."""

    looks = 0

    def event(self):
        super().event()
        self.look()

    def make_room(self):
        super().make_room()
        self.look()

    def read(self):
        super().read()
        self.look()

    def look(self):
        cluster = self.cluster
        info = cluster.client.run("local")
        survey = Surveyor(cluster.keys, cluster.wire).survey(info)
        assert survey.complete
        assert survey.steady
        for graph in (self.flow.graph, None):
            wrong = [each.text for each in recount(survey, graph)]
            assert wrong == [], (wrong, info)
        self.looks += 1


@settings(
    max_examples=int(os.environ.get("EXAMPLES", "60")),
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    data=st.data(),
    specs=st.lists(st.sampled_from([*STAGES, *LOOSE]), min_size=1, max_size=3),
    values=st.lists(st.integers(0, 20), min_size=1, max_size=8),
)
def test_a_healthy_run_adds_up_at_any_moment(data, specs, values):
    TRIES.clear()
    finals = {}
    in_order = all(options.get("ordered", True) for _, _, options in specs[1:])
    if specs[0][0] == "branch" and in_order and data.draw(st.booleans()):
        finals[0] = lambda value: value
    scene = Watched(data, build(specs, finals))
    scene.run(values)
    assert scene.looks


def test_a_record_parked_behind_one_that_is_not_done_is_done_once(server, client):
    flow = Flow("f")
    flow.branch(listed, name="s0", ordered=False)
    tuning = FixedTuning(target=2)
    client._tuning = client._runs._tuning = tuning
    hands = Hands(server, flow, tuning=tuning)
    client.open(flow, run_id="r")
    client._runs.append(flow.graph, "r", 0, [1, 2], close=True)

    def done():
        info = client.run("r")
        survey = Surveyor(hands.keys, hands.wire).survey(info)
        assert [each.text for each in recount(survey, flow.graph)] == []
        return info.stages[0].done

    (entry,) = hands.at("s0")
    result = hands.result(entry, ["b"], done=-1)
    result.at_once.append(hands.alone(entry.envelope, 1))
    result.rest = hands.rest(entry.envelope, 0)
    hands.put(entry, result)
    assert done() == 0
    alone, rest = sorted(hands.at("s0"), key=lambda each: each.envelope.count)
    hands.commit(rest, ["a"])
    assert done() == 1
    hands.commit(alone, ["c"])
    assert done() == 2
    assert list(client.results("r")) == ["b", "a", "c"]
