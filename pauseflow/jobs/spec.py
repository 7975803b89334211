"""JobSpec: how a stage's records become jobs of RQ; and which functions can."""

from __future__ import annotations

import functools
import math
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pauseflow.duration import seconds_of
from pauseflow.errors import FlowDefinitionError

if TYPE_CHECKING:
    from pauseflow.flow import Flow

DEFAULT_QUEUE = "pauseflow"
"""Not RQ's own `default`, whose workers may be of other code, and take only what is pickled."""

DEFAULT_TIMEOUT = 600
DEFAULT_RESULT_TTL = 3_600
FAILURE_TTL = 7 * 86_400

SHORTEST_RESULT_TTL = 120
"""The coordinator looks twice a minute for a job whose answer was lost on the way."""

WINDOW = 16
"""Chunks of one run in flight at a job stage: they only wait."""

MOST_RETRIES = 1_000

_QUEUE = re.compile(r"[A-Za-z0-9_.-]{1,80}")


@dataclass(frozen=True, slots=True)
class JobSpec:
    """How the records of a stage become jobs.

    Attributes:
        queue: of RQ.
        timeout: seconds that a job may take before its process is ended.
        result_ttl: seconds that RQ keeps a job that is done, with what it returned.
        retry: how often RQ runs a failed job again, at once, before the stage hears of it.
    """

    queue: str = DEFAULT_QUEUE
    timeout: int = DEFAULT_TIMEOUT
    result_ttl: int = DEFAULT_RESULT_TTL
    retry: int = 0

    @classmethod
    def of(
        cls, stage: str, *, queue: object, timeout: object, result_ttl: object, retry: object
    ) -> JobSpec:
        """The spec, from what an author wrote.

        Args:
            stage: the stage's name, for messages.
            queue: the name of a queue.
            timeout: seconds, a timedelta or a text; None for the default.
            result_ttl: the same.
            retry: a number.

        Raises:
            FlowDefinitionError: one of them makes no sense.
        """
        if not isinstance(queue, str) or not _QUEUE.fullmatch(queue):
            raise FlowDefinitionError(
                f"stage {stage!r}: queue={queue!r} can't be a queue's name: use 1 to 80 letters, "
                f"digits and _ . -"
            )
        if isinstance(retry, bool) or not isinstance(retry, int) or not 0 <= retry <= MOST_RETRIES:
            raise FlowDefinitionError(
                f"stage {stage!r}: retry={retry!r} is how often RQ runs a failed job again at "
                f"once: give a number from 0 to {MOST_RETRIES}. For pauses between the tries, use "
                f"retries= and backoff="
            )
        kept = _seconds("result_ttl", stage, result_ttl, DEFAULT_RESULT_TTL)
        if kept < SHORTEST_RESULT_TTL:
            raise FlowDefinitionError(
                f"stage {stage!r}: result_ttl={result_ttl!r} is too short: give "
                f"{SHORTEST_RESULT_TTL} seconds or more, in which the coordinator can find the "
                f"result of a job whose answer got lost"
            )
        return cls(queue, _seconds("timeout", stage, timeout, DEFAULT_TIMEOUT), kept, retry)


def check_importable(fn: Callable[..., Any], stage: str) -> None:
    """See that the function can be found by its name, as the process of a job has to.

    Raises:
        FlowDefinitionError: it can't; the message says what to write instead.
    """
    module = getattr(fn, "__module__", None)
    name = getattr(fn, "__qualname__", None)
    if isinstance(fn, functools.partial):
        reason = "a functools.partial, which has no name"
    elif not isinstance(module, str) or not isinstance(name, str):
        reason = f"an object of {type(fn).__name__}, which has no name"
    elif "<lambda>" in name:
        reason = "a lambda, which has no name"
    elif "<locals>" in name:
        inside = name.split(".<locals>")[0]
        reason = f"defined inside {inside}, and so there only while that runs"
    elif not _is_found(fn, module, name):
        reason = f"not what {module}.{name} is"
    else:
        return
    raise FlowDefinitionError(
        f"job(...) of stage {stage!r} was given a function that can't be imported by name: it is "
        f"{reason}. The job runs in another process: define a function with `def` at the top level "
        f"of a module"
    )


def queues_of(flows: Iterable[Flow]) -> tuple[str, ...]:
    """The queues of the flows' job stages, each once, in their order."""
    specs = [stage.job for flow in flows for stage in flow.graph.stages]
    return tuple(dict.fromkeys(spec.queue for spec in specs if spec is not None))


def _is_found(fn: object, module: str, name: str) -> bool:
    found: object = sys.modules.get(module)
    if found is None:  # its code was run without a module; where it is loaded as an app it has one
        return True
    for part in name.split("."):
        found = getattr(found, part, None)
    # Two bound methods of one class are equal, but not the same.
    return found is fn or (found is not None and bool(found == fn))


def _seconds(option: str, stage: str, value: object, default: int) -> int:
    if value is None:
        return default
    try:
        return math.ceil(seconds_of(value, option))
    except (TypeError, ValueError) as error:
        raise FlowDefinitionError(f"stage {stage!r}: {error}") from None
