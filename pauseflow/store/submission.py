"""A submission: what the script needs to make a run."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple, Self

from pauseflow.graph import Graph
from pauseflow.store.cast import Cast, results_from
from pauseflow.store.envelope import piece
from pauseflow.store.keys import Keys
from pauseflow.store.lanes import Lane
from pauseflow.store.seals import Seals
from pauseflow.store.tuning import RESULTS_BYTES


class Submission(NamedTuple):
    """The arguments of `commands.submit`, in order: `commands.submit(*submission)`."""

    run: str
    results: str
    runs: str
    stages: Sequence[str]
    run_id: str
    now: int
    flow_name: str
    stage_names: str
    results_from: str
    digest: str
    leaves: int
    closed: str
    priority: str
    position: int
    results_limit: int
    pieces: int
    keyed: int
    cast: int
    payload: Sequence[str | bytes | int]

    @classmethod
    def of(
        cls,
        keys: Keys,
        graph: Graph,
        cast: Cast,
        run_id: str,
        items: bytes | None,
        now_ms: int,
        priority: Lane = Lane.NORMAL,
    ) -> Self:
        """A run of one record, or one that is fed.

        Args:
            keys: the namespace's keys.
            graph: what to run; its functions are not needed.
            cast: for feeding the graph's root.
            run_id: a valid one.
            items: the encoded record; None for a run that is fed.
            now_ms: the time, in ms since the epoch; 0 for the server's.
            priority: by which streams its chunks go.
        """
        run = keys.run(run_id)
        fed = items is None
        pieces = [] if items is None else [piece(1, 0, items, outlet=0, ended=True)]
        pieces = Seals(keys.signing).pieces(run_id, [graph.root.name], pieces)
        leaves = sum(
            all(outlet.target is None for outlet in graph.outlets(stage.name))
            for stage in graph.stages
        )
        return cls(
            run.base,
            run.results,
            keys.runs,
            cast.keys(run),
            run_id,
            now_ms,
            graph.name,
            " ".join(stage.name for stage in graph.stages),
            results_from(graph),
            "open" if items is None else hashlib.sha256(items).hexdigest(),
            leaves,
            "" if fed else "1",
            priority.stored,
            0 if fed else 1,
            RESULTS_BYTES,
            len(pieces),
            len(cast.streams),
            cast.size,
            [*cast.arguments, *pieces],
        )
