"""docs/redis-schema.md has the keys that pauseflow/store/keys.py has."""

import re
from pathlib import Path

from pauseflow.store import keys

PAGE = (Path(__file__).parents[2] / "docs" / "redis-schema.md").read_text()
ROW = re.compile(r"^\| `.*\|$", re.MULTILINE)


def test_the_page_lists_what_the_code_lists():
    rows = ROW.findall(PAGE)
    assert rows
    assert rows == ROW.findall(keys.__doc__)


def test_every_key_is_listed():
    listed = [row.split("`")[1] for row in ROW.findall(PAGE)]
    space = keys.Keys("default")
    run = space.run("<id>")
    shown = {
        value.removeprefix(space.prefix)
        for value in vars(space).values()
        if isinstance(value, str) and value.startswith(space.prefix) and value != space.prefix
    }
    shown |= {space.stream("<flow>", "<stage>").removeprefix(space.prefix)}
    in_run = (run.base, run.results, run.parked, run.room, run.waits, run.signals)
    in_run += (run.backlog("<stage>"), run.reorder("<stage>"))
    in_run += (run.suspect("<stage>"), run.state("<stage>"))
    shown |= {name.removeprefix(space.prefix) for name in in_run}
    for source in ("rate:<name>:<key>", "limit:<name>:<key>"):
        state, *_ = space.permits(source)
        shown |= {state.removeprefix(space.prefix)}
    shown |= {name.removeprefix(space.prefix) for name in space.permits("<source>")[1:]}
    assert shown == set(listed)


def test_the_page_says_which_keys_stay():
    space = keys.Keys("default")
    for row in ROW.findall(PAGE):
        name, goes = row.split("`")[1], row.rsplit("|", 2)[1]
        assert goes.strip().startswith("permanent") == space.permanent(space.prefix + name), name
