"""The command `flowctl coordinator`."""

from __future__ import annotations

import logging
import signal

import click

from pauseflow.cli.invocation import Invocation, common_options
from pauseflow.embedded import server_url
from pauseflow.service import Service, run_services
from pauseflow.stopping import Stopping
from pauseflow.store.fleet import Fleet
from pauseflow.store.jobs import RqJobs
from pauseflow.store.jobwaits import JobWaits
from pauseflow.store.keys import Keys
from pauseflow.store.runs import Runs
from pauseflow.store.schedules import Schedules
from pauseflow.store.server import Server
from pauseflow.store.tuning import Tuning
from pauseflow.store.upkeep import Upkeep
from pauseflow_coordinator.janitor import Janitor
from pauseflow_coordinator.jobwatch import JobWatch
from pauseflow_coordinator.reclaimer import Reclaimer
from pauseflow_coordinator.sampler import Sampler
from pauseflow_coordinator.scheduler import Scheduler
from pauseflow_coordinator.timers import Timers

REPLY_SECONDS = 3.0
"""A connection that is half-open must not keep the only coordinator from a dead worker's work for
longer than the worker's lease. Whatever is asked twice then does no harm."""


@click.command()
@common_options("url", "namespace")
@click.pass_obj
def coordinator(invocation: Invocation) -> None:
    """Keep runs going: fire timers, put back the work of dead workers, expire what is done.

    Any number of coordinators may run at once. Records flow from stage to stage without one.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    stopping = Stopping()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    settings = invocation.settings()
    with server_url(settings) as url:
        wire = Server.at(url).wire(REPLY_SECONDS)
        keys = Keys(settings.namespace)
        wire.call(("PING",))
        upkeep = Upkeep(keys, wire)
        services: list[Service] = [
            Timers(upkeep),
            Reclaimer(Fleet(keys), wire),
            Janitor(upkeep),
            Sampler(upkeep),
            Scheduler(upkeep, Schedules(keys, wire)),
            JobWatch(JobWaits(keys, wire), RqJobs(wire), Runs(keys, wire, Tuning())),
        ]
        try:
            run_services(services, stopping)
        finally:
            wire.close()
