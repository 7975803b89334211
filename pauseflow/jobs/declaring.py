"""The stage that `flow.job(...)` asks for, with every mistake that can be seen at that moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pauseflow.declaration import declare
from pauseflow.errors import FlowDefinitionError
from pauseflow.graph import Kind, Stage
from pauseflow.jobs.spec import WINDOW, JobSpec, check_importable

_OF_JOBS = ("queue", "result_ttl", "retry")
_NOT_OF_JOBS = ("concurrency", "threads")


def declare_job(
    fn: object, options: Mapping[str, Any], *, queue: object, result_ttl: object, retry: object
) -> Stage:
    """Make the stage.

    Args:
        fn: the author's function.
        options: those of `Options` that were given.
        queue: as `Stream.job` takes it.
        result_ttl: as `Stream.job` takes it.
        retry: as `Stream.job` takes it.

    Raises:
        FlowDefinitionError: it can't work; the message says what to write instead.
    """
    for option in _NOT_OF_JOBS:
        if options.get(option) is not None:
            raise FlowDefinitionError(
                f"job(...) has no {option}=: each job has a process of its own. Start more of "
                f"flowctl jobs, or give a window= to have more records of a run with RQ at once"
            )
    if options.get("limit") is not None:
        raise FlowDefinitionError(
            "job(...) has no limit=: as many jobs run at once as there are processes of flowctl "
            "jobs for their queue. Give the stage a queue= of its own, and that as many processes"
        )
    # The time limit is RQ's to keep: nothing of the author's runs in our worker.
    others = {name: value for name, value in options.items() if name != "timeout"}
    stage = declare(Kind.JOB, fn, others, extra=_OF_JOBS)
    check_importable(stage.fn, stage.name)
    spec = JobSpec.of(
        stage.name,
        queue=queue,
        timeout=options.get("timeout"),
        result_ttl=result_ttl,
        retry=retry,
    )
    return replace(stage, job=spec, window=stage.window or WINDOW)
