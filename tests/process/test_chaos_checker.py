"""The chaos' checks: they agree with what flows give by themselves, and find what is wrong."""

from pathlib import Path

import pytest
from chaos import checker, edition_one, edition_two, flows
from chaos.leftovers import check_leftovers

from pauseflow.store.keys import Keys
from support.servers import fake_server

SIZE = 70
RUN = "local"
NAMES = sorted(
    {"lines", "countdown", "mixed", "unordered", "scopes", "approvals", "flaky", "limited"}
    | {"late", "halting", "migrated", "drained"}
)


def run(app, name, tmp_path, monkeypatch):
    log = tmp_path / "log"
    monkeypatch.setattr(flows, "LOG", str(log))
    Path(f"{log}.{RUN}").touch()
    letters = []
    answers = {
        wait: checker.answer(RUN, wait)
        for number in range(SIZE)
        for wait in (f"ok-{number}", f"stamp-{number}")
        if number % 10 != 3 or wait.startswith("stamp")
    }
    results = getattr(app, name).run(
        SIZE, run_id=RUN, sleep=lambda _: None, dead=letters, signals=answers
    )
    return results, letters


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("app", [edition_one, edition_two], ids=["one", "two"])
def test_what_is_expected_is_what_the_flow_gives_by_itself(app, name, tmp_path, monkeypatch):
    results, letters = run(app, name, tmp_path, monkeypatch)
    checker.check_results(name, SIZE, RUN, results)
    assert len(letters) == len(checker.expected_letters(name, SIZE, RUN))
    if name == "scopes":
        checker.check_effects(tmp_path / "log", {RUN: SIZE}, set())


@pytest.mark.parametrize("name", [*NAMES, "fed"])
def test_what_is_lost_twice_or_foreign_is_found(name):
    right = checker.expected(name, SIZE, RUN)
    middle = len(right) // 2
    checker.check_results(name, SIZE, RUN, right)
    for wrong in (
        right[:middle] + right[middle + 1 :],
        right[:-1],
        right[:middle] + right[middle - 1 :],
        [*right, right[-1]],
        [],
    ):
        with pytest.raises(AssertionError, match=f"of {name}"):
            checker.check_results(name, SIZE, RUN, wrong)


@pytest.mark.parametrize("name", sorted({*NAMES, "fed"} - {*checker.WITHOUT_ORDER}))
def test_another_order_is_found(name):
    right = checker.expected(name, SIZE, RUN)
    with pytest.raises(AssertionError):
        checker.check_results(name, SIZE, RUN, [*right[:-2], right[-1], right[-2]])
    with pytest.raises(AssertionError):
        checker.check_cancelled(name, SIZE, RUN, [right[2], right[1]])


def test_records_that_were_in_three_kills_explain_as_many_gaps_and_nothing_else():
    right = checker.expected("migrated", SIZE, RUN)
    lacking = right[:10] + right[12:]
    checker.check_results("migrated", SIZE, RUN, lacking, crashed=1)
    for wrong in (lacking[:30] + lacking[31:], [*lacking[:5], lacking[4], *lacking[5:]]):
        with pytest.raises(AssertionError):
            checker.check_results("migrated", SIZE, RUN, wrong, crashed=1)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["k\tone", "k\ttwo"], "had the effects"),
        (["a\tfamily r 0", "b\tfamily r 0"], "told under the keys"),
        (["a\tfamily r 0", "c\tfamily r 1", "b\tmember r 1 0"], "or after"),
        (["a\tfamily r 0", "c\tfamily r 1"], "member 0 of 1"),
        (["a\tfamily r 0"], "family 1"),
    ],
)
def test_effects_that_are_wrong_are_found(lines, said, tmp_path):
    log = tmp_path / "log"
    log.write_text("".join(f"{line}\n" for line in lines))
    with pytest.raises(AssertionError, match=said):
        checker.check_effects(log, {"r": 2}, set())


def test_an_on_cancel_that_was_not_told_is_found(tmp_path):
    log = tmp_path / "log"
    log.write_text("k\tcancelled r\nk\tcancelled r\n")
    checker.check_effects(log, {}, {"r"})
    for wrong in (set(), {"r", "s"}):
        with pytest.raises(AssertionError, match="on_cancel"):
            checker.check_effects(log, {}, wrong)


def test_the_checker_shares_no_code_with_the_engine():
    assert "pauseflow" not in Path(checker.__file__).read_text()


class NoCrew:
    """Everyone has gone home."""

    def thaw(self, *, everything):
        assert everything

    def end(self, names):
        assert names


STREAM = Keys().stream("lines", "triple")


@pytest.mark.parametrize(
    ("left", "said"),
    [
        ([], None),
        ([("ZADD", Keys().leases, 1, "w"), ("ZREM", Keys().leases, "w")], None),
        ([("SET", "mine", "x", "PX", 60_000)], None),
        ([("HSET", Keys().held, "changes", 1, "lanes", 1)], None),
        ([("HSET", Keys().run("r").base, "state", "done")], "is left without an expiry"),
        ([("SET", Keys().run("r").room, "x")], "is left without an expiry"),
        ([("XADD", STREAM, "*", "e", "x")], "has entries left"),
        ([("XADD", Keys().quarantine, "*", "reason", "x")], "something left in {'quarantine'}"),
        ([("HSET", Keys().held, "run:r", "paused")], "still held"),
        ([("ZADD", Keys().timers, 1, "r lines triple:0")], "something left in {'timers'}"),
        ([("HSET", Keys().letters, "r:triple:0", "x")], "something left in {'letters'}"),
    ],
)
def test_what_is_left_over_is_found(fake_wire, left, said):
    for command in left:
        fake_wire.call(command)
    if STREAM in str(left):
        fake_wire.call(("XGROUP", "CREATE", STREAM, "workers", "0"))
    if said is None:
        check_leftovers(NoCrew(), fake_wire, Keys(), [STREAM])
        return
    with pytest.raises(AssertionError, match=said):
        check_leftovers(NoCrew(), fake_wire, Keys(), [STREAM])


@pytest.fixture
def fake_wire():
    wire = fake_server().wire()
    yield wire
    wire.close()
