"""A flow run in this process: the same meaning as a submitted run, without any Redis."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Coroutine, Generator, Iterable, Iterator, Mapping
from types import NoneType
from typing import Any, TypeAlias, TypeVar, assert_never

from pauseflow.answer import Answer
from pauseflow.codec import Marker, decode, encode
from pauseflow.context import Place, place
from pauseflow.errors import (
    JobFailed,
    NotSerializable,
    SignalTimeout,
    StageFailed,
    UnencodableState,
)
from pauseflow.failing import Dead, Fallback, Halt, Retry
from pauseflow.graph import Graph, Kind, Stage
from pauseflow.pause import JOB, PauseFlow
from pauseflow.stages.eventloop import EventLoop
from pauseflow.stages.fold import Value
from pauseflow.stages.frame import Frame
from pauseflow.stages.runner import end_of_series, failed, pause_in, stop_iteration
from pauseflow.stages.timeout import limited
from pauseflow.stages.unfolding import Unfolding
from pauseflow.stages.work import Budget, Done, End, Failed, Paused

T = TypeVar("T")

Signals: TypeAlias = Mapping[str, object] | Callable[[str], object]

# Copying these would give the same object.
IMMUTABLE = frozenset({int, float, bool, NoneType})

log = logging.getLogger(__name__)


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

    __slots__ = ("arm", "arms", "arrived", "copies", "fn", "given", "here", "markers", "records",
                 "stage", "value")  # fmt: skip

    def __init__(self, stage: Stage, here: Place) -> None:
        self.stage = stage
        self.fn = limited(stage)
        self.value: Value | None = None
        if stage.cases is not None:
            self.fn = _then(self.fn, stage.cases.arm)
        if stage.fold is not None:
            self.value = Value(stage.fold, step=self.fn)
            self.fn = self.value.take
        self.given: bytes | None = None  # the item that it is at, if records are encoded
        self.here = here
        self.arrived = 0
        self.copies: dict[tuple[str, int], int] = {}  # of markers, where several lines end
        self.records: list[_Node | None] = []
        self.arms: dict[int | None, list[_Node | None]] = {}  # of a route: where each line goes
        self.arm: int | None = None  # the one that the record at hand goes down
        self.markers: list[_Node | None] = []


class _Position:
    """Where a series stands: its last frame, and how many values it has given since."""

    __slots__ = ("_again", "_given", "_series", "data")

    def __init__(self) -> None:
        self.data: bytes | None = None
        self._series: bytes | None = None
        self._given = 0
        self._again = 0  # of those that come next, so many were given before

    def take(self, values: list[object]) -> None:
        """Take out of the values that come now those that were given before."""
        self._given += len(values)
        if self._again:
            known = min(self._again, len(values))
            self._again -= known
            del values[:known]

    def go_back(self) -> None:
        """It is to be run from the last frame again."""
        self._again += self._given
        self._given = 0

    def go_on(self, left: Frame | None) -> bool:
        """It goes on from a new frame; whether it has come any further by that."""
        before = self._series
        self.data = None if left is None else left.to_bytes()
        self._series = None if left is None else left.series
        self._given = 0
        return self._series != before


class LocalRun:
    """One run of a flow in this process.

    Each record goes down the flow all the way, before the stage above is asked for another.

    Args:
        graph: the flow's graph.
        run_id: what `current().run_id` says.
        isolate: records pass through the encoding between stages.
        sleep: waits that many seconds, for pauses and before retries.
        dead: takes up what would become dead letters; None: they are logged.
        signals: what waits are answered with, by name, or a function of the name.
    """

    def __init__(
        self,
        graph: Graph,
        *,
        run_id: str,
        isolate: bool,
        sleep: Callable[[float], object],
        dead: list[StageFailed] | None = None,
        signals: Signals | None = None,
    ) -> None:
        self._signals = signals.__getitem__ if isinstance(signals, Mapping) else signals
        self._isolate = isolate
        self._sleep = sleep
        self._dead = dead
        self._loop: EventLoop | None = None
        self._folds: list[_Node] = []
        nodes: dict[str | None, _Node | None] = {None: None}
        for stage in reversed(graph.stages):  # from the end, so that the targets are there
            node = _Node(stage, Place(flow=graph.name, stage=stage.name, run_id=run_id))
            for outlet in graph.outlets(stage.name):
                if outlet.records:
                    node.records.append(nodes[outlet.target])
                    node.arms.setdefault(outlet.arm, []).append(nodes[outlet.target])
                if outlet.markers:
                    node.markers.append(nodes[outlet.target])
            nodes[stage.name] = self._root = node
            if stage.fold is not None and stage.fold.per is None:
                self._folds.insert(0, node)

    def results(self, value: object) -> Iterator[Any]:
        """The results of one input record, as they are made.

        Raises:
            StageFailed: a stage raised; its exception is the `__cause__`.
            NotSerializable: the value, or what a stage emitted, has no encoding.
        """
        return self.results_of([value])

    def results_of(self, values: Iterable[object]) -> Iterator[Any]:
        """The same for a run that is fed several records."""
        try:
            for value in values:
                data = encode(value) if self._isolate else None
                given = value if data is None else decode(data)
                yield from self._through(self._root, given, data)
            for node in self._folds:
                node.given = None
                yield from self._onwards_all(node, self._result(node, None))
        finally:
            if self._loop is not None:
                self._loop.close()
                self._loop = None

    def _through(self, node: _Node, item: object, data: bytes | None = None) -> Iterator[Any]:
        """Run one item at a stage, and each output at all that follow before the next."""
        node.given = data
        return self._onwards_all(node, self._outputs(node, item))

    def _onwards_all(self, node: _Node, outputs: Iterable[object]) -> Iterator[Any]:
        for output in outputs:
            if type(output) is Marker:
                targets = node.markers
            else:
                targets = node.records if node.arm is None else node.arms[node.arm]
            if self._isolate and type(output) not in IMMUTABLE:
                data = self._encoded(node, output)
                for target in targets:
                    yield from self._onwards(target, decode(data), data)
            else:
                for target in targets:
                    yield from self._onwards(target, output)

    def _onwards(
        self, target: _Node | None, item: object, data: bytes | None = None
    ) -> Iterable[Any]:
        return (item,) if target is None else self._through(target, item, data)

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
            return self._marker(node, item)
        match stage.kind:
            case Kind.ROUTE:
                return self._routed(node, item)
            case Kind.BRANCH:
                return self._series(node, item)
            case Kind.MAP | Kind.JOB | Kind.MERGE:
                return self._call(node, (item,))
            case Kind.FILTER:
                return (item,) if any(self._call(node, (item,))) else ()
            case Kind.FOLD:
                self._fold(node, item)
            case _:
                self._call(node, (item,))
        return ()

    def _marker(self, node: _Node, marker: Marker) -> Iterable[object]:
        stage = node.stage
        known = (stage.scope, *stage.outer)
        if stage.kind is Kind.FINISHED and marker.branch not in known:
            return ()
        if stage.meets:
            scope = (marker.branch, marker.scope)
            copies = node.copies.pop(scope, 0) + 1
            if copies < stage.copies.get(marker.branch, 1):
                node.copies[scope] = copies
                return ()
        if stage.fold is not None and stage.fold.per == marker.branch:
            return self._result(node, marker)
        if marker.branch != stage.scope:
            return (marker,)
        self._call(node, (marker.value,) if stage.takes_value else ())
        return ()

    def _routed(self, node: _Node, record: object) -> Iterable[object]:
        for arm in self._call(node, (record,)):
            node.arm = arm if isinstance(arm, int) else None
            return (record,)
        return ()

    def _fold(self, node: _Node, record: object) -> None:
        try:
            self._call(node, (record,))
        except NotSerializable as error:
            raise UnencodableState(node.stage.name, error) from None

    def _result(self, node: _Node, marker: Marker | None) -> Iterable[object]:
        """The value of a scope, and the marker that ended it; the next one is begun."""
        value = node.value
        assert value is not None  # noqa: S101 # whoever calls this has a fold
        node.here.attempt = 0
        after = () if marker is None else (marker,)
        token = place.set(node.here)
        try:
            while True:
                try:
                    return (*value.result(), *after)
                except BaseException as error:  # noqa: BLE001 # as of a stage
                    end = failed(error)
                instead = self._after(node, end, marker)
                if instead is not None:
                    return instead
        finally:
            place.reset(token)
            value.begin()

    def _call(self, node: _Node, arguments: tuple[object, ...]) -> tuple[object, ...]:
        """What the stage's function returns, called again after each pause and before each retry.

        Nothing, if the record is a dead letter.
        """
        stage = node.stage
        node.here.attempt = 0
        token = place.set(node.here)
        try:
            while True:
                try:
                    answer = node.fn(*arguments)
                    if stage.is_async:
                        answer = self._await(answer)
                    # Asked here, where an answer that can't say is the stage's own failure.
                    return (bool(answer) if stage.kind is Kind.FILTER else answer,)
                except BaseException as error:  # noqa: BLE001 # SystemExit fails a stage too
                    end = _ended(node, error)
                if isinstance(end, PauseFlow):
                    self._wait(node, end)
                else:
                    instead = self._after(node, end, arguments[0] if arguments else None)
                    if instead is not None:
                        return instead
                arguments = tuple(self._as_given(node, given) for given in arguments)
        finally:
            place.reset(token)

    def _as_given(self, node: _Node, record: object) -> object:
        """The record as it came, whatever the stage has done to it meanwhile."""
        if node.given is None:
            return record
        item = decode(node.given)
        return item.value if type(item) is Marker else item

    def _series(self, node: _Node, record: object) -> Iterator[object]:
        """The values of a branch's series, taken one by one; it is written down at each pause.

        After a failure it goes on from the last pause. The values that it has given since are not
        given again: it is run past as many.
        """
        stage = node.stage
        at = _Position()
        node.here.attempt = 0
        while True:
            unfolding = Unfolding(stage, record, at.data, [], node.here.context().answer)
            end = yield from self._values(node, unfolding, at)
            if isinstance(end, Done):
                break
            if isinstance(end, Failed):
                instead = self._after(node, end, record)
                if instead is None:
                    at.go_back()
                    record = self._as_given(node, record)
                    continue
                if not instead:
                    return  # its series is not over, as long as it is a dead letter
                yield from instead
                break
            if isinstance(end, Paused):
                self._wait(node, end.pause)
            if at.go_on(unfolding.left):
                node.here.attempt = 0
            record = self._as_given(node, record)
        if stage.marks:
            yield end_of_series(stage, record, node.here.first)

    def _values(
        self, node: _Node, unfolding: Unfolding, at: _Position
    ) -> Generator[object, None, End]:
        """The values up to a pause or an end, without those that were given before."""
        budget = Unhurried()
        try:
            end = None
            while end is None:
                end = self._advance(node, unfolding, budget)
                outputs = unfolding.outputs
                if outputs:
                    at.take(outputs)
                    if outputs:
                        node.here.attempt = 0
                        yield from outputs
                        outputs.clear()
        finally:
            self._close(unfolding)
        return end

    def _after(self, node: _Node, end: Failed, record: object) -> tuple[object, ...] | None:
        """What is given in place of a record that failed; None: it is to be tried again.

        Raises:
            StageFailed: the run halts.
        """
        failing = node.stage.failing
        decision = failing.decide(end.error, node.here.attempt, _no_chance)
        if isinstance(decision, Fallback):
            token = place.set(node.here)
            try:
                return (decision.make(end.error, record),)
            except BaseException as error:  # noqa: BLE001 # as of a stage
                end = failed(error)
                decision = failing.last()
            finally:
                place.reset(token)
        match decision:
            case Retry(seconds):
                node.here.attempt += 1
                if seconds:
                    self._sleep(seconds)
                return None
            case Halt():
                raise self._failure(node, end) from end.error
            case Dead():
                self._set_aside(node, end)
                return ()
            case _:
                assert_never(decision)

    def _set_aside(self, node: _Node, end: Failed) -> None:
        failure = self._failure(node, end)
        failure.__cause__ = end.error
        if self._dead is not None:
            self._dead.append(failure)
        else:
            log.error("%s; a submitted run would keep the record as a dead letter", failure)

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

    def _wait(self, node: _Node, pause: PauseFlow) -> None:
        """Wait for as long as the pause does, or take what `signals` has for it."""
        here = node.here
        if pause.waits_for is not None:
            here.answer, here.answered = self._answer(node, pause, pause.waits_for), here.first
            return
        self._sleep_until(pause.wake_at(time.time()))

    def _sleep_until(self, wake: float | None) -> None:
        now = time.time()
        if wake is not None and wake > now:
            self._sleep(wake - now)

    def _answer(self, node: _Node, pause: PauseFlow, name: str) -> Answer:
        job = name.removeprefix(JOB)
        if self._signals is None:
            return self._unanswered(node, pause, name)
        try:
            value = self._signals(name)
        except SignalTimeout:
            return Answer("timeout", name)
        except JobFailed as error:
            return Answer.of_failed(job, error.error_type, error.message, error.traceback)
        except KeyError:
            return self._unanswered(node, pause, name)
        return Answer.of_done(job, value) if job != name else Answer.of_signal(name, value)

    def _unanswered(self, node: _Node, pause: PauseFlow, name: str) -> Answer:
        wake = pause.wake_at(time.time())
        if wake is None:
            raise StageFailed(
                node.stage.name,
                node.here.context().key,
                f"it waits for {name!r}, which nobody sends here: give run(..., "
                f"signals={{{name!r}: data}})",
            )
        self._sleep_until(wake)
        return Answer("timeout", name)


def _then(first: Callable[..., Any], second: Callable[[Any], Any]) -> Callable[..., Any]:
    """Both, one after the other."""
    return lambda *arguments: second(first(*arguments))


def _no_chance() -> float:
    """In place of a random number: waits have their whole length, and are always the same."""
    return 0.0


def _ended(node: _Node, error: BaseException) -> PauseFlow | Failed:
    """How a call ended that raised."""
    if isinstance(error, StopIteration):
        return stop_iteration(node.stage.name)
    pause = pause_in(error)
    if pause is not None:
        return pause
    end = failed(error)
    if node.stage.kind is not Kind.JOB:
        return end
    # A submitted run hears of a job's failure by its ending only, so retries are about that.
    failure = JobFailed(node.here.context().key, type(end.error).__name__, str(end.error))
    failure.__cause__ = end.error
    return Failed(failure)
