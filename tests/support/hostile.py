"""Hostile bytes: real entries, frames and texts, damaged in every way that a seed can think of.

An `Attack` writes them where a worker, a coordinator or a client will read them: into stages'
streams, into what runs ("victims") have parked, wait for and count, and into what is shared.
"""

import itertools
import json
import random

from pauseflow import codec
from pauseflow.errors import MalformedData
from pauseflow.store.chunks import envelope_of
from pauseflow.store.keys import Keys

NUMBERS = (
    b"0", b"-1", b"1", b"2", b"7", b"255", b"65536", b"4294967296", b"9007199254740993",
    b"9223372036854775807", b"-9223372036854775808", b"18446744073709551616", b"1" * 60,
    b"9" * 330, b"1e9", b"nan", b"inf", b"0x10", b"1_0", b"+1", b"", b" ", b"-", b"\xd9\xa1",
)  # fmt: skip
"""What stands in for the numbers of headers, books and scores."""

SCORES = ("-inf", "inf", "0", "1", "-1", "1e300", "9007199254740993", "0.5")

WORDS = (
    b"", b"x", b"\xff\xfe", b"\n", b"\n\n\n", b" ", b"a b", b"a b c", b"a b c:1", b":", b"s0:1",
    "é:1".encode(), b"wait:1", b"victim", b"run:", b"../../etc/passwd", b"\x00", b"x" * 5_000,
    b"{}", b"[]", b"\xed\xa0\x80", b"cos\nsystem\n(S'true'\ntR.", b"nobody f s0:1",
    b"nobody job:x", b"job:",
)  # fmt: skip
"""What stands in for names and members."""

ABOUT = (
    b"[" * 100_000, b'{"stages": ["' + b"[" * 500 + b'"]}', b'{"stages": "x", "code": 5}',
    b'{"stages": ["\\ud800:x", "f:\\u0000", "runs", ":", "nope:nope"]}', b"9" * 6_000,
    b'{"stages": [], "code": {"f:s0": {"v": []}}}', b'{"stages": [1]}', b"\xff",
)  # fmt: skip
"""What a worker may seem to say of itself."""

KEPT = 500
"""Real values of each kind."""

DEEP = (b"\x91", b"\x81\x01", b"\x92\xd4\x01t", b"\xdd\x00\x00\x00\x01", b"\xc7\x03\x03")


class Damage:
    """Damages bytes, as a seed decides.

    Args:
        seed: the same seed does the same damage.
    """

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.kinds = (
            self.flipped, self.flipped, self.cut, self.grown, self.renumbered, self.renumbered,
            self.renumbered, self.deep, self.noise, self.packed, self.doubled,
        )  # fmt: skip

    def of(self, data: bytes) -> bytes:
        """Other bytes; once in a while the same."""
        for _ in range(self.random.choice((1, 1, 1, 2, 3))):
            data = self.random.choice(self.kinds)(data)
        return data

    def flipped(self, data: bytes) -> bytes:
        changed = bytearray(data)
        for _ in range(self.random.randint(1, 4) if data else 0):
            changed[self.random.randrange(len(changed))] ^= 1 << self.random.randrange(8)
        return bytes(changed)

    def cut(self, data: bytes) -> bytes:
        at = self.random.randint(0, len(data))
        return data[:at] if self.random.random() < 0.7 else data[at:]

    def grown(self, data: bytes) -> bytes:
        at = self.random.randint(0, len(data))
        return data[:at] + self.noise(b"") + data[at:]

    def renumbered(self, data: bytes) -> bytes:
        head, line, body = data.partition(b"\n")
        words = head.split(b" ")
        for _ in range(self.random.choice((1, 1, 2))):
            words[self.random.randrange(len(words))] = self.random.choice(NUMBERS)
        return b" ".join(words) + line + body

    def deep(self, data: bytes) -> bytes:
        """Nesting in place of the items, its count set to one."""
        head = data.partition(b"\n")[0]
        words = head.split(b" ")
        if len(words) == 9:
            words[5:9] = b"1", b"0", words[7], b"0"
        depth = self.random.choice((10, 400, 1_500, 50_000))
        return b" ".join(words) + b"\n" + self.random.choice(DEEP) * depth + b"\x01"

    def noise(self, _: bytes) -> bytes:
        return self.random.randbytes(self.random.choice((1, 3, 17, 200)))

    def packed(self, _: bytes) -> bytes:
        """A well-formed value where none of this kind belongs."""
        return codec.encode(
            self.random.choice(
                (
                    None, [], {}, {-1: b"x"}, {-2: 10**400}, {-2: -(10**400)}, {0: b""}, {0: b"f1"},
                    {0: 1}, {-3: "x" * 300}, {-3: "\ud800"}, {10**30: b""}, {True: b"f1"},
                    (1, 2), [[[]]], "x" * 3_000, float("nan"), {-1: b"signal go\n\xc1"},
                )
            )
        )  # fmt: skip

    def doubled(self, data: bytes) -> bytes:
        return data + data

    def word(self) -> bytes:
        return self.random.choice(WORDS)

    def number(self) -> bytes:
        return self.random.choice(NUMBERS)

    def score(self, now_ms: int) -> str:
        return self.random.choice((*SCORES, str(now_ms), str(now_ms - 1_000)))


def frames(damage: Damage) -> bytes:
    """What a chunk's frames could be: well-formed on the outside, hostile inside."""
    choice = damage.random.choice
    number = choice((0, 1, -1, 2**53, 2**63, -(10**30), 10**400))
    wake = choice((None, 0.0, -1.0, 1e300, float("nan"), float("inf"), float("-inf"), 1e12))
    series = choice((None, b"", b"\xc1", damage.noise(b""), codec.encode([1] * 9), b"\x91" * 5_000))
    held = choice(([], [1], [[]], [codec.Marker("b", 1, 2)], ["x"] * 500))
    parts = (series, number, held, choice((True, False)), choice((True, False)), wake)
    if damage.random.random() < 0.3:
        parts += (choice(("go", "job:x", "", "\n", 5)),)
    frame = b"f1" + codec.encode(parts)
    if damage.random.random() < 0.3:
        frame = damage.of(frame)
    told: dict[object, object] = {0: frame}
    if damage.random.random() < 0.3:
        told[-2] = number
    if damage.random.random() < 0.3:
        told[-1] = choice((b"signal go\n\x01", b"timeout go\n", b"failed job:x\n\x01", b"\xff"))
    if damage.random.random() < 0.2:
        told[-3] = choice(("other", "", "x\ny", "é", "x" * 500))
    return codec.encode(told)


class Attack:
    """Writes hostile bytes to a server.

    Args:
        wire: a connection.
        keys: of the namespace.
        flow: whose streams.
        stages: the names of its stages.
        seed: the same seed does the same.
    """

    def __init__(self, wire, keys: Keys, flow: str, stages: list[str], seed: int) -> None:
        self.wire = wire
        self.keys = keys
        self.flow = flow
        self.stages = stages
        self.damage = Damage(seed)
        self.random = self.damage.random
        self.made = 0
        self.streams_too = 0
        """1: strings in the place of streams as well, which fakeredis can't take."""
        self.large = 0
        """Bytes of the next oversized bodies; 0 for none."""
        self.entries: list[list[bytes]] = []
        """Real entries to begin with."""
        self.found: dict[str, list[bytes]] = {}
        """Real values by what they are: parked, waits, signals, letters, about, schedules."""
        self.malformed = 0
        """Entries among those made that say by themselves that they are damaged."""
        self._numbers = itertools.count()

    # -- what is real

    def learn(self, run: str) -> None:
        """Takes in what the engine itself has written."""
        base, keys = self.keys.run(run), self.keys
        for stage in self.stages:
            stream = keys.stream(self.flow, stage)
            self.entries += [fields for _, fields in self._all("XRANGE", stream, "-", "+")]
        del self.entries[KEPT:]
        for name, key in (("parked", base.parked), ("letters", keys.letters),
                          ("about", keys.workers), ("schedules", keys.schedules)):  # fmt: skip
            self._keep(name, self._all("HVALS", key))
        for name, key in (("waits", base.waits), ("signals", base.signals)):
            self._keep(name, self._all("ZRANGE", key, 0, -1))

    def _keep(self, name, values):
        self.found[name] = (self.found.get(name, []) + list(values))[:KEPT]

    def _all(self, *command):
        return self.wire.call(command)

    def real(self, name: str) -> bytes:
        return self.random.choice(self.found.get(name) or [b"x"])

    # -- attacks

    def entry(self, run: str) -> tuple[object, ...]:
        """One hostile entry for a stage's stream; where it names a run, then this one."""
        fields = list(self.random.choice(self.entries)) if self.entries else [b"e", b"x"]
        fields[1] = _of_run(fields[1], run)
        match self.random.randrange(12):
            case 0:
                fields[0] = self.damage.word() or b"f"
            case 1:
                fields += [self.damage.word() or b"g", self.damage.word()]
            case 2:
                fields[2:] = [b"s", self.damage.of(b"signal go\n\x01")]
            case 3:
                fields[2:] = [b"p", self.damage.of(b"1 0 1 0\n\x01")]
            case 4 | 5:
                told = frames(self.damage)
                seq, count = self.random.randrange(3), self.random.choice((1, 1, 2))
                head = f"1 {run} {seq} {seq} 0 {count} 0 0 {len(told)}\n".encode()
                fields = [b"e", head + told + b"\x05" * count]
            case 8:
                fields = [b"f%d" % number for number in range(self.random.choice((2, 40, 9_000)))]
            case _:
                at = self.random.choice(range(1, len(fields), 2))
                fields[at] = self.damage.of(fields[at])
        if isinstance(envelope_of(fields), MalformedData):
            self.malformed += 1
        stage = self.random.choice(self.stages)
        lane = self.random.choice(("", "", "", ":high", ":low"))
        return ("XADD", self.keys.stream(self.flow, stage) + lane, "*", *fields)

    def oversized(self) -> tuple[object, ...]:
        """An entry of `large` bytes: noise, a string, many small values, or one deep one."""
        size = self.large
        body = self.random.choice(
            (
                b"\xc6" + (size - 100).to_bytes(4, "big") + bytes(size - 100),
                b"\xdb" + size.to_bytes(4, "big") + bytes(size // 2),
                b"\x01" * size, b"\x91" * size, b"\xdd\xff\xff\xff\xff" * (size // 5),
            )
        )  # fmt: skip
        head = self.random.choice(
            (
                f"1 real 0 0 0 1 0 0 {size}\n",
                f"1 real 0 0 0 {size} 0 0 0\n",
                "1 real 0 0 0 1 0 0 0\n",
            )
        )
        stage = self.random.choice(self.stages)
        return ("XADD", self.keys.stream(self.flow, stage), "*", b"e", head.encode() + body)

    def on_run(self, run: str, now_ms: int) -> list[tuple[object, ...]]:  # noqa: PLR0911 # a list
        """Something hostile in what a run has written down."""
        base, keys, damage = self.keys.run(run), self.keys, self.damage
        stage = self.random.choice(self.stages)
        field = self.random.choice((f"{stage}:0", f"{stage}:1", "x", "", f"{stage}:", "é:1"))
        timer = ("ZADD", keys.timers, now_ms - 1, f"{run} {self.flow} {field}")
        match self.random.randrange(11):
            case 0 | 1:
                return [("HSET", base.parked, field, damage.of(self.real("parked"))), timer]
            case 2:
                told = frames(damage)
                text = b"pause 1 1 0\n" + f"1 {run} 0 0 0 1 0 0 {len(told)}\n".encode() + told
                return [("HSET", base.parked, field, text + b"\x05"), timer]
            case 3:
                return [("ZADD", base.waits, 0, damage.of(self.real("waits")))]
            case 4:
                return [("ZADD", base.waits, 0, b"go\n" + damage.word())]
            case 5:
                return [("ZADD", base.signals, 0, b"go\n" + damage.word() + b"\n" + damage.word())]
            case 6:
                line = b" ".join([b"0"] * 16)
                return [("HSET", base.base, f"b:{stage}", damage.of(line))]
            case 7:
                name = self.random.choice(
                    ("state", "priority", "flow", "stages", "created", "position", "rates",
                     "results", "result_bytes", "leaves", "error", "finished", "results_from")
                )  # fmt: skip
                return [
                    ("HSET", base.base, name, self.random.choice((damage.number(), damage.word())))
                ]
            case 8:
                return [("LPUSH", base.backlog(stage), damage.of(b"1 0 0 0\n\x01"))]
            case 9:
                cursor = self.random.choice((b"0", b"1", b"0:1", b"0:c", damage.word()))
                return [("HSET", base.reorder(stage), cursor, damage.of(b"1 0"))]
            case _:
                key = self.random.choice(
                    (base.base, base.parked, base.waits, base.signals, base.backlog(stage),
                     base.reorder(stage), base.room, *self.streams_too * (base.results,))
                )  # fmt: skip
                return [("UNLINK", key), ("SET", key, damage.word())]

    def on_shared(self, now_ms: int) -> list[tuple[object, ...]]:  # noqa: C901, PLR0911, PLR0912 # the same
        """Something hostile in what all runs share."""
        keys, damage = self.keys, self.damage
        word, score = damage.word(), damage.score(now_ms)
        name = b"h%d" % next(self._numbers)
        match self.random.randrange(13):
            case 0:
                return [("ZADD", keys.timers, score, word)]
            case 1:
                member = b" ".join((name, self.flow.encode(), self.random.choice(WORDS)))
                return [("ZADD", keys.timers, score, member)]
            case 2:
                return [("ZADD", keys.runs, score, name + word)]
            case 3:
                return [("ZADD", keys.expiring, score, name + word)]
            case 4:
                about = damage.of(self.real("about"))
                return [("HSET", keys.workers, name, about), ("ZADD", keys.leases, score, name)]
            case 5:
                real = json.dumps({"stages": [f"{self.flow}:{each}" for each in self.stages]})
                about = self.random.choice((*ABOUT, real.encode()))
                return [("HSET", keys.workers, name, about), ("ZADD", keys.leases, score, name)]
            case 6:
                stage = f"{self.flow}:{self.random.choice(self.stages)}"
                return [
                    (
                        "HSET",
                        keys.costs,
                        stage,
                        self.random.choice((damage.number(), b"1e-300", b"1e300")),
                    )
                ]
            case 7:
                held = self.random.choice(
                    (b"changes", b"run:" + name, b"stage:" + name, b"flow:" + name, word)
                )
                return [("HSET", keys.held, held or b"x", damage.number())]
            case 8:
                return [("ZADD", keys.jobs, score, word)]
            case 9:
                return [("ZADD", keys.jobs, score, name + b" job:" + word)]
            case 10:
                key = self.random.choice((b"r:s0:" + damage.number(), word, name + b":s0:1"))
                letter = damage.of(self.real("letters"))
                return [("HSET", keys.letters, key, letter), ("ZADD", keys.dead, score, key)]
            case 11:
                told = self.random.choice((damage.of(self.real("schedules")), damage.packed(b"")))
                return [("HSET", keys.schedules, name + word, told)]
            case _:
                return [
                    (
                        "HSET",
                        keys.ticks,
                        word or name,
                        self.random.choice((damage.number(), b"1 1 x", word)),
                    )
                ]

    def make(self, count: int, victims: list[str], now_ms: int) -> None:
        """Writes so many hostile things."""
        todo: list[tuple[object, ...]] = []
        for _ in range(count):
            self.made += 1
            victim = self.random.choice([*victims, "nobody", "no body", "x:parked"])
            kind = self.random.random()
            if kind < 0.6:
                todo.append(self.entry(victim))
            elif kind < 0.8 and victims:
                todo += self.on_run(self.random.choice(victims), now_ms)
            else:
                todo += self.on_shared(now_ms)
        self.wire.exchange(todo)  # some don't fit what another has left there; that is no matter


def _of_run(envelope: bytes, run: str) -> bytes:
    words = envelope.split(b" ", 2)
    if len(words) == 3:
        words[1] = run.encode()
    return b" ".join(words)
