"""A flow run in this process: the same meaning as a submitted run, without any Redis."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator
from types import NoneType
from typing import Any, TypeVar

from pauseflow.codec import Marker, decode, encode
from pauseflow.context import Place, place
from pauseflow.errors import NotSerializable, StageFailed
from pauseflow.graph import Graph, Kind, Stage
from pauseflow.pause import PauseFlow
from pauseflow.stages.eventloop import EventLoop
from pauseflow.stages.runner import end_of_series, failed, pause_in, stop_iteration
from pauseflow.stages.unfolding import Unfolding
from pauseflow.stages.work import Budget, Done, End, Failed, Paused, Sliced

T = TypeVar("T")

# Copying these would give the same object.
IMMUTABLE = frozenset({int, float, bool, NoneType})


class Unhurried(Budget):
    """A budget for which every value is a stride, and no slice is ever over."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(math.inf, stride=1)

    def spent(self, outputs: int) -> bool:  # noqa: ARG002 # the signature is Budget's
        """Never."""
        return False


class _Node:
    """A stage of the run, and the nodes that its outputs go to; None: the results."""

    __slots__ = ("arrived", "here", "markers", "records", "stage")

    def __init__(self, stage: Stage, here: Place) -> None:
        self.stage = stage
        self.here = here
        self.arrived = 0
        self.records: list[_Node | None] = []
        self.markers: list[_Node | None] = []


class LocalRun:
    """One run of a flow in this process.

    Each record goes down the flow all the way, before the stage above is asked for another.

    Args:
        graph: the flow's graph.
        run_id: what `current().run_id` says.
        isolate: records pass through the encoding between stages.
        sleep: waits that many seconds.
    """

    def __init__(
        self, graph: Graph, *, run_id: str, isolate: bool, sleep: Callable[[float], object]
    ) -> None:
        self._isolate = isolate
        self._sleep = sleep
        self._loop: EventLoop | None = None
        nodes: dict[str | None, _Node | None] = {None: None}
        for stage in reversed(graph.stages):  # from the end, so that the targets are there
            node = _Node(stage, Place(flow=graph.name, stage=stage.name, run_id=run_id))
            for outlet in graph.outlets(stage.name):
                if outlet.records:
                    node.records.append(nodes[outlet.target])
                if outlet.markers:
                    node.markers.append(nodes[outlet.target])
            nodes[stage.name] = self._root = node

    def results(self, value: object) -> Iterator[Any]:
        """The results of one input record, as they are made.

        Raises:
            StageFailed: a stage raised; its exception is the `__cause__`.
            NotSerializable: the value, or what a stage emitted, has no encoding.
        """
        try:
            yield from self._through(self._root, decode(encode(value)) if self._isolate else value)
        finally:
            if self._loop is not None:
                self._loop.close()
                self._loop = None

    def _through(self, node: _Node, item: object) -> Iterator[Any]:
        """Run one item at a stage, and each output at all that follow before the next."""
        for output in self._outputs(node, item):
            targets = node.markers if type(output) is Marker else node.records
            if self._isolate and type(output) not in IMMUTABLE:
                data = self._encoded(node, output)
                for target in targets:
                    yield from self._onwards(target, decode(data))
            else:
                for target in targets:
                    yield from self._onwards(target, output)

    def _onwards(self, target: _Node | None, item: object) -> Iterable[Any]:
        return (item,) if target is None else self._through(target, item)

    def _encoded(self, node: _Node, output: object) -> bytes:
        try:
            return encode(output)
        except NotSerializable as error:
            key = node.here.context().key
            raise error.at(stage=node.stage.name, key=key) from None

    def _outputs(self, node: _Node, item: object) -> Iterable[object]:
        node.here.first = node.arrived
        node.arrived += 1
        stage = node.stage
        if type(item) is Marker:
            if item.branch != stage.scope:
                return (item,)
            self._call(node, (item.value,) if stage.takes_value else ())
            return ()
        match stage.kind:
            case Kind.BRANCH:
                return self._series(node, item)
            case Kind.MAP | Kind.JOB:
                return (self._call(node, (item,)),)
            case Kind.FILTER:
                return (item,) if self._call(node, (item,)) else ()
            case _:
                self._call(node, (item,))
                return ()

    def _call(self, node: _Node, arguments: tuple[object, ...]) -> object:
        """Call the stage's function, and again after each pause."""
        stage = node.stage
        token = place.set(node.here)
        try:
            while True:
                try:
                    answer = stage.fn(*arguments)
                    if stage.is_async:
                        answer = self._await(answer)
                    # Asked here, where an answer that can't say is the stage's own failure.
                    return bool(answer) if stage.kind is Kind.FILTER else answer
                except StopIteration:
                    end = stop_iteration(stage.name)
                    raise self._failure(node, end) from end.error
                except BaseException as error:  # SystemExit fails a stage too
                    pause = pause_in(error)
                    if pause is None:
                        raise self._failure(node, failed(error)) from error
                self._wait(pause)
        finally:
            place.reset(token)

    def _series(self, node: _Node, record: object) -> Iterator[object]:
        """The values of a branch's series, taken one by one; it is written down at each pause."""
        stage = node.stage
        budget = Unhurried()
        outputs: list[object] = []
        data = None
        while True:
            unfolding = Unfolding(stage, record, data, outputs)
            try:
                end = None
                while end is None:
                    end = self._advance(node, unfolding, budget)
                    yield from outputs
                    outputs.clear()
            finally:
                self._close(unfolding)
            match end:
                case Done():
                    break
                case Failed():
                    raise self._failure(node, end) from end.error
                case Paused(pause):
                    self._wait(pause)
                case Sliced():
                    pass
            data = None if unfolding.left is None else unfolding.left.to_bytes()
        if stage.marks:
            yield end_of_series(stage, record, node.here.first)

    def _advance(self, node: _Node, unfolding: Unfolding, budget: Budget) -> End | None:
        token = place.set(node.here)
        try:
            if node.stage.is_async:
                return self._await(unfolding.advance_async(budget))
            return unfolding.advance(budget)
        finally:
            place.reset(token)

    def _close(self, unfolding: Unfolding) -> None:
        if unfolding.stage.is_async:
            self._await(unfolding.close_async())
        else:
            unfolding.close()

    def _await(self, coroutine: Coroutine[Any, Any, T]) -> T:
        if self._loop is None:
            self._loop = EventLoop()
        return self._loop.run(coroutine)

    def _failure(self, node: _Node, end: Failed) -> StageFailed:
        told = f"{type(end.error).__name__}: {end.error}".removesuffix(": ")
        return StageFailed(node.stage.name, node.here.context().key, told)

    def _wait(self, pause: PauseFlow) -> None:
        now = time.time()
        wake = pause.wake_at(now)
        if wake is not None and wake > now:
            self._sleep(wake - now)
