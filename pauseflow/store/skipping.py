"""Skipping: the records that a run halted at become dead letters, and it goes on behind them."""

from __future__ import annotations

import re
import time
from itertools import islice
from typing import assert_never

from pauseflow.codec.wire import MARKER, TAG_BYTES
from pauseflow.errors import MalformedData, SkipRefused
from pauseflow.stages.state import State
from pauseflow.store import commands
from pauseflow.store.commands import Skipped
from pauseflow.store.envelope import Envelope, ParkedChunk
from pauseflow.store.keys import Keys
from pauseflow.store.letters import Letter
from pauseflow.store.pieces import item_bytes
from pauseflow.store.runs import Runs, unknown_run
from pauseflow.store.seals import Seals
from pauseflow.store.server import Wire

AT_ONCE = 32
"""Continuations that one script skips; only an unordered stage has so many."""

_HEADER = "Traceback (most recent call last):\n"
_GROUP = re.compile(r"^\s*\| ([\w.]+Group): (.*)$", re.MULTILINE)
_MARKER = b"\x94" + TAG_BYTES + MARKER
"""How a marker's encoding begins: its class need not be known here to tell."""

_NAME = re.compile(r"[\w.<>]+")


class Skipping:
    """Sets aside the records that runs halted at.

    Args:
        keys: the namespace's keys.
        wire: a connection of the caller's thread.
        runs: reads what is parked.
    """

    def __init__(self, keys: Keys, wire: Wire, runs: Runs) -> None:
        self._keys = keys
        self._wire = wire
        self._runs = runs
        self._seals = Seals(keys.signing)
        self.now_ms = 0

    def skip(self, run_id: str) -> list[str]:
        """Sets aside the first record of each chunk that failed; the run goes on behind it.

        Returns:
            The keys of the dead letters; none if nothing in the run has failed.

        Raises:
            UnknownRun: there is no such run.
            SkipRefused: the run is over, a chunk can't be read, or somebody else lets the run go
                on at the same time.
        """
        named = self._wire.call(("HGET", self._keys.run(run_id).base, "flow"))
        if named is None:
            raise unknown_run(run_id)
        flow = named.decode("utf-8", "replace")
        failed = [
            (name, chunk)
            for name, chunk in self._runs.parked_fields(run_id)
            if chunk.why == "failed"
        ]
        now = self.now_ms or int(time.time() * 1000)
        cuts = [_Cut(self._seals, flow, name, chunk, now) for name, chunk in failed]
        rest = iter(cuts)
        done = 0
        while part := list(islice(rest, AT_ONCE)):
            done += len(part)
            self._skip(run_id, flow, now, part, last=done == len(cuts))
        return [cut.letter.key for cut in cuts]

    def _skip(self, run_id: str, flow: str, now: int, cuts: list[_Cut], *, last: bool) -> None:
        keys = self._keys
        run = keys.run(run_id)
        items: list[str | bytes] = []
        for cut in cuts:
            items += (cut.field, cut.text, f"b:{cut.stage}", cut.rest)
            items += (cut.letter.key, self._seals.letter(cut.letter.key, cut.letter.pack()))
        streams = [keys.stream(flow, cut.stage) for cut in cuts]
        reply = self._wire.call(
            commands.skip(
                run.base, run.parked, keys.dead, keys.letters, streams, now, int(last), items
            )
        )
        if reply > 0:
            return
        refused = Skipped(reply)
        match refused:
            case Skipped.CHANGED:
                raise SkipRefused(
                    f"run {run_id!r} does not stand any more where it stood a moment ago: somebody "
                    f"else has let it go on. Look at it first: flowctl show {run_id}"
                )
            case Skipped.NO_RUN:
                raise unknown_run(run_id)
            case Skipped.RUN_OVER:
                raise SkipRefused(f"run {run_id!r} is over: there is nothing to skip")
            case _:
                assert_never(refused)


class _Cut:
    """A chunk that failed, in two: the letter of its first record, and what is behind it.

    Args:
        seals: opens the chunk, and seals what is behind it.
        flow: the flow's name.
        field: the chunk's name in the parked hash.
        chunk: the chunk as it is parked.
        now: ms since the epoch.

    Raises:
        SkipRefused: it can't be read, so that no record can be cut from it.
    """

    def __init__(self, seals: Seals, flow: str, field: str, chunk: ParkedChunk, now: int) -> None:
        self.field = field
        self.text = chunk.pack()
        self.stage = field.rpartition(":")[0]
        try:
            envelope = seals.open(self.stage, Envelope.parse(chunk.envelope))
            state = State.parse(envelope.frames, envelope.count)
            first = _first_item(envelope)
        except MalformedData as error:
            raise SkipRefused(
                f"the chunk that is parked as {field!r} can't be read, so no record can be cut "
                f"from it: {error}. If workers of a newer version wrote it, use that version "
                f"here; else it is lost: cancel the run, and submit it again under another id"
            ) from None
        error_type, message = told(chunk.note)
        is_marker = envelope.marks > 0 and first.startswith(_MARKER)
        self.letter = Letter(
            run=state.origin or envelope.run,
            flow=flow,
            stage=self.stage,
            ordinal=envelope.ordinal,
            since=now,
            attempts=state.failures + 1,
            crashes=envelope.crashes,
            error_type=error_type,
            error=message,
            traceback=chunk.note,
            is_marker=is_marker,
            item=first,
            state=State({0: state.frames[0]} if 0 in state.frames else {}, state.answer).pack(),
        )
        left = envelope.count - 1
        frames = State({index - 1: frame for index, frame in state.frames.items() if index})
        # A rest of nothing keeps its name: the next one may be another's.
        ordinal = envelope.ordinal + 1 if left else envelope.ordinal
        marks = envelope.marks - is_marker
        rest = envelope.rest(ordinal, left, marks, frames.pack(), envelope.items[len(first) :])
        self.rest = seals.envelope(self.stage, rest).pack()


def _first_item(envelope: Envelope) -> bytes:
    """The encoding of the first item, as it came.

    Raises:
        MalformedData: there is none, or the items are not as many as they are said to be.
    """
    if not envelope.count:
        raise MalformedData("it holds no records")
    try:
        first = item_bytes(envelope.items, 0, 1)
        rest = item_bytes(envelope.items, envelope.count)
    except Exception as error:
        raise MalformedData(f"its records are damaged: {type(error).__name__}") from error
    if rest:
        raise MalformedData("it holds more records than it says")
    return first


def told(note: str) -> tuple[str, str]:
    """The exception's type and text, from the traceback that a failed chunk is parked with.

    The type is without its module. Of a chunk that could not be read the note is no traceback
    but the reason.
    """
    group = _GROUP.search(note)
    if group is not None:
        return _plain(group[1]), group[2]
    lines = note.rpartition(_HEADER)[2].splitlines(keepends=True)
    for number, line in enumerate(lines):
        name, _, text = line.rstrip("\n").partition(": ")
        # Frames are indented; what was cut off at the front may leave half of a line.
        if not line[:1].isspace() and _NAME.fullmatch(name):
            return _plain(name), "".join((text, "\n", *lines[number + 1 :])).strip()
    return "MalformedData", note.strip()


def _plain(name: str) -> str:
    return name.rpartition(".")[2]
