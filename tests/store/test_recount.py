"""The recount of runs: silent about healthy ones, at whatever moment it looks."""

import os

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from test_equivalence import STAGES, TRIES, Scene, build

from pauseflow.store.recount import recount
from pauseflow.store.survey import Surveyor

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
