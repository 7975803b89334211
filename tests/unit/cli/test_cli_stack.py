"""`flowctl stack`: where everything in a run stands."""

import io
import json
import sys
from datetime import UTC, datetime, timedelta

import pytest

from pauseflow import app as apps
from pauseflow import codec
from pauseflow.cli.stack import _lines, _print
from pauseflow.cli.waiting import waiting
from pauseflow.client import Client
from pauseflow.stack import StandInfo
from pauseflow.store.envelope import Envelope, ParkedChunk
from support.cluster import Cluster
from support.servers import fake_server

APP = """
from dataclasses import dataclass

from pauseflow import Flow, PauseFlow, register


@register
@dataclass
class Order:
    number: int
    lines: list


def lines(order, kind):
    for line in order.lines:
        answer = yield PauseFlow(until="approval", timeout=86_400)
        yield [order.number, line, answer, kind]


def orders(number):
    seen = 0
    yield number
    seen += 1
    yield from lines(Order(number, ["a", "b"]), kind="new")
    yield seen


def look_up(number):
    raise ConnectionError(f"{number}: no route to host \\x1b[31m")


def nap(number):
    raise PauseFlow(after=600)


def refuse(number):
    raise ValueError(f"bad {number}")


shop = Flow("shop")
shop.branch(orders)
calling = Flow("calling")
calling.map(look_up, retries=3, backoff=20)
napping = Flow("napping")
napping.map(nap, ordered=False)
failing = Flow("failing")
failing.map(refuse)
"""


def forget_classes(monkeypatch):
    """The app's classes can be registered again."""
    for known in ("_classes", "named", "shapes"):
        monkeypatch.setattr(codec._REGISTRY, known, {})


@pytest.fixture
def cluster(shop, monkeypatch):
    (shop / "stacked.py").write_text(APP)
    forget_classes(monkeypatch)
    monkeypatch.setenv("REDIS_URL", "redis://nowhere:1/0")
    monkeypatch.setenv("FLOWCTL_APP", "stacked")
    server = fake_server()
    with Cluster(server, *apps.load("stacked").flows.values()) as made:
        monkeypatch.setattr(Client, "connect", lambda url, *, namespace: Client(server))
        yield made


def submitted(cluster, flow, value, run="r"):
    known = {each.name: each for each in cluster.flows}
    cluster.client.submit(known[flow], value, run_id=run)
    cluster.settle()


def line_of(text):
    return next(at for at, line in enumerate(APP.splitlines(), 1) if text in line)


def test_a_series_that_waits_is_shown_as_a_traceback_with_locals(cluster, shop, call):
    submitted(cluster, "shop", 7)
    result = call("stack", "r")
    assert result.exit_code == 0
    file = shop / "stacked.py"
    head, blank, stage, waiting, *rest = result.stdout.splitlines()
    assert head.startswith("run r of flow shop: running, submitted ")
    assert (blank, stage) == ("", "orders")
    assert waiting.startswith("  r:orders:0  waits for signal 'approval' for ")
    assert "(flowctl signal r approval), gives up in 23 h" in waiting
    assert rest == [
        "    record 7",
        "    gave 1 value so far",
        f'    File "{file}", line {line_of("yield from lines")}, in orders',
        '      yield from lines(Order(number, ["a", "b"]), kind="new")',
        "        seen = 1",
        f'    File "{file}", line {line_of("answer = yield")}, in lines',
        '      answer = yield PauseFlow(until="approval", timeout=86_400)',
        "        kind       = 'new'",
        "        line       = 'a'",
        "        order      = Order(number=7, lines=['a', 'b'])",
        "        (iterator) = <list iterator: ['a', 'b'], 1>",
    ]


def test_without_the_app_and_its_classes_the_frame_tells_itself(cluster, call, monkeypatch):
    submitted(cluster, "shop", 7)
    monkeypatch.delenv("FLOWCTL_APP")
    forget_classes(monkeypatch)
    said = call("stack", "r").stdout
    assert f"    in stacked, line {line_of('answer = yield')}, in lines\n" in said
    assert "order      = Order(number=7, lines=['a', 'b'])" in said
    assert 'yield PauseFlow(until="approval"' not in said


def test_an_app_that_cannot_be_imported_is_said_and_does_without(cluster, call):
    submitted(cluster, "shop", 7)
    result = call("stack", "r", "--app", "no_such_app")
    assert result.exit_code == 0
    assert "Without source lines: app 'no_such_app'" in result.stderr
    assert "in stacked, line" in result.stdout


def test_source_lines_are_not_shown_of_other_code(cluster, shop, call, monkeypatch):
    submitted(cluster, "shop", 7)
    del sys.modules["stacked"]
    forget_classes(monkeypatch)
    (shop / "stacked.py").write_text(APP.replace("seen = 0", "seen = 0 + 0"))
    said = call("stack", "r").stdout
    outer, inner = said.index("in orders"), said.index("in lines")
    assert "yield from lines" not in said[outer:inner]
    assert "made by code" in said[outer:inner]
    assert "answer = yield" in said[inner:]  # that function is as it was


def test_a_failure_that_is_tried_again_and_one_that_is_not(cluster, call):
    submitted(cluster, "calling", 7, "r1")
    said = call("stack", "r1").stdout
    assert "r1:look_up:0  failed 0 s ago, tried again in " in said
    assert "ConnectionError: 7: no route to host \\x1b[31m" in said
    assert "\x1b" not in said
    submitted(cluster, "failing", 7, "r2")
    said = call("stack", "r2").stdout
    assert "halted: stage 'refuse' failed on record r2:refuse:0: ValueError: bad 7" in said
    assert "when the cause is mended: flowctl retry r2" in said
    assert '    raise ValueError(f"bad {number}")\n' in said


def test_what_is_late_points_at_the_coordinator(cluster, call):
    submitted(cluster, "napping", 7)
    assert "paused 0 s ago, goes on in 9 min" in call("stack", "r").stdout
    envelope = Envelope("r", 0, 1, 0, 1, 0, False, b"", codec.encode(8))
    late = ParkedChunk("pause", 1_000, 2_000, "", envelope.pack())
    cluster.wire.call(("HSET", cluster.keys.run("r").parked, "nap:1", late.pack()))
    assert "(is a coordinator running?)" in call("stack", "r").stdout


@pytest.mark.parametrize("priority", ["high", "normal", "low"])
def test_what_is_in_hands_ready_and_waiting(cluster, call, priority):
    worker = cluster.workers[0]
    cluster.client.submit(cluster.flows[0], 7, run_id="r", priority=priority)
    assert "1 chunk ready for a worker" in call("stack", "r").stdout
    worker._connect()
    worker._exchange.fill(block=False)
    said = call("stack", "r").stdout
    assert f"r:orders:0  in the hands of worker {worker.name} for 0 s" in said
    assert "def orders(number):" in said
    cluster.settle()


def test_a_run_that_a_person_has_paused(cluster, call):
    submitted(cluster, "shop", 7)
    cluster.client.pause("r")
    call("signal", "r", "approval")
    cluster.advance(5)
    cluster.settle()
    said = call("stack", "r").stdout
    assert said.startswith("run r of flow shop: paused")
    assert "flowctl resume lets it go on" in said
    assert "seen = 1" in said


def test_what_is_half_done_and_held_or_ready(cluster, call):
    cluster.client.submit(cluster.flows[0], 7, run_id="r")
    half = half_done(codec.encode([1, "stacked:orders", "0", 1, 23, {"seen": 1}]))
    envelope = Envelope("r", 4, 9, 0, 3, 0, False, half, codec.encode_items([1, 2, 3]))
    stream, reorder = cluster.keys.stream("shop", "orders"), cluster.keys.run("r").reorder("orders")
    cluster.wire.call(("HSET", reorder, "4:c", envelope.pack(), "4", "1 0", "4:1", "x", "5:c", "?"))
    entry = cluster.wire.call(("XADD", stream, "*", "e", envelope.pack()))
    said = call("stack", "r").stdout
    cluster.wire.exchange([("XDEL", stream, entry), ("DEL", reorder)])
    assert "r:orders:9  half done, waits until what comes before it in the run is done" in said
    assert "r:orders:9  half done, waits for " in said
    assert said.count("        seen = 1\n") == 2
    assert said.count("    and 2 more records behind it in its chunk") == 2
    assert "?  can't be read: held under '5:c': not a chunk" in said
    cluster.settle()


def test_only_the_oldest_are_shown_and_how_many_more_there_are(cluster, call):
    napping = next(each for each in cluster.flows if each.name == "napping")
    with cluster.client.open(napping, run_id="r") as feed:
        for number in range(30):
            feed.append(number)
    cluster.settle()
    lines = call("stack", "r", "--limit", "3").stdout.splitlines()
    assert [line.split()[0] for line in lines if "goes on in" in line] == [
        f"r:nap:{number}" for number in range(3)
    ]
    assert lines[-1] == "27 more are parked or half done: --limit shows them."
    assert call("stack", "r", "--limit", "0").exit_code == 2


def parked(why="pause", note="", count=1, frames=b"", items=b"\x07"):
    envelope = Envelope("r", 0, 5, 0, count, 0, False, frames, items)
    return ParkedChunk(why, 1, 0, note, envelope.pack()).pack()


def half_done(series):
    return codec.encode({0: b"f1" + codec.encode((series, 1, [], False, False, None))})


LOOP = codec.encode([1, "m:f", "0", 1, 2, {}, {"x": ["@", 0]}, [], [["@", 0]]])


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"\xff\x00junk",
        b"pause 1 2 3\nabc",
        b"pause 99999999999999999999 99999999999999999999 0\n1 r 0 5 0 1 0 0 0\n\x07",
        parked(frames=b"\xc1"),
        parked(count=9, items=b"\xdf" * 9),
        parked(count=2, items=b"\x92\xc1"),
        parked(frames=half_done(LOOP)),
        parked("code", frames=codec.encode({0: b"f1"})),
        parked("code", frames=half_done(b"\x91" * 2000)),
        parked("odd", note="\x1b[31mred"),
        parked("signal", note="\x1b[31mred"),
    ],
    ids=lambda value: str(len(value)),
)
def test_what_is_damaged_or_hostile_is_shown_as_such(cluster, call, value):
    submitted(cluster, "shop", 7)
    parked = cluster.keys.run("r").parked
    cluster.wire.call(("HSET", parked, "orders:5", value))
    cluster.wire.call(("HSET", parked, b"\xff\x1b:x", value))
    for arguments in ((), ("--json",)):
        result = call("stack", "r", *arguments)
        assert result.exit_code == 0
        assert "\x1b" not in result.stdout
        assert "r:orders:5" in result.stdout
        assert "waits for signal 'approval'" in result.stdout or arguments


def test_a_terminal_gets_colours_and_no_escapes_of_others(cluster, call, monkeypatch):
    submitted(cluster, "calling", 7)
    screen = io.StringIO()
    screen.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(sys, "stdout", screen)
    _print(_lines(cluster.client.stack("r"), "r"))
    said = screen.getvalue()
    assert "\x1b[1" in said
    assert "host \\x1b[31m" in said.replace("\n", " ")


def test_a_run_that_is_over_and_one_that_is_not_there(cluster, call):
    submitted(cluster, "shop", 7)
    for _ in range(2):
        call("signal", "r", "approval")
    cluster.settle()
    said = call("stack", "r").stdout
    assert said.startswith("run r of flow shop: done")
    assert "Nothing in it is parked or half done." in said
    result = call("stack", "nobody")
    assert (result.exit_code, result.stdout) == (3, "")


def test_for_programs(cluster, call):
    submitted(cluster, "shop", 7)
    told = json.loads(call("stack", "r", "--json").stdout)
    assert told["run"] == {"id": "r", "flow": "shop", "state": "running"}
    (stand,) = told["stands"]
    assert (stand["stage"], stand["key"], stand["why"]) == ("orders", "r:orders:0", "signal")
    assert stand["note"] == "approval"
    (record,) = stand["records"]
    assert (record["record"], record["emitted"]) == ("7", 1)
    assert [frame["line"] for frame in record["frames"]] == [
        line_of("yield from lines"),
        line_of("answer = yield"),
    ]
    assert record["frames"][1]["locals"]["order"] == "Order(number=7, lines=['a', 'b'])"


@pytest.mark.parametrize(
    ("stand", "said"),
    [
        ({"why": "pause"}, "paused 40 s ago, goes on in 10 s"),
        ({"why": "signal", "note": "job:7"}, "waits for job '7' for 40 s, gives up in 10 s"),
        (
            {"why": "retry", "note": "Trace\n\nKeyError: 'x'\n", "failures": 3},
            "failed 40 s ago for the 3rd time, tried again in 10 s: KeyError: 'x'",
        ),
        (
            {"why": "rate"},
            "waits for 40 s for its turn under the stage's rate=, asks again in 10 s",
        ),
        (
            {"why": "code", "note": "waits for code 1"},
            "waits for code 1; offered to a worker 40 s ago, and again in 10 s",
        ),
        ({"why": "failed"}, "failed 40 s ago; when the cause is mended: flowctl retry r"),
        ({"why": "taken", "worker": "w.1"}, "in the hands of worker w.1 for 40 s"),
        ({"why": "newer", "note": "a reason"}, "newer for 40 s: a reason"),
    ],
)
def test_what_each_waits_for_in_words(stand, said):
    now = datetime(2026, 1, 2, tzinfo=UTC)
    since, wake = now - timedelta(seconds=40), now + timedelta(seconds=10)
    info = StandInfo("s", "r:s:0", since=since, wake=wake, **{"note": "", **stand})
    assert waiting(info, "r", now) == said
