"""Routes: each record goes down one of several lines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar, Unpack

from pauseflow.callee import Callee
from pauseflow.declaration import Options, declare
from pauseflow.errors import FlowDefinitionError
from pauseflow.graph import Kind
from pauseflow.plan import Plan

if TYPE_CHECKING:
    from pauseflow.flow import Flow, Stream

T = TypeVar("T")

_NOT_FOR_ROUTES = ("concurrency", "threads", "fallback")


@dataclass(frozen=True, slots=True)
class Cases:
    """Which line a record goes down.

    Attributes:
        stage: the route's name, for messages.
        arms: the number of the line for each answer of the route's function.
        otherwise: for any other answer; None: that is a mistake.
    """

    stage: str
    arms: Mapping[object, int]
    otherwise: int | None = None

    def arm(self, answer: object) -> int:
        """The number of the line.

        Raises:
            LookupError: there is none for this answer.
            TypeError: the answer can't be looked up, such as a list.
        """
        found = self.arms.get(answer, self.otherwise)
        if found is None:
            known = ", ".join(map(repr, self.arms))
            raise LookupError(
                f"route {self.stage!r} was given {answer!r}, which leads nowhere: it knows "
                f"{known}. Add otherwise=True, or a function that builds the line for all others"
            )
        return found

    @property
    def count(self) -> int:
        """How many lines there are."""
        return len(self.arms) + (self.otherwise is not None)

    def name(self, arm: int) -> str:
        """What a person calls a line."""
        names = {number: str(answer) for answer, number in self.arms.items()}
        return names.get(arm, "otherwise")


class Routes(Generic[T]):
    """The lines of a route: `routes[answer]`, and `routes.otherwise`.

    Each is a handle; or, where a function was given to build the line, what it returned.
    """

    def __init__(self, lines: Mapping[object, Any], otherwise: Any) -> None:
        self._lines = dict(lines)
        self._otherwise = otherwise

    def __getitem__(self, answer: object) -> Any:
        """The line for this answer.

        Raises:
            FlowDefinitionError: there is none.
        """
        try:
            return self._lines[answer]
        except (KeyError, TypeError):
            known = ", ".join(map(repr, self._lines))
            raise FlowDefinitionError(f"no route for {answer!r}: there are {known}") from None

    @property
    def otherwise(self) -> Any:
        """The line for all other answers.

        Raises:
            FlowDefinitionError: there is none.
        """
        if self._otherwise is None:
            raise FlowDefinitionError("this route has no line for others: add otherwise=True")
        return self._otherwise


class Routed(Generic[T]):
    """The part of a handle that routes records."""

    _flow: Flow
    _plan: Plan
    _after: str | None
    _arm: int | None

    def route(
        self,
        fn: Callable[[T], object],
        cases: Iterable[object] | Mapping[Any, Callable[[Stream[T]], object]],
        *,
        otherwise: bool | Callable[[Stream[T]], object] = False,
        **options: Unpack[Options],
    ) -> Routes[T]:
        """Call `fn` with each record; its answer says which line the record goes down.

        Each line keeps its order. A line that nothing follows gives results.

        Args:
            fn: a plain function of one record.
            cases: the answers that there are; or a dict of them, with a function for each that is
                called with the handle of its line, now, and goes on from there.
            otherwise: True, or such a function: a line for all other answers. Without it another
                answer is an error of this stage.
            **options: see `Options`. `concurrency=`, `threads=` and `fallback=` are not for routes.

        Raises:
            FlowDefinitionError: it can't work; the message says what to write instead.
        """
        from pauseflow.flow import Stream  # noqa: PLC0415 # a handle is made of this class

        for option in _NOT_FOR_ROUTES:
            if options.get(option) is not None:
                raise FlowDefinitionError(
                    f"route(...) has no option {option}=: do what takes time in a map before it"
                )
        stage = declare(Kind.ROUTE, fn, options)
        if stage.is_async:
            raise FlowDefinitionError(
                f"route(...) takes a plain function, and {Callee.of(fn, asked_by='').signature()} "
                f"is async: do what takes time in a map before it"
            )
        answers = _answers(stage.name, cases)
        arms = {answer: number for number, answer in enumerate(answers)}
        rest = len(arms) if otherwise else None
        stage = replace(stage, cases=Cases(stage.name, arms, rest))
        self._plan.add(stage, after=self._after, arm=self._arm)

        def line(number: int, build: object) -> object:
            handle: Stream[T] = Stream(self._flow, self._plan, stage.name, number)
            return build(handle) if callable(build) else handle

        builders = cases if isinstance(cases, Mapping) else {}
        lines = {answer: line(arms[answer], builders.get(answer)) for answer in answers}
        return Routes(lines, None if rest is None else line(rest, otherwise))


def _answers(name: str, cases: object) -> list[object]:
    wrong = f"stage {name!r}: route(fn, cases) takes "
    if isinstance(cases, str | bytes) or not isinstance(cases, Iterable):
        raise FlowDefinitionError(f"{wrong}a list of answers, or a dict of them, not {cases!r}")
    answers = list(cases)
    try:
        unique = len(set(answers)) == len(answers)
    except TypeError:
        raise FlowDefinitionError(f"{wrong}answers that can be keys of a dict") from None
    if not answers or not unique:
        raise FlowDefinitionError(f"{wrong}one answer or more, each once, not {answers!r}")
    if isinstance(cases, Mapping):
        for answer, build in cases.items():
            if not callable(build):
                raise FlowDefinitionError(
                    f"{wrong}a function of a handle for each answer, and that for {answer!r} is "
                    f"{build!r}"
                )
    return answers
