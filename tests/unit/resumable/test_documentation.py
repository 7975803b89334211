from __future__ import annotations

import linecache
import re
from pathlib import Path
from typing import Any

from pauseflow.resumable import prepare

PAGE = Path(__file__).parents[3] / "docs" / "resumable.md"


def test_the_generator_on_the_page_is_rewritten_as_the_page_shows() -> None:
    before, after = re.findall(r"```py\n(.*?)```", PAGE.read_text(), re.DOTALL)
    linecache.cache["page.py"] = (len(before), None, before.splitlines(keepends=True), "page.py")
    scope: dict[str, Any] = {"fetch": None}
    exec(compile(before, "page.py", "exec"), scope)
    assert prepare(scope["pages"]).source.strip() == after.strip()
