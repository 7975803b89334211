"""What examples/stdlib.py says of a file."""

from pathlib import Path

import pytest

from pauseflow.app import load

STDLIB = Path(__file__).parents[2] / "examples" / "stdlib.py"

SOURCE = """\
class Tree:
    def walk(self):
        def inner():
            pass
        return inner

    async def climb(self): ...

def short(): ...
"""


@pytest.fixture
def flow(tmp_path, monkeypatch):
    flow = load(str(STDLIB)).flow("stdlib")
    monkeypatch.setattr("stdlib.LIBRARY", str(tmp_path))
    for path, source in {
        "zoo.py": SOURCE,
        "broken.py": "def (:\n",
        "empty.py": "",
        "notes.txt": "no source",
        "pkg/odd.py": "'\\d'\n",
        "site-packages/theirs.py": SOURCE,
    }.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(source)
    return flow


def test_files_come_in_order_and_only_the_librarys(flow):
    paths = [facts["path"] for facts in flow.run(None)]
    assert paths == ["broken.py", "empty.py", "pkg/odd.py", "zoo.py"]


def test_a_folder_of_the_library(flow):
    assert [facts["path"] for facts in flow.run("pkg")] == ["pkg/odd.py"]


def test_the_facts_of_a_file(flow):
    assert flow.run(None)[-1] == {
        "path": "zoo.py",
        "lines": 9,
        "functions": 4,
        "classes": 1,
        "longest": {"name": "Tree.walk", "line": 2, "lines": 4},
    }


def test_a_file_that_is_wrong_says_so(flow):
    broken, empty, *_ = flow.run(None)
    assert broken["unparsable"].startswith("SyntaxError: invalid syntax")
    assert empty["longest"] is None
