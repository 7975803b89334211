"""Iterators that carry their place: a generator over one goes on where it stopped.

Each of them is what a branch can be (`flow.branch(sources.lines)`), and what a generator can go
over. Its state is its place, so it is small, and going on neither reads again nor gives again what
was given before.
"""

from __future__ import annotations

from pauseflow.resumable.replay import replayable
from pauseflow.sources.chunks import chunks
from pauseflow.sources.csvrows import csv
from pauseflow.sources.globbed import glob
from pauseflow.sources.jsonlines import json_lines
from pauseflow.sources.lines import lines
from pauseflow.sources.opening import open_path
from pauseflow.sources.page import Page
from pauseflow.sources.pages import pages
from pauseflow.sources.split import split
from pauseflow.sources.sql import sql
from pauseflow.sources.stream import redis_stream

__all__ = [
    "Page",
    "chunks",
    "csv",
    "glob",
    "json_lines",
    "lines",
    "open_path",
    "pages",
    "redis_stream",
    "replayable",
    "split",
    "sql",
]
