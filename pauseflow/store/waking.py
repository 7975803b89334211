"""How parked continuations are put back: the commands for many at once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from pauseflow.store import commands
from pauseflow.store.keys import Keys
from pauseflow.store.scripts import Command
from pauseflow.store.tuning import QUARANTINE_ENTRIES

TIMER = re.compile(r"[A-Za-z0-9_.-]{1,200} [^\s:\ufffd]+ [^\s:\ufffd]+:-?[0-9]{1,40}")
"""The run, the flow, and the stage and number of what is parked."""

WOKEN_AT_ONCE = 100
"""By one script, for no other client gets a word in meanwhile."""


def waking(keys: Keys, timers: Sequence[str], why: str) -> Iterator[Command]:
    """The commands that put parked continuations back; each replies how many it has woken.

    What can't be the name of one is left out.

    Args:
        keys: the namespace's keys.
        timers: `<run> <flow> <parked field>` of each.
        why: only if it is parked for this reason; empty for any.
    """
    for at in range(0, len(timers), WOKEN_AT_ONCE):
        by_place: dict[tuple[str, str, str], list[str]] = {}
        for timer in filter(TIMER.fullmatch, timers[at : at + WOKEN_AT_ONCE]):
            run_id, flow, field = timer.split(" ")
            by_place.setdefault((run_id, flow, field.rpartition(":")[0]), []).extend((timer, field))
        places: list[str] = []
        items: list[str | int] = []
        for (run_id, flow, stage), names in by_place.items():
            base = keys.run(run_id).base
            places += (base, f"{base}:parked", f"{base}:waits", keys.stream(flow, stage))
            items += (len(names) // 2, *names)
        yield commands.wake(
            keys.timers, keys.quarantine, keys.quarantined, places, why, QUARANTINE_ENTRIES, items
        )
