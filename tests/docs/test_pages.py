"""What the pages tell a reader to do works, and prints what they show."""

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


@pytest.fixture(scope="module")
def reader(request, tmp_path_factory):
    with Reader(request.param, tmp_path_factory.mktemp("page")) as reader:
        yield reader


@pytest.mark.parametrize(("reader", "index"), RUN, indirect=["reader"], scope="module")
def test_a_block_does_what_the_page_says(reader, index):
    reader.follow(index)


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
