"""What must have come of the runs, from their inputs alone: shares no code with the engine."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

WITHOUT_ORDER = ("unordered", "approvals", "limited", "woven")
"""Flows with a stage that gives order up: their results are compared sorted."""


def answer(run_id: str, name: str) -> str:
    """What the person says who is asked for `name` in a run."""
    return f"yes to {name} of {run_id}"


def expected(flow: str, size: int, run_id: str) -> list[object]:
    """The results of a run, in order where the flow keeps order."""
    match flow:
        case "scopes":
            return [
                (run_id, family, member) for family in range(size) for member in range(family % 5)
            ]
        case "approvals":
            return [
                (
                    number,
                    "nobody" if number % 10 == 3 else answer(run_id, f"ok-{number}"),
                    answer(run_id, f"stamp-{number}") if number % 20 == 19 else "",
                )
                for number in range(size)
            ]
        case "woven":
            return woven(size)
    return list(_NUMBERS[flow](size))


def woven(size: int) -> list[object]:
    """What comes of lines that part and meet, sorted."""
    numbers = range(size // 40 * 40)
    return [
        ("groups", size // 40, len(numbers)),
        ("residues", *(sum(number for number in numbers if number % 7 == n) for n in range(7))),
        ("sum", sum(3 * number if number % 2 else number for number in numbers)),
    ]


_NUMBERS: dict[str, Callable[[int], Iterable[int]]] = {
    "lines": lambda size: [3 * number for number in range(1, size, 2)],
    "countdown": lambda size: [
        number + 1 for number in range(size - 1, -1, -1) if number % 50 != 49
    ],
    "mixed": lambda size: [-number for number in range(size)],
    "unordered": lambda size: [number * number for number in range(size)],
    "flaky": lambda size: [value for value in shaken(size) if value % 17 != 4],
    "limited": range,
    "late": range,
    "halting": range,
    "migrated": lambda size: [7 * number for number in range(size)],
    "drained": lambda size: [11 * number for number in range(size)],
    "endless": lambda size: [3 * number for number in range(size, size + 200_000) if number % 2],
    "fed": lambda size: [3 * sign * number for number in range(size) for sign in (1, -1)],
}


def shaken(size: int) -> list[int]:
    """What comes to the stage `picky`."""
    return [-number if number % 13 == 5 else number for number in range(size)]


def expected_letters(flow: str, size: int, run_id: str) -> set[str]:
    """The keys of the records that are set aside."""
    if flow != "flaky":
        return set()
    values = enumerate(shaken(size))
    return {f"{run_id}:picky:{ordinal}" for ordinal, value in values if value % 17 == 4}


def check_results(
    flow: str, size: int, run_id: str, results: list[object], *, crashed: int = 0
) -> None:
    """Nothing lost, nothing twice, order kept.

    Args:
        flow: the flow's name.
        size: of the run, its input.
        run_id: the run's id.
        results: what it gave.
        crashed: how many of its records are dead letters since their workers died three times.
    """
    wanted = expected(flow, size, run_id)
    got = sorted(results) if flow in WITHOUT_ORDER else results  # type: ignore[type-var]
    if flow == "woven" and crashed:
        got = got and wanted  # a sum without one record is another one
    if got != wanted and not (crashed and 0 <= gaps(got, wanted) <= crashed):
        pairs = enumerate(zip(got, wanted, strict=False))
        at = next((i for i, (a, b) in pairs if a != b), min(len(got), len(wanted)))
        raise AssertionError(
            f"run {run_id} of {flow}({size}): {len(got)} results for {len(wanted)}; from {at} on "
            f"{got[at : at + 3]} for {wanted[at : at + 3]}; {crashed} crashed"
        )


def gaps(got: Sequence[object], wanted: Sequence[object]) -> int:
    """In how many places something is missing; -1 if something is there that should not be."""
    found, at = 0, 0
    for value in wanted:
        if at < len(got) and got[at] == value:
            at += 1
            missing = False
        else:
            found += not (found and missing)
            missing = True
    return found if at == len(got) else -1


def check_cancelled(
    flow: str, size: int, run_id: str, results: list[object], *, crashed: int = 0
) -> None:
    """What came of a run before it was cancelled is its beginning; nothing is twice or foreign."""
    wanted = expected(flow, size, run_id)
    if flow in WITHOUT_ORDER:
        right = len(set(results)) == len(results) and set(results) <= set(wanted)
    else:
        right = results == wanted[: len(results)] or (crashed > 0 and gaps(results, wanted) >= 0)
    if not right:
        raise AssertionError(f"run {run_id} of {flow}({size}), cancelled, has {results[-3:]} last")


def check_letters(flow: str, size: int, run_id: str, letters: set[str], crashed: int) -> None:
    """Those records are set aside that have to be, and no others."""
    wanted = expected_letters(flow, size, run_id)
    if letters != wanted and not crashed:  # a record that is missing moves the others' places
        raise AssertionError(f"run {run_id} of {flow}({size}) set aside {letters} for {wanted}")


def read_effects(log: Path) -> dict[str, dict[str, int]]:
    """What happened, under which keys, and in which line each first.

    Raises:
        AssertionError: there were two values for one key.
    """
    values: dict[str, str] = {}
    happened: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for at, line in enumerate(log.read_text().splitlines()):
        key, value = line.split("\t")
        if values.setdefault(key, value) != value:
            raise AssertionError(f"key {key} had the effects {values[key]!r} and {value!r}")
        happened[value].setdefault(key, at)
    return happened


def check_effects(log: Path, scopes: dict[str, int], cancelled: set[str]) -> None:
    """One value a key; every member told; a family told once, and after all its members.

    Args:
        log: the effects' log, in the order in which they happened.
        scopes: the size of each run of the flow `scopes` that was done, with nothing set aside.
        cancelled: the runs whose `on_cancel` had to be told.
    """
    happened = read_effects(log)
    for run_id, size in scopes.items():
        for family in range(size):
            told = happened[f"family {run_id} {family}"]
            if len(told) != 1:
                raise AssertionError(f"family {family} of {run_id} was told under the keys {told}")
            for member in range(family % 5):
                keys = happened[f"member {run_id} {family} {member}"]
                if len(keys) != 1 or min(keys.values()) > min(told.values()):
                    raise AssertionError(
                        f"member {member} of {family} of {run_id}: keys {keys}, or after {told}"
                    )
    told_of = {value.partition(" ")[2] for value in happened if value.startswith("cancelled ")}
    if told_of != cancelled:
        raise AssertionError(f"on_cancel told of {told_of}, and {cancelled} were cancelled")
