"""Where lines meet: what makes one line of several."""

from __future__ import annotations

from typing import TypeVar

from pauseflow.declaration import check_name
from pauseflow.errors import FlowDefinitionError
from pauseflow.flow import Stream
from pauseflow.graph import Kind, Stage
from pauseflow.plan import same

T = TypeVar("T")


def merge(*lines: Stream[T], name: str = "merge") -> Stream[T]:
    """One line of several: their records as they arrive, each line's own in order.

    What comes first of two lines is not certain, and may be another order the next time. A branch's
    `finished` above is called when all lines are through with its series. What makes one value of
    a series has to come before the lines meet; after it, records belong to the whole run.

    Args:
        *lines: handles of one flow, two or more.
        name: the stage's, unique in the flow.

    Raises:
        FlowDefinitionError: it can't work; the message says what to write instead.
    """
    check_name(name, "a stage")
    for line in lines:
        if not isinstance(line, Stream):
            raise FlowDefinitionError(
                f"merge(...) takes handles, such as those that map and branch return, and not "
                f"{line!r}"
            )
    if len(lines) < 2:
        raise FlowDefinitionError(f"merge(...) makes one of several lines, and got {len(lines)}")
    first, *others = lines
    for line in others:
        if line.flow is not first.flow:
            raise FlowDefinitionError(
                f"merge(...) was given handles of two flows, {first.flow.name!r} and "
                f"{line.flow.name!r}"
            )
    places = [line.place for line in lines]
    if len(set(places)) < len(places):
        raise FlowDefinitionError(
            "merge(...) was given the same line twice: map its records between, for each time"
        )
    stage = Stage(name=name, kind=Kind.MERGE, fn=same)
    return first.met(stage, places[1:])
