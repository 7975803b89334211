"""The test kit: flows on workers and a server of their own, in a test, with a clock of its own.

pytest has it as the fixture `flow_engine`; see docs/testing.md.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pauseflow.testing.engine import FlowEngine
    from pauseflow.testing.parked import Parked
    from pauseflow.testing.resumable import NotResumed, assert_resumable
    from pauseflow.testing.standstill import Standstill

__all__ = ["FlowEngine", "NotResumed", "Parked", "Standstill", "assert_resumable"]

_HOME = {
    "FlowEngine": "engine",
    "NotResumed": "resumable",
    "Parked": "parked",
    "Standstill": "standstill",
    "assert_resumable": "resumable",
}
"""Where each name lives. pytest imports this wherever pauseflow is installed: it loads little."""


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
