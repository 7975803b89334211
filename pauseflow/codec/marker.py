"""Marker: the punctuation that travels among the records."""

from __future__ import annotations


class Marker:
    """Says that a scope is over: nothing that descends from its record comes after it.

    The engine writes it after a branch's last output and takes it out again; stages never see it.

    Args:
        branch: the name of the branch whose series is over.
        scope: the ordinal of the branch's input record, which the series descends from.
        value: what the end of the series carries, such as the input record.
    """

    __slots__ = ("branch", "scope", "value")

    def __init__(self, branch: str, scope: int, value: object) -> None:
        self.branch = branch
        self.scope = scope
        self.value = value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Marker):
            return NotImplemented
        return (self.branch, self.scope, self.value) == (other.branch, other.scope, other.value)

    def __hash__(self) -> int:
        # The value may be a list or a dict, which have no hash.
        return hash((self.branch, self.scope))

    def __repr__(self) -> str:
        return f"Marker(branch={self.branch!r}, scope={self.scope!r}, value={self.value!r})"
