"""What people hold, after the server went back to an earlier point in a crash or failover."""

import pytest

from pauseflow import Flow
from pauseflow.client import RunState
from pauseflow.store.held import CHANGES
from support.cluster import Cluster


@pytest.mark.parametrize("what", ["flow", "priority"])
def test_as_many_changes_as_were_heard_of_may_be_others(fake, what):
    flow, other = Flow("f"), Flow("other")
    flow.map(str, name="s")
    other.map(str, name="s")
    with Cluster(fake, flow, other) as cluster:
        (worker,) = cluster.workers
        cluster.step(worker)
        cluster.client.pause_flow("other")
        worker.renew()
        # The server loses that, and something else is held before the worker asks again.
        cluster.wire.call(("DEL", cluster.keys.held))
        if what == "flow":
            cluster.client.pause_flow("f")
        cluster.client.submit(
            flow, 1, run_id="r", priority="high" if what == "priority" else "normal"
        )
        cluster.wire.call(("HSET", cluster.keys.held, CHANGES, 1))
        worker._connected = False
        cluster.settle()
        done = cluster.client.run("r").state is RunState.DONE
        assert done == (what == "priority")
        cluster.client.resume_flow("f")
        assert cluster.finish("r") == ["1"]
