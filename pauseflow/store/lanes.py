"""Lanes: the streams that a stage's chunks come by, one for each priority."""

from __future__ import annotations

from enum import IntEnum


class Lane(IntEnum):
    """A priority, the most urgent first."""

    HIGH = 0
    NORMAL = 1
    LOW = 2

    @property
    def word(self) -> str:
        """What a person calls it, and `lane_of` in lua/includes/lane.lua."""
        return self.name.lower()

    @property
    def stored(self) -> str:
        """As it stands in a run's hash; empty for the normal one."""
        return "" if self is Lane.NORMAL else self.word

    def of(self, name: str) -> str:
        """The lane of a stream or stage.

        Args:
            name: of the normal one.
        """
        return name if self is Lane.NORMAL else f"{name}:{self.word}"


PRIORITIES = tuple(lane.word for lane in Lane)


def lane(priority: str) -> Lane:
    """The lane of a priority.

    Raises:
        ValueError: it is none of `high`, `normal` and `low`.
    """
    try:
        return Lane[priority.upper()]
    except (KeyError, AttributeError):
        words = ", ".join(PRIORITIES)
        raise ValueError(f"priority {priority!r}: give one of {words}") from None
