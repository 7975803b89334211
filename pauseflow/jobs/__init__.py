"""Stages whose function runs as a job of RQ, and the way there and back.

A worker puts a record into RQ's queue (`enqueuing`) and parks it; a worker of RQ (`rqworker`) runs
the stage's function (`performing`) and says so to the run (`callbacks`); the coordinator finds the
jobs that ended without saying anything (`endings`). Importing this does not import rq.
"""

from pauseflow.jobs.serializer import CodecSerializer
from pauseflow.jobs.spec import JobSpec

__all__ = ["CodecSerializer", "JobSpec"]
