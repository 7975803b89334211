"""Cuts: a worker's connection breaks where a plan says so, and with it the worker."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from pauseflow.errors import ServerUnreachable
from pauseflow.store import commands as _commands  # noqa: F401 # it registers the scripts
from pauseflow.store.scripts import SOURCES, Command, assemble
from pauseflow.store.server import Reply, Server, Wire

# What EVALSHA calls the script that commits.
_COMMIT = hashlib.sha1(assemble("commit")[0].encode(), usedforsecurity=False).hexdigest()
if _COMMIT not in SOURCES:  # without cuts everything would seem to be resumable
    raise ImportError("pauseflow was changed while this process runs: start it again")


class Cut(ServerUnreachable):
    """The worker was thrown away."""


class Fault(Enum):
    """Where a worker is thrown away, seen from a call that it makes."""

    BEFORE = "before its call arrived"
    AFTER = "after its call had arrived, but not the answer"


@dataclass(frozen=True, slots=True)
class Call:
    """What a worker sends to the server at once.

    Attributes:
        number: of the trial, from 1.
        commits: it commits what was done.
        reads: it reads what is to be done.
    """

    number: int
    commits: bool
    reads: bool


class Plan:
    """Says which calls of the workers break. This one: none."""

    def __init__(self) -> None:
        self.calls = 0
        self.cuts: list[tuple[Call, Fault]] = []
        self.on_commit: Callable[[], None] = _nothing
        """Called when what was done is committed, and nothing breaks."""

    def next(self, commands: Sequence[Command]) -> Fault | None:
        """What becomes of a call.

        Args:
            commands: what it sends.
        """
        self.calls += 1
        commits = any(len(words) > 1 and words[1] == _COMMIT for words in commands)
        reads = any(words[0] == "XREADGROUP" for words in commands)
        call = Call(self.calls, commits, reads)
        fault = self.choose(call)
        if fault is not None:
            self.cuts.append((call, fault))
        elif commits:
            self.on_commit()
        return fault

    def choose(self, call: Call) -> Fault | None:  # noqa: ARG002 # for others
        """What becomes of this call."""
        return None


class EveryCommit(Plan):
    """Every commit is lost; done again, it arrives, and its worker is thrown away all the same."""

    def __init__(self) -> None:
        super().__init__()
        self._lost = False

    def choose(self, call: Call) -> Fault | None:
        """Lose it, or only its answer."""
        if not call.commits:
            return None
        self._lost = not self._lost
        return Fault.BEFORE if self._lost else Fault.AFTER


class AtRandom(Plan):
    """Any call may be lost.

    Args:
        seed: of the choice.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._random = random.Random(seed)  # noqa: S311 # no secret
        self._share = self._random.choice([0.05, 0.2, 0.5])

    def choose(self, call: Call) -> Fault | None:
        """Lose it, perhaps."""
        share = self._share if call.commits or call.reads else self._share / 10
        if self._random.random() < share:
            return self._random.choice(list(Fault))
        return None


class Once(Plan):
    """One call is lost.

    Args:
        number: which.
        fault: how.
    """

    def __init__(self, number: int, fault: Fault) -> None:
        super().__init__()
        self._number, self._fault = number, fault

    def choose(self, call: Call) -> Fault | None:
        """Lose it, if it is that."""
        return self._fault if call.number == self._number else None


class CuttingServer(Server):
    """A server whose connections break as a plan says.

    Args:
        server: the server behind it.
        plan: when.
    """

    def __init__(self, server: Server, plan: Plan) -> None:
        self._server = server
        self._plan = plan
        self.address = server.address

    def wire(self, timeout: float = 10.0) -> Wire:
        """A connection that breaks."""
        return _CuttingWire(self._server.wire(timeout), self._plan)


class _CuttingWire(Wire):
    def __init__(self, wire: Wire, plan: Plan) -> None:
        self._wire = wire
        self._plan = plan
        self._replies_lost = False

    def exchange(self, commands: Sequence[Command]) -> list[Reply]:
        self.send(commands)
        return self.receive()

    def send(self, commands: Sequence[Command]) -> None:
        fault = self._plan.next(commands)
        if fault is Fault.BEFORE:
            self._break()
        self._wire.send(commands)
        self._replies_lost = self._replies_lost or fault is Fault.AFTER

    def receive(self) -> list[Reply]:
        replies = self._wire.receive()
        if self._replies_lost:
            self._break()
        return replies

    def close(self) -> None:
        self._replies_lost = False
        self._wire.close()

    def _break(self) -> None:
        self.close()
        raise Cut("the worker was thrown away")


def _nothing() -> None:
    """Nobody wants to know."""
