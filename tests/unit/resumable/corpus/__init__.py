"""Generators of every construct, for whoever wants to stop generators in all their places.

`CASES` lists them; `corpus.world` holds what they do to the world. The folder above this one must
be on the import path: `tests/unit/resumable/conftest.py` puts it there.
"""

from __future__ import annotations

from corpus import (  # noqa: F401 (importing them fills CASES)
    asynchronous,
    branches,
    closures,
    containers,
    delegation,
    expressions,
    iterators,
    loops,
    managers,
    matching,
    mixed,
    objects,
    pauses,
    trying,
)
from corpus.world import CASES, Case

__all__ = ["CASES", "Case"]
