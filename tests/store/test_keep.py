"""What the keeper does to a lease, on real servers."""

import json
import sys

from pauseflow.store.fleet import Fleet
from pauseflow.store.keys import Keys
from pauseflow_workers import keeping


def test_keeps_only_a_lease_that_is_there(real, capsys):
    wire, fleet = real.wire(), Fleet(Keys())
    told = {"url": real.address, "namespace": "default", "worker": "w", "path": sys.path}
    renewing = keeping.Renewing(json.dumps(told).encode())
    renewing()
    assert wire.call(("ZCARD", Keys().leases)) == 0
    fleet.renew(wire, "w", "w", ["f:s"])
    wire.call(("ZINCRBY", Keys().leases, -2_000, "w"))
    before = float(wire.call(("ZSCORE", Keys().leases, "w")))
    renewing()
    assert float(wire.call(("ZSCORE", Keys().leases, "w"))) > before + 1_000
    fleet.leave(wire, "w", [])
    wire.close()
    assert capsys.readouterr().err == ""
