"""Trace: what each stage gave for each record of a run, and where two runs part."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from pauseflow import codec
from pauseflow.codec import Marker
from pauseflow.errors import CodecError, NotSerializable
from pauseflow.graph import Graph, Stage
from pauseflow.stages import Done, Failed, Outcome, Paused, Work
from pauseflow.stages.frame import Frame
from pauseflow.store.envelope import Envelope
from pauseflow.testing.watch import Watch

LONGEST = 200


@dataclass(slots=True)
class Passage:
    """One record at one stage.

    Attributes:
        item: the record, encoded.
        given: what the stage gave for it, encoded, without the ends of series.
    """

    item: bytes
    given: list[bytes] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Parting:
    """Where one run did something else than the other.

    Attributes:
        stage: at which stage.
        key: the record's.
        record: the record, as text.
        expected: what the one run gave for it; None if the record did not come there.
        given: what the other gave.
    """

    stage: str
    key: str
    record: str
    expected: str | None
    given: str | None

    def told(self, expected: str, given: str) -> str:
        """In words.

        Args:
            expected: what the one run is called.
            given: what the other is called.
        """
        where = f"stage {self.stage!r}, record {self.key} ({self.record})"
        if self.given is None:
            return f"{where}: it came there {expected}, and not {given}"
        if self.expected is None:
            return f"{where}: it came there {given}, and not {expected}"
        return f"{where}\n    {expected}: {self.expected}\n    {given}: {self.given}"


class Trace(Watch):
    """What came to each stage, and what the stage made of it. For chunks of one record.

    What is done again takes the place of what was done before.
    """

    def __init__(self) -> None:
        super().__init__()
        self._passages: dict[tuple[str, int], Passage] = {}
        self._slices: list[str] = []

    def ran(self, stage: Stage, work: Work, envelope: Envelope, outcome: Outcome) -> None:
        """Take note of a slice."""
        super().ran(stage, work, envelope, outcome)
        key = f"{work.run}:{stage.name}:{work.ordinal}"
        self._slices.append(f"{key}, which {_how(outcome)} ({len(outcome.outputs)} given)")
        if len(work.items) != 1:
            return
        passage = self._passages.setdefault((stage.name, work.ordinal), Passage(envelope.items))
        del passage.given[_emitted(work) :]
        for output in outcome.outputs:
            if type(output) is not Marker:
                passage.given.append(_encoded(output))

    def forget_slices(self) -> None:
        """What was run so far is committed."""
        self._slices.clear()

    def take_slices(self) -> str:
        """What was run since the last commit, in words; it is forgotten."""
        told = "; ".join(self._slices)
        self._slices.clear()
        return told or "nothing since its last commit"

    def parting(self, other: Trace, graph: Graph, run_id: str) -> Parting | None:
        """Where another run first did something else; None if it did the same.

        Records are known by what they are, rather than by their order.

        Args:
            other: of the other run, of the same flow and input.
            graph: of the flow.
            run_id: of both.
        """
        for stage in graph.stages:
            theirs: dict[bytes, list[Passage]] = defaultdict(list)
            for _, passage in other._of(stage):
                theirs[passage.item].append(passage)
            for ordinal, passage in self._of(stage):
                same = theirs[passage.item]
                found = next((each for each in same if each.given == passage.given), None)
                if found is not None:
                    same.remove(found)
                    continue
                return Parting(
                    stage.name,
                    f"{run_id}:{stage.name}:{ordinal}",
                    _shown(passage.item),
                    _listed(passage.given),
                    _listed(same[0].given) if same else None,
                )
            for ordinal, passage in other._of(stage):
                if any(each is passage for each in theirs[passage.item]):
                    key = f"{run_id}:{stage.name}:{ordinal}"
                    given = _listed(passage.given)
                    return Parting(stage.name, key, _shown(passage.item), None, given)
        return None

    def _of(self, stage: Stage) -> Iterator[tuple[int, Passage]]:
        for name, ordinal in sorted(self._passages):
            if name == stage.name:
                yield ordinal, self._passages[name, ordinal]


def _how(outcome: Outcome) -> str:
    match outcome.end:
        case Done():
            return "was done"
        case Paused() as end:
            return f"paused: {end.pause!r}"
        case Failed() as end:
            return f"failed: {end.error!r}"
        case _:
            return "was stopped at a yield" if outcome.frames else "was stopped behind a record"


def _emitted(work: Work) -> int:
    """How many values the record had given before."""
    try:
        return Frame.from_bytes(work.frames[0]).emitted if 0 in work.frames else 0
    except CodecError:
        return 0


def _encoded(value: object) -> bytes:
    try:
        return codec.encode(value)
    except NotSerializable as error:
        return codec.encode(f"({error})")


def _shown(data: bytes) -> str:
    value = codec.decode(data)
    return shortened(repr(value.value if isinstance(value, Marker) else value))


def _listed(given: list[bytes]) -> str:
    return shortened("[" + ", ".join(_shown(each) for each in given) + "]")


def shortened(text: str) -> str:
    """The text, its middle left out if it is long."""
    half = LONGEST // 2
    return text if len(text) <= LONGEST else f"{text[:half]} … {text[-half:]}"
