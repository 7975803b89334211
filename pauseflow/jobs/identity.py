"""The ids of jobs: the same record, tried for the same time, is the same job."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

_ODD = re.compile(r"[^A-Za-z0-9_-]")
_NUMBERED = re.compile(r"-[0-9a-f]{12}_(\d{1,4})$")
_SHOWN = 40


@dataclass(frozen=True, slots=True)
class JobKey:
    """What tells one job from another.

    Attributes:
        namespace: of the run.
        flow: the flow's name.
        stage: the stage's name.
        run: the run's id.
        ordinal: of the record at the stage.
        failures: how often the record has failed there.
        record: its encoding: a run's id may be used again, for other records.
    """

    namespace: str
    flow: str
    stage: str
    run: str
    ordinal: int
    failures: int
    record: bytes

    def id(self, number: int = 1) -> str:
        """The job's id, of letters, digits, `-` and `_`, as RQ demands.

        Args:
            number: 1, or more for a job that takes the place of one that was lost.
        """
        names = f"{self.namespace} {self.flow} {self.stage} {self.run}\n"
        digest = hashlib.sha256(names.encode() + self.record)
        run, stage = (_ODD.sub("-", name)[:_SHOWN] for name in (self.run, self.stage))
        begun = f"pf-{run}-{stage}-{self.ordinal}-{self.failures}-{digest.hexdigest()[:12]}"
        return begun if number == 1 else f"{begun}_{number}"


def number_of(job_id: str) -> int:
    """Which of the jobs for one try this is, the first being 1."""
    found = _NUMBERED.search(job_id)
    return int(found[1]) if found else 1
