"""Documents wait for a person: nothing runs meanwhile, and a decision may come a month later.

Every text of a folder is looked at, and waits for a verdict of its own, all of them at once. A
verdict of "changes" sends it back with a note, and it waits again.

    flowctl submit --app examples/approvals.py approvals '"docs"' --run-id monday
    flowctl show monday
    flowctl signal monday review:concepts.md '{"verdict": "approve"}'
    flowctl signal monday review:tutorial.md '{"verdict": "changes", "note": "shorter"}'

`python examples/approvals.py FOLDER` runs it in this process, with a made-up person.
"""

import sys
from collections import Counter
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TypedDict

from pauseflow import Flow, PauseFlow, SignalTimeout

PATIENCE = 30 * 86_400.0
"""Seconds until a document that nobody looks at expires."""

ROUNDS = 3


class Document(TypedDict):
    """A text that waits for a verdict.

    `rounds` counts how often it was looked at, `notes` are what was asked for.
    """

    name: str
    words: int
    headings: int
    rounds: int
    notes: list[str]
    verdict: str


class Decision(TypedDict, total=False):
    """What a person says: `approve`, `reject` or `changes` with a note."""

    verdict: str
    note: str


def documents(folder: str) -> Iterator[str]:
    """Paths of the texts in a folder, by name."""
    yield from sorted(str(path) for path in Path(folder).glob("*.md"))


def opened(path: str) -> Document:
    """What is known of a text before anybody looks at it."""
    text = Path(path).read_text()
    return {
        "name": Path(path).name,
        "words": len(text.split()),
        "headings": sum(line.startswith("#") for line in text.splitlines()),
        "rounds": 0,
        "notes": [],
        "verdict": "waiting",
    }


def reviewed(document: Document) -> Generator[Document | PauseFlow, Decision, None]:
    """Wait for verdicts, until one is final or the person's patience with it ends."""
    verdict = "changes"
    while verdict == "changes" and document["rounds"] < ROUNDS:
        try:
            decision = yield PauseFlow(until=f"review:{document['name']}", timeout=PATIENCE)
        except SignalTimeout:
            verdict = "expired"
            break
        document["rounds"] += 1
        verdict = decision["verdict"]
        document["notes"] += [decision["note"]] if "note" in decision else []
    document["verdict"] = "rejected" if verdict in ("changes", "reject") else verdict
    yield document


flow = Flow("approvals")
flow.branch(documents).map(opened).branch(reviewed, ordered=False)


class Person:
    """Somebody with an opinion: long texts come back once, those without a heading are refused."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._seen: Counter[str] = Counter()

    def decide(self, signal: str) -> Decision:
        """The verdict on a document.

        Args:
            signal: what it waits for.
        """
        name = signal.removeprefix("review:")
        self._seen[name] += 1
        document = opened(str(Path(self._folder, name)))
        if not document["headings"]:
            return {"verdict": "reject"}
        if document["words"] > 1_000 and self._seen[name] == 1:
            return {"verdict": "changes", "note": f"{document['words']} words are too many"}
        return {"verdict": "approve"}


def main() -> None:
    """Run it here, and say what became of each document."""
    folder = sys.argv[1] if len(sys.argv) > 1 else "docs"
    for document in flow.run(folder, signals=Person(folder).decide):
        notes = "".join(f" ({note})" for note in document["notes"])
        print(f"{document['verdict']:>9} after {document['rounds']}: {document['name']}{notes}")


if __name__ == "__main__":
    main()
