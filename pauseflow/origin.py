"""Origins: which code made a frame, and which code can take it up. What workers tell each other."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Origin:
    """The code that made a frame.

    Attributes:
        function: `module:qualname` of the function that stands there.
        fingerprint: of its source.
        version: its label; empty if it has none.
        holds: the fingerprints of other functions whose generators it holds.
    """

    function: str
    fingerprint: str
    version: str = ""
    holds: tuple[str, ...] = ()

    def __str__(self) -> str:
        return named(self.fingerprint, self.version)


@dataclass(frozen=True, slots=True)
class Code:
    """The code of one stage, as far as frames are concerned.

    Attributes:
        fingerprint: of the stage's function; empty if it has no source.
        version: its label; empty if it has none.
        takes: fingerprints and labels of older code that `migrate=` is declared for.
        holds: fingerprints of generator functions that it may hold, or call for its series.
    """

    fingerprint: str
    version: str = ""
    takes: frozenset[str] = frozenset()
    holds: frozenset[str] = frozenset()

    def can_enter(self, origin: Origin) -> bool:
        """Whether a frame of this origin can go on in this code."""
        if not self.takes.isdisjoint((origin.fingerprint, origin.version or origin.fingerprint)):
            return True
        has = self.holds | {self.fingerprint}
        return origin.fingerprint in has and has.issuperset(origin.holds)

    def to_data(self) -> list[object]:
        """As plain JSON."""
        return [self.fingerprint, self.version, sorted(self.takes), sorted(self.holds)]

    @classmethod
    def from_data(cls, data: object) -> Code | None:
        """What `to_data` gave; None if it isn't that."""
        match data:
            case [str(fingerprint), str(version), list(takes), list(holds)] if all(
                isinstance(each, str) for each in (*takes, *holds)
            ):
                return cls(fingerprint, version, frozenset(takes), frozenset(holds))
        return None

    def __str__(self) -> str:
        return named(self.fingerprint, self.version)


def named(fingerprint: str, version: str) -> str:
    """What a person calls code: its label, if it has one, beside its fingerprint."""
    code = fingerprint or "(no source)"
    return f"{code} ({version})" if version else code
