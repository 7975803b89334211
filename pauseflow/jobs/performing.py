"""perform(): what RQ's worker calls for a job of ours."""

from __future__ import annotations

import asyncio
import inspect
from functools import cache

from rq import get_current_job

from pauseflow import codec
from pauseflow.app import App, load
from pauseflow.context import Place, place
from pauseflow.errors import PauseflowError, RunCancelled, UnknownName
from pauseflow.graph import Kind, Stage
from pauseflow.jobs.call import Call
from pauseflow.jobs.calling import is_wanted
from pauseflow.pause import PauseFlow
from pauseflow.settings import Settings

FILE = __file__


class StageNotHere(PauseflowError):
    """The app of this process is older or newer than the job, and does not have its stage."""


def perform(*arguments: object) -> object:
    """Run a stage's function on a record, in the process of the job.

    The function is found in the app that this process is for (`FLOWCTL_APP`, or `[tool.pauseflow]`
    in pyproject.toml), whatever the job says.

    Args:
        *arguments: those of a `Call`.

    Returns:
        What the function returned, which has an encoding.

    Raises:
        MalformedData: these are no arguments of a job of ours, or the record is damaged.
        AppError: the app can't be imported.
        StageNotHere: it has no such flow, or no such job stage.
        NotSerializable: what the function returned has no encoding.
        PauseflowError: the function raised a PauseFlow.
        RunCancelled: nobody waits for the job any more.
    """
    call = Call.of(list(arguments))
    job = get_current_job()
    if job is not None and not is_wanted(call, job.connection):
        raise RunCancelled(f"run {call.run!r} was cancelled, or is not there any more")
    return carry_out(_stage(app(), call), call)


def carry_out(stage: Stage, call: Call) -> object:
    """Run the stage's function on the call's record, here and now.

    Raises:
        MalformedData: the record is damaged.
        NotSerializable: what the function returned has no encoding.
        PauseflowError: the function raised a PauseFlow.
    """
    record = codec.decode(call.record)
    here = Place(
        flow=call.flow,
        stage=call.stage,
        run_id=call.run,
        attempt=call.attempt,
        first=call.ordinal,
    )
    here.origin = call.origin
    token = place.set(here)
    try:
        value = stage.fn(record)
        if inspect.iscoroutine(value):
            value = asyncio.run(value)
    except PauseFlow:
        raise PauseflowError(
            f"the function of job stage {call.stage!r} raised a PauseFlow, and a job can't pause: "
            f"pause in a stage before or after it"
        ) from None
    finally:
        place.reset(token)
    # RQ would put a text in the place of what it can't encode.
    codec.encode(value)
    return value


@cache
def app() -> App:
    """The app of this process, imported once. `flowctl jobs` does it before a job is there.

    Raises:
        AppError: it can't be imported.
        SettingsError: nobody says which it is.
    """
    return load(Settings.load().app)


def _stage(app: App, call: Call) -> Stage:
    try:
        stage = app.flow(call.flow).graph[call.stage]
    except UnknownName as error:
        raise StageNotHere(str(error)) from None
    if stage.kind is not Kind.JOB:
        raise StageNotHere(
            f"stage {call.stage!r} of flow {call.flow!r} was a job when this job was put into the "
            f"queue, and is {stage.kind} in the app that is loaded here"
        )
    return stage
