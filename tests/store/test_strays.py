"""Things that belong to nothing, put there on purpose: what the doctor says of them, and drops."""

import pytest

from pauseflow import Flow, PauseFlow
from pauseflow.client import RunState
from pauseflow.store.keys import GROUP
from support.cluster import Cluster
from support.doctor import complaints, mended, texts

HOUR = 3_600_000


def sleeping(x):
    yield x
    yield PauseFlow(after=0.01)
    yield x + 1


def deadly(_):
    raise ValueError("no")


FLOW = Flow("f")
FLOW.branch(sleeping, name="s0").map(lambda x: x, name="s1")

DEADLY = Flow("deadly")
DEADLY.map(deadly, name="s0", on_error="dead")


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr("pauseflow.checks.books.PASSES_SECONDS", 0.0)
    monkeypatch.setattr("pauseflow.checks.strays.PASSES_SECONDS", 0.0)


@pytest.fixture
def cluster(server):
    with Cluster(server, FLOW, DEADLY) as made:
        made.client.submit(FLOW, 1, run_id="r")
        made.workers[0].run_once()
        yield made
        assert complaints(made.client) == []
        made.finish("r", far=1)


def finished(cluster, flow=FLOW, run_id="done"):
    cluster.client.submit(flow, 1, run_id=run_id)
    cluster.finish(run_id, far=1)


def test_timers_of_what_is_not_parked(cluster):
    later = cluster.now_ms() + HOUR
    cluster.wire.call(("ZADD", cluster.keys.timers, later, "r f s0:7", later, "gone f s0:0"))
    cluster.wire.call(("ZADD", cluster.keys.timers, later, "foreign"))
    found = complaints(cluster.client)
    assert {each.level for each in found} == {"warning"}
    assert sorted(each.text for each in found) == [
        "run gone: 1 timer of what is not parked",
        "run r: 1 timer of what is not parked",
    ]
    assert all(each.endswith("1 were struck out") for each in mended(cluster.client))
    left = cluster.wire.call(("ZRANGE", cluster.keys.timers, 0, -1))
    assert b"r f s0:7" not in left
    cluster.wire.call(("ZREM", cluster.keys.timers, "foreign"))


def test_jobs_that_nothing_waits_for(cluster):
    jobs = cluster.keys.jobs
    now = int(cluster.wire.call(("TIME",))[0]) * 1000
    cluster.wire.call(("ZADD", jobs, now - 120_000, "r job:7", now, "r job:8"))
    cluster.wire.call(("ZADD", jobs, now - 120_000, "foreign", now - 120_000, "? job:7"))
    (said,) = texts(cluster.client)
    assert said == "1 job to be looked at that nothing waits for"
    assert mended(cluster.client) == [f"{said}: 1 were struck out"]
    assert cluster.wire.call(("ZRANGE", jobs, 0, -1)) == [b"? job:7", b"foreign", b"r job:8"]
    cluster.wire.call(("DEL", jobs))


def test_jobs_that_nobody_has_looked_at_for_long(cluster):
    now = int(cluster.wire.call(("TIME",))[0]) * 1000
    cluster.wire.call(("ZADD", cluster.keys.jobs, now - 120_000, "q job:7"))
    cluster.wire.call(("ZADD", cluster.keys.run("q").waits, 0, "job:7\n0000000000000001\ns0:0"))
    (found,) = complaints(cluster.client)
    assert found.text == "run q waits for job:7, which nobody has looked at for a minute"
    assert found.advice == "Start a coordinator: flowctl coordinator"
    cluster.wire.call(("DEL", cluster.keys.jobs, cluster.keys.run("q").waits))


def test_runs_that_are_gone(cluster):
    keys = cluster.keys
    cluster.wire.call(("ZADD", keys.runs, 1, "gone"))
    cluster.wire.call(("XADD", keys.run("gone").results, "*", "end", "done"))
    cluster.wire.call(("HSET", keys.held, "run:held", "paused"))
    cluster.wire.call(("ZADD", keys.runs, 1, "spaced out"))
    assert sorted(texts(cluster.client)) == [
        "run gone is gone, and is still in the list",
        "run held is gone, and is still held",
    ]
    done = mended(cluster.client)
    assert all(each.endswith("what was left of it was dropped") for each in done)
    assert cluster.client.held().runs == {}
    assert cluster.wire.call(("ZSCORE", keys.runs, "gone")) is None
    assert cluster.wire.call(("EXISTS", keys.run("gone").results)) == 0
    cluster.wire.call(("ZREM", keys.runs, "spaced out"))


def test_runs_that_are_over_and_would_stay(cluster):
    keys = cluster.keys
    finished(cluster)
    assert complaints(cluster.client) == []
    cluster.wire.call(("ZREM", keys.expiring, "done"))
    for key in (keys.run("done").base, keys.run("done").results):
        cluster.wire.call(("PERSIST", key))
    (said,) = texts(cluster.client)
    assert said == "run done is over, and nobody would ever drop it"
    assert mended(cluster.client) == [f"{said}: it goes in an hour"]
    now = int(cluster.wire.call(("TIME",))[0]) * 1000
    expires = float(cluster.wire.call(("ZSCORE", keys.expiring, "done")))
    assert expires == pytest.approx(now + HOUR, abs=60_000)
    assert cluster.wire.call(("PTTL", keys.run("done").base)) > 0


def test_dead_letters_without_a_name_and_names_without_a_letter(cluster):
    keys = cluster.keys
    finished(cluster, DEADLY)
    finished(cluster, DEADLY, "again")
    assert complaints(cluster.client) == []
    died = float(cluster.wire.call(("ZSCORE", keys.dead, "done:s0:0")))
    cluster.wire.call(("ZREM", keys.dead, "done:s0:0"))
    cluster.wire.call(("HDEL", keys.letters, "again:s0:0"))
    cluster.wire.call(("HSET", keys.letters, "damaged:s0:0", "nonsense"))
    said = texts(cluster.client)
    assert said[0] == "1 dead letter listed and not there: again:s0:0"
    assert set(said[1].partition(": ")[2].split(", ")) == {"done:s0:0", "damaged:s0:0"}
    assert said[1].startswith("2 dead letters not listed: ")
    done = mended(cluster.client)
    assert [each.rpartition(": ")[2] for each in done] == ["1 were struck out", "2 were listed"]
    listed = float(cluster.wire.call(("ZSCORE", keys.dead, "done:s0:0")))
    assert listed == pytest.approx(died, abs=1_000)
    assert [letter.key for letter in cluster.client.dead(run="done")] == ["done:s0:0"]
    cluster.client.drop_dead(["done:s0:0", "damaged:s0:0"])


def test_a_consumer_that_is_no_worker(cluster):
    stream = cluster.keys.stream("f", "s1")
    read = ("XREADGROUP", "GROUP", GROUP, "ghost", "COUNT", 1, "STREAMS", stream, ">")
    while not cluster.wire.call(read):
        cluster.step(cluster.workers[0])
    (said,) = texts(cluster.client)
    assert said == "consumer ghost of f:s1 has 1 chunk in hand, and is no worker"
    assert mended(cluster.client) == [f"{said}: 1 chunks were put back"]


def test_a_worker_that_is_dead_for_long_and_not_buried(cluster):
    stream = cluster.keys.stream("f", "s1")
    read = ("XREADGROUP", "GROUP", GROUP, "ghost", "COUNT", 1, "STREAMS", stream, ">")
    while not cluster.wire.call(read):
        cluster.step(cluster.workers[0])
    now = int(cluster.wire.call(("TIME",))[0]) * 1000
    cluster.wire.call(("ZADD", cluster.keys.leases, now - 1_000, "ghost"))
    assert complaints(cluster.client) == []
    cluster.wire.call(("ZADD", cluster.keys.leases, now - 100_000, "ghost"))
    (said,) = texts(cluster.client)
    assert said.startswith("consumer ghost of f:s1 has 1 chunk in hand, and is dead for 10")
    mended(cluster.client)


def test_what_is_found_again_may_read_otherwise(cluster, monkeypatch):
    monkeypatch.setattr("pauseflow.checks.strays.PASSES_SECONDS", 1.1)
    test_a_worker_that_is_dead_for_long_and_not_buried(cluster)


def test_a_stream_that_lost_its_group(cluster):
    cluster.client.submit(FLOW, 1, run_id="more")
    cluster.wire.call(("XGROUP", "DESTROY", cluster.keys.stream("f", "s0"), GROUP))
    (said,) = texts(cluster.client)
    assert said == "the stream of f:s0 has no consumer group, and 1 chunks in it"
    assert mended(cluster.client) == [f"{said}: the group was made"]
    assert cluster.finish("more", far=1) == [1, 2]


def test_an_empty_stream_without_a_group_is_no_complaint(cluster):
    other = Flow("other")
    other.map(str, name="s0")
    cluster.add(other)
    cluster.workers[0].run_once()
    cluster.wire.call(("XGROUP", "DESTROY", cluster.keys.stream("other", "s0"), GROUP))
    assert complaints(cluster.client) == []


def test_many_pages_of_everything_are_gone_through(cluster, monkeypatch):
    """What is wrong is far behind what is right."""
    monkeypatch.setattr("pauseflow.store.strays.PAGE", 20)
    keys, later = cluster.keys, cluster.now_ms() + HOUR
    for number in range(700):
        cluster.wire.exchange(
            [
                ("HSET", keys.letters, f"x:s0:{number}", "x"),
                ("ZADD", keys.dead, 1, f"x:s0:{number}"),
                ("ZADD", keys.timers, later, f"foreign {number}"),
            ]
        )
    for number in range(60):
        cluster.wire.call(("SET", keys.run(f"old{number}").room, "x", "PX", HOUR))
    cluster.wire.call(("ZADD", keys.timers, later + 1, "gone f s0:0"))
    cluster.wire.call(("ZADD", keys.dead, 2, "lost:s0:0"))
    cluster.wire.call(("HSET", keys.letters, "unlisted:s0:0", "x"))
    cluster.wire.call(("SET", keys.prefix + "odd", "x"))
    said = texts(cluster.client, every_key=True)
    assert sorted(said) == [
        "1 dead letter listed and not there: lost:s0:0",
        "1 dead letter not listed: unlisted:s0:0",
        f"key {keys.prefix}odd is nothing of pauseflow's",
        "run gone: 1 timer of what is not parked",
    ]
    monkeypatch.setattr("pauseflow.store.strays.MOST", 40)
    assert "run gone: 1 timer of what is not parked" not in texts(cluster.client)
    cluster.wire.call(("DEL", keys.letters, keys.dead, keys.prefix + "odd"))
    cluster.wire.call(("ZREMRANGEBYSCORE", keys.timers, later, "+inf"))


def test_keys_of_a_run_that_is_gone_and_that_will_go_are_no_complaint(cluster):
    results = cluster.keys.run("gone").results
    cluster.wire.call(("XADD", results, "*", "end", "done"))
    assert texts(cluster.client, every_key=True) == ["run gone is gone, but for 1 key"]
    cluster.wire.call(("PEXPIRE", results, HOUR))
    assert texts(cluster.client, every_key=True) == []
    cluster.wire.call(("DEL", results))


def test_schedules_of_flows_that_nobody_has(cluster):
    told = Flow("told")
    told.map(str)
    told.every("1h")
    cluster.add(told)
    cluster.workers[0].run_once()
    assert complaints(cluster.client) == []
    cluster.workers[0].run_once()
    cluster.wire.call(("HSET", cluster.keys.schedules, "odd", "nonsense"))
    cluster.flows = (FLOW, DEADLY)
    cluster.lose(cluster.workers[0])
    cluster.bury()
    cluster.hire().run_once()
    assert sorted((each.level, each.text) for each in complaints(cluster.client)) == [
        ("error", "the schedules of flow odd can't be read"),
        ("warning", "flow told has schedules, and no live worker has the flow"),
    ]
    assert {each.mend for each in complaints(cluster.client)} == {None}
    cluster.wire.call(("DEL", cluster.keys.schedules))


def test_keys_that_are_nothing_of_ours(cluster):
    keys = cluster.keys
    finished(cluster)
    finished(cluster, DEADLY, "died")
    assert texts(cluster.client, every_key=True) == []
    odd = [f"{keys.prefix}{name}" for name in ("odd", "run:r:odd", "runs:odd", "stream")]
    for key in odd:
        cluster.wire.call(("SET", key, "x"))
    left = [keys.run("gone").backlog("s0"), keys.run("gone").waits]
    for key in left:
        cluster.wire.call(("RPUSH", key, "x"))
    assert texts(cluster.client) == []
    found = complaints(cluster.client, every_key=True)
    said = [each.text for each in found]
    assert said[0] == "run gone is gone, but for 2 keys"
    assert sorted(said[1:]) == sorted(f"key {key} is nothing of pauseflow's" for key in odd)
    assert {each.level for each in found} == {"warning"}
    cluster.wire.call(("DEL", *odd))
    assert mended(cluster.client, every_key=True) == [
        "run gone is gone, but for 2 keys: what was left of it was dropped"
    ]
    cluster.client.drop_dead([each.key for each in cluster.client.dead()])


def test_a_remedy_is_not_for_what_is_right_by_now(cluster):
    keys = cluster.keys
    cluster.wire.call(("ZADD", keys.runs, 1, "late"))
    cluster.wire.call(("ZADD", keys.timers, 1e15, "late f s0:0"))
    cluster.wire.call(("ZADD", keys.dead, 1, "late:s0:0"))
    finished(cluster)
    cluster.wire.call(("ZREM", keys.expiring, "done"))
    found = complaints(cluster.client)
    assert len(found) == 4
    cluster.wire.call(("HSET", keys.run("late").base, "flow", "f"))
    cluster.wire.call(("HSET", keys.run("late").parked, "s0:0", "x"))
    cluster.wire.call(("HSET", keys.letters, "late:s0:0", "x"))
    cluster.wire.call(("ZADD", keys.expiring, 1e15, "done"))
    assert [each.mend() for each in found] == [""] * 4
    cluster.wire.call(("DEL", keys.run("late").base, keys.run("late").parked))
    cluster.wire.call(("ZREM", keys.runs, "late"))
    cluster.wire.call(("ZREM", keys.timers, "late f s0:0"))
    cluster.wire.call(("ZREM", keys.dead, "late:s0:0"))
    cluster.wire.call(("HDEL", keys.letters, "late:s0:0"))
    assert cluster.client.run("done").state is RunState.DONE
