"""Schedules in the store: what workers tell of them, and how far coordinators have seen to them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn

from pauseflow import codec
from pauseflow.cron import Cron
from pauseflow.errors import MalformedData, PauseflowError
from pauseflow.graph import Graph, Kind, Outlet, Stage
from pauseflow.schedule import Every, Schedule
from pauseflow.store import commands
from pauseflow.store.books import moment
from pauseflow.store.cast import Casting
from pauseflow.store.commands import Ticked
from pauseflow.store.keys import Keys
from pauseflow.store.scripts import Command
from pauseflow.store.seals import Seals
from pauseflow.store.server import Wire
from pauseflow.store.submission import Submission
from pauseflow.store.tuning import Tuning

FORMAT = 1
"""Of what a worker tells. Another one is not read."""


@dataclass(frozen=True, slots=True)
class Noted:
    """How far a schedule has been seen to.

    Attributes:
        upto: ticks up to this moment have been seen to.
        last: the last tick whose run was started; None if none was yet.
        spec: the rule that the ticks were of.
        raw: the note as it stands in the store; empty if there is none.
    """

    upto: datetime
    last: datetime | None
    spec: str
    raw: bytes = b""

    @classmethod
    def parse(cls, raw: bytes) -> Noted | None:
        """What `pack` wrote; None if it is something else."""
        words = raw.decode("utf-8", "replace").split(" ", 2)
        try:
            upto, last, spec = words
            return cls(moment(int(upto)), moment(int(last)) if int(last) else None, spec, raw)
        except (ValueError, OverflowError, OSError):
            return None

    def at(self, tick: datetime) -> Noted:
        """The note when the run of this tick has been started."""
        noted = Noted(tick, tick, self.spec)
        return Noted(tick, tick, self.spec, noted.pack().encode())

    def pack(self) -> str:
        """As text: `<upto ms> <last ms, or 0> <spec>`."""
        return f"{_ms(self.upto)} {_ms(self.last) if self.last else 0} {self.spec}"


class Announcement:
    """Tells the store the schedules of the flows that a worker has.

    Args:
        keys: the namespace's keys.
        graphs: the flows, each as often as one likes.
    """

    def __init__(self, keys: Keys, graphs: Iterable[Graph]) -> None:
        self._key = keys.schedules
        seals = Seals(keys.signing)
        self._fields = {
            graph.name: seals.letter(_sealed_as(graph.name), _pack(graph))
            if graph.schedules
            else None
            for graph in graphs
        }
        self._made = False

    def make(self, wire: Wire) -> None:
        """Replaces what is told of these flows, also by nothing; when called again, only adds.

        A worker calls it whenever it has connected: code that starts later knows better than code
        that has been there, but a server that lost its data is told again.
        """
        told: list[Command] = []
        for flow, data in self._fields.items():
            if data is None:
                told += [] if self._made else [("HDEL", self._key, flow)]
            elif self._made:
                told.append(("HSETNX", self._key, flow, data))
            else:
                told.append(("HSET", self._key, flow, data))
        wire.call_all(told)
        self._made = True


class Schedules:
    """The schedules of a namespace, as coordinators and people see them. Needs no flow's code.

    Args:
        keys: the namespace's keys.
        wire: a connection of the caller's thread.
    """

    def __init__(self, keys: Keys, wire: Wire) -> None:
        self._keys = keys
        self._wire = wire
        self._tuning = Tuning()
        self._seals = Seals(keys.signing)
        self._read: dict[str, tuple[bytes, Graph | MalformedData]] = {}

    def look(self) -> tuple[Mapping[str, Graph | MalformedData], dict[str, Noted | bytes]]:
        """What workers told, and how far each schedule was seen to.

        Returns:
            For each flow its graph, without functions but with its schedules, or why what is told
            of it can't be read; and each schedule's note by its full name, raw if it isn't one.
        """
        told, noted = self._wire.call_all(
            [("HGETALL", self._keys.schedules), ("HGETALL", self._keys.ticks)]
        )
        read: dict[str, tuple[bytes, Graph | MalformedData]] = {}
        for field, data in zip(told[::2], told[1::2], strict=True):
            flow = field.decode("utf-8", "replace")
            known = self._read.get(flow)
            read[flow] = (
                known if known and known[0] == data else (data, _parse(self._seals, flow, data))
            )
        self._read = read
        notes = {
            field.decode("utf-8", "replace"): Noted.parse(raw) or raw
            for field, raw in zip(noted[::2], noted[1::2], strict=True)
        }
        return {flow: graph for flow, (_, graph) in read.items()}, notes

    def note(self, schedule: Schedule, expected: bytes, noted: Noted) -> bool:
        """Notes up to when a schedule is seen to. Returns False if the note is not as expected."""
        command = commands.begin(self._keys.ticks, schedule.full_name, expected, noted.pack())
        return bool(self._wire.call(command))

    def start(self, graph: Graph, schedule: Schedule, tick: datetime, noted: Noted) -> Ticked:
        """Starts the run of a tick, and notes it.

        Args:
            graph: the schedule's flow.
            schedule: the schedule.
            tick: the tick.
            noted: the schedule's note, as it should still be.
        """
        cast = Casting(self._keys, graph, self._tuning).feeding(graph.root.name)
        made = Submission.of(
            self._keys, graph, cast, schedule.run_id(tick), schedule.input(tick), 0
        )
        status, _, _ = self._wire.call(
            commands.tick(
                self._keys.ticks,
                *(*made[:4], schedule.full_name, noted.raw, noted.at(tick).raw, *made[4:]),
            )
        )
        return Ticked(status)

    def drop_notes(self, names: Iterable[str]) -> None:
        """Forgets how far schedules were seen to that are no more."""
        fields = list(names)
        if fields:
            self._wire.call(("HDEL", self._keys.ticks, *fields))

    def forget(self, flow: str) -> bool:
        """Drops a flow's schedules, until a worker tells of them again. Returns if it had any."""
        return bool(self._wire.call(("HDEL", self._keys.schedules, flow)))


def _ms(time: datetime) -> int:
    return round(time.timestamp() * 1000)


def _pack(graph: Graph) -> bytes:
    stages = [
        (
            stage.name,
            stage.kind.value,
            stage.ordered,
            stage.sequential,
            stage.window,
            [(each.target, each.records, each.markers) for each in graph.outlets(stage.name)],
        )
        for stage in graph.stages
    ]
    schedules = [
        (
            each.name,
            (each.rule.seconds,)
            if isinstance(each.rule, Every)
            else (each.rule.text, each.rule.zone),
            each.missed,
            each.record,
        )
        for each in graph.schedules
    ]
    return codec.encode((FORMAT, stages, schedules))


def _sealed_as(flow: str) -> str:
    """The name under which a flow's schedules are signed; no dead letter has one like it."""
    return f"schedules of {flow}"


def _parse(seals: Seals, flow: str, data: bytes) -> Graph | MalformedData:
    try:
        return _graph(flow, codec.decode(seals.open_letter(_sealed_as(flow), data)))
    except MalformedData as error:
        return error
    except (PauseflowError, ValueError, TypeError, LookupError, AttributeError) as error:
        return MalformedData(f"the schedules of flow {flow!r} can't be read: {error}")


def _graph(flow: str, told: object) -> Graph:
    if not isinstance(told, tuple) or not told or told[0] != FORMAT:
        raise MalformedData(
            f"the schedules of flow {flow!r} are not told as this version of pauseflow does: run "
            f"workers and coordinators of one version"
        )
    _, listed, rules = told
    stages, outlets = [], {}
    for name, kind, ordered, sequential, window, leads_to in listed:
        _expect(str, name, *(target for target, _, _ in leads_to if target is not None))
        _expect(bool, ordered, sequential)
        _expect(int, *([] if window is None else [window]))
        stages.append(
            Stage(
                name=name,
                kind=Kind(kind),
                fn=_no_function,
                ordered=ordered,
                sequential=sequential,
                window=window,
            )
        )
        outlets[name] = [Outlet(*outlet) for outlet in leads_to]
    schedules = []
    for name, rule, missed, record in rules:
        _expect(bytes, *([] if record is None else [record]))
        if len(rule) == 1:
            schedules.append(Schedule(flow, name, Every.of(rule[0]), missed, record))
        else:
            _expect(str, *rule)
            schedules.append(Schedule(flow, name, Cron(*rule), missed, record))
    return Graph(flow, stages, outlets, schedules)


def _expect(kind: type, *values: object) -> None:
    for value in values:
        if type(value) is not kind:
            raise TypeError(f"{value!r} is no {kind.__name__}")


def _no_function(record: object) -> NoReturn:
    raise AssertionError(f"only workers run stages, not {record!r}")
