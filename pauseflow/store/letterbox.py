"""The dead letters of a namespace: find them, try them again, edit them, drop them."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TypeVar, assert_never

from pauseflow import codec
from pauseflow.codec.showing import decode_to_show
from pauseflow.errors import LetterRefused, MalformedData, UnknownLetter
from pauseflow.graph import Graph
from pauseflow.stages.state import State
from pauseflow.store import commands
from pauseflow.store.cast import results_from
from pauseflow.store.commands import Amended, Revived
from pauseflow.store.envelope import Envelope
from pauseflow.store.keys import Keys
from pauseflow.store.letters import Letter
from pauseflow.store.scripts import Command
from pauseflow.store.seals import Seals
from pauseflow.store.server import Wire

PAGE = 32
"""Letters read at once: a letter may be as large as a record."""

KEYS_AT_ONCE = 500

RUN_ID_KEPT = 100
"""Characters of a run's id in the ids of the runs that its dead letters become."""

NEWEST = 200
"""Letters among which a key that was mistyped is looked for."""

T = TypeVar("T")

_LONGEST_NUMBER = 20

_AGAIN = re.compile(r"\.again-\d+$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """Which dead letters are meant: those that fit all that is given.

    Attributes:
        flow: the flow's name.
        run: the run's id.
        stage: the stage's name.
        error: the name of the exception's type, with or without its module.
    """

    flow: str | None = None
    run: str | None = None
    stage: str | None = None
    error: str | None = None

    def fits(self, letter: Letter) -> bool:
        """Whether it is one of those."""
        return (
            self.flow in (None, letter.flow)
            and self.run in (None, letter.run)
            and self.stage in (None, letter.stage)
            and (self.error is None or _last_name(self.error) == _last_name(letter.error_type))
        )


ALL = Sought()


class Letterbox:
    """The dead letters of one namespace.

    Args:
        keys: the namespace's keys.
        wire: a connection of the caller's thread.
    """

    def __init__(self, keys: Keys, wire: Wire) -> None:
        self._keys = keys
        self._wire = wire
        self._seals = Seals(keys.signing)
        self.now_ms = 0

    def count(self) -> int:
        """How many dead letters there are."""
        return int(self._wire.call(("ZCARD", self._keys.dead)))

    def keys(self, limit: int) -> list[str]:
        """The keys of the newest ones."""
        found = self._wire.call(("ZREVRANGE", self._keys.dead, 0, limit - 1))
        return [key.decode("utf-8", "replace") for key in found]

    def letters(self, sought: Sought = ALL) -> Iterator[Letter]:
        """The dead letters, newest first, read a page at a time.

        What is dropped, tried again or set aside meanwhile doesn't disturb it.
        """
        for page in self._pages():
            yield from filter(sought.fits, self._read(page))

    def get(self, keys: Iterable[str]) -> Iterator[Letter]:
        """The letters of these keys, in this order.

        Raises:
            UnknownLetter: there is none of one of the keys; those before it are given first.
        """
        for page in _parts(keys, PAGE):
            found = {letter.key: letter for letter in self._read(page)}
            for key in page:
                if key not in found:
                    raise unknown_letter(key, self._near(key))
                yield found[key]

    def drop(self, keys: Iterable[str]) -> int:
        """Drops letters for good. Returns how many of them there were."""
        return sum(
            int(self._wire.call(commands.discard(self._keys.dead, self._keys.letters, part)))
            for part in _parts(keys, KEYS_AT_ONCE)
        )

    def edit(self, key: str, record: object) -> None:
        """Puts another record in the place of a letter's, which keeps its key.

        How far the old record had come goes: the new one begins at its stage from the top.

        Raises:
            NotSerializable: the record has no encoding; the letter stays as it is.
            UnknownLetter: there is no such letter.
            LetterRefused: it has no record, or it was changed at the same time.
        """
        item = codec.encode(record)
        (letter,) = self.get([key])
        if letter.is_marker:
            raise LetterRefused(
                f"dead letter {key!r} is not a record but the end of a series, for "
                f"finished=, and can't be edited. Retry or drop it"
            )
        self._check_readable(letter)
        after = replace(letter, item=item, state=b"")
        reply = self._wire.call(
            commands.amend(
                self._keys.letters, key, letter.stored, self._seals.letter(key, after.pack())
            )
        )
        amended = Amended(reply)
        match amended:
            case Amended.DONE:
                pass
            case Amended.GONE:
                raise unknown_letter(key)
            case Amended.CHANGED:
                raise LetterRefused(
                    f"dead letter {key!r} was changed by somebody else at the same time: look "
                    f"at it, and edit it again"
                )
            case _:
                assert_never(amended)

    def revive(self, graph: Graph, letters: Sequence[Letter]) -> dict[str, str]:
        """Makes a run of each letter, which is one no more.

        Args:
            graph: of their flow.
            letters: all are looked at before the first is tried again.

        Returns:
            The new runs' ids by the letters' keys. Those are missing that somebody else has
            retried, edited or dropped at the same time.

        Raises:
            LetterRefused: a letter is of another flow, or can't be read.
            UnknownName: the flow has no such stage any more.
        """
        states = [self._checked(graph, letter) for letter in letters]
        if not letters:
            return {}
        last = int(self._wire.call(("INCRBY", self._keys.revivals, len(letters))))
        first = last - len(letters) + 1
        made: dict[str, str] = {}
        for part in _parts(enumerate(zip(letters, states, strict=True), first), PAGE):
            ids = [f"{root_of(letter.run)}.again-{number}" for number, (letter, _) in part]
            asked = [
                self._revive(graph, letter, state, run_id)
                for run_id, (_, (letter, state)) in zip(ids, part, strict=True)
            ]
            replies = self._wire.call_all(asked)
            for run_id, reply, (_, (letter, _)) in zip(ids, replies, part, strict=True):
                if Revived(reply) is Revived.MADE:
                    made[letter.key] = run_id
        return made

    def _checked(self, graph: Graph, letter: Letter) -> State:
        if letter.flow != graph.name:
            self._check_readable(letter)
            raise LetterRefused(
                f"dead letter {letter.key!r} is of flow {letter.flow!r}, not of {graph.name!r}"
            )
        graph[letter.stage]  # the flow may have lost the stage since
        try:
            state = State.parse(letter.state, 1)
            decode_to_show(letter.item)
        except MalformedData as error:
            raise LetterRefused(
                f"the record of dead letter {letter.key!r}, or how far it had come, can't be "
                f"read: {error}. Edit it, and it begins from the top"
            ) from None
        state.origin = letter.run
        return state

    @staticmethod
    def _check_readable(letter: Letter) -> None:
        if not letter.flow:
            raise LetterRefused(
                f"dead letter {letter.key!r} can't be read: {letter.error}. Use the version of "
                f"pauseflow that wrote it, or drop it"
            )

    def _revive(self, graph: Graph, letter: Letter, state: State, run_id: str) -> Command:
        keys, stage = self._keys, letter.stage
        reached = _reached(graph, stage)
        leaves = sum(all(each.target is None for each in graph.outlets(name)) for name in reached)
        sources = [
            source
            for source in results_from(graph).split(" ")
            if source.partition(":")[0] in reached
        ]
        envelope = Envelope(
            run=run_id,
            seq=0,
            ordinal=letter.ordinal,
            crashes=0,
            count=1,
            marks=int(letter.is_marker),
            ended=True,
            frames=state.pack(),
            items=letter.item,
        )
        return commands.revive(
            keys.run(run_id).base,
            keys.runs,
            keys.dead,
            keys.letters,
            keys.stream(graph.name, stage),
            run_id,
            self.now_ms,
            graph.name,
            " ".join(reached),
            " ".join(sources),
            f"again {letter.key}",
            leaves,
            letter.key,
            letter.stored,
            self._seals.envelope(stage, envelope).pack(),
            f"b:{stage}",
            [word for name in reached for word in _missing(graph, name, reached, stage)],
        )

    # -- reading

    def _near(self, key: str) -> str:
        """What may have been meant instead."""
        near = difflib.get_close_matches(key, self.keys(NEWEST), n=1, cutoff=0.8)
        return f". Did you mean {near[0]!r}?" if near else ""

    def _pages(self) -> Iterator[list[str]]:
        """The keys of all letters, newest first.

        A page begins after the time and the name of the last one before it, not at a position:
        positions move while letters come and go.
        """
        dead = self._keys.dead
        below, count = "+inf", PAGE
        last: bytes | None = None
        while True:
            found = self._wire.call(
                ("ZREVRANGEBYSCORE", dead, below, "-inf", "WITHSCORES", "LIMIT", 0, count)
            )
            pairs = list(_parts(found, 2))
            page = [
                (key, score)
                for key, score in pairs
                if last is None or _text(score) != below or key < last
            ]
            if page:
                yield [key.decode("utf-8", "replace") for key, _ in page]
                last, below = page[-1][0], _text(page[-1][1])
                count = PAGE
            elif len(pairs) < count:
                return
            else:
                count *= 4  # so many were set aside within one millisecond

    def _read(self, keys: Sequence[str]) -> Iterator[Letter]:
        texts = self._wire.call(("HMGET", self._keys.letters, *keys))
        for key, text in zip(keys, texts, strict=True):
            if text is not None:
                letter = _letter(self._seals, key, text)
                if letter is not None:
                    yield letter


def unknown_letter(key: str, hint: str = "") -> UnknownLetter:
    """The error about a dead letter that is not there."""
    return UnknownLetter(
        f"there is no dead letter {key!r}: it never died, or was retried or dropped since{hint}"
    )


def root_of(run_id: str) -> str:
    """The run that a run of a dead letter descends from; cut, if it is very long."""
    return _AGAIN.sub("", run_id)[:RUN_ID_KEPT]


def _reached(graph: Graph, stage: str) -> list[str]:
    """The stage and those that its outputs come to, in the flow's order."""
    found, ahead = {stage}, [stage]
    while ahead:
        for outlet in graph.outlets(ahead.pop()):
            if outlet.target is not None and outlet.target not in found:
                found.add(outlet.target)
                ahead.append(outlet.target)
    return [each.name for each in graph.stages if each.name in found]


def _missing(graph: Graph, name: str, reached: list[str], first: str) -> list[str | int]:
    """How many of the stages that lead to one are not in the run, if that matters."""
    above = graph.upstream(name)
    outside = sum(each not in reached for each in above)
    return [f"i:{name}", outside] if len(above) > 1 and outside and name != first else []


def _letter(seals: Seals, key: str, text: bytes) -> Letter | None:
    """The letter; one that can't be read as far as its key tells, so that it is not overlooked."""
    try:
        return replace(Letter.parse(seals.open_letter(key, text)), stored=text)
    except MalformedData as error:
        run, stage, ordinal = key.rsplit(":", 2) if key.count(":") > 1 else (key, "", "")
        if not ordinal.isdecimal() or len(ordinal) > _LONGEST_NUMBER:
            return None
        return Letter(
            run=run, flow="", stage=stage, ordinal=int(ordinal), since=0, attempts=0, crashes=0,
            error_type="MalformedData", error=str(error), traceback="", is_marker=False,
            item=b"", state=b"",
        )  # fmt: skip


def _parts(values: Iterable[T], size: int) -> Iterator[tuple[T, ...]]:
    """The values, so many at a time."""
    rest = iter(values)
    while part := tuple(islice(rest, size)):
        yield part


def _last_name(name: str) -> str:
    return name.rpartition(".")[2]


def _text(score: bytes | float) -> str:
    """A score as the server takes it: a server of its own may give it as a number."""
    number = float(score)
    return f"{int(number)}" if math.isfinite(number) else f"{number:+}"
