"""What is said of a dead letter: as an object for programs, and in words."""

from __future__ import annotations

import json
from collections.abc import Iterator

from pauseflow.app import App
from pauseflow.cli.jsonlines import encode
from pauseflow.cli.table import age
from pauseflow.client import Letter
from pauseflow.codec.showing import decode_to_show
from pauseflow.errors import AppError, MalformedData
from pauseflow.resumable.series import Series
from pauseflow.resumable.showing import FrameView
from pauseflow.resumable.views import views_of
from pauseflow.stages.frame import Frame
from pauseflow.stages.state import State


def as_object(letter: Letter) -> dict[str, object]:
    """All of a letter as plain JSON, without how far it had come."""
    return {
        "key": letter.key,
        "flow": letter.flow,
        "run": letter.run,
        "stage": letter.stage,
        "died": letter.died.isoformat(),
        "attempts": letter.attempts,
        "crashes": letter.crashes,
        "error_type": letter.error_type,
        "error": letter.error,
        "traceback": letter.traceback,
        "end_of_series": letter.is_marker,
        "record": json.loads(record_of(letter)),
    }


def row_of(letter: Letter) -> tuple[str, ...]:
    """A letter's line in a list."""
    first, *_ = letter.error.splitlines() or [""]
    return (letter.key, letter.flow, str(letter.attempts), age(letter.died), _said(letter, first))


def in_full(letter: Letter, app: App | None) -> Iterator[str]:
    """The lines that tell all of a letter.

    Args:
        letter: the letter.
        app: where its flow is, to say where in the code its frame stands; None: somewhere else.
    """
    tried = f"{letter.attempts} attempts" if letter.attempts != 1 else "1 attempt"
    crashed = f", {letter.crashes} of its workers died" if letter.crashes else ""
    yield (
        f"dead letter {letter.key} of flow {letter.flow}, set aside {age(letter.died)} ago after "
        f"{tried}{crashed}"
    )
    if letter.is_marker:
        yield "the end of a series, for finished="
    else:
        yield f"record: {record_of(letter)}"
    yield from _stand(letter, app)
    yield ""
    yield letter.traceback.rstrip() or _said(letter, letter.error)


def record_of(letter: Letter) -> str:
    """The record as JSON. What it is an instance of need not be known here."""
    try:
        return encode(letter.record)
    except MalformedData:
        pass
    try:
        return encode(decode_to_show(letter.item))
    except MalformedData as error:
        return json.dumps(f"can't be read: {error}")


def _said(letter: Letter, text: str) -> str:
    return f"{letter.error_type}: {text}" if text else letter.error_type


def _stand(letter: Letter, app: App | None) -> Iterator[str]:
    """Where its frame stands, if it had come any further than its beginning."""
    try:
        data = State.parse(letter.state, 1).frames.get(0)
        frame = None if data is None else Frame.from_bytes(data)
    except MalformedData as error:
        yield f"how far it had come can't be read: {error}"
        return
    if frame is None or frame.series is None:
        yield "goes on from its beginning"
        return
    yield f"{frame.emitted:,} values were emitted before it failed"
    series = _series(letter, app)
    for view in views_of(frame.series) if series is None else series.views(frame.series):
        yield from _view(view)


def _view(view: FrameView) -> Iterator[str]:
    place = f"line {view.line}" if view.file == "?" else f"{view.file}:{view.line}"
    yield f"goes on in {view.function}, {place}"
    if view.source:
        yield f"    {view.source}"
    for name, text in view.locals.items():
        yield f"    {name} = {text}"
    if view.note:
        yield f"    {view.note}"


def _series(letter: Letter, app: App | None) -> Series | None:
    if app is None:
        return None
    try:
        return app.flow(letter.flow).graph[letter.stage].series
    except AppError:
        return None
