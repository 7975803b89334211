"""Flows with job stages, for tests: their functions have to stand at the top level of a module."""

import dataclasses
import os
import signal
import time
from pathlib import Path

import pauseflow
from pauseflow import PauseFlow, current


@pauseflow.register
@dataclasses.dataclass(frozen=True)
class Picture:
    """A record that only a process with this module loaded can read."""

    name: str
    size: int


def double(picture):
    return Picture(picture.name, picture.size * 2)


async def later(number):
    return number + 1


def numbers(count):
    yield from range(count)


def slowly(number):
    time.sleep(0.01 * (number % 3))
    return number * 10


def fail(text):
    raise ValueError(f"no {text}")


def place(_record):
    here = current()
    return [here.run_id, here.flow, here.stage, here.key, here.attempt]


def unencodable(_record):
    return object()


def pausing(_record):
    raise PauseFlow(after=1)


def meet(folder):
    """Leaves its process id, and goes on when it is told, or does not."""
    here = Path(folder)
    number = len(list(here.glob("begun-*")))
    (here / f"begun-{number}").write_text(f"{os.getpid()} {os.getppid()}")
    while not (here / "go").exists():
        time.sleep(0.01)
    return [number, current().attempt]


def kill_once(folder):
    """Kills its own process the first time."""
    mark = Path(folder) / "killed"
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "alive"


def foreign(job_id):
    """Waits for a job that somebody else has put into a queue."""
    try:
        got = yield PauseFlow(job=job_id)
    except pauseflow.JobFailed as error:
        got = f"failed: {error.error_type}"
    yield got
