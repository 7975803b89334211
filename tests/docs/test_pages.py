"""What the pages tell a reader to do works, and prints what they show."""

import contextlib
import re
from pathlib import Path

import click
import pytest
from page import FENCE, Reader, blocks_of

from pauseflow.cli.root import flowctl

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "deploy/README.md")
] + sorted((ROOT / "docs").glob("*.md"))
RUN = [
    pytest.param(page, index, id=f"{page.relative_to(ROOT)}:{block.line}")
    for page in PAGES
    for index, block in enumerate(blocks_of(page))
]


class Readers:
    """The one who reads now. They leave when another page's turn has come."""

    def __init__(self, folders):
        self._folders = folders
        self._page = None
        self._leaving = contextlib.ExitStack()

    def of(self, page):
        if page != self._page:
            self.leave()
            folder = self._folders.mktemp("page")
            self._reader = self._leaving.enter_context(Reader(page, folder))
            self._page = page
        return self._reader

    def leave(self):
        self._leaving.close()


@pytest.fixture(scope="module")
def readers(tmp_path_factory):
    readers = Readers(tmp_path_factory)
    yield readers
    readers.leave()


@pytest.mark.parametrize(("page", "index"), RUN)
def test_a_block_does_what_the_page_says(readers, page, index):
    readers.of(page).follow(index)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_that_are_only_shown_would_be_understood(page):
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for language, text in FENCE.findall(page.read_text()):
        if language != "sh":
            continue
        for line in text.splitlines():
            words = line.partition("#")[0].split()
            if words[:1] == ["make"]:
                assert {word for word in words[1:] if "=" not in word} <= set(targets), line
            elif words[:1] == ["flowctl"]:
                understood(words[1:])


def understood(words):
    """Parse a flowctl command line as flowctl does, without running it."""
    with click.Context(flowctl, info_name="flowctl") as context:
        name = words[0]
        command = flowctl.get_command(context, name)
        assert command is not None, words
        with command.make_context(name, words[1:], parent=context):
            pass
