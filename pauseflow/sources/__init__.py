"""Iterators over files that carry their place: a generator over one goes on where it stopped."""

from __future__ import annotations

from pauseflow.resumable.replay import replayable
from pauseflow.sources.chunks import chunks
from pauseflow.sources.csvrows import csv_rows
from pauseflow.sources.jsonlines import jsonlines
from pauseflow.sources.lines import lines

__all__ = ["chunks", "csv_rows", "jsonlines", "lines", "replayable"]
