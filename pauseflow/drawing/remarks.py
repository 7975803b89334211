"""Remarks: what a stage's options say, in a few words each."""

from __future__ import annotations

from pauseflow.graph import Kind, Stage

SEQUENTIAL_ANYWAY = (Kind.EACH, Kind.FINISHED)


def remarks(stage: Stage) -> tuple[str, ...]:
    """What a reader of the graph should know of a stage besides its kind. Defaults are left out."""
    failing = stage.failing
    in_turn = stage.sequential and stage.window in (None, 1)
    sequential = stage.sequential and stage.kind not in SEQUENTIAL_ANYWAY
    last_resort = failing.fallback is not None or failing.on_error != "halt"
    told = (
        f"of {stage.scope}" if stage.scope and stage.scope not in stage.name.split(".") else "",
        "" if stage.ordered else "unordered",
        "sequential" if sequential else "",
        f"queue {stage.job.queue}" if stage.job else "",
        f"window {stage.window}" if stage.window is not None and not in_turn else "",
        f"concurrency {stage.concurrency}" if stage.concurrency > 1 else "",
        f"threads {stage.threads}" if stage.threads > 1 else "",
        f"retries {failing.retries}" if failing.retries else "",
        _when_all_fails(stage) if last_resort else "",
        f"timeout {_span(stage.timeout)}" if stage.timeout is not None else "",
        f"rate {stage.rate.text}{' a key' if stage.rate.key else ''}" if stage.rate else "",
        f"limit {stage.limit.count}{' a key' if stage.limit.key else ''}" if stage.limit else "",
    )
    return tuple(word for word in told if word)


def _when_all_fails(stage: Stage) -> str:
    fallback = stage.failing.fallback
    if fallback is None:
        return "failures set aside"
    return f"fallback {getattr(fallback, '__name__', type(fallback).__name__)}"


def _span(seconds: float) -> str:
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length and seconds % length == 0:
            return f"{seconds / length:g} {unit}"
    return f"{seconds:g} s" if seconds >= 1 else f"{seconds * 1000:g} ms"
