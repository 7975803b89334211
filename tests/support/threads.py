"""Workers and coordinators that run by themselves, in threads of this process."""

import contextlib
import threading

from pauseflow.service import run_services
from pauseflow.store.fleet import Fleet
from pauseflow.store.keys import Keys
from pauseflow.store.upkeep import Upkeep
from pauseflow_coordinator.reclaimer import Reclaimer
from pauseflow_coordinator.timers import Timers
from pauseflow_workers.worker import Worker

PATIENCE = 20.0


def worker_of(server, *flows, **options):
    """A worker of all stages of these flows."""
    stages = [(flow.graph, stage.name) for flow in flows for stage in flow.graph.stages]
    return Worker(server, "default", stages, **options)


@contextlib.contextmanager
def running(*workers):
    """The workers run inside the block, and must stop at its end."""
    errors = []

    def run(worker):
        try:
            worker.run()
        except BaseException as error:  # noqa: BLE001 - it is raised in the test
            errors.append(error)

    threads = [threading.Thread(target=run, args=(worker,), daemon=True) for worker in workers]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for worker in workers:
            worker.stop()
        for thread in threads:
            thread.join(PATIENCE)
    assert not any(thread.is_alive() for thread in threads), "a worker does not stop"
    if errors:
        raise errors[0]


@contextlib.contextmanager
def coordinating(server):
    """A coordinator's timers and reclaimer run inside the block."""
    stopping = threading.Event()
    wire = server.wire()
    services = [Timers(Upkeep(Keys(), wire)), Reclaimer(Fleet(Keys()), wire)]
    thread = threading.Thread(target=run_services, args=(services, stopping), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join(PATIENCE)
        wire.close()
