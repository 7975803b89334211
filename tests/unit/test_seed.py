"""The mail's three flows, and what its code did, in today's spelling."""

import runpy
from pathlib import Path

import pytest

from pauseflow import Flow, PauseFlow
from pauseflow.stages import Budget, Paused, Work, runner_for

SEED = Path(__file__).parents[2] / "examples" / "seed.py"


@pytest.fixture(name="seed")
def _seed():
    return runpy.run_path(str(SEED))


def printed(capsys):
    return " ".join(capsys.readouterr().out.split())


def test_the_example_prints_what_the_mail_says(capsys):
    runpy.run_path(str(SEED), run_name="__main__")
    assert printed(capsys) == "2 4 6 finished 2 10 18 finished 0 1 2 4 2 0"


def test_one_flow_runs_on_many_records(seed, capsys):
    seed["a"].run(2)
    seed["a"].run(8)
    assert printed(capsys) == "2 4 6 finished 2 10 18 finished"


def test_the_iterator_class_pauses_three_times(seed, capsys):
    flow = seed["c"]
    runner = runner_for(flow.graph.root, flow.name)
    work = Work("r", 0, [5])
    values, pauses = [], 0
    while True:
        outcome = runner.run(work, Budget(60))
        values += outcome.outputs
        if not isinstance(outcome.end, Paused):
            break
        pauses += 1
        work = Work("r", 0, work.items[outcome.consumed :], outcome.frames)
    assert (values, pauses) == ([4, 2, 0], 3)
    flow.run(5)
    assert printed(capsys) == "4 2 0"


def test_a_function_that_pauses_is_called_again_with_the_same_record():
    told = []
    tries = set()

    def source(data):
        for item in (1, 2):
            told.append(f"pull{item}")
            yield item

    def hesitant(item):
        told.append(f"try{item}")
        if item not in tries:
            tries.add(item)
            told.append("pause")
            raise PauseFlow
        return item

    flow = Flow("f")
    flow.branch(source).map(hesitant).each(lambda item: told.append(f"out{item}"), name="out")
    flow.run(None)
    # Record 2 is not pulled until record 1 has left the last stage.
    assert " ".join(told) == "pull1 try1 pause try1 out1 pull2 try2 pause try2 out2"


def test_finished_waits_for_everything_below_paused_records_included(capsys):
    paused = set()

    def hesitant(item):
        if item not in paused:
            paused.add(item)
            raise PauseFlow
        print(item)

    flow = Flow("nested")
    flow.branch(lambda data: ["a", "b"], name="outer", finished=lambda: print("outer-fin")).branch(
        lambda item: [f"{item}1", f"{item}2"], name="inner", finished=lambda: print("inner-fin")
    ).each(hesitant)
    flow.run(None)
    assert printed(capsys) == "a1 a2 inner-fin b1 b2 inner-fin outer-fin"


def test_a_generator_yields_a_pause_and_goes_on_after_it(capsys):
    def source(data):
        yield 1
        yield PauseFlow()
        yield 2

    flow = Flow("f")
    flow.branch(source, finished=lambda: print("fin")).each(print)
    flow.run(None)
    assert printed(capsys) == "1 2 fin"


def test_a_generator_raises_a_pause_and_goes_on_after_it(capsys):
    def source(data):
        yield 1
        if data:
            raise PauseFlow
        yield 2

    flow = Flow("f")
    flow.branch(source, finished=lambda: print("fin")).each(print)
    flow.run(3)
    assert printed(capsys) == "1 2 fin"


def test_every_stage_above_a_pause_goes_on():
    def deep(depth):
        def source(data):
            for item in range(2):
                yield PauseFlow()
                yield f"{data}{item}"

        return source

    flow = Flow("f")
    handle = flow
    for depth in range(5):
        handle = handle.branch(deep(depth), name=f"level{depth}")
    assert flow.run("") == [f"{number:05b}" for number in range(32)]
