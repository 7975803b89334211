"""The pytest plugin: the fixture `flow_engine` and the option `--flow-seed`."""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pauseflow.testing.fixture import EngineFixture

_ENGINE = pytest.StashKey["EngineFixture"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--flow-seed`."""
    parser.getgroup("pauseflow").addoption(
        "--flow-seed",
        default="",
        metavar="N",
        help="the seed of flow_engine, rather than one that is made of the test's name; "
        "'random' draws one for each test",
    )


@pytest.fixture
def flow_engine(request: pytest.FixtureRequest) -> Iterator[EngineFixture]:
    """Runs flows on workers and a server of this test's own; a pause of a day takes no time.

    A `pauseflow.testing.FlowEngine`. Call it for one with other options, which lasts as long:
    `flow_engine(flow, workers=3)`, `flow_engine(server="embedded")`.
    """
    from pauseflow.testing.fixture import EngineFixture  # noqa: PLC0415 # imports all of pauseflow

    engine = EngineFixture(seed=_seed(request.config.getoption("--flow-seed"), request.node.nodeid))
    request.node.stash[_ENGINE] = engine
    with engine:
        yield engine


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> Any:
    """Say how things stood in the engine of a test that failed, and how to repeat it."""
    report = yield
    engine = item.stash.get(_ENGINE, None)
    if engine is not None and engine.was_used and report.failed and call.when == "call":
        repeat = f"repeat it with: pytest --flow-seed={engine.seed} {item.nodeid!r}"
        report.sections.append(("pauseflow", f"{engine.reports()}\n{repeat}"))
    return report


def _seed(given: str, test: str) -> int:
    """The seed that the command line gives, or one that is always the same for a test."""
    if given == "random":
        return random.SystemRandom().randrange(1 << 32)
    if not given:
        return zlib.crc32(test.encode())
    try:
        return int(given)
    except ValueError:
        raise pytest.UsageError(f"--flow-seed={given}: give a number, or 'random'") from None
