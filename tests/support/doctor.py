"""What `flowctl doctor` has to say of runs, and of what belongs to nothing."""

from pauseflow.checks import Installation, Level, examine
from pauseflow.checks.books import check_books
from pauseflow.checks.strays import check_strays


def complaints(client, *flows, **asked):
    """The errors and warnings about books and strays."""
    installation = Installation(client, flows={flow.name: flow for flow in flows}, **asked)
    found = [*check_books(installation), *check_strays(installation)]
    return [finding for finding in found if finding.level is not Level.OK]


def texts(client, *flows, **asked):
    return [finding.text for finding in complaints(client, *flows, **asked)]


def mended(client, *flows, **asked):
    """What is put right, and what is said of it; nothing may be left to complain of."""
    installation = Installation(client, flows={flow.name: flow for flow in flows}, **asked)
    found = [each for each in examine(installation, repair=True) if each.level is Level.MENDED]
    assert complaints(client, *flows, **asked) == []
    return [f"{finding.text}: {finding.advice}" for finding in found]
