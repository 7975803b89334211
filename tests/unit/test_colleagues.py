"""What workers of two versions of an app tell each other, and do for each other's frames."""

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from pauseflow import Flow, PauseFlow
from pauseflow.client import RunState
from pauseflow.origin import Code, Origin
from pauseflow.store.fleet import WorkerInfo
from pauseflow_workers.colleagues import (
    FOREIGN_SECONDS,
    OFFERS_A_SECOND,
    SOON_SECONDS,
    UNKNOWN_SECONDS,
    WANTED_SECONDS,
    Colleagues,
)
from support.cluster import Cluster
from support.servers import fake_server

OLD_CODE, NEW_CODE = Code("old", "v1"), Code("new", "v2")
FROM_OLD = Origin("app:pages", "old", "v1")


def worker(name: str, code: Code, place: str = "shop:pages") -> WorkerInfo:
    return WorkerInfo(name, name, 2.0, (place,), {place: code})


def colleagues(*others: WorkerInfo) -> tuple[Colleagues, list[float]]:
    now = [0.0]
    made = Colleagues(lambda: now[0])
    made.offer_in("shop", "pages", FROM_OLD)
    made.count(1 + len(others))
    made.learn(list(others))
    return made, now


def test_a_frame_that_another_can_take_up_is_offered_again_soon() -> None:
    made, _ = colleagues(worker("a", OLD_CODE), worker("b", NEW_CODE))
    delays = [made.offer_in("shop", "pages", FROM_OLD) for _ in range(10)]
    assert all(SOON_SECONDS / 2 < delay < 2 * SOON_SECONDS for delay in delays)
    assert len(set(delays)) == 10


@pytest.mark.parametrize(
    ("other", "origin"),
    [
        (worker("b", NEW_CODE), FROM_OLD),
        (worker("a", OLD_CODE, "shop:others"), FROM_OLD),
        (worker("a", OLD_CODE), Origin("app:pages", "older")),
        (worker("a", OLD_CODE), Origin("app:pages", "old", "v1", ("inner",))),
        (worker("a", OLD_CODE), None),
    ],
)
def test_one_that_nobody_can_take_up_is_offered_seldom(
    other: WorkerInfo, origin: Origin | None
) -> None:
    made, _ = colleagues(other)
    assert made.offer_in("shop", "pages", origin) == FOREIGN_SECONDS


def test_a_migration_counts_as_being_able_to() -> None:
    made, _ = colleagues(worker("b", Code("newer", "v3", frozenset({"v1"}))))
    assert made.offer_in("shop", "pages", FROM_OLD) < 1


def test_what_others_can_is_asked_for_only_when_it_matters() -> None:
    now = [0.0]
    made = Colleagues(lambda: now[0])
    made.count(1)
    assert not made.wanted
    assert made.offer_in("shop", "pages", FROM_OLD) == UNKNOWN_SECONDS  # is it still alone?
    made.count(1)
    assert made.offer_in("shop", "pages", FROM_OLD) == FOREIGN_SECONDS
    made.count(2)
    assert made.offer_in("shop", "pages", FROM_OLD) == UNKNOWN_SECONDS
    assert made.wanted
    now[0] = WANTED_SECONDS + 1
    assert not made.wanted
    made.count(2)
    assert made.offer_in("shop", "pages", FROM_OLD) == UNKNOWN_SECONDS


def test_many_foreign_frames_leave_workers_time_for_their_own() -> None:
    made, _ = colleagues(worker("a", OLD_CODE))
    delays = [made.offer_in("shop", "pages", FROM_OLD) for _ in range(4000)]
    assert max(delays) <= FOREIGN_SECONDS
    in_first_second = sum(delay < 1 for delay in delays)
    assert in_first_second <= OFFERS_A_SECOND
    assert in_first_second >= OFFERS_A_SECOND / 2


# two versions of an app at once


def old(n: int) -> Iterator[Any]:
    for i in range(n):
        yield f"old {i}"
        yield PauseFlow(after=1)


def new(n: int) -> Iterator[Any]:
    for i in range(n):
        yield f"new {i}"
        yield PauseFlow(after=1)
        del i


def flow_of(fn: Any, version: str) -> Flow:
    flow = Flow("deploys")
    flow.branch(fn, name="series", strict=True, version=version)
    return flow


OLD, NEW = flow_of(old, "v1"), flow_of(new, "v2")


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with Cluster(fake_server(), OLD) as made:
        yield made


def hire(cluster: Cluster, flow: Flow) -> Any:
    cluster.flows = (flow,)
    hired = cluster.hire()
    hired.run_once()
    return hired


def take_turns(cluster: Cluster, seconds: float, *, step: float = 0.25) -> None:
    """Time passes in steps, and in each some worker is the first to read."""
    order = Random(7)
    for _ in range(int(seconds / step)):
        cluster.advance(step)
        turn = list(cluster.workers)
        order.shuffle(turn)
        while cluster.tick() + sum(each.run_once() for each in turn):
            pass


def test_each_takes_only_what_it_can_and_all_runs_finish(cluster: Cluster) -> None:
    first = cluster.workers[0]
    for number in range(5):
        cluster.client.submit(OLD, 3, run_id=f"old{number}")
    cluster.settle()
    second = hire(cluster, NEW)
    for number in range(5):
        cluster.client.submit(NEW, 3, run_id=f"new{number}")
        while second.run_once():
            pass
    assert first is not second
    take_turns(cluster, 3 * (1 + 20 * SOON_SECONDS))
    for name in ("old", "new"):
        for number in range(5):
            run_id = f"{name}{number}"
            assert cluster.client.run(run_id).state is RunState.DONE, run_id
            assert list(cluster.client.results(run_id)) == [f"{name} {i}" for i in range(3)]


def test_without_the_old_code_it_waits_visibly_until_it_comes_back(cluster: Cluster) -> None:
    cluster.client.submit(OLD, 3, run_id="r")
    cluster.settle()
    cluster.lose(cluster.workers[0])
    cluster.bury()
    hire(cluster, NEW)
    for _ in range(3):
        take_turns(cluster, FOREIGN_SECONDS + 1, step=1)
        (parked,) = cluster.client.run("r").parked
        assert parked.why == "code"
        assert parked.code is not None
        assert parked.code.version == "v1"
        (stand,) = cluster.client.stack("r", flows={"deploys": NEW}).stands
        assert stand.orphaned
        assert stand.note == (
            f"waits for code {parked.code} that no worker has; live workers have "
            f"{NEW.graph['series'].series.fingerprint} (v2)"
        )
        assert "made by code" in stand.records[0].frames[0].note
        assert stand.records[0].frames[0].locals == {"(iterator)": "<range iterator: 1, 3, 1>"}
    hire(cluster, OLD)
    (stand,) = cluster.client.stack("r").stands
    assert not stand.orphaned
    assert stand.note.endswith(f"which worker {cluster.workers[-1].label} has")
    take_turns(cluster, FOREIGN_SECONDS + 3 * (1 + 20 * SOON_SECONDS))
    assert list(cluster.client.results("r")) == ["old 0", "old 1", "old 2"]
    assert cluster.client.run("r").state is RunState.DONE


def test_it_is_offered_soon_while_the_old_worker_lives(cluster: Cluster) -> None:
    cluster.client.submit(OLD, 1, run_id="r")
    cluster.settle()
    newer = hire(cluster, NEW)
    offers = 0
    for _ in range(40):  # the new worker is always the first to read
        cluster.advance(0.25)
        cluster.tick()
        offers += newer.run_once()
    assert 20 <= offers <= 40
    cluster.advance(0.5)
    cluster.tick()
    cluster.settle()
    assert list(cluster.client.results("r")) == ["old 0"]


def test_a_worker_whose_stage_is_no_branch_any_more_can_not(cluster: Cluster) -> None:
    cluster.client.submit(OLD, 1, run_id="r")
    cluster.settle()
    cluster.lose(cluster.workers[0])
    cluster.bury()
    plain = Flow("deploys")
    plain.map(str, name="series")
    hire(cluster, plain)
    take_turns(cluster, 3, step=1)
    (stand,) = cluster.client.stack("r", flows={"deploys": plain}).stands
    assert stand.orphaned
    assert "no branch any more" in stand.note


def test_what_a_worker_says_of_itself_may_be_anything(cluster: Cluster) -> None:
    cluster.client.submit(OLD, 1, run_id="r")
    cluster.settle()
    name = cluster.workers[0].name
    known = cluster.client.workers()[0]
    assert known.code["deploys:series"].version == "v1"
    for told in (
        '{"code": [1]}',
        '{"code": {"a": 1, "b": ["x"]}}',
        "[]",
        "no JSON",
        '{"stages": 1}',
    ):
        cluster.wire.call(("HSET", cluster.keys.workers, name, told))
        assert [each.code for each in cluster.client.workers()] == [{}]
