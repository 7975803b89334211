"""Every key that pauseflow keeps in Redis: its name, its type, who writes it, when it goes.

All keys begin with `pauseflow:{<namespace>:<shard>}:`, so that one ACL pattern covers them and, on
Redis Cluster, a script finds all its keys in one slot.

| key | type | holds | written by | goes |
|---|---|---|---|---|
| `stream:<flow>:<stage>` | stream | chunks to be run; group `workers` | dispatch | permanent |
| `runs` | zset | run id → created (ms) | submit | permanent; members expire |
| `expiring` | zset | done run id → when it expires (ms) | commit | permanent; members expire |
| `timers` | zset | `<run> <parked field>` → wake time (ms) | commit, wake | permanent; members go |
| `leases` | zset | worker → when its lease ends (ms) | lease | permanent; members go |
| `workers` | hash | worker → what it says of itself | lease | permanent; fields go |
| `costs` | hash | `<flow>:<stage>` → µs a record | workers | permanent |
| `quarantine` | stream | what is foreign or damaged | quarantine, … | permanent; newest 1,000 |
| `quarantined` | string | how much was set aside ever | quarantine, … | permanent |
| `signed` | string | there, if workers have signing keys | workers | permanent |
| `jobs` | zset | `<run> job:<job>` → when to look at it (ms) | commit | permanent; members go |
| `dead` | zset | key of a dead letter → when it died (ms) | commit, skip | permanent; members go |
| `letters` | hash | key of a dead letter → the letter | commit, skip | permanent; fields go |
| `revivals` | string | how many dead letters were tried again | client | permanent |
| `schedules` | hash | flow → its schedules and its shape | workers | permanent; fields replaced |
| `ticks` | hash | schedule → ticks seen to, the last run | tick, begin | permanent; fields go |
| `held` | hash | runs, flows, stages that are held → how | pause, hold | permanent; fields go |
| `run:<id>` | hash | state, counters, the books of each stage | all scripts | expires after done |
| `run:<id>:results` | stream | results not dropped, the end | commit | expires after done |
| `run:<id>:parked` | hash | `<stage>:<ordinal>` → parked continuation | commit | empty when done |
| `run:<id>:waits` | zset | `<name>`, since, parked field of what waits | commit | empty when done |
| `run:<id>:signals` | zset | `<name>`, number, answer nobody waits for | signal | empty when done |
| `run:<id>:backlog:<stage>` | list | pieces that wait | commit, submit, append | empty when done |
| `run:<id>:reorder:<stage>` | hash | outputs ahead of the cursor | commit | empty when done |
| `run:<id>:state:<stage>` | hash | what a fold has so far, in fields | commit | empty when done |
| `run:<id>:suspect:<stage>` | string | record begun of a suspect | workers | expires in an hour |
| `run:<id>:room` | list | a token for a waiting feeder | commit | expires in a minute |
| `rate:<name>:<key>` | string | when its burst is whole again (µs) | admit, leave | expires then |
| `limit:<name>:<key>` | hash | worker → slots that it holds | admit, leave | expires in a week |
| `turns:<source>` | zset | run → permits that it had | admit, leave | expires after its wakes |
| `wakes:<source>` | hash | run → when it asks again (µs) | admit, leave | expires after them |
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from pauseflow.errors import SettingsError
from pauseflow.signing import Signing

PERMANENT = (
    "stream:", "runs", "expiring", "timers", "leases", "workers", "costs", "quarantine", "jobs",
    "dead", "letters", "revivals", "schedules", "ticks", "held", "signed",
)  # fmt: skip
"""What follows the prefix in keys that never expire. The others go with their run."""

GROUP = "workers"
"""The consumer group of every stage stream."""

_NAMESPACE = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_RUN_ID = re.compile(r"[A-Za-z0-9_.-]{1,120}")
ANY_RUN_ID = re.compile(r"[A-Za-z0-9_.-]{1,200}")
"""Of the runs that we make ourselves too, which are called after others."""


def valid_run_id(run_id: str) -> bool:
    """Whether a run may have this id: 1 to 120 letters, digits, dots, dashes and underscores."""
    return _RUN_ID.fullmatch(run_id) is not None


def readable_ids(run_ids: Iterable[bytes]) -> list[str]:
    """These ids, without those that no run of ours can have."""
    texts = (run_id.decode("utf-8", "replace") for run_id in run_ids)
    return [text for text in texts if ANY_RUN_ID.fullmatch(text)]


@dataclass(frozen=True)
class RunKeys:
    """The keys of one run.

    Args:
        base: the run's hash; the others begin with it.
    """

    base: str

    @property
    def results(self) -> str:
        """The stream of results."""
        return self.base + ":results"

    @property
    def parked(self) -> str:
        """The hash of parked continuations."""
        return self.base + ":parked"

    @property
    def room(self) -> str:
        """The list with the token for a feeder that waits."""
        return self.base + ":room"

    @property
    def waits(self) -> str:
        """The zset of what waits for signals and jobs, by name and time."""
        return self.base + ":waits"

    @property
    def signals(self) -> str:
        """The zset of answers that nobody waits for yet."""
        return self.base + ":signals"

    def backlog(self, stage: str) -> str:
        """The list of pieces that wait at a stage."""
        return f"{self.base}:backlog:{stage}"

    def reorder(self, stage: str) -> str:
        """The hash of outputs that wait for the stage's cursor."""
        return f"{self.base}:reorder:{stage}"

    def state(self, stage: str) -> str:
        """The hash of what a stage keeps of the run from chunk to chunk."""
        return f"{self.base}:state:{stage}"

    def suspect(self, stage: str) -> str:
        """The string with the record that was begun last of a chunk that takes workers down."""
        return f"{self.base}:suspect:{stage}"


class Keys:
    """The keys of one namespace.

    Args:
        namespace: keeps installations apart that share a server: 1 to 64 letters, digits, `_`,
            `.`, `-`.
        shard: which of the namespace's hash slots.
        signing: signs what is kept there; as the environment says if it is left out.

    Raises:
        SettingsError: the namespace has other characters, or a signing key is too short.
    """

    def __init__(
        self, namespace: str = "default", shard: int = 0, signing: Signing | None = None
    ) -> None:
        if not _NAMESPACE.fullmatch(namespace):
            raise SettingsError(
                f"namespace {namespace!r}: use 1 to 64 letters, digits, '_', '.' or '-'"
            )
        self.namespace = namespace
        self.signing = Signing.of_environment() if signing is None else signing
        self.prefix = f"pauseflow:{{{namespace}:{shard}}}:"
        self.runs = self.prefix + "runs"
        self.expiring = self.prefix + "expiring"
        self.timers = self.prefix + "timers"
        self.leases = self.prefix + "leases"
        self.workers = self.prefix + "workers"
        self.costs = self.prefix + "costs"
        self.quarantine = self.prefix + "quarantine"
        self.quarantined = self.prefix + "quarantined"
        self.signed = self.prefix + "signed"
        self.jobs = self.prefix + "jobs"
        self.dead = self.prefix + "dead"
        self.letters = self.prefix + "letters"
        self.revivals = self.prefix + "revivals"
        self.schedules = self.prefix + "schedules"
        self.ticks = self.prefix + "ticks"
        self.held = self.prefix + "held"

    def stream(self, flow: str, stage: str) -> str:
        """The stage's stream of chunks that are ready to be run."""
        return f"{self.prefix}stream:{flow}:{stage}"

    def run(self, run_id: str) -> RunKeys:
        """The keys of a run."""
        return RunKeys(f"{self.prefix}run:{run_id}")

    def permits(self, source: str) -> tuple[str, str, str]:
        """The keys of a rate or limit: its state, whose turn it is, and when each run asks again.

        Args:
            source: `rate:<name>` or `limit:<name>`, and `:<key>` if it has keys.
        """
        prefix = self.prefix
        return f"{prefix}{source}", f"{prefix}turns:{source}", f"{prefix}wakes:{source}"

    def displaced(self, stream: str) -> str:
        """What something else is called that had the name of a stream."""
        return stream + ":displaced"

    def permanent(self, key: str) -> bool:
        """Whether this key is meant to stay without an expiry."""
        return key.startswith(self.prefix) and key[len(self.prefix) :].startswith(PERMANENT)
