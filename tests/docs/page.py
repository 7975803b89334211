"""A page of the documentation, as a reader follows it: blocks in order, in one folder.

- A block whose first line is `# name.py` (or another file name) is written to that file.
- Any other `python` block runs, in one namespace a page.
- Each command of a `console` block (after `$`) runs, and prints what the page shows; `...` stands
  for anything. `flowctl up` and `honcho start` stay in the background until the page is over.
"""

import doctest
import linecache
import os
import re
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pauseflow.embedded import EmbeddedServer

FILE_NAME = re.compile(r"# (Procfile|[\w/]+\.(?:py|toml|jsonl))$")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RUNS = {"flowctl", "pytest", "python", "cat", "honcho", "printf"}
STAYS = ("flowctl up", "honcho start")
SECONDS = 60
SETTINGS = ("REDIS_URL", "FLOWCTL_APP", "PAUSEFLOW_NAMESPACE", "WEB_CONCURRENCY", "PYTEST_ADDOPTS")
SAME = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Args:
        language: after the fence.
        line: of the page, where the text begins.
        text: between the fences.
    """

    language: str
    line: int
    text: str

    @property
    def file(self) -> str | None:
        """The file that the block is the content of."""
        named = FILE_NAME.match(self.text.partition("\n")[0])
        return named[1] if named else None

    @property
    def runs(self) -> bool:
        """Whether a reader would do something with it."""
        return self.language in ("python", "console") or self.file is not None


def blocks_of(page: Path) -> list[Block]:
    """The page's blocks that a reader runs."""
    text = page.read_text()
    found = [
        Block(match[1], text.count("\n", 0, match.start()) + 2, match[2])
        for match in FENCE.finditer(text)
    ]
    return [block for block in found if block.runs]


def python_of(page: Path, blocks: list[Block]) -> str:
    """The page with nothing but its Python, on the lines where it is."""
    lines = [""] * page.read_text().count("\n")
    for block in blocks:
        if block.language == "python" and block.file is None:
            text = block.text.splitlines()
            lines[block.line - 1 : block.line - 1 + len(text)] = text
    return "\n".join(lines) + "\n"


class Reader:
    """Somebody who follows a page.

    Args:
        page: the page.
        folder: empty, where they work.
    """

    def __init__(self, page: Path, folder: Path) -> None:
        self._page = page
        self._folder = folder
        self._blocks = blocks_of(page)
        self._source = python_of(page, self._blocks)
        self._followed = 0
        self._namespace: dict[str, object] = {"__name__": page.stem}
        self._background: list[Background] = []
        self._environ = {k: v for k, v in os.environ.items() if k not in SETTINGS}
        bin_folder = str(Path(sys.executable).parent)
        self._environ["PATH"] = os.pathsep.join([bin_folder, self._environ["PATH"]])
        self._server = EmbeddedServer(folder)

    def __enter__(self) -> Self:
        self._modules = set(sys.modules)
        self._was = Path.cwd()
        os.chdir(self._folder)
        sys.path.insert(0, str(self._folder))
        self._server.__enter__()
        os.environ["REDIS_URL"] = self._server.url
        return self

    def __exit__(self, *_: object) -> None:
        try:
            for background in self._background:
                background.stop()
        finally:
            del os.environ["REDIS_URL"]
            self._server.__exit__(None, None, None)
            sys.path.remove(str(self._folder))
            os.chdir(self._was)
            for name in set(sys.modules) - self._modules:
                file = getattr(sys.modules[name], "__file__", None)
                if file and Path(file).is_relative_to(self._folder):
                    del sys.modules[name]

    def follow(self, index: int) -> None:
        """Do what the block says, and before it what the ones before it say."""
        while self._followed <= index:
            block = self._blocks[self._followed]
            self._followed += 1
            self._do(block)

    def _do(self, block: Block) -> None:
        if block.file is not None:
            file = self._folder / block.file
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.text)
            if block.language == "python":
                compile(block.text, block.file, "exec")
        elif block.language == "python":
            self._run_python(block)
        else:
            for command, shown in commands_of(block):
                self._run_command(command, shown)

    def _run_python(self, block: Block) -> None:
        # Under the page's name and lines: for tracebacks, and for whoever asks for the source.
        name, source = str(self._page), self._source
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        text = "\n" * (block.line - 1) + block.text
        exec(compile(text, name, "exec"), self._namespace)

    def _run_command(self, command: str, shown: str) -> None:
        word = command.split(maxsplit=1)[0]
        if word == "export":
            name, _, value = command.removeprefix("export ").partition("=")
            self._environ[name] = value
            return
        assert word in RUNS, f"{command!r}: what is not to be run belongs into a sh block"
        if command.startswith(STAYS):
            self._background.append(Background(command, self._folder, self._environ))
            self._background[-1].wait_for(shown)
            return
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self._folder,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"$ {command}\n{done.stdout}"
        assert not shown or same(shown, done.stdout), f"$ {command}\n{done.stdout}\nnot\n{shown}"


class Background:
    """A command that stays until it is stopped with Ctrl-C."""

    def __init__(self, command: str, folder: Path, environ: dict[str, str]) -> None:
        self._command = command
        self._said = ""
        self._process = subprocess.Popen(
            command.split(),
            cwd=folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def wait_for(self, shown: str) -> None:
        """Read what it says until it is what the page shows, at the latest for a minute."""
        assert self._process.stdout is not None
        timer = threading.Timer(SECONDS, self._process.kill)
        timer.start()
        try:
            for line in self._process.stdout:
                self._said += line
                if same(shown, self._said):
                    return
        finally:
            timer.cancel()
        raise AssertionError(f"$ {self._command}\n{self._said}\nnever came to\n{shown}")

    def stop(self) -> None:
        """Ctrl-C."""
        self._process.send_signal(signal.SIGINT)
        self._process.communicate(timeout=SECONDS)
        assert self._process.returncode in (0, 130), f"{self._command}: {self._process.returncode}"


def same(shown: str, said: str) -> bool:
    """Whether a command said what the page shows."""
    return doctest.OutputChecker().check_output(shown, said, SAME)


def commands_of(block: Block) -> list[tuple[str, str]]:
    """The commands of a console block, each with the output shown after it."""
    found: list[tuple[str, str]] = []
    for line in block.text.splitlines(keepends=True):
        if line.startswith("$ "):
            found.append((line[2:].strip(), ""))
        else:
            command, shown = found[-1]
            found[-1] = (command, shown + line)
    return found
