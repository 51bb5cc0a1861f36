"""What came of comparing numbers of which PyTorch's own change where its ops round otherwise, and how much was held."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from nnapi_check.lowering.verification.approximation import MARGIN

ROW_TOLERANCE = 1e-3
"""Greatest error of a number that is taken for the same, as a share of the output's range."""

BEYOND = 4
"""So many times as far from PyTorch's own as these from each other a number may lie: it may be rounded more often."""

_MOST_NAMED = 4


class Unit(Enum):
    """What is matched: rows in any order, or elements in place, where outputs have one row or PyTorch keeps none."""

    ROWS = "rows"
    ELEMENTS = "elements"


@dataclass(frozen=True, slots=True)
class Stray:
    """What is on one side only: ``lost`` are PyTorch's, ``new`` are not."""

    lost: int
    new: int

    def is_allowed_by(self, own: Stray, unit: Unit) -> bool:
        """Whether there are no more than PyTorch's own allow for: of elements on each side, of rows on both together.

        A row that changes enough is lost as it was and new as it is, and few draws tell little of either alone.
        """
        if unit is Unit.ROWS:
            return self.lost + self.new <= MARGIN * (own.lost + own.new)
        return self.lost <= MARGIN * own.lost and self.new <= MARGIN * own.new


NONE = Stray(0, 0)


@dataclass(frozen=True, slots=True)
class Held:
    """How PyTorch's rows or elements are held: ``exactly`` are those that none of its own lose, ``among`` those that
    must be one of what its own give instead, and ``loosely`` those of which its own share nothing, which only must
    lie no farther from them than they do from each other."""

    exactly: int
    among: int = 0
    loosely: int = 0

    @property
    def words(self) -> str:
        """How many are held in which way."""
        return f"{self.exactly} held exactly, {self.among} as one of what its own give, {self.loosely} by distance only"


@dataclass(frozen=True, slots=True)
class RowSet:
    """How many rows some outputs have together, and how many of them PyTorch's have too. ``outputs`` are their places,
    and ``jumping`` those that PyTorch's own jump in, which only this comparison holds.

    ``own_unmatched`` is how many rows PyTorch's own outputs do not share at most where its ops round otherwise.
    ``unexplained`` are the rows on one side only that never are in PyTorch's own, and ``own_unexplained`` as many of
    one of PyTorch's own, held against its others. ``farthest`` is how far a row lies from the nearest of PyTorch's own,
    in shares of what is taken for the same, and ``own_farthest`` how far one of its own from its others. ``ops`` are
    those on the way to these outputs of which their cards say that their results jump.
    """

    outputs: tuple[int, ...]
    found: int
    wanted: int
    matched: int
    held: Held
    own_unmatched: int = 0
    unexplained: Stray = NONE
    own_unexplained: Stray = NONE
    farthest: float = 0.0
    own_farthest: float = 0.0
    unit: Unit = Unit.ROWS
    jumping: tuple[int, ...] = ()
    ops: tuple[str, ...] = ()

    @property
    def unmatched(self) -> int:
        """How many rows are on one side only."""
        return self.found + self.wanted - 2 * self.matched

    @property
    def is_within_tolerance(self) -> bool:
        """Whether PyTorch's own, where it rounds otherwise, allow for so many rows on one side only, and for these."""
        return (
            self.unmatched <= MARGIN * self.own_unmatched
            and self.unexplained.is_allowed_by(self.own_unexplained, self.unit)
            and self.farthest <= BEYOND * (1.0 + self.own_farthest)
        )

    @property
    def is_blind(self) -> bool:
        """Whether PyTorch's own share nothing, so that nothing is held exactly or to be one of what they give."""
        return self.wanted > 0 and self.held.exactly + self.held.among == 0

    @property
    def words(self) -> str:
        """What was compared, in a sentence."""
        names, unit = ", ".join(f"output {place}" for place in self.outputs), self.unit.value
        way = "as a set of rows" if self.unit is Unit.ROWS else "element by element"
        told = (
            f"{names} compared {way}, for PyTorch's own change where ops round otherwise{self._cause}: {self.matched} "
            f"of PyTorch's {self.wanted} {unit} are among the {self.found} (within {ROW_TOLERANCE:g} of the range), "
            f"{self.unmatched} are on one side only; of PyTorch's own, up to {self.own_unmatched}. "
            f"Of PyTorch's {unit}, {self.held.words}"
        )
        if self.is_blind:
            told += ", for its own share none, so that the parts were compared each alone as well"
        if self.unmatched:
            own = self.own_unexplained
            told += (
                f". Of the {self.unmatched}, PyTorch never loses or moves {self.unexplained.lost} and never adds "
                f"{self.unexplained.new}; of its own, up to {own.lost} and {own.new}"
            )
        return told

    @property
    def _cause(self) -> str:
        if not self.ops:
            return ""
        rest = len(self.ops) - _MOST_NAMED
        told = ", ".join(self.ops[:_MOST_NAMED]) + (f" and {rest} more" if rest > 0 else "")
        return f" ({told} may jump)"
