"""Books: whether what each run has is what its books say, and whether anything wakes it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import chain

from pauseflow.checks.finding import Finding, error, ok, warning
from pauseflow.checks.installation import Installation
from pauseflow.client import RunInfo
from pauseflow.errors import ServerUnreachable, StoreError
from pauseflow.store.recount import recount
from pauseflow.store.survey import Census, Survey
from pauseflow.store.ties import ties
from pauseflow.store.wrong import Wrong

SUBJECT = "books"
NAMED = 50
PASSES_SECONDS = 0.2
"""What may be so for a moment is gone after it."""


def check_books(installation: Installation) -> Iterator[Finding]:
    """Recounts the runs that are going, or the one that is asked for."""
    going = installation.going
    if installation.run is not None:
        going = [installation.client.run(installation.run)]
    going = [run for run in going if not run.state.over and run.stages]
    surveyor = installation.client.inspection.surveyor
    census: Census | None = None
    if installation.run is None and len(going) > 1:
        census = surveyor.census(
            sorted({(run.flow, stage.name) for run in going for stage in run.stages})
        )
    told = moving = 0
    for run in going:
        try:
            found, steady = _Recount(installation, run).wrongs(census)
        except ServerUnreachable:
            raise
        except StoreError as refused:
            found, steady = [Wrong(f"it can't be recounted: {refused}")], True
        moving += not steady
        for wrong in found:
            told += 1
            if told <= NAMED:
                yield _finding(installation, run, wrong)
    if told > NAMED:
        yield error(SUBJECT, f"{told - NAMED:,} more things don't add up", "See to these first")
    if not told:
        but = f"; {moving:,} changed too quickly, or are too large, to be recounted"
        runs = "1 run" if len(going) == 1 else f"{len(going):,} runs"
        yield ok(SUBJECT, f"{runs} recounted, and all adds up{but if moving else ''}")


class _Recount:
    """Looks at one run until it is sure.

    Args:
        installation: whose.
        run: the run.
    """

    def __init__(self, installation: Installation, run: RunInfo) -> None:
        self._surveyor = installation.client.inspection.surveyor
        self._run = run
        flow = (installation.flows or {}).get(run.flow)
        self._graph = None if flow is None else flow.graph

    def wrongs(self, census: Census | None) -> tuple[list[Wrong], bool]:
        """What is wrong with it, and whether it could be seen well enough to tell.

        Args:
            census: what is in streams, seen before; it is not believed when anything is wrong.
        """
        if census is not None:
            survey = self._surveyor.survey(self._run, census)
            if survey is None or (survey.steady and not self._look(survey)):
                return [], True
        first = self._surveyor.survey(self._run)
        if first is None or first.info.state.over:
            return [], True
        if not (first.steady and first.complete):
            return [], False
        found = self._look(first)
        # all of it was seen at one moment: then it was so
        sure = [wrong for wrong in found if first.at_once and not wrong.passing]
        if len(sure) == len(found):
            return found, True
        time.sleep(PASSES_SECONDS)
        second = self._surveyor.survey(self._run)
        if second is None or second.info.state.over:
            return [], True
        still = {wrong.what for wrong in self._look(second)}
        return [each for each in found if each in sure or each.what in still], second.steady

    def _look(self, survey: Survey) -> list[Wrong]:
        return list(chain(recount(survey, self._graph), ties(survey)))


def _finding(installation: Installation, run: RunInfo, wrong: Wrong) -> Finding:
    text = f"run {run.id} of flow {run.flow}: {wrong.text}"
    remedy = wrong.remedy
    if remedy is not None:
        mending = installation.client.inspection.mending
        level = warning if wrong.harmless else error
        advice = "flowctl doctor --repair mends it"
        return level(SUBJECT, text, advice).mended_by(
            lambda: mending.apply(remedy, run.id, run.flow)
        )
    if wrong.harmless:
        return warning(SUBJECT, text, wrong.advice)
    if wrong.lost:
        advice = (
            f"What is lost can't be mended: flowctl cancel {run.id}, and submit its input again "
            f"under another id"
        )
        return error(SUBJECT, text, wrong.advice or advice)
    advice = f"If it gets no further: flowctl cancel {run.id}, and submit its input again"
    return error(SUBJECT, text, wrong.advice or advice)
