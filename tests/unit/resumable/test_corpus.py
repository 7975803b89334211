from __future__ import annotations

import pytest
from corpus import CASES, Case
from corpus.world import WORLD
from driving import Driver, plainly


def by_name(case: Case) -> str:
    return case.name


def balanced() -> bool:
    entered = sorted(m[1:] for m in WORLD.managers if m[0] == "+")
    left = sorted(
        m[1:].split()[0] if " " not in m else m[1:] for m in WORLD.managers if m[0] == "-"
    )
    return len(entered) == len(left)


def test_the_corpus_is_large() -> None:
    assert len(CASES) >= 80
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=by_name)
def test_stopped_at_pauses_only(case: Case) -> None:
    expected = plainly(case)
    assert Driver(case).run(at_yields=False) == expected


@pytest.mark.parametrize("case", CASES, ids=by_name)
def test_stopped_at_every_yield(case: Case) -> None:
    expected = plainly(case)
    assert Driver(case).run(at_yields=True) == expected
    assert balanced()


@pytest.mark.parametrize("case", CASES, ids=by_name)
def test_stopped_at_every_statement(case: Case) -> None:
    expected = plainly(case)
    driver = Driver(case)
    calls = WORLD.calls
    for at_yields in (False, True):
        for pause_at in range(1, calls + 1):
            outcome = driver.run(at_yields=at_yields, pause_at=pause_at)
            assert outcome == expected, f"paused at call {pause_at}"
            assert balanced()
