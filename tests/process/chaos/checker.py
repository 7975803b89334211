"""What must have come of the runs, from their inputs alone: shares no code with the engine."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path


def expected(flow: str, size: int, run_id: str) -> list[object]:
    """The results of a run, in order where the flow keeps order."""
    match flow:
        case "lines":
            return [3 * number for number in range(1, size, 2)]
        case "countdown":
            return [number + 1 for number in range(size - 1, -1, -1) if number % 50 != 49]
        case "mixed":
            return [-number for number in range(size)]
        case "unordered":
            return [number * number for number in range(size)]
        case "scopes":
            return [
                (run_id, family, member) for family in range(size) for member in range(family % 5)
            ]
    raise AssertionError(f"no flow {flow!r}")


def check_results(flow: str, size: int, run_id: str, results: list[object]) -> None:
    """Nothing lost, nothing twice, order kept."""
    wanted = expected(flow, size, run_id)
    got = sorted(results) if flow == "unordered" else results  # type: ignore[type-var]
    if got != wanted:
        pairs = enumerate(zip(got, wanted, strict=False))
        at = next((i for i, (a, b) in pairs if a != b), min(len(got), len(wanted)))
        raise AssertionError(
            f"run {run_id} of {flow}({size}): {len(got)} results for {len(wanted)}; from {at} on "
            f"{got[at : at + 3]} for {wanted[at : at + 3]}"
        )


def check_effects(log: Path, runs: dict[str, int]) -> None:
    """One value a key; every member told; a family told once, and after all its members.

    Args:
        log: the effects' log, in the order in which they happened.
        runs: the size of each run of the flow `scopes`.
    """
    values: dict[str, str] = {}
    first: dict[str, int] = {}
    keys: defaultdict[str, set[str]] = defaultdict(set)
    for at, line in enumerate(log.read_text().splitlines()):
        key, value = line.split("\t")
        if values.setdefault(key, value) != value:
            raise AssertionError(f"key {key} had the effects {values[key]!r} and {value!r}")
        keys[value].add(key)
        first.setdefault(value, at)
    for run_id, size in runs.items():
        for family in range(size):
            told = f"family {run_id} {family}"
            if len(keys[told]) != 1:
                raise AssertionError(f"{told!r} was told under the keys {keys[told]}")
            for member in range(family % 5):
                one = f"member {run_id} {family} {member}"
                if len(keys[one]) != 1 or first[one] > first[told]:
                    raise AssertionError(f"{one!r}: keys {keys[one]}, or after {told!r}")
