"""flowctl pause, resume and cancel, on a server, with workers that are stepped by hand."""

import dataclasses
import json
import sys

import pytest

from pauseflow.app import load
from pauseflow.client import Client, RunState
from support.cluster import Cluster

APP = """
from pauseflow import Flow

def pages(n):
    for number in range(n):
        yield number

def parse(page):
    return page

shop = Flow("shop")
shop.branch(pages).map(parse)
REFUNDED = []

def refund(run_id):
    REFUNDED.append(run_id)
    if len(REFUNDED) < 7:
        raise ConnectionError("no answer")

telling = Flow("telling", on_cancel=refund)
telling.map(parse)
empty = Flow("emptying")
empty.map(parse)
"""


@pytest.fixture
def app(shop, monkeypatch):
    (shop / "held_flows.py").write_text(APP)
    monkeypatch.syspath_prepend(str(shop))
    return load("held_flows")


@pytest.fixture
def cluster(app, fake, monkeypatch):
    with Cluster(fake, app.flow("shop"), app.flow("telling")) as cluster:
        monkeypatch.setattr(Client, "connect", lambda url, *, namespace: Client(fake))
        monkeypatch.setenv("REDIS_URL", "redis://nowhere:1/0")
        cluster.client.submit(app.flow("shop"), 100, run_id="r1")
        cluster.step(cluster.workers[0])
        yield cluster
        for info in cluster.client.runs():
            if not info.state.over:
                cluster.client.cancel(info.id)


def state(cluster, run_id="r1"):
    return cluster.client.run(run_id).state


def test_a_run_is_paused_and_goes_on(call, cluster):
    done = call("pause", "r1")
    assert done.exit_code == 0, done.output
    assert done.stderr == "Run r1 is paused. To go on: flowctl resume r1\n"
    assert state(cluster) is RunState.PAUSED
    assert call("pause", "r1").stderr.startswith("Run r1 was paused already. To go on:")
    cluster.settle()
    assert state(cluster) is RunState.PAUSED
    assert call("resume", "r1").stderr == "Run r1 goes on.\n"
    assert call("resume", "r1").stderr == "Run r1 was not paused.\n"
    assert cluster.finish("r1") == list(range(100))


def test_a_flow_is_paused_with_all_its_runs(call, cluster):
    done = call("pause", "shop")
    assert done.stderr == "Flow shop is paused. To go on: flowctl resume shop\n"
    assert cluster.client.held().flows == {"shop"}
    assert "its flow is paused" in call("runs").stdout
    done = call("resume", "r1")
    assert done.stderr.splitlines() == [
        "Run r1 was not paused.",
        "Its flow shop is paused: flowctl resume shop",
    ]
    assert call("resume", "shop").stderr == "Flow shop goes on.\n"
    assert cluster.client.held().flows == frozenset()


def test_a_stage_is_paused_by_itself(call, cluster):
    done = call("pause", "shop", "parse")
    assert (
        done.stderr == "Stage parse of flow shop is paused. To go on: flowctl resume shop parse\n"
    )
    assert "paused at parse" in call("runs").stdout
    done = call("resume", "shop")
    assert done.stderr.splitlines() == [
        "Flow shop was not paused.",
        "Stage parse of flow shop is paused by itself: flowctl resume shop parse",
    ]
    assert call("resume", "shop", "parse").stderr == "Stage parse of flow shop goes on.\n"


def test_a_flow_that_never_ran_is_known_by_the_app_alone(call, cluster, monkeypatch):
    done = call("pause", "emptying")
    assert done.exit_code == 3
    assert done.stderr == (
        "flowctl: there is no run and no flow 'emptying'. See flowctl runs; give --app if it is a "
        "flow that never ran.\n"
    )
    assert call("pause", "emptying", "--app", "held_flows").exit_code == 0
    monkeypatch.setenv("FLOWCTL_APP", "held_flows")
    assert call("pause", "emptying", "parse").exit_code == 0
    assert call("resume", "emptying").exit_code == 0


@pytest.mark.parametrize("command", ["pause", "resume"])
def test_a_name_of_a_run_and_a_flow_has_to_be_told_apart(call, cluster, app, command):
    cluster.client.submit(app.flow("shop"), 1, run_id="shop")
    done = call(command, "shop")
    assert done.exit_code == 2
    assert done.stderr == "flowctl: there is a run 'shop', and a flow too: add --run or --flow\n"
    assert cluster.client.held().runs == {}
    assert call(command, "shop", "--run").exit_code == 0
    assert call(command, "shop", "--flow").exit_code == 0
    assert call(command, "shop", "pages").exit_code == 0


@pytest.mark.parametrize("command", ["pause", "resume"])
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("r1x",), "there is no run and no flow 'r1x'. Did you mean 'r1'?"),
        (("shopp",), "there is no run and no flow 'shopp'. Did you mean 'shop'?"),
        (("shop", "parsed"), "flow 'shop' has no stage 'parsed': did you mean 'parse'?"),
        (("shop", "zzz"), "flow 'shop' has no stage 'zzz': it has pages, parse"),
        (("shopp", "parse"), "there is no flow 'shopp'. Did you mean 'shop'?"),
        (("shopp", "--flow"), "there is no flow 'shopp'. Did you mean 'shop'?"),
        (("shop", "--run"), "there is no run 'shop': it was never submitted, or it has expired"),
    ],
)
def test_what_is_not_there_is_said_once_and_nothing_is_held(
    call, cluster, command, arguments, says
):
    done = call(command, *arguments)
    assert (done.exit_code, done.stderr) == (3, f"flowctl: {says}\n")
    assert cluster.client._holding.changes() is None


def test_a_run_has_no_stage_to_hold(call, cluster):
    done = call("pause", "r1", "parse", "--run")
    assert done.exit_code == 2
    assert "'parse' is one argument too many" in done.stderr


def test_a_halted_run_is_halted_again_afterwards(call, cluster):
    cluster.wire.call(("HSET", cluster.keys.run("r1").base, "state", "halted", "error", "it broke"))
    done = call("pause", "r1")
    assert "It had halted, and will be halted again then: it broke" in done.stderr
    assert "it broke" in call("runs").stdout
    done = call("resume", "r1")
    assert done.stderr.splitlines() == [
        "Run r1 goes on.",
        "It has halted: it broke. To go on from there: flowctl retry r1",
    ]


def test_a_cancelled_run_is_over(call, cluster):
    cluster.step(cluster.workers[0])
    count = cluster.client.run("r1").results.count
    done = call("cancel", "r1")
    results = f" Its {count:,} results: flowctl results r1" if count else ""
    assert done.stderr == f"Run r1 is cancelled.{results}\n"
    assert call("cancel", "r1").stderr == "Run r1 was cancelled before.\n"
    for command in ("pause", "resume"):
        done = call(command, "r1")
        assert done.exit_code == 2
        assert "run 'r1' is cancelled" in done.stderr
    (told,) = map(json.loads, call("runs", "--json").stdout.splitlines())
    assert told["state"] == "cancelled"
    assert call("results", "r1").exit_code == 0
    done = call("results", "r1", "--follow")
    assert done.exit_code == 1
    assert "run 'r1' was cancelled" in done.stderr


def test_a_run_that_is_done_can_not_be_held_any_more(call, cluster):
    cluster.finish("r1")
    for command in ("pause", "resume", "cancel"):
        done = call(command, "r1")
        assert done.exit_code == 2
        assert "run 'r1' is done: there is nothing to" in done.stderr


def test_an_unknown_run_can_not_be_cancelled(call, cluster):
    done = call("cancel", "r2")
    assert done.exit_code == 3
    assert "there is no run 'r2'" in done.stderr


def test_what_is_paused_is_shown(call, cluster, monkeypatch):
    monkeypatch.setenv("FLOWCTL_APP", "held_flows")
    assert call("flows").stdout.splitlines() == [
        "emptying: parse",
        "shop: pages (branch) → parse",
        "telling: parse",
    ]
    call("pause", "shop", "parse")
    assert call("flows").stdout.splitlines()[1].endswith("  [paused at parse]")
    stages = call("show", "r1").stdout.splitlines()[3:]
    assert [line.split()[:2] for line in stages[1:3]][1] == ["parse", "paused"]
    call("pause", "shop")
    assert call("flows").stdout.splitlines()[1].endswith("  [paused]")
    assert "its flow is paused. To go on: flowctl resume shop" in call("show", "r1").stdout
    call("pause", "r1")
    cluster.settle()
    shown = call("show", "r1").stdout
    assert "run r1 of flow shop: paused, " in shown
    assert "paused. To go on: flowctl resume r1" in shown
    first, second, _ = map(json.loads, call("flows", "--json").stdout.splitlines())
    assert (first["paused"], second["paused"]) == (False, True)
    assert [stage["paused"] for stage in second["stages"]] == [True, True]
    call("cancel", "r1")
    assert "run r1 of flow shop: cancelled, " in call("show", "r1").stdout


def test_a_server_that_does_not_answer_does_not_keep_the_flows_back(
    call, app, monkeypatch, tmp_path
):
    monkeypatch.setenv("FLOWCTL_APP", "held_flows")
    monkeypatch.setenv("REDIS_URL", f"unix://{tmp_path}/nothing.sock")
    done = call("flows")
    assert done.exit_code == 0
    assert len(done.stdout.splitlines()) == 3
    assert done.stderr.startswith("flowctl: what is paused is not known: ")


def test_what_is_parked_for_the_pause_goes_on_after_it(call, client):
    info = client.infos["r1"]
    parked = dataclasses.replace(info.parked[0], why="paused")
    client.infos["r1"] = dataclasses.replace(info, state=RunState.PAUSED, parked=(parked,))
    assert "after flowctl resume" in call("show", "r1").stdout


def test_what_on_cancel_failed_on_is_a_dead_letter_like_any_other(call, cluster, app, monkeypatch):
    monkeypatch.setenv("FLOWCTL_APP", "held_flows")
    cluster.client.submit(app.flow("telling"), 1, run_id="r2")
    call("cancel", "r2")
    cluster.finish("r2.on_cancel", far=600)
    assert "ConnectionError: no answer" in call("dead", "list").stdout
    done = call("dead", "retry", "r2.on_cancel:on_cancel:0")
    assert done.exit_code == 0, done.stderr
    cluster.settle()
    assert sys.modules["held_flows"].REFUNDED == ["r2"] * 7
    assert list(cluster.client.dead()) == []
