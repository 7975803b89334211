"""With a signing key, nobody without it changes what a run is made of unnoticed."""

import pytest

from pauseflow import Flow, PauseFlow
from pauseflow.client import RunState
from pauseflow.errors import MalformedData, ServerRefused, SettingsError
from pauseflow.signing import KEY_VARIABLE, Signing
from pauseflow.store.keys import Keys
from pauseflow.store.schedules import Schedules
from support.cluster import Cluster

KEY = "0123456789abcdef0123456789abcdef"
OTHER = "another key of somebody who has none"


def spread(number):
    for each in range(number):
        yield each
        if each % 3 == 1:
            yield PauseFlow(after=5)


def ask(number):
    answer = yield PauseFlow(until="go")
    yield number, answer


def one_in_three(number):
    if number % 3 == 2:
        raise ValueError(number)
    return number


FLOW = Flow("f")
FLOW.map(lambda x: x, name="s0").branch(spread).map(one_in_three, on_error="dead").map(str)

ASKING = Flow("g")
ASKING.map(lambda x: x, name="s0").branch(ask)


@pytest.fixture
def key(monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, KEY)


def everything(wire):
    """All bytes on the server, with their keys."""
    found = {}
    for name in wire.call(("KEYS", "*")):
        kind = wire.call(("TYPE", name))
        read = {
            b"stream": ("XRANGE", name, "-", "+"),
            b"hash": ("HGETALL", name),
            b"list": ("LRANGE", name, 0, -1),
            b"zset": ("ZRANGE", name, 0, -1),
            b"string": ("GET", name),
        }[bytes(kind)]
        found[name.decode()] = wire.call(read)
    return found


@pytest.mark.usefixtures("key")
def test_a_signed_run_gives_what_an_unsigned_one_gives(server):
    with Cluster(server, FLOW, ASKING, workers=2) as cluster:
        cluster.client.submit(FLOW, 7, run_id="r")
        assert cluster.finish("r", far=5) == list(FLOW.run(7))
        with cluster.client.open(ASKING, run_id="asks") as feed:
            feed.extend(range(3))
        cluster.settle()
        assert cluster.client.stack("asks").stands[0].records
        for _ in range(3):
            cluster.client.signal("asks", "go", {"yes": 1})
        assert cluster.finish("asks") == [(number, {"yes": 1}) for number in range(3)]
        letters = list(cluster.client.dead(run="r"))
        assert [letter.record for letter in letters] == [5, 2]
        cluster.client.edit_dead(letters[0].key, 6)
        made = cluster.client.retry_dead(FLOW, [letter.key for letter in letters])
        cluster.settle()
        assert list(cluster.client.results(made[letters[0].key])) == ["6"]
        assert cluster.client.set_aside() == (0, [])
        cluster.client.drop_dead([letter.key for letter in cluster.client.dead()])


@pytest.mark.usefixtures("key")
def test_a_run_that_halted_is_skipped_and_its_rest_is_signed(server):
    flow = Flow("f")
    flow.map(one_in_three, name="s0").map(str, name="s1")
    with Cluster(server, flow) as cluster:
        with cluster.client.open(flow, run_id="r") as feed:
            feed.extend(range(6))
        cluster.settle()
        assert cluster.client.run("r").state is RunState.HALTED
        assert sorted(cluster.client.skip("r")) == ["r:s0:2", "r:s0:5"]
        assert cluster.finish("r") == ["0", "1", "3", "4"]
        cluster.client.drop_dead(["r:s0:2", "r:s0:5"])


@pytest.mark.usefixtures("key")
@pytest.mark.parametrize("where", ["stream", "backlog", "parked", "signal"])
def test_what_was_changed_is_set_aside_and_the_run_halts(server, where, monkeypatch):
    flow = Flow("f")
    flow.map(lambda x: x, name="s0", window=1).branch(ask, window=1)
    with Cluster(server, flow) as cluster:
        wire, keys = cluster.wire, cluster.keys
        run = keys.run("r")
        with cluster.client.open(flow, run_id="r") as feed:
            feed.extend([b"pay Alice 100", b"pay Carol 100"])
        if where == "stream":
            stream = keys.stream("f", "s0")
            ((entry, fields),) = wire.call(("XRANGE", stream, "-", "+"))
            changed = [field.replace(b"Alice", b"Mallo") for field in fields]
            assert changed != fields
            wire.exchange([("XDEL", stream, entry), ("XADD", stream, "*", *changed)])
        elif where == "backlog":
            (piece,) = wire.call(("LRANGE", run.backlog("s0"), 0, 0))
            assert b"Carol" in piece
            wire.call(("LSET", run.backlog("s0"), 0, piece.replace(b"Carol", b"Mallo")))
        elif where == "parked":
            cluster.settle()
            field, text = wire.call(("HGETALL", run.parked))[:2]
            assert b"Alice" in text
            wire.call(("HSET", run.parked, field, text.replace(b"Alice", b"Mallo")))
            cluster.client.signal("r", "go", "yes")
        else:
            cluster.settle()
            monkeypatch.setenv(KEY_VARIABLE, OTHER)
            with Cluster(server, flow, workers=0) as thief:
                thief.client.signal("r", "go", "yes")
        cluster.settle()
        info = cluster.client.run("r")
        assert info.state is RunState.HALTED
        assert "signature" in info.error
        total, newest = cluster.client.set_aside()
        assert total == len(newest) == 1
        assert "signature is wrong" in newest[0].reason
        assert not any(b"Mallo" in str(each).encode() for each in cluster.client.results("r"))


@pytest.mark.usefixtures("key")
def test_a_rest_is_not_taken_for_one_of_another_run_stage_or_place(server):
    flow = Flow("f")
    flow.map(lambda x: x, name="s0").branch(ask)
    with Cluster(server, flow) as cluster:
        wire, keys = cluster.wire, cluster.keys
        for run in ("r1", "r2"):
            cluster.client.submit(flow, run, run_id=run)
        cluster.settle()
        field, other = wire.call(("HGETALL", keys.run("r2").parked))
        taken = other.replace(b" r2 ", b" r1 ")
        assert taken != other
        wire.call(("HSET", keys.run("r1").parked, field, taken))
        stripped = other.replace(b"f1", b"f2")
        wire.call(("HSET", keys.run("r2").parked, field, stripped))
        for run in ("r1", "r2"):
            cluster.client.signal(run, "go", "yes")
        cluster.settle()
        for run in ("r1", "r2"):
            assert cluster.client.run(run).state is RunState.HALTED
        assert cluster.client.set_aside()[0] == 2


@pytest.mark.usefixtures("key")
def test_a_dead_letter_that_was_changed_can_not_be_tried_again(server):
    with Cluster(server, FLOW) as cluster:
        cluster.client.submit(FLOW, 3, run_id="r")
        cluster.finish("r", far=5)
        (letter,) = cluster.client.dead()
        changed = letter.stored.replace(b"ValueError", b"ValueErrox")
        cluster.wire.call(("HSET", cluster.keys.letters, letter.key, changed))
        (read,) = cluster.client.dead()
        assert "signature is wrong" in read.error
        cluster.client.drop_dead([letter.key])


@pytest.mark.usefixtures("key")
def test_results_that_were_changed_are_not_given(server):
    flow = Flow("f")
    flow.map(str, name="s0")
    with Cluster(server, flow) as cluster:
        cluster.client.submit(flow, "Alice", run_id="r")
        cluster.settle()
        results = cluster.keys.run("r").results
        ((_entry, fields), _) = cluster.wire.call(("XRANGE", results, "-", "+"))
        changed = [field.replace(b"Alice", b"Mallo") for field in fields]
        cluster.wire.exchange([("DEL", results), ("XADD", results, "*", *changed)])
        with pytest.raises(MalformedData, match="signature is wrong"):
            list(cluster.client.results("r"))
        cluster.wire.call(("PEXPIRE", results, 1_000))


def test_what_nobody_has_signed_is_set_aside_where_there_is_a_key(server, monkeypatch):
    flow = Flow("f")
    flow.map(str, name="s0")
    with Cluster(server, flow, workers=0) as before:
        before.client.submit(flow, 1, run_id="r")
        monkeypatch.setenv(KEY_VARIABLE, KEY)
        with Cluster(server, flow) as cluster:
            cluster.settle()
            assert "it is not signed" in cluster.client.run("r").error
            assert cluster.client.set_aside()[0] == 1
            cluster.client.cancel("r")


def test_a_worker_without_the_key_does_not_begin(server, monkeypatch):
    flow = Flow("f")
    flow.map(str, name="s0")
    with monkeypatch.context() as context:
        context.setenv(KEY_VARIABLE, KEY)
        with Cluster(server, flow) as cluster:
            cluster.settle()
            cluster.client.submit(flow, 1, run_id="r")
            context.delenv(KEY_VARIABLE)
            with Cluster(server, flow, workers=0) as other:
                worker = other.hire()
                with pytest.raises(ServerRefused, match=KEY_VARIABLE):
                    worker.run_once()
            assert cluster.finish("r") == ["1"]
            with (
                Cluster(server, flow, workers=0) as other,
                pytest.raises(MalformedData, match=KEY_VARIABLE),
            ):
                list(other.client.results("r"))


def test_keys_are_changed_while_runs_wait(server, monkeypatch):
    flow = Flow("f")
    flow.map(lambda x: x, name="s0").branch(ask).map(str, name="s2")
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    with Cluster(server, flow) as old:
        old.client.submit(flow, 1, run_id="r")
        old.settle()
        monkeypatch.setenv(KEY_VARIABLE, f"{OTHER}, {KEY}")
        with Cluster(server, flow) as both:
            both.client.signal("r", "go", "yes")
            assert both.finish("r") == ["(1, 'yes')"]
            monkeypatch.setenv(KEY_VARIABLE, OTHER)
            with Cluster(server, flow, workers=0) as new:
                assert list(new.client.results("r")) == ["(1, 'yes')"]


def test_schedules_of_somebody_without_the_key_start_nothing(server, monkeypatch):
    """Else whoever starts their runs would sign what they were told."""
    flow = Flow("f")
    flow.map(str, name="s0")
    flow.every(3_600, value="pay Mallory")
    with Cluster(server, flow) as before:
        before.settle()
        monkeypatch.setenv(KEY_VARIABLE, KEY)
        read = Schedules(Keys(), before.wire)
        (told,) = read.look()[0].values()
        assert "not signed" in str(told)
        with Cluster(server, flow) as cluster:
            cluster.settle()
            (told,) = read.look()[0].values()
            assert told.schedules


def test_a_short_key_is_refused():
    with pytest.raises(SettingsError, match="at least 16"):
        Signing.of_environment({KEY_VARIABLE: f"{KEY},short"})
    assert not Signing.of_environment({KEY_VARIABLE: " , "}).enabled
