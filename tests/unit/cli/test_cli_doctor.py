"""`flowctl doctor`, and the checks that it makes."""

import json
import sys
from dataclasses import replace

import pytest

from pauseflow import Flow, PauseFlow, errors
from pauseflow.checks import Finding, Installation, Level, examine
from pauseflow.checks.clock import check_clock
from pauseflow.checks.durability import check_durability
from pauseflow.checks.latency import check_latency
from pauseflow.checks.memory import check_memory
from pauseflow.checks.replicas import check_replicas
from pauseflow.checks.rights import check_rights
from pauseflow.checks.server import check_server
from pauseflow.checks.tls import check_tls
from pauseflow.client import Client
from pauseflow.store.inspection import ReplicaFacts, ServerFacts
from support.cluster import Cluster
from support.servers import fake_server


def old(n):
    for i in range(n):
        yield f"old {i}"
        yield PauseFlow(after=1)


def new(n):
    for i in range(n):
        yield f"new {i}"
        yield PauseFlow(after=1)
        del i


def broken(_):
    raise ValueError("no")


def flow_of(fn, version):
    flow = Flow("deploys")
    flow.branch(fn, name="series", strict=True, version=version)
    return flow


OLD, NEW = flow_of(old, "v1"), flow_of(new, "v2")
BROKEN = Flow("broken")
BROKEN.map(broken)


@pytest.fixture
def cluster(monkeypatch):
    monkeypatch.setenv("REDIS_URL", "redis://nowhere:1/0")
    server = fake_server()
    with Cluster(server, OLD, BROKEN) as made:
        monkeypatch.setattr(Client, "connect", lambda url, *, namespace: Client(server))
        yield made


def replaced_by(cluster, *flows):
    for worker in list(cluster.workers):
        cluster.lose(worker)
    cluster.bury()
    cluster.flows = flows
    if flows:
        cluster.hire().run_once()


def levels(result):
    return [line.split()[:2] for line in result.stdout.splitlines() if line[0] != " "]


def said_of(result, subject):
    findings = json.loads(result.stdout)["findings"]
    return [each for each in findings if each["subject"] == subject]


def test_all_is_well(cluster, shop, call, monkeypatch):
    (shop / "doctored.py").write_text(
        "from pauseflow import Flow\nflow = Flow('f')\nflow.map(str)\n"
    )
    monkeypatch.setenv("REDIS_URL", "redis://nowhere:1/0")
    cluster.workers[0].run_once()
    result = call("doctor", "--app", "doctored")
    assert result.exit_code == 0
    assert [level for level, _ in levels(result)] == ["ok"] * 14
    assert "app: doctored has flow f" in result.stdout
    assert "workers: 1 live: w0" in result.stdout
    told = json.loads(call("doctor", "--json", "--app", "doctored").stdout)
    assert told["ok"]
    assert {each["level"] for each in told["findings"]} == {"ok"}


def test_no_app_and_no_workers_are_warnings_while_nothing_waits(cluster, call, shop, monkeypatch):
    monkeypatch.setenv("REDIS_URL", "redis://nowhere:1/0")
    result = call("doctor")
    assert result.exit_code == 0
    assert ["warning", "app:"] in levels(result)
    assert ["warning", "workers:"] in levels(result)


def test_runs_without_workers_are_errors(cluster, call):
    cluster.client.submit(OLD, 1, run_id="r")
    result = call("doctor")
    assert result.exit_code == 1
    assert "error    workers: none lives, and a run is not done\n" in result.stdout
    assert "         Start some: flowctl worker\n" in result.stdout
    replaced_by(cluster, BROKEN)
    assert "a run waits at deploys:series, which no live worker runs" in call("doctor").stdout


def test_a_halted_run_is_an_error_with_the_way_out(cluster, call):
    cluster.client.submit(BROKEN, 1, run_id="r")
    cluster.settle()
    result = call("doctor", "--json")
    assert result.exit_code == 1
    (found,) = said_of(result, "runs")
    assert found["level"] == "error"
    assert "run r of flow broken halted: stage 'broken' failed on" in found["text"]
    assert found["advice"].endswith("flowctl retry r")


def test_what_somebody_has_paused_is_not_forgotten(cluster, call):
    for number in range(12):
        cluster.client.submit(OLD, 1, run_id=f"r{number}")
        cluster.client.pause(f"r{number}")
    cluster.client.pause_flow("deploys")
    cluster.client.pause_flow("broken", "broken")
    found = said_of(call("doctor", "--json"), "held")
    assert {each["level"] for each in found} == {"warning"}
    assert [each["text"] for each in found[:3]] == [
        "flow deploys is paused",
        "stage broken of flow broken is paused",
        "run r11 of flow deploys is paused",
    ]
    assert found[1]["advice"] == "To go on: flowctl resume broken broken"
    assert found[-1]["text"] == "2 more runs are paused"


def test_frames_that_wait_for_code_that_no_worker_has(cluster, call):
    for number in range(2):
        cluster.client.submit(OLD, 2, run_id=f"r{number}")
    cluster.settle()
    replaced_by(cluster, NEW)
    cluster.advance(2)
    cluster.settle()
    result = call("doctor", "--json")
    assert result.exit_code == 1
    found = said_of(result, "code")
    assert [each["level"] for each in found] == ["error"] * 2
    fingerprints = {flow.graph["series"].series.fingerprint for flow in (OLD, NEW)}
    assert all(each in found[0]["text"] for each in fingerprints)
    assert "stage series: a frame waits for code" in found[0]["text"]
    assert "(v1) that no worker has; live workers have" in found[0]["text"]
    assert "migrate={'v1': ...}" in found[0]["advice"]
    cluster.flows = (OLD,)
    cluster.hire().run_once()
    (found,) = said_of(call("doctor", "--json"), "code")
    assert found["level"] == "ok"
    assert "2 wait for a worker that has it" in found["text"]


def test_workers_with_other_code_than_the_app_here(cluster):
    cluster.workers[0].run_once()
    found = list(examine(Installation(cluster.client, flows={"deploys": NEW})))
    told = [each.text for each in found if each.level is Level.WARNING]
    assert len(told) == 1
    assert told[0].startswith("worker w0 has code ")
    assert "(v1) for deploys:series, and the app here" in told[0]


def test_a_pause_that_nobody_ends_points_at_the_coordinator(cluster, call):
    cluster.client.submit(OLD, 1, run_id="r")
    while cluster.workers[0].run_once():
        pass
    assert ["ok", "coordinator:"] in levels(call("doctor"))
    timers = cluster.keys.timers
    (timer,) = cluster.wire.call(("ZRANGE", timers, 0, -1))
    cluster.wire.call(("ZADD", timers, cluster.now_ms() - 60_000, timer))
    result = call("doctor")
    assert result.exit_code == 1
    assert "a pause should have ended 60 s ago" in result.stdout


def test_a_server_that_cannot_be_used_is_the_last_finding(shop, call, monkeypatch):
    monkeypatch.setenv("REDIS_URL", "redis://nowhere:1/0")
    monkeypatch.setattr(Client, "connect", unreachable)
    result = call("doctor")
    assert result.exit_code == 4
    assert levels(result)[-1] == ["error", "connection:"]
    assert "no Redis answers" in result.stdout


def unreachable(url, *, namespace):
    raise errors.ServerUnreachable(f"no Redis answers at {url} {namespace}")


def test_an_app_that_cannot_be_imported_is_an_error_and_the_rest_is_looked_at(cluster, call):
    result = call("doctor", "--app", "no_such_app")
    assert result.exit_code == 1
    assert levels(result)[0] == ["error", "app:"]
    assert ["ok", "server:"] in levels(result)


GOOD = ServerFacts(
    0.1, "Valkey", (9, 0, 1), replica=False, appendonly=True, appendfsync="everysec",
    used=1 << 20, maxmemory=1 << 30, policy="noeviction",
)  # fmt: skip


COPY = ReplicaFacts("10.0.0.2:6379", "online", 1, 0)


class Told(Installation):
    """An installation of which only the server's facts matter."""

    def __init__(self, facts: ServerFacts, *, embedded: bool = False) -> None:
        self.embedded = embedded
        self.__dict__["server"] = facts


def worst(check, facts: ServerFacts, **more: bool) -> Finding:
    order = list(Level)
    return max(check(Told(facts, **more)), key=lambda each: order.index(each.level))


@pytest.mark.parametrize(
    ("check", "changes", "level", "text"),
    [
        (check_server, {}, "ok", "Valkey 9.0.1 answers in 0.1 ms"),
        (check_server, {"product": "Redis", "version": (6, 0, 9)}, "error", "too old"),
        (check_server, {"product": "Redis", "version": (6, 2, 0)}, "ok", "Redis 6.2.0"),
        (check_server, {"product": None, "version": None}, "ok", "can't be asked"),
        (check_server, {"replica": True}, "error", "copy"),
        (check_server, {"milliseconds": 80.0}, "warning", "80 ms"),
        (check_durability, {}, "ok", "everysec"),
        (check_durability, {"appendonly": False}, "warning", "appendonly is off"),
        (check_durability, {"appendonly": None}, "ok", "can't be looked at"),
        (check_durability, {"appendfsync": "no"}, "warning", "appendfsync is no"),
        (check_durability, {"appendfsync": None}, "ok", "can't be asked"),
        (check_memory, {}, "ok", "1.0 MiB used of 1,024 MiB"),
        (check_memory, {"policy": "allkeys-lru"}, "error", "evicts work"),
        (check_memory, {"policy": "volatile-lru"}, "warning", "evicts the results"),
        (check_memory, {"policy": "allkeys-lru", "maxmemory": 0}, "warning", "would evict"),
        (check_memory, {"used": 1 << 30}, "warning", "100% of maxmemory"),
        (check_memory, {"policy": None}, "ok", "can't be looked at"),
        (check_replicas, {}, "ok", "can't be looked at"),
        (check_replicas, {"replicas": ()}, "ok", "none"),
        (check_replicas, {"replicas": (COPY,)}, "ok", "1, and up to date"),
        (check_replicas, {"replicas": (replace(COPY, state="wait_bgsave"),)}, "warning", "is wait"),
        (check_replicas, {"replicas": (COPY, replace(COPY, lag=60))}, "warning", "for 60 s"),
        (check_replicas, {"replicas": (replace(COPY, behind=2 << 20),)}, "warning", "2,097,152"),
    ],
)
def test_what_the_server_says_of_itself(check, changes, level, text):
    found = worst(check, replace(GOOD, **changes))
    assert (found.level, text in found.text) == (level, True)


@pytest.mark.parametrize(
    ("url", "level", "text"),
    [
        (None, "ok", "on this machine"),
        ("unix:///tmp/redis.sock", "ok", "on this machine"),
        ("redis://localhost:6379/0", "ok", "on this machine"),
        ("redis://127.0.0.1/0", "ok", "on this machine"),
        ("redis://[::1]/0", "ok", "on this machine"),
        ("redis://10.1.2.3/0", "ok", "only in a network of your own"),
        ("redis://redis/0", "ok", "only in a network of your own"),
        ("redis://redis.internal/0", "ok", "only in a network of your own"),
        ("redis://redis.example.com/0", "warning", "redis.example.com is not encrypted"),
        ("redis://8.8.8.8/0", "warning", "not encrypted"),
        ("rediss://redis.example.com/0", "ok", "encrypted"),
        ("rediss://u:p@redis.example.com/0?ssl_cert_reqs=none", "warning", "not verified"),
    ],
)
def test_what_others_can_read_on_the_way(url, level, text):
    installation = Installation(None, url=url)
    (found,) = check_tls(installation)
    assert (found.level, text in found.text) == (level, True)
    assert "u:p" not in found.text


class Inspected:
    """A client whose server has these oddities."""

    def __init__(self, **told):
        for name, value in told.items():
            setattr(self, name, lambda value=value: value)

    @property
    def inspection(self):
        return self


@pytest.mark.parametrize(
    ("check", "told", "level", "text"),
    [
        (check_clock, {"clock_ahead": 0.4}, "ok", "agrees"),
        (check_clock, {"clock_ahead": 61.0}, "warning", "is 61.0 s ahead of this machine's"),
        (check_clock, {"clock_ahead": -61.0}, "warning", "is 61.0 s behind this machine's"),
        (check_latency, {"slowest": ("KEYS", 0.34)}, "warning", "a KEYS took 340 ms"),
        (check_rights, {"denied": []}, "ok", "every command"),
        (check_rights, {"denied": ["zadd", "set"]}, "error", "denies this user 2 of the commands"),
    ],
)
def test_what_is_measured(check, told, level, text):
    (found,) = check(Installation(Inspected(**told)))
    assert (found.level, text in found.text) == (level, True)


def test_nothing_slow_is_nothing_to_say():
    assert list(check_latency(Installation(Inspected(slowest=None)))) == []


def test_repair_says_what_was_mended_and_forgives_it(cluster, call):
    cluster.workers[0].run_once()
    cluster.client.submit(OLD, 2, run_id="r")
    while cluster.workers[0].run_once():
        pass
    cluster.wire.call(("DEL", cluster.keys.timers))
    result = call("doctor")
    assert result.exit_code == 1
    assert "error    books: run r of flow deploys: what is parked as series:0 " in result.stdout
    assert "         flowctl doctor --repair mends it\n" in result.stdout
    told = json.loads(call("doctor", "--repair", "--json").stdout)
    assert told["ok"]
    (mended,) = [each for each in told["findings"] if each["level"] == "mended"]
    assert mended["subject"] == "books"
    assert mended["advice"] == "its timer was put back"
    assert call("doctor").exit_code == 0
    cluster.advance(2)
    assert cluster.finish("r", far=2) == ["old 0", "old 1"]


def test_one_run_may_be_named(cluster, call):
    cluster.workers[0].run_once()
    cluster.client.submit(OLD, 2, run_id="r")
    result = call("doctor", "--run", "r")
    assert "books: 1 run recounted, and all adds up" in result.stdout
    assert call("doctor", "--run", "none").exit_code == 3
    assert "each key is something's" in call("doctor", "--all").stdout


def test_the_embedded_server_is_synced_by_flowctl():
    found = worst(check_durability, replace(GOOD, appendfsync="no"), embedded=True)
    assert found.level is Level.OK


def test_a_terminal_gets_the_same_words(cluster, monkeypatch, capsys):
    from pauseflow.cli.doctor import _print  # noqa: PLC0415 - nothing else here needs it

    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    _print(Finding(Level.ERROR, "runs", "run \x1b[2Jr halted", "Mend it"))
    said = capsys.readouterr().out
    assert "run \\x1b[2Jr halted" in said
    assert "Mend it" in said
    assert "\x1b[1;31merror" in said
