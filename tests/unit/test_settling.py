"""What becomes of records that failed, where their neighbours, series or jobs have a part in it."""

import logging

import pytest

from pauseflow import Flow
from pauseflow.answer import Answer
from support import jobflows
from support.cluster import Cluster
from support.hands import FixedTuning


@pytest.fixture(autouse=True)
def chunks_of_four(monkeypatch):
    monkeypatch.setattr("pauseflow_workers.worker.Tuning", lambda: FixedTuning(target=4))


def fed(cluster, flow, values):
    with cluster.client.open(flow, run_id="r") as feed:
        feed.extend(values)
    return cluster.finish("r", far=60)


def test_a_fallback_stands_for_a_whole_series_and_its_end(fake):
    over = []

    def pages(url):
        if url == "broken":
            raise ValueError(url)
        yield f"{url}/1"
        yield f"{url}/2"

    flow = Flow("f")
    flow.branch(
        pages, finished=lambda: over.append(True), fallback=lambda error, url: f"no {error}, {url}"
    ).map(str, name="shown")
    with Cluster(fake, flow) as cluster:
        given = fed(cluster, flow, ["a", "broken", "b"])
        assert given == ["a/1", "a/2", "no broken, broken", "b/1", "b/2"]
    assert over == [True] * 3, "each series was over, the broken one too"


@pytest.mark.parametrize("bad", [0, 2])
def test_a_value_without_an_encoding_singles_out_its_record(fake, caplog, bad):
    flow = Flow("f")
    flow.branch(range, name="numbers").map(
        lambda x: object() if x == bad else x, name="s0", ordered=False, on_error="dead"
    )
    with Cluster(fake, flow) as cluster:
        assert sorted(fed(cluster, flow, [6])) == [x for x in range(6) if x != bad]
        (letter,) = cluster.client.dead()
        assert (letter.key, letter.record) == (f"r:s0:{bad}", bad)
        assert "object" in letter.error
    (told,) = [each for each in caplog.records if "is set aside" in each.message]
    assert told.levelno == logging.ERROR
    assert f"record r:s0:{bad} is set aside: " in told.message
    assert told.exc_info is None, "a traceback of ours would lead nobody to the value"


def test_a_job_that_failed_is_set_aside_with_the_traceback_of_the_job(fake):
    flow = Flow("f")
    flow.job(jobflows.double, on_error="dead")
    with Cluster(fake, flow) as cluster:
        cluster.client.submit(flow, 7, run_id="r")
        cluster.settle()
        (wait,) = cluster.client.run("r").parked
        job = wait.note.removeprefix("job:")
        cluster.client._runs.deliver("r", Answer.of_failed(job, "shop.Refused", "no", "Trace …"))
        assert cluster.finish("r") == []
        (letter,) = cluster.client.dead()
        assert (letter.error_type, letter.traceback) == ("JobFailed", "Trace …")
        assert "shop.Refused: no" in letter.error
        cluster.wire.call(("FLUSHALL",))  # RQ's keys
