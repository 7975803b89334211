"""PauseFlow: how a stage stops in the middle of its work."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

LONGEST_SECONDS = 100 * 365 * 86_400.0
YEARS = range(2, 9999)
"""Of the first and the last year that datetime knows, some time zones have only a part."""

JOB = "job:"
"""What the name of a wait for a job begins with, before the job's id."""

LONGEST_NAME = 200
_RESERVED = (JOB, "run:")


class PauseFlow(BaseException):
    """Stop here, and go on from here later, on any worker.

    Raised by a function, raised by an iterator's `__next__`, or yielded or raised by a generator.
    Without arguments it gives the worker to others and goes on as soon as possible.

    It derives from BaseException, so that `except Exception` in a stage lets it through.

    What the pause waited for is the value of the `yield`, and `current().signal` in a function,
    which is called again.

    Args:
        after: seconds, or a timedelta, until the stage goes on. Not before; how long after
            depends on how busy the workers are.
        at: the moment when the stage goes on. A naive datetime is local time.
        until: the name of a signal to the run: go on when it is sent, with its data. One that was
            sent before is kept, and one signal wakes one wait, the longest first.
        job: the id of an RQ job, or the job: go on when it is over, with what it returned. If it
            failed, `JobFailed` is raised at the pause.
        timeout: seconds, or a timedelta, for `until` and `job`: if nothing has come by then,
            `SignalTimeout` is raised at the pause.

    Raises:
        TypeError: what is given is no number and no timedelta, no datetime, or no name.
        ValueError: more than one of them is given, or a time that is negative or does not come in
            100 years, or a name that can't be one.
    """

    def __init__(
        self,
        *,
        after: float | timedelta | None = None,
        at: datetime | None = None,
        until: str | None = None,
        job: object = None,
        timeout: float | timedelta | None = None,
    ) -> None:
        given = {"after": after, "at": at, "until": until, "job": job}
        several = [f"{name}=" for name, value in given.items() if value is not None]
        if len(several) > 1:
            raise ValueError(f"PauseFlow takes one of {' and '.join(several)}, not both")
        if timeout is not None and until is None and job is None:
            raise ValueError("PauseFlow(timeout=...) goes with until= or job=; else write after=")
        self.after = None if after is None else _seconds("after", after)
        self.timeout = None if timeout is None else _seconds("timeout", timeout)
        if at is not None:
            _check_moment(at)
        self.at = at
        self.waits_for = _wait_name(until, job)
        """What it waits for: a signal's name, `job:` and a job's id, or None."""
        super().__init__()

    @classmethod
    def waiting(cls, waits_for: str, deadline: float | None) -> PauseFlow:
        """A pause that waits for a signal or a job, as it was written down.

        Args:
            waits_for: as the attribute.
            deadline: when it ends without it, in seconds since the epoch.
        """
        pause = cls(at=None if deadline is None else datetime.fromtimestamp(deadline, UTC))
        pause.waits_for = waits_for
        return pause

    def wake_at(self, now: float) -> float | None:
        """When to go on, in seconds since the epoch.

        None stands for as soon as possible, or, of a pause that waits for something, for as long
        as that takes.

        Args:
            now: the present, in seconds since the epoch.
        """
        if self.after is not None:
            return now + self.after
        if self.timeout is not None:
            return now + self.timeout
        return None if self.at is None else self.at.timestamp()

    def __repr__(self) -> str:
        given = {}
        if self.waits_for is not None:
            is_job = self.waits_for.startswith(JOB)
            given["job" if is_job else "until"] = self.waits_for.removeprefix(JOB)
        times = {"after": self.after, "at": self.at, "timeout": self.timeout}
        shown = given | {name: value for name, value in times.items() if value is not None}
        return f"PauseFlow({', '.join(f'{name}={value!r}' for name, value in shown.items())})"


def check_signal_name(name: object) -> str:
    """The name of a signal, if it is one.

    Raises:
        TypeError: it is no str.
        ValueError: it is empty, longer than 200 bytes, has white space or characters that can't be
            printed, or begins with what names of other waits begin with.
    """
    if not isinstance(name, str):
        raise TypeError(f"the name of a signal is a str, not {type(name).__name__}")
    if (
        not name.isprintable()
        or any(character.isspace() for character in name)
        or not 1 <= len(name.encode("utf-8", "replace")) <= LONGEST_NAME
        or name.startswith(_RESERVED)
    ):
        raise ValueError(
            f"a signal can't be called {name!r}: give 1 to {LONGEST_NAME} characters without white "
            f"space, that don't begin with {' or '.join(_RESERVED)}"
        )
    return name


def _wait_name(until: object, job: object) -> str | None:
    if until is not None:
        return check_signal_name(until)
    if job is None:
        return None
    found = job if isinstance(job, str) else getattr(job, "id", None)
    if not isinstance(found, str):
        raise TypeError(f"PauseFlow(job={job!r}): give a job of RQ, or its id")
    if not found or not found.isprintable() or len(found.encode()) > LONGEST_NAME or " " in found:
        raise ValueError(f"PauseFlow(job={job!r}): that is not the id of a job")
    return JOB + found


def _seconds(option: str, given: object) -> float:
    if isinstance(given, timedelta):
        seconds = given.total_seconds()
    elif isinstance(given, int | float) and not isinstance(given, bool):
        seconds = given
    else:
        raise TypeError(f"PauseFlow({option}={given!r}): give seconds or a timedelta")
    if not 0 <= seconds <= LONGEST_SECONDS:
        raise ValueError(f"PauseFlow({option}={given!r}): give a time from 0 to 100 years")
    return seconds


def _check_moment(at: object) -> None:
    if not isinstance(at, datetime):
        raise TypeError(
            f"PauseFlow(at={at!r}): give a datetime, or after= with seconds or a timedelta"
        )
    if at.year not in YEARS:
        raise ValueError(f"PauseFlow(at={at!r}): give a moment before the year {YEARS.stop}")
