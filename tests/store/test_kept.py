"""What a stage keeps of a run: written with the commit, read by whoever goes on."""

import pytest

from pauseflow import Flow, MalformedData
from pauseflow.client import RunState
from pauseflow.errors import ServerRefused
from pauseflow.signing import Signing
from pauseflow.stages.kept import Kept, Shelf
from pauseflow.store.seals import Seals
from pauseflow.store.states import States
from support.hands import FixedTuning, Hands


def nothing(x):
    return x


FLOW = Flow("f")
FLOW.map(nothing).count()


@pytest.fixture
def hands(server, client):
    tuning = FixedTuning(target=1)
    client._tuning = client._runs._tuning = tuning
    hands = Hands(server, FLOW, tuning=tuning)
    client.open(FLOW, run_id="r")
    client._runs.append(FLOW.graph, "r", 0, [1, 2, 3], close=True)
    for entry in hands.at("nothing"):
        hands.commit(entry, hands.values(entry))
    return hands


@pytest.fixture
def states(server):
    states = States(server, "default")
    yield states
    states.close()


def test_fields_are_written_and_taken_away_with_the_commit(hands, states):
    (entry,) = hands.at("count")
    hands.commit(entry, kept={b"a": b"1", b"b": b"2", b"c": b"3"})
    assert states.read("r", "count", [b"a", b"b", b"x", b"c"]) == [b"1", b"2", None, b"3"]
    (entry,) = hands.at("count")
    hands.commit(entry, kept={b"a": b"9", b"b": b"", b"x": b""})
    assert states.read("r", "count", [b"a", b"b", b"c"]) == [b"9", None, b"3"]


def test_a_fenced_commit_writes_nothing(hands, states):
    (entry,) = hands.at("count")
    hands.commit(entry, kept={b"a": b"1"})
    hands.commit(entry, kept={b"a": b"2"})
    assert states.read("r", "count", [b"a"]) == [b"1"]


def test_it_goes_with_what_is_parked_and_dead(hands, states, client):
    (entry,) = hands.at("count")
    result = hands.result(entry, done=0, kept={b"a": b"1"})
    result.parks.append(hands.park(entry.envelope))
    result.unfinished = True
    hands.put(entry, result)
    assert states.read("r", "count", [b"a"]) == [b"1"]
    assert client.run("r").parked


def test_a_cancelled_run_keeps_nothing(hands, client, states):
    (entry,) = hands.at("count")
    hands.commit(entry, kept={b"a": b"1"})
    client.cancel("r")
    assert client.run("r").state is RunState.CANCELLED
    assert states.read("r", "count", [b"a"]) == [None]


def test_something_else_in_its_place_is_told(hands, states):
    hands.wire.call(("SET", hands.keys.run("r").state("count"), "x"))
    with pytest.raises(MalformedData, match="what stage 'count' has kept"):
        states.read("r", "count", [b"a"])


def test_a_server_that_refuses_to_tell_is_not_taken_for_damage(states, monkeypatch):
    refused = ServerRefused("this user may not HMGET")
    monkeypatch.setattr(states._wire, "exchange", lambda commands: [refused] * len(commands))
    with pytest.raises(ServerRefused, match="may not HMGET"):
        states.read("r", "count", [b"a"])


def test_many_fields_are_read_in_parts(hands, states):
    (entry,) = hands.at("count")
    names = [b"%d" % number for number in range(4_500)]
    hands.commit(entry, kept={name: name for name in names})
    assert states.read("r", "count", names) == names


def test_a_signed_field_is_for_its_own_place():
    seals = Seals(Signing([b"k" * 32]))
    sealed = seals.kept("r", "s", b"a", b"1")
    assert seals.open_kept("r", "s", b"a", sealed) == b"1"
    assert seals.kept("r", "s", b"a", b"") == b""
    for run, stage, name in [("q", "s", b"a"), ("r", "t", b"a"), ("r", "s", b"b")]:
        with pytest.raises(MalformedData):
            seals.open_kept(run, stage, name, sealed)
    with pytest.raises(MalformedData):
        seals.open_kept("r", "s", b"a", b"1")
    unsigned = Seals(Signing())
    assert unsigned.kept("r", "s", b"a", b"1") == b"1"
    with pytest.raises(MalformedData, match="signed"):
        unsigned.open_kept("r", "s", b"a", sealed)


def counted(values):
    """What is kept, and how often it was read from where it is."""
    reads = []

    def load(names):
        reads.append(list(names))
        return [values.get(name) for name in names]

    return Kept(load), reads


def test_what_is_known_is_not_read_again():
    kept, reads = counted({b"a": b"1"})
    assert kept.get_all([b"a", b"b"]) == [b"1", b""]
    kept.put(b"b", b"2")
    assert kept.get_all([b"b", b"a"]) == [b"2", b"1"]
    kept.committed()
    assert kept.changed == {}
    assert kept.get(b"b") == b"2"
    assert reads == [[b"a", b"b"]]


def test_only_so_much_is_remembered(monkeypatch):
    monkeypatch.setattr("pauseflow.stages.kept.MOST_KNOWN", 3)
    kept, reads = counted({b"%d" % number: b"v%d" % number for number in range(9)})
    for number in range(9):
        assert kept.get(b"%d" % number) == b"v%d" % number
    assert kept.get(b"0") == b"v0"
    assert reads.count([b"0"]) == 2


def test_a_shelf_gives_what_is_certain_and_nothing_else():
    shelf, (kept, _) = Shelf(), counted({})
    assert shelf.take("r", 0, follows=False) is None
    shelf.put("r", 5, kept)
    assert shelf.take("r", 5, follows=False) is None  # its commit may not be carried out
    assert shelf.take("r", 5, follows=True) is kept
    shelf.settle("r", committed=True)
    assert shelf.take("r", 5, follows=False) is kept
    assert shelf.take("r", 5, follows=True) is None
    assert shelf.take("r", 6, follows=False) is None
    shelf.put("r", 7, kept)
    shelf.settle("r", committed=False)
    assert shelf.take("r", 7, follows=False) is None
    shelf.settle("unknown", committed=True)


def test_a_shelf_holds_so_many_runs(monkeypatch):
    monkeypatch.setattr("pauseflow.stages.kept.MOST_RUNS", 2)
    shelf = Shelf()
    for run in ("a", "b", "c"):
        shelf.put(run, 1, counted({})[0])
        shelf.settle(run, committed=True)
    assert shelf.take("a", 1, follows=False) is None
    assert shelf.take("b", 1, follows=False) is not None


def test_a_signed_run_folds(server, monkeypatch):
    from support.cluster import Cluster  # noqa: PLC0415 # only here

    monkeypatch.setenv("PAUSEFLOW_SIGNING_KEY", "k" * 32)
    flow = Flow("f")
    flow.map(nothing).fold(lambda a, b: [*a, b], [], name="all")
    with Cluster(server, flow) as cluster:
        with cluster.client.open(flow, run_id="r") as feed:
            feed.extend([1, 2, 3])
        cluster.settle()
        assert list(cluster.client.results("r")) == [[1, 2, 3]]


def test_what_is_left_goes_when_the_run_is_done(hands, states, client):
    names = []
    while entries := hands.at("count"):
        (entry,) = entries
        assert states.read("r", "count", names) == [b"1"] * len(names)
        names.append(b"%d" % len(names))
        hands.commit(entry, kept={names[-1]: b"1"})
    assert client.run("r").state is RunState.DONE
    assert states.read("r", "count", names) == [None, None, None]
