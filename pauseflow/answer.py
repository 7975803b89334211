"""Answer: what came for a record that waited for a signal or a job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from pauseflow import codec
from pauseflow.errors import JobFailed, MalformedData, SignalTimeout
from pauseflow.pause import JOB

AnswerKind: TypeAlias = Literal["signal", "timeout", "done", "failed"]

_KINDS = frozenset(get_args(AnswerKind))
_LONGEST_HEADER = 300


@dataclass(frozen=True, slots=True)
class Answer:
    """What a wait was ended with.

    Attributes:
        kind: `signal`; `done` or `failed` of a job; or `timeout`.
        name: what was waited for: a signal's name, or `job:` and a job's id.
        data: encoded: a signal's data, or what a job returned; of a failed job the list of its
            exception's type name, text and traceback. Empty of a timeout.
    """

    kind: AnswerKind
    name: str
    data: bytes = b""

    @classmethod
    def of_signal(cls, name: str, value: object) -> Answer:
        """A signal with this data.

        Raises:
            NotSerializable: the data has no encoding.
        """
        return cls("signal", name, codec.encode(value))

    @classmethod
    def of_done(cls, job: str, value: object) -> Answer:
        """The end of a job that returned this.

        Raises:
            NotSerializable: the value has no encoding.
        """
        return cls("done", JOB + job, codec.encode(value))

    @classmethod
    def of_failed(cls, job: str, error_type: str, message: str, traceback: str = "") -> Answer:
        """The end of a job that raised this."""
        return cls("failed", JOB + job, codec.encode([error_type, message, traceback]))

    def pack(self) -> bytes:
        """The bytes that `parse` reads."""
        return b"%b %b\n%b" % (self.kind.encode(), self.name.encode(), self.data)

    @classmethod
    def parse(cls, data: bytes) -> Answer:
        """Read what `pack` wrote.

        Raises:
            MalformedData: it isn't that.
        """
        head = data[:_LONGEST_HEADER].partition(b"\n")[0]
        kind, _, name = head.decode("utf-8", "replace").partition(" ")
        if kind not in _KINDS or not name or len(head) == _LONGEST_HEADER:
            raise MalformedData(f"not an answer to a wait: it begins with {data[:40]!r}")
        return cls(kind, name, data[len(head) + 1 :])  # type: ignore[arg-type]  # checked above

    def value(self) -> object:
        """The data.

        Raises:
            SignalTimeout: nothing came in time.
            JobFailed: the job failed.
            MalformedData: the data is damaged.
        """
        if self.kind == "timeout":
            raise SignalTimeout(self.name)
        value = codec.decode(self.data)
        if self.kind != "failed":
            return value
        match value:
            case [str(error_type), str(message), str(traceback)]:
                raise JobFailed(self.name[len(JOB) :], error_type, message, traceback)
            case _:
                raise MalformedData("the failure of a job that has parts that it should not have")
