"""What a stage learns about the record that it works on."""

import asyncio
import contextvars
import logging
import threading

import pytest

from pauseflow import Flow, OutsideStage, current


def run(kind, fn, value=1, **options):
    flow = Flow("orders")
    getattr(flow, kind)(fn, name="stage", **options)
    return flow.run(value, run_id="r7")


def test_outside_a_stage_there_is_no_record():
    with pytest.raises(OutsideStage, match="outside a stage"):
        current()


def test_a_function_sees_its_run_and_record():
    (here,) = run("map", lambda x: str(current()))
    assert "run_id='r7', flow='orders', stage='stage', ordinal=0, attempt=0" in here
    assert run("map", lambda x: current().key) == ["r7:stage:0"]


def test_each_record_has_a_key_of_its_own():
    flow = Flow("orders")
    flow.branch(range, name="b").map(lambda x: current().key, name="m")
    assert flow.run(3, run_id="r7") == ["r7:m:0", "r7:m:1", "r7:m:2"]


def test_it_is_there_in_every_kind_of_stage():
    async def key(x):
        await asyncio.sleep(0)
        return await asyncio.create_task(later())

    async def later():
        return current().key

    assert run("map", key, concurrency=3) == ["r7:stage:0"]
    assert run("map", lambda x: current().key, threads=3) == ["r7:stage:0"]


def test_it_is_gone_between_the_results():
    flow = Flow("orders")
    flow.branch(range, name="b").map(lambda x: x, name="m")
    for _ in flow.iter(3):
        with pytest.raises(OutsideStage):
            current()


def test_it_stays_what_it_was_when_it_was_asked():
    flow = Flow("orders")
    seen = []
    flow.branch(range, name="b").each(lambda x: seen.append(current()), name="e")
    flow.run(3)
    assert [here.ordinal for here in seen] == [0, 1, 2]


def test_a_thread_of_ones_own_takes_the_context_along():
    keys = []

    def step(x):
        context = contextvars.copy_context()
        thread = threading.Thread(target=context.run, args=(lambda: keys.append(current().key),))
        thread.start()
        thread.join()

    run("each", step)
    assert keys == ["r7:stage:0"]


def test_the_logger_says_where_it_is(caplog):
    def step(x):
        current().logger.info("parsed %d", x, extra={"size": 3})

    with caplog.at_level(logging.INFO):
        run("each", step)
    (entry,) = caplog.records
    assert entry.name == "pauseflow.stage.orders.stage"
    assert entry.getMessage() == "parsed 1"
    assert (entry.run, entry.stage, entry.key, entry.size) == ("r7", "stage", "r7:stage:0", 3)
